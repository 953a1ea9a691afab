"""Active pairing: what is chosen, when it ends, and that an interrupted run asks each question once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, CollectConfig, PreferenceTable, collect
from maestromotif.feedback.journal import Answered
from maestromotif.feedback.protocol import Annotator
from maestromotif.feedback.questions import ActiveQuestions, Pairing, UniformQuestions
from maestromotif.feedback.selection import choose, design_of
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards.belief import Design, _laplace, fit_belief
from maestromotif.rewards.encoders.hashed import build_corpus
from maestromotif.rewards.features import feature_hashes
from maestromotif.skills import Skill
from maestromotif.types import Caption, RewardInput, Verdict

SKILL = Skill("digger", "Digs.")
WORDS = ("wall", "door", "rock", "tree", "gold", "gem", "rat", "cat", "hole", "pit", "lamp", "key")


def make_captions(size: int = 300) -> tuple[CaptionTable, NDArray[np.float64]]:
    """Captions of three words and two signs, and a score that reads one word and one rare sign."""
    rng = np.random.default_rng(0)
    entries, scores = {}, []
    for key in range(size):
        words = rng.choice(len(WORDS), size=3, replace=False)
        signs = (int(rng.integers(3)), int(rng.random() < 0.03))
        entries[key] = (Caption(f"text {key}", RewardInput(" ".join(WORDS[word] for word in words), signs)), 1)
        scores.append(float(4 in words) - 2.0 * signs[1])
    return CaptionTable.build(entries, 2), np.array(scores)


@pytest.mark.parametrize("number", [5, 400])
def test_newton_finds_the_slow_and_obvious_optimum(number: int) -> None:
    """With fewer pairs than features and with more: the two ways to invert a precision."""
    captions, scores = make_captions(40)
    design = design_of(captions)
    pairs = np.random.default_rng(1).permutation(np.stack(np.triu_indices(40, 1), axis=1))[:number]
    target = np.where(np.arange(number) % 7 == 0, 0.8, (scores[pairs[:, 0]] > scores[pairs[:, 1]]).astype(float))
    features = design.differences(pairs).astype(np.float64)
    prior = np.linspace(0.5, 2.0, features.shape[1])
    belief = _laplace(features.astype(np.float32), target, prior, np.zeros(len(prior)))

    def loss(weights: NDArray[np.float64]) -> float:
        probability = 0.05 + 0.9 / (1 + np.exp(-features @ weights))
        return float(0.5 * prior @ weights**2 - np.sum(target * np.log(probability) + (1 - target) * np.log(1 - probability)))

    least = loss(belief.mean)
    for place in range(len(prior)):
        for step in (-0.02, 0.02):
            moved = belief.mean.copy()
            moved[place] += step
            assert loss(moved) > least
    probability = 1 / (1 + np.exp(-features @ belief.mean))
    share = 0.9 * probability * (1 - probability)
    noisy = 0.05 + 0.9 * probability
    precision = np.diag(prior) + features.T @ (features * (share**2 / (noisy * (1 - noisy)))[:, None])
    assert np.allclose(belief.covariance, np.linalg.inv(precision), atol=1e-3)
    # Scores of single captions and differences of pairs are the same model.
    score = design.scores(belief.mean)
    assert np.allclose(features @ belief.mean - 0.5 * belief.mean[-1], score[pairs[:, 0]] - score[pairs[:, 1]], atol=1e-4)


def test_features_that_tell_much_get_a_wider_prior_than_the_rest() -> None:
    captions, scores = make_captions()
    design = design_of(captions)
    rng = np.random.default_rng(2)
    pairs = rng.integers(len(captions), size=(150, 2))
    difference = scores[pairs[:, 0]] - scores[pairs[:, 1]]
    target = np.where(difference == 0, 0.5, (difference > 0).astype(float))
    one = _laplace(design.differences(pairs), target, np.ones(len(design.scale) + 1), np.zeros(len(design.scale) + 1))
    belief = fit_belief(design, pairs, target)

    def share(mean: NDArray[np.float64]) -> float:
        """Of the two features that decide, in all weights."""
        weights = np.abs(mean[:-1] * design.scale)
        return float(np.sort(weights)[-2:].sum() / weights.sum())

    assert share(belief.mean) > 1.2 * share(one.mean)


def test_single_signs_have_more_room_than_words() -> None:
    captions, _ = make_captions()
    corpus = build_corpus([feature_hashes(captions.reward_input(row)) for row in range(len(captions))], 1)
    design = Design.of(corpus)
    counts = np.bincount(corpus.flat, minlength=len(corpus.buckets))[design.kept]
    room = design.scale**2 / np.sqrt(counts)
    sign = np.isin(corpus.buckets[design.kept], [zlib.crc32(f"sign {name}".encode()) for name in ("0=1", "0=2", "1=1")])
    assert sign.sum() == 3
    assert np.allclose(room[sign], 16 * room[~sign][0])
    assert np.allclose(room[~sign], room[~sign][0])


def test_captions_that_a_model_cannot_tell_apart_are_never_compared() -> None:
    entries = {key: (Caption(f"text {key}", RewardInput(f"{WORDS[key % 6]} {WORDS[key % 5]} {key}", (0,))), 1) for key in range(120)}
    captions = CaptionTable.build(entries, 1)
    design = design_of(captions)
    assert len(set(design.group.tolist())) == 30
    belief = fit_belief(design, np.zeros((0, 2), np.int64), np.zeros(0))
    rows = choose(design, captions, belief, set(), 50, np.random.default_rng(1))
    assert len(rows) == 50
    assert np.all(design.group[rows[:, 0]] != design.group[rows[:, 1]])
    again = choose(design, captions, belief, {(low, high) for low, high in rows.tolist()}, 50, np.random.default_rng(1))
    assert not set(map(tuple, rows.tolist())) & set(map(tuple, again.tolist()))


def ask_all(questions: ActiveQuestions, captions: CaptionTable, scores: NDArray[np.float64], lost: float = 0.0) -> list[str]:
    """Answer as the scores say, but lose some answers; the ids in the order in which they were asked."""
    rng, row_of = np.random.default_rng(7), captions.rows()
    given: dict[str, Answered] = {}
    while batch := questions.more(given):
        for pair, first, second in batch:
            difference = scores[row_of[first]] - scores[row_of[second]]
            verdict = Verdict.TIE if difference == 0 else Verdict.FIRST if difference > 0 else Verdict.SECOND
            given[pair.id] = Answered(Verdict.UNPARSED if rng.random() < lost else verdict)
    return list(given)


def accuracy(design: Design, captions: CaptionTable, ids: int, scores: NDArray[np.float64], active: bool) -> float:
    config = AnnotateConfig(pairs=ids, stop=False)
    questions = ActiveQuestions(captions, design, SKILL, config, 3) if active else UniformQuestions(captions, SKILL, ids, 3)
    row_of, rows, targets = captions.rows(), [], []
    given: dict[str, Answered] = {}
    while batch := questions.more(given):
        for pair, first, second in batch:
            one, other = row_of[first], row_of[second]
            difference = scores[one] - scores[other]
            rows.append((one, other))
            targets.append(0.5 if difference == 0 else float(difference > 0))
            given[pair.id] = Answered(Verdict.TIE if difference == 0 else Verdict.FIRST if difference > 0 else Verdict.SECOND)
    learnt = design.scores(fit_belief(design, np.array(rows), np.array(targets)).mean)
    low, high = np.triu_indices(len(scores), 1)
    decided = scores[low] != scores[high]
    return float(np.mean(((learnt[low] > learnt[high]) == (scores[low] > scores[high]))[decided]))


def test_fewer_questions_teach_as_much() -> None:
    captions, _ = make_captions()
    design = design_of(captions)
    # Every word has a worth of its own.
    scores = np.array([sum(WORDS.index(word) ** 2 for word in message.split()) / 20.0 for message in captions.messages])
    assert accuracy(design, captions, 40, scores, active=True) > accuracy(design, captions, 40, scores, active=False)


def test_it_ends_when_agreement_no_longer_rises_and_says_so() -> None:
    captions, scores = make_captions()
    questions = ActiveQuestions(captions, design_of(captions), SKILL, AnnotateConfig(pairs=3000, min_pairs=100), 1)
    ids = ask_all(questions, captions, scores)
    told = questions.told()
    assert 100 <= len(ids) == told["questions"] < 1000
    assert "no longer rises" in told["stopped"]
    assert "no longer rises" in questions.ending
    last = told["curve"][-1]
    assert last["low"] <= last["agreement"] <= last["high"]
    assert last["agreement"] > 0.95
    assert [point["questions"] for point in told["curve"]] == sorted({point["questions"] for point in told["curve"]})


@pytest.mark.parametrize("lost", [0.5, 1.0])
def test_answers_that_say_nothing_do_not_stall_it(lost: float) -> None:
    captions, scores = make_captions()
    questions = ActiveQuestions(captions, design_of(captions), SKILL, AnnotateConfig(pairs=100, min_pairs=50), 1)
    assert 50 <= len(ask_all(questions, captions, scores, lost)) <= 100


def test_it_ends_when_there_is_nothing_left_to_ask() -> None:
    captions, scores = make_captions(12)
    questions = ActiveQuestions(captions, design_of(captions), SKILL, AnnotateConfig(pairs=1000, stop=False), 1)
    ids = ask_all(questions, captions, scores)
    assert len(ids) == 12 * 11 // 2
    assert "is left" in questions.told()["stopped"]


def test_the_same_answers_give_the_same_questions() -> None:
    captions, scores = make_captions()
    config = AnnotateConfig(pairs=80, stop=False)
    runs = [ask_all(ActiveQuestions(captions, design_of(captions), SKILL, config, seed), captions, scores) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


class Scripted:
    id = "scripted"

    def __init__(self, costly: bool) -> None:
        self.costly = costly


@pytest.mark.parametrize(
    ("pairing", "costly", "pairs", "active"),
    [
        ("auto", True, 1000, True),
        ("auto", False, 1000, False),
        ("auto", True, 50, False),
        ("uniform", True, 1000, False),
        ("active", False, 1000, True),
    ],
)
def test_who_gets_which_pairing(pairing: str, costly: bool, pairs: int, active: bool) -> None:
    captions, _ = make_captions()
    config = AnnotateConfig.model_validate({"pairing": pairing, "pairs": pairs})
    annotator: Annotator = Scripted(costly)  # type: ignore[assignment]
    assert isinstance(Pairing(captions, config, annotator, 1).questions(SKILL), ActiveQuestions) is active


CHILD = """
import sys, time
from pathlib import Path
from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, Briefing, Judgement, annotate
from maestromotif.feedback import annotation
from maestromotif.skills import SkillSet
from maestromotif.types import Verdict

