"""How many questions uniform and active pairing need, with judges whose answers are known.

    python benchmarks/questions.py PROJECT                # a NetHack project with collected captions and judges
    python benchmarks/questions.py PROJECT --seeds 1 --skills merchant

The judge is the skill's scoring program over the project's captions, made worse: where two scores differ by no more than ``CLOSE`` it
says "first" with probability ``BIAS``, and then one answer in ten is turned round (a tie becomes either side). Held out are pairs that the
noise-free program decides: drawn uniformly over pairs of captions, and drawn as the package's uniform pairing draws them (stratified by
signs). Ways to choose: pairs of distinct captions drawn uniformly (as the literature does), the package's uniform pairing, and active
pairing. What is learnt from the answers: the package's default reward model ("network"), and the model that active pairing itself
uses ("linear"). The number of questions is where a curve first reaches 95 % and stays there, interpolated on a logarithmic scale;
None: not within them. Active pairing's own held-out questions are counted; the reward models learn from them as well.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from maestromotif.domains.registry import load_domain
from maestromotif.feedback.annotators.judge import tie_margin
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.journal import Answered
from maestromotif.feedback.pairs import sample_rows
from maestromotif.feedback.questions import ActiveQuestions
from maestromotif.feedback.scoring import score_inputs
from maestromotif.feedback.selection import design_of
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards.belief import fit_belief
from maestromotif.rewards.bradley_terry import build_corpus, fit_bradley_terry
from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.features import feature_hashes
from maestromotif.skills import Skill
from maestromotif.types import Verdict

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
FLIP, BIAS, CLOSE, GOAL = 0.1, 0.2, 0.25, 0.95
# Fewer points for the network, which takes seconds each.
SIZES = {
    ("uniform", "linear"): (100, 200, 400, 800, 1600, 3200, 6400),
    ("uniform", "network"): (800, 1600, 3200, 6400, 12800),
    ("stratified", "linear"): (100, 200, 400, 800, 1600, 3200, 6400),
    ("active", "linear"): (60, 100, 140, 200, 280, 400, 560, 800, 1120, 1600),
    ("active", "network"): (400, 800, 1600),
}
_VERDICTS = {1.0: Verdict.FIRST, 0.0: Verdict.SECOND, 0.5: Verdict.TIE}


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


class Bench:
    """Captions, what models see of them, and one skill's judge."""

    def __init__(self, captions: CaptionTable) -> None:
        self.captions = captions
        self.corpus = build_corpus([feature_hashes(captions.reward_input(row)) for row in range(len(captions))], 2)
        self.design = design_of(captions)

    def held_out(self, score_N: Floats, margin: float) -> dict[str, Rows]:
        rng = np.random.default_rng(12345)
        drawn = {"uniform": uniform_pairs(len(score_N), 60_000, rng), "stratified": sample_rows(self.captions, 15_000, rng)}
        return {name: pairs[np.abs(score_N[pairs[:, 0]] - score_N[pairs[:, 1]]) > margin][:4000] for name, pairs in drawn.items()}

    def learn(self, learner: str, pairs_P: Rows, target_P: Floats, seed: int) -> Floats:
        if learner == "linear":
            return self.design.scores(fit_belief(self.design, pairs_P, target_P).mean)
        return fit_bradley_terry(self.corpus, pairs_P, target_P, RewardConfig(learner="network"), seed).model.raws(self.corpus)

    def active(self, skill: str, score_N: Floats, margin: float, most: int, seed: int) -> tuple[Rows, Floats]:
        """Questions in the order in which they are asked, with their answers."""
        config = AnnotateConfig(pairs=most, stop=False)
        questions = ActiveQuestions(self.captions, self.design, Skill(skill, "A judge's."), config, seed)
        rng, row_of = np.random.default_rng([seed, 1]), self.captions.rows()
        given: dict[str, Answered] = {}
        pairs, targets = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
        while batch := questions.more(given):
            pairs.append(np.array([[row_of[first], row_of[second]] for _, first, second in batch], np.int64))
            targets.append(answers(score_N, margin, pairs[-1], rng))
            given.update((pair.id, Answered(_VERDICTS[value])) for (pair, _, _), value in zip(batch, targets[-1].tolist(), strict=True))
        return np.concatenate(pairs), np.concatenate(targets)


