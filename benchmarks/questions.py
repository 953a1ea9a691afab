"""How many questions active pairing needs, and how many uniform sampling needs, with judges whose answers are known.

    python benchmarks/questions.py --work DIR            # collects captions of NetHack first; goes on where it was stopped
    python benchmarks/questions.py --work DIR --seeds 1 --skills merchant
    python benchmarks/questions.py --work DIR --most 25600 --choosing --plot curves.png    # what docs/feedback.md shows

Captions: each seed has play of its own by NetHack's explorer (``--steps``, as ``[collect]`` has by default). One distinct caption in
five is held out: no question is about it, and no feature is taken from it. Accuracy is measured on pairs of distinct held-out captions,
drawn uniformly from those that the noise-free judge decides (up to 5,000).

The judge is the scoring program that is recorded for each skill (``--judge truth``: the domain's own measure of progress), made worse:
where two scores differ by no more than ``CLOSE`` it says "first" with probability ``BIAS``, and then one answer in ten is turned round
(a tie becomes either side).

Arms, by pairs and learner:

    observations/character-cnn   any two steps of play, copies and all, and a convolution over the message's bytes beside the signs
    observations/linear          the same pairs, and the linear model with a prior
    captions/linear              any two distinct captions
    active/linear                active pairing, its own held-out questions counted and learnt from
    stopped                      active pairing with ``stop = true``: where it ends

An arm's number of questions is the first at which 95 % is reached and not lost again before twice as many (as far as it was measured),
interpolated between logarithms of sizes. Where that does not happen, the largest size is a lower bound (``"reached": false``). Every result
is on the disk, in ``DIR``, as soon as it is there; ``--out`` gets all of them with ratios, and ``--plot`` draws the curves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy comes: a process per core, a thread per process

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.registry import load_domain
from maestromotif.feedback import AnnotateConfig, CollectConfig, collect
from maestromotif.feedback.annotators.judge import extract_program, tie_margin
from maestromotif.feedback.journal import Answered
from maestromotif.feedback.questions import ActiveQuestions
from maestromotif.feedback.scoring import score_inputs
from maestromotif.feedback.selection import design_of
from maestromotif.feedback.tables import CaptionTable
from maestromotif.files import write_atomically
from maestromotif.rewards.belief import fit_belief, linear_scorer
from maestromotif.rewards.bradley_terry import fit_bradley_terry
from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.encoders import make_reader
from maestromotif.rewards.encoders.hashed import HashedReader, build_corpus
from maestromotif.rewards.features import feature_hashes
from maestromotif.skills import Skill
from maestromotif.types import Verdict

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Curve = list[tuple[int, float]]
FLIP, BIAS, CLOSE, GOAL = 0.1, 0.2, 0.25, 0.95
SKILLS = ("discoverer", "descender", "ascender", "merchant", "worshipper")
_SIZES = (25, 35, 50, 71, 100, 141, 200, 283, 400, 566, 800, 1131, 1600, 2263, 3200, 4525, 6400)
# Largest size of each arm; the convolution takes long, so it gets fewer points.
ARMS = {
    "active/linear": [size for size in _SIZES if size <= 1600],
    "captions/linear": list(_SIZES),
    "stopped": [3200],
    "observations/linear": [size for size in _SIZES if size in (100, 200, 400, 800, 1600, 3200, 6400)],
    "observations/character-cnn": [400, 1600, 6400],
}
OURS = "active/linear"
_VERDICTS = {1.0: Verdict.FIRST, 0.0: Verdict.SECOND, 0.5: Verdict.TIE}
# Student's t, 97.5 %, by degrees of freedom.
_STUDENT = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def uniform_pairs(size: int, number: int, rng: np.random.Generator) -> Rows:
    """Different rows, each pair equally likely."""
    first = rng.integers(size, size=number)
    return np.stack([first, (first + rng.integers(1, size, size=number)) % size], axis=1)


def answers(score_N: Floats, margin: float, pairs_P: Rows, rng: np.random.Generator) -> Floats:
    """The noisy judge's targets, float64 ``[P]`` in {0, 0.5, 1}."""
    difference_P = score_N[pairs_P[:, 0]] - score_N[pairs_P[:, 1]]
    target_P = np.where(np.abs(difference_P) <= margin, 0.5, difference_P > 0)
    biased_P = (np.abs(difference_P) <= max(CLOSE, margin)) & (rng.random(len(pairs_P)) < BIAS)
    target_P = np.where(biased_P, 1.0, target_P)
    turned_P = np.where(target_P == 0.5, rng.random(len(pairs_P)) < 0.5, 1.0 - target_P)
    return np.where(rng.random(len(pairs_P)) < FLIP, turned_P, target_P)