captions, out, pairing = sys.argv[1:]

class Slow:
    id = "slow"

    def brief(self, skill):
        return Briefing({"skill": skill.id})

    def annotate(self, skill, briefing, pairs):
        for pair in pairs:
            time.sleep(0.03)
            marks = ["left end" in caption.text for caption in (pair.first, pair.second)]
            verdict = Verdict.TIE if marks[0] == marks[1] else Verdict.FIRST if marks[0] else Verdict.SECOND
            with open(Path(out) / "asked.txt", "a") as file:
                file.write(pair.id + "\\n")
            yield Judgement(pair, verdict)

annotation.make_annotator = lambda context: Slow()
annotation._SECONDS = 0.0
domain = Corridor()
skills = SkillSet((SkillSet.parse(domain.skills_toml)["go_left"],))
annotate(domain, skills, Path(captions), AnnotateConfig(pairing=pairing, pairs=36, min_pairs=36), None, Path(out), 1)
"""


@pytest.mark.parametrize("pairing", ["uniform", "active"])
def test_kill_minus_nine_asks_no_pair_twice(pairing: str, tmp_path: Path) -> None:
    domain = Corridor()
    collect(domain, CollectConfig(steps=2000, num_games=4, shard_steps=2000), tmp_path, 1)
    tables = []
    for folder, kills in ((tmp_path / "killed", 2), (tmp_path / "whole", 0)):
        folder.mkdir()
        command = [sys.executable, "-c", CHILD, str(tmp_path / "captions.parquet"), str(folder), pairing]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
        asked = folder / "asked.txt"
        for kill in range(kills):
            with subprocess.Popen(command, env=environment) as child:
                while child.poll() is None and (not asked.exists() or len(asked.read_text().splitlines()) < 10 * (kill + 1)):
                    time.sleep(0.005)
                assert child.poll() is None, "the child ended before it was killed"
                os.kill(child.pid, signal.SIGKILL)
        subprocess.run(command, env=environment, check=True)
        tables.append(PreferenceTable.load(folder / "preferences-go_left.parquet", domain, "go_left"))
        journal = [json.loads(line)["pair"] for line in (folder / "transcript-go_left.jsonl").read_text().splitlines()[1:]]
        assert max(Counter(journal).values()) == 1
        assert sorted(journal) == sorted(row.pair for row in tables[-1].preferences)
        # Only what was in the making at a kill may have been asked again: at most one pair for each.
        assert len(asked.read_text().splitlines()) <= len(journal) + kills
    assert [row.pair for row in tables[0].preferences] == [row.pair for row in tables[1].preferences]
    card = json.loads((tmp_path / "killed" / "preferences-go_left.json").read_text())
    assert card["pairing"] == pairing
