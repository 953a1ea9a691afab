"""Which questions a skill's annotator gets: all at once, or batch by batch, each chosen by the answers to those before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maestromotif.bench.stats import wilson
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.journal import Answered
from maestromotif.feedback.pairs import Question, pairs_of_rows, sample_rows, skill_rng
from maestromotif.feedback.protocol import Annotator
from maestromotif.feedback.selection import choose, design_of
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards.belief import Belief, Design, fit_belief
from maestromotif.skills import Skill

__all__ = ["ActiveQuestions", "Pairing", "Questions", "UniformQuestions"]

Floats = NDArray[np.float64]
# Batches grow with what was asked, so that the time spent on choosing stays proportional to the number of questions.
_LEAST_BATCH, _GROWTH = 20, 8
# One question in so many is drawn as uniform pairing draws them, up to so many, and only measured.
_HELD_OUT_EVERY, _HELD_OUT_MOST = 4, 240
# To stop, the agreement must have risen by less than this since there were two thirds of the questions, in two batches running,
# measured on at least so many decided pairs.
_RISE, _PATIENCE, _LEAST_DECIDED = 0.01, 2, 40


class Questions(Protocol):
    """The questions about one skill.

    Attributes:
        most: how many there will be at most.
        limit: what stands before this number, ``"at most "`` where there may be fewer.
    """

    most: int
    limit: str

    @property
    def ending(self) -> str:
        """Why there were no more, for a person, once ``more`` gave none; may be empty."""
        ...

    def more(self, answers: Mapping[str, Answered]) -> list[Question]:
        """The next questions; none when it is enough. ``answers`` by pair id hold at least those to all earlier questions."""
        ...

    def told(self) -> dict[str, Any]:
        """Entries for the skill's card, once ``more`` gave none; ``"stopped"`` says why."""
        ...


class UniformQuestions:
    """All questions at once, whatever the answers."""

    limit = ending = ""

    def __init__(self, captions: CaptionTable, skill: Skill, most: int, seed: int) -> None:
        self._left = pairs_of_rows(captions, sample_rows(captions, most, skill_rng(skill, seed)))
        self.most = len(self._left)

    def more(self, answers: Mapping[str, Answered]) -> list[Question]:
        batch, self._left = self._left, []
        return batch

    def told(self) -> dict[str, Any]:
        return {"pairing": "uniform"}