def needed(curve: Curve) -> tuple[float, bool]:
    """Questions at which accuracy reaches the goal and keeps it up to twice as many; else the largest size, and False."""
    for place, (size, accuracy) in enumerate(curve):
        rest = [later for number, later in curve[place:] if number <= 2.1 * size]
        if min(rest) < GOAL:
            continue
        before, lower = curve[place - 1] if place else (size, accuracy)
        share = (GOAL - lower) / (accuracy - lower) if lower < GOAL else 1.0
        return before * math.exp(share * math.log(size / before)), True
    return float(curve[-1][0]), False


class World:
    """One seed's captions, and one skill's noise-free scores of them."""

    def __init__(self, play: Path, skill: str, judge: str, seed: int) -> None:
        self.skill, self.seed = skill, seed
        domain = load_domain("nethack")
        captions = CaptionTable.load(play / "captions.parquet", domain)
        inputs = [captions.reward_input(row) for row in range(len(captions))]
        order = np.random.default_rng([seed, 0]).permutation(len(captions))
        held, pool = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])
        if judge == "truth":
            score_N, self.margin = np.array([domain.caption_score(skill, one) for one in inputs], np.float64), 0.0
        else:
            (folder,) = domain.recorded_answers
            source = extract_program((Path(folder) / f"judge-{skill}.md").read_text(encoding="utf-8"), skill)
            scores = score_inputs(source, inputs, domain.sign_specs, f"judge-{skill}.py", 120.0)
            score_N, self.margin = np.array(scores, np.float64), tie_margin(source, skill)
        self.captions, self.score_N, self.test_N = captions.select(pool), score_N[pool], score_N[held]
        self._pool_inputs, self._test_inputs = [inputs[row] for row in pool], [inputs[row] for row in held]
        drawn = uniform_pairs(len(held), 100_000, np.random.default_rng([seed, 3]))
        self._pairs = drawn[np.abs(self.test_N[drawn[:, 0]] - self.test_N[drawn[:, 1]]) > self.margin][:5000]
        reader = make_reader("character-cnn", [len(spec.values) for spec in domain.sign_specs])
        self._texts, self._test_texts = reader.read(self._pool_inputs), reader.read(self._test_inputs)

    @cached_property
    def hashed(self) -> Any:
        corpus = build_corpus([feature_hashes(one) for one in self._pool_inputs], 1)
        return design_of(self.captions), len(corpus.buckets), HashedReader(corpus.buckets).read(self._test_inputs)

    def right(self, raw_N: Floats) -> float:
        """Share of the held-out pairs that raw rewards of the held-out captions order rightly."""
        one, other = self._pairs.T
        return float(np.mean((raw_N[one] > raw_N[other]) == (self.test_N[one] > self.test_N[other])))

    def linear(self, pairs_P: Rows, target_P: Floats) -> float:
        design, features, test = self.hashed
        return self.right(linear_scorer(design, fit_belief(design, pairs_P, target_P), features).raws(test))

    def convolution(self, pairs_P: Rows, target_P: Floats) -> float:
        config = RewardConfig(encoder="character-cnn", held_out=0.001)
        return self.right(fit_bradley_terry(self._texts, pairs_P, target_P, config, self.seed).model.raws(self._test_texts))

    def drawn(self, way: str, number: int) -> tuple[Rows, Floats]:
        rng = np.random.default_rng([self.seed, 2])
        if way == "observations":
            pairs = rng.choice(len(self.captions), (number, 2), p=self.captions.counts / self.captions.counts.sum())
        else:
            pairs = uniform_pairs(len(self.captions), number, rng)
        return pairs, answers(self.score_N, self.margin, pairs, rng)

    def active(self, most: int, stop: bool) -> Iterator[tuple[Rows, Floats]]:
        """All questions with their answers after each batch."""
        questions = ActiveQuestions(
            self.captions, self.hashed[0], Skill(self.skill, "A judge's."), AnnotateConfig(pairs=most, stop=stop), self.seed
        )
        rng, row_of = np.random.default_rng([self.seed, 1]), self.captions.rows()
        given: dict[str, Answered] = {}
        pairs, targets = np.zeros((0, 2), np.int64), np.zeros(0)
        while batch := questions.more(given):
            asked = np.array([[row_of[first], row_of[second]] for _, first, second in batch], np.int64)
            said = answers(self.score_N, self.margin, asked, rng)
            given.update((pair.id, Answered(_VERDICTS[value])) for (pair, _, _), value in zip(batch, said.tolist(), strict=True))
            pairs, targets = np.concatenate([pairs, asked]), np.concatenate([targets, said])
            yield pairs, targets