def needed(curve: list[tuple[int, float]]) -> float | None:
    """Questions at which accuracy reaches the goal for good."""
    reached = None
    for (size, accuracy), (before, lower) in zip(reversed(curve), [*reversed(curve[:-1]), (0, 0.0)], strict=True):
        if accuracy < GOAL:
            break
        share = (GOAL - lower) / (accuracy - lower) if lower < GOAL else 0.0
        reached = math.exp(math.log(size) + (share - 1.0) * math.log(size / before)) if before and lower < GOAL else float(size)
    return reached


def measure(bench: Bench, skill: str, score_N: Floats, margin: float, seed: int, learners: list[str]) -> dict[str, Any]:
    """Curves of one skill and seed: way/learner/held-out -> [[questions, accuracy], ...], and the shares of ties among answers."""
    held_out = bench.held_out(score_N, margin)
    rng = np.random.default_rng([seed, 2])
    asked: dict[str, tuple[Rows, Floats]] = {"active": bench.active(skill, score_N, margin, SIZES["active", "linear"][-1], seed)}
    for way, pairs in (
        ("uniform", uniform_pairs(len(score_N), 12_800, rng)),
        ("stratified", sample_rows(bench.captions, 12_800, rng)),
    ):
        asked[way] = pairs, answers(score_N, margin, pairs, rng)
    curves: dict[str, list[tuple[int, float]]] = {}
    for (way, learner), sizes in SIZES.items():
        if learner not in learners:
            continue
        pairs_P, target_P = asked[way]
        for size in sizes:
            raw_N = bench.learn(learner, pairs_P[:size], target_P[:size], seed)
            for name, test in held_out.items():
                right = (raw_N[test[:, 0]] > raw_N[test[:, 1]]) == (score_N[test[:, 0]] > score_N[test[:, 1]])
                curves.setdefault(f"{way}/{learner}/{name}", []).append((size, float(right.mean())))
    tied = {way: float(np.mean(np.abs(score_N[pairs[:, 0]] - score_N[pairs[:, 1]]) <= margin)) for way, (pairs, _) in asked.items()}
    return {"skill": skill, "seed": seed, "curves": curves, "needed": {name: needed(curve) for name, curve in curves.items()}, "ties": tied}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--skills", nargs="*", default=["discoverer", "descender", "ascender", "merchant", "worshipper"])
    parser.add_argument("--learners", nargs="*", default=["linear", "network"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/questions.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    domain = load_domain("nethack")
    artifacts = arguments.project / "artifacts"
    captions = CaptionTable.load(artifacts / "interactions" / "captions.parquet", domain)
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    bench, results, began = Bench(captions), [], time.process_time()
    judges = {}
    for skill in arguments.skills:
        source = (artifacts / "preferences" / f"judge-{skill}.py").read_text(encoding="utf-8")
        scores = score_inputs(source, inputs, domain.sign_specs, f"judge-{skill}.py", 60.0)
        judges[skill] = np.array(scores, np.float64), tie_margin(source, skill)
    for seed in range(arguments.seeds):
        for skill, (score_N, margin) in judges.items():
            results.append(measure(bench, skill, score_N, margin, seed, arguments.learners))
            shown = {name: None if value is None else round(value) for name, value in results[-1]["needed"].items()}
            sys.stdout.write(f"{skill}, seed {seed}, {time.process_time() - began:.0f} s: {shown}\n")
            sys.stdout.flush()
            found = {"captions": len(captions), "flip": FLIP, "bias": BIAS, "close": CLOSE, "goal": GOAL, "runs": results}
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