class ActiveQuestions:
    """Batches of the questions that a model of the answers so far would learn most from, until it agrees no better with held-out ones.

    The batches depend on captions, skill, seed and answers alone: a run that was interrupted gets the same ones again.
    """

    limit = "at most "

    def __init__(self, captions: CaptionTable, design: Design, skill: Skill, config: AnnotateConfig, seed: int) -> None:
        self._captions = captions
        self._design = design
        self._config = config
        self._rng = skill_rng(skill, seed)
        self._row_of = captions.rows()
        pool = sample_rows(captions, _HELD_OUT_MOST, self._rng)
        self._pool = design.fresh(pool, set())
        self._taken = set(map(tuple, self._pool.tolist()))
        self._chosen: list[Question] = []
        self._held_out: list[Question] = []
        self._belief: Belief | None = None
        self._past: list[tuple[int, Floats]] = []
        self._measured: tuple[NDArray[np.int64], Floats] = np.zeros((0, 2), np.int64), np.zeros(0)
        self._idle = 0
        self._stopped = ""
        self.most = config.pairs

    @property
    def ending(self) -> str:
        last = self._point(*self._past[-1]) if self._past else None
        shown = f", agreement {last['agreement']:.0%} on {last['decided']} held-out pairs" if last and last["decided"] else ""
        return f"{shown}; ended: {self._stopped}"

    @property
    def asked(self) -> int:
        return len(self._chosen) + len(self._held_out)

    def more(self, answers: Mapping[str, Answered]) -> list[Question]:
        if self.asked:
            self._learn(answers)
        else:
            self._belief = fit_belief(self._design, np.zeros((0, 2), np.int64), np.zeros(0))
        if self._stopped:
            return []
        number = min(max(_LEAST_BATCH, self.asked // _GROWTH), self.most - self.asked)
        measured = self._pool[len(self._held_out) :][: number // _HELD_OUT_EVERY]
        assert self._belief is not None
        rows = choose(self._design, self._captions, self._belief, self._taken, number - len(measured), self._rng)
        self._taken.update(map(tuple, rows.tolist()))
        chosen, held_out = pairs_of_rows(self._captions, rows), pairs_of_rows(self._captions, measured)
        self._chosen += chosen
        self._held_out += held_out
        if not chosen and not held_out:
            self._stopped = "no pair of different reward inputs is left" if self.asked < self.most else "as many pairs as [annotate] allows"
        return held_out + chosen

    def told(self) -> dict[str, Any]:
        return {
            "pairing": "active",
            "questions": self.asked,
            "stopped": self._stopped,
            "curve": [self._point(*past) for past in self._past],
        }

    def _learn(self, answers: Mapping[str, Answered]) -> None:
        """Fit the model to all answers but the held-out ones, measure it on those, and see whether it still gets better."""
        rows_P, target_P = self._answered(self._chosen, answers)
        self._belief = fit_belief(self._design, rows_P, target_P, self._belief)
        self._past.append((self.asked, self._belief.mean))
        rows_H, target_H = self._answered(self._held_out, answers)
        decided_H = target_H != 0.5
        self._measured = rows_H[decided_H], target_H[decided_H]
        if self.asked >= self.most or not self._config.stop or decided_H.sum() < _LEAST_DECIDED:
            return
        before = [mean for asked, mean in self._past if 3 * asked <= 2 * self.asked]
        rise = float(np.mean(self._right(self._belief.mean)) - np.mean(self._right(before[-1]))) if before else math.inf
        self._idle = self._idle + 1 if rise < _RISE else 0
        if self._idle >= _PATIENCE and self.asked >= self._config.min_pairs:
            self._stopped = "agreement with held-out answers no longer rises"

    def _right(self, mean: Floats) -> NDArray[np.bool_]:
        """On which decided held-out pairs a model with these weights agrees."""
        (rows_H, target_H), score_N = self._measured, self._design.scores(mean)
        right_H: NDArray[np.bool_] = (score_N[rows_H[:, 0]] > score_N[rows_H[:, 1]]) == (target_H > 0.5)
        return right_H

    def _point(self, asked: int, mean: Floats) -> dict[str, Any]:
        """A point of the learning curve, with Wilson's 95 % interval."""
        right_H = self._right(mean)
        interval = wilson(int(right_H.sum()), len(right_H))
        agreement = float(right_H.mean()) if len(right_H) else None
        return {"questions": asked, "decided": len(right_H), "agreement": agreement, "low": interval.low, "high": interval.high}

    def _answered(self, questions: list[Question], answers: Mapping[str, Answered]) -> tuple[NDArray[np.int64], Floats]:
        """Rows (int64 ``[P, 2]``) and targets (``[P]``) of the questions whose answers say something."""
        found = [(self._row_of[first], self._row_of[second], answers[pair.id].value()) for pair, first, second in questions]
        usable = [entry for entry in found if not math.isnan(entry[2])]
        rows_P = np.array([entry[:2] for entry in usable], np.int64).reshape(-1, 2)
        return rows_P, np.array([entry[2] for entry in usable], np.float64)


class Pairing:
    """Makes the questions of each skill as the configuration says."""

    def __init__(self, captions: CaptionTable, config: AnnotateConfig, annotator: Annotator, seed: int) -> None:
        self._captions = captions
        self._config = config
        self._costly = bool(getattr(annotator, "costly", False))
        self._seed = seed

    def questions(self, skill: Skill) -> Questions:
        if self._active:
            return ActiveQuestions(self._captions, self._design, skill, self._config, self._seed)
        return UniformQuestions(self._captions, skill, self._config.pairs, self._seed)

    @property
    def _active(self) -> bool:
        if self._config.pairing != "auto":
            return self._config.pairing == "active"
        size = len(self._captions)
        # There is nothing to choose where all pairs can be asked about.
        return self._costly and self._config.pairs > self._config.min_pairs and size * (size - 1) // 2 > self._config.pairs

    @cached_property
    def _design(self) -> Design:
        return design_of(self._captions)