@lru_cache(maxsize=2)
def world(play: Path, skill: str, judge: str, seed: int) -> World:
    return World(play, skill, judge, seed)


def sizes_of(arm: str, most: int) -> list[int]:
    """Sizes at which an arm is measured; those of uniform sampling go on by doubling up to ``most``."""
    sizes = list(ARMS[arm])
    while arm.partition("/")[0] not in ("active", "stopped") and 2 * sizes[-1] <= most:
        sizes.append(2 * sizes[-1])
    return sizes


def open_(file: Path, arm: str, most: int) -> bool:
    """Whether an arm is still to be measured, or to be measured with more questions than before."""
    if not file.exists():
        return True
    found = json.loads(file.read_text(encoding="utf-8"))
    return arm != "stopped" and not found["reached"] and found["curve"][-1][0] < sizes_of(arm, most)[-1]


def run(play: Path, skill: str, judge: str, seed: int, arm: str, most: int) -> dict[str, Any]:
    """One arm of one skill and seed; its curve ends once 95 % has been kept for twice as many questions."""
    began, here, curve = time.process_time(), world(play, skill, judge, seed), []
    way, _, learner = arm.partition("/")
    learn: Callable[[Rows, Floats], float] = here.convolution if learner == "character-cnn" else here.linear
    sizes = sizes_of(arm, most)
    if arm == "stopped":
        pairs, targets = list(here.active(sizes[-1], True))[-1]
        curve.append((len(pairs), learn(pairs, targets)))
    else:
        batches = here.active(sizes[-1], False) if way == "active" else iter([here.drawn(way, sizes[-1])])
        pairs, targets = next(batches)
        for size in sizes:
            while len(pairs) < size:
                pairs, targets = next(batches)
            curve.append((size, learn(pairs[:size], targets[:size])))
            value, reached = needed(curve)
            if reached and curve[-1][0] >= 2 * value:
                break
    value, reached = needed(curve)
    return {
        "seed": seed,
        "skill": skill,
        "arm": arm,
        "captions": len(here.captions),
        "curve": curve,
        "needed": round(value, 1),
        "reached": reached,
        "seconds": round(time.process_time() - began, 1),
    }


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean and 95 % interval (Student's t over logarithms)."""
    logs = np.log(ratios)
    middle = float(logs.mean())
    half = _STUDENT[len(logs) - 1] * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def summary(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each skill and arm, questions and how many times as many as ours; bounds where an arm did not reach the goal."""
    by = {(one["skill"], one["arm"], one["seed"]): one for one in runs}
    rows = []
    for skill, arm in dict.fromkeys((one["skill"], one["arm"]) for one in runs):
        mine = [one for (name, way, _), one in by.items() if (name, way) == (skill, arm)]
        both = [(one, by[skill, OURS, one["seed"]]) for one in mine if (skill, OURS, one["seed"]) in by and arm != "stopped"]
        row: dict[str, Any] = {"skill": skill, "arm": arm, "seeds": len(mine), "reached": sum(one["reached"] for one in mine)}
        row["questions"] = round(float(np.exp(np.mean([math.log(one["needed"]) for one in mine]))))
        if arm == "stopped":
            row["accuracy"] = round(float(np.mean([one["curve"][-1][1] for one in mine])), 4)
            row["lowest"] = min(one["curve"][-1][1] for one in mine)
        elif len(both) > 1 and arm != OURS:
            ratio, low, high = interval([one["needed"] / ours["needed"] for one, ours in both])
            row["ratio"] = {"mean": round(ratio, 2), "low": round(low, 2), "high": round(high, 2), "is_bound": row["reached"] < len(mine)}
        rows.append(row)
    return rows


def overall(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each arm, how many times as many questions as ours, all skills together: geometric means of each seed, and their interval.
    Where an arm did not reach the goal its bound counts, so that these are bounds, too."""
    needs = {(one["skill"], one["seed"], one["arm"]): one["needed"] for one in runs}
    found = {}
    for arm in dict.fromkeys(one["arm"] for one in runs if one["arm"] not in (OURS, "stopped")):
        by_seed: dict[int, list[float]] = {}
        for (skill, seed, way), value in needs.items():
            if way == arm and (skill, seed, OURS) in needs:
                by_seed.setdefault(seed, []).append(math.log(value / needs[skill, seed, OURS]))
        if len(by_seed) > 1:
            ratio, low, high = interval([math.exp(np.mean(logs)) for logs in by_seed.values()])
            found[arm] = {"mean": round(ratio, 2), "low": round(low, 2), "high": round(high, 2)}
    return found


def plot(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Accuracy by questions, a panel for each skill: mean over seeds, and the band from lowest to highest. Curves that ended, as 95 % was
    kept, count with their last value."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    skills = list(dict.fromkeys(one["skill"] for one in runs))
    figure, axes = pyplot.subplots(1, len(skills), figsize=(3.0 * len(skills), 3.4), sharey=True, squeeze=False, layout="constrained")
    colours = {"active/linear": "C3", "captions/linear": "C0", "observations/linear": "C2", "observations/character-cnn": "C7"}
    for axis, skill in zip(axes[0], skills, strict=True):
        for arm, colour in colours.items():
            points: dict[int, list[float]] = {}
            curves = [one["curve"] for one in runs if (one["skill"], one["arm"]) == (skill, arm)]
            for size, accuracy in (point for curve in curves for point in curve):
                points.setdefault(size, []).append(accuracy)
            sizes = sorted(points)
            for curve, size in ((curve, size) for curve in curves for size in sizes if size > curve[-1][0]):
                points[size].append(curve[-1][1])
            if not sizes:
                continue
            axis.plot(sizes, [np.mean(points[size]) for size in sizes], color=colour, label=arm)
            low, high = ([pick(points[size]) for size in sizes] for pick in (min, max))
            axis.fill_between(sizes, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.axhline(GOAL, color="black", linewidth=0.7, linestyle=":")
        axis.set(xscale="log", title=skill, xlabel="questions", ylim=(0.4, 1.0))
    axes[0][0].set_ylabel("held-out pairs ordered rightly")
    axes[0][0].legend(fontsize="x-small", loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def choosing(work: Path, rows: int, most: int) -> dict[str, Any]:
    """Seconds of one thread that choosing takes for a whole annotation among ``rows`` captions, NetHack's with words added."""
    parts = [CaptionTable.load(file, load_domain("nethack")) for file in sorted(work.glob("play-*/captions.parquet"))]
    known = parts[0].merge(*parts[1:])
    copies = -(-rows // len(known))
    messages = tuple(f"{message} {chr(97 + copy)}" for copy in range(copies) for message in known.messages)[:rows]
    signs, texts = np.tile(known.signs, (copies, 1))[:rows], (known.texts * copies)[:rows]
    captions = CaptionTable(np.arange(rows), messages, signs, texts, np.ones(rows, np.int64))
    began = time.process_time()
    design = design_of(captions)
    read, rng = time.process_time() - began, np.random.default_rng(0)
    score_N = signs[:, 0] * 3.0 + signs[:, 5] + np.array(["kill" in message for message in messages]) * 2.0
    questions = ActiveQuestions(captions, design, Skill("s", "S."), AnnotateConfig(pairs=most, stop=False), 0)
    given: dict[str, Answered] = {}
    row_of = captions.rows()
    while batch := questions.more(given):
        asked = np.array([[row_of[first], row_of[second]] for _, first, second in batch], np.int64)
        for (pair, _, _), value in zip(batch, answers(score_N, 0.0, asked, rng).tolist(), strict=True):
            given[pair.id] = Answered(_VERDICTS[value])
    seconds = time.process_time() - began
    return {"captions": rows, "questions": len(given), "seconds": round(seconds, 1), "of_which_features": round(read, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "maestromotif-questions", help="captions and results")
    parser.add_argument("--seeds", type=int, default=5, choices=range(1, 11))
    parser.add_argument("--skills", nargs="*", default=list(SKILLS), choices=SKILLS)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--judge", choices=("program", "truth"), default="program")
    parser.add_argument("--steps", type=int, default=160_000, help="of play for each seed")
    parser.add_argument("--most", type=int, default=6_400, help="questions of uniform sampling where 95 %% is not reached before")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--choosing", action="store_true", help="also how long choosing takes among 50,000 captions")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/questions.json"))
    parser.add_argument("--plot", type=Path, default=None, help="a PNG to draw the curves into")
    arguments = parser.parse_args()
    work: Path = arguments.work
    plays = {seed: work / f"play-{seed}-{arguments.steps}" for seed in range(arguments.seeds)}
    cells = [(seed, skill, arm) for seed in plays for arm in arguments.arms for skill in arguments.skills]
    files = {
        cell: work / arguments.judge / str(arguments.steps) / f"{cell[0]}-{cell[1]}-{cell[2].replace('/', '-')}.json" for cell in cells
    }
    with ProcessPoolExecutor(arguments.workers) as pool:
        collected = [
            pool.submit(collect, load_domain("nethack"), CollectConfig(steps=arguments.steps), play, seed) for seed, play in plays.items()
        ]
        for future in collected:
            future.result()
        waiting = {
            pool.submit(run, plays[seed], skill, arguments.judge, seed, arm, arguments.most): (seed, skill, arm)
            for seed, skill, arm in cells
            if open_(files[seed, skill, arm], arm, arguments.most)
        }
        for future in as_completed(waiting):
            found = future.result()
            write_atomically(files[waiting[future]], json.dumps(found).encode())
            bound = "" if found["reached"] else "more than "
            sys.stdout.write(f"seed {found['seed']} {found['skill']} {found['arm']}: {bound}{found['needed']:.0f}, {found['seconds']} s\n")
            sys.stdout.flush()
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files.values()]
    told = {"judge": arguments.judge, "steps": arguments.steps, "flip": FLIP, "bias": BIAS, "close": CLOSE, "goal": GOAL}
    everything = {**told, "overall": overall(runs), "summary": summary(runs), "runs": runs}
    if arguments.choosing:
        everything["choosing"] = choosing(work, 50_000, 5_000)
    write_atomically(arguments.out, (json.dumps(everything) + "\n").encode())
    for row in everything["summary"]:
        sys.stdout.write(json.dumps(row) + "\n")
    if arguments.plot:
        plot(runs, arguments.plot)


if __name__ == "__main__":
    main()
