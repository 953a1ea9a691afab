"""How well the probabilities of a reward model are meant: sigmoid of a difference against what the annotator said.

A pair is *decided* where the annotator is at least 60 % sure of one side (its target is 0.1 or more away from one half). Ties are
not, nor are soft verdicts that hardly lean. In a calibration error, a soft verdict counts as far as it goes: a target of 0.8 is 0.8 of a
pair in which the first is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Bin", "Calibration", "agreement", "calibration_error", "count_right", "decided", "fit_temperature", "reliability"]

Floats = NDArray[np.float64]
# Bins of equal width between one half and certainty.
BINS = 10
_LEAST_SURE = 0.1


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs with a confidence from ``low`` to ``high``: how many, their mean confidence, and how often the annotator agrees."""

    low: float
    high: float
    pairs: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of decided held-out pairs.

    Attributes:
        error: expected calibration error with ``temperature``; NaN if no pair was decided.
        error_before: the same with temperature 1.
        temperature: differences are divided by it to get log-odds; 1 where none was fitted, or where it did not help.
        bins: those that hold a pair.
    """

    error: float
    error_before: float
    temperature: float
    bins: tuple[Bin, ...]


def decided(target_P: Floats) -> NDArray[np.bool_]:
    """Bool ``[P]``: where the annotator is sure enough of one side to be agreed with."""
    # The allowance is for targets such as 0.6, which no binary number equals.
    return np.asarray(np.abs(target_P - 0.5) >= _LEAST_SURE - 1e-9)


def count_right(difference_P: Floats, target_P: Floats) -> tuple[int, int]:
    """On how many decided pairs the difference of rewards has the annotator's sign, and how many decided pairs there are."""
    decided_P = decided(target_P)
    return int(np.sum((difference_P > 0)[decided_P] == (target_P > 0.5)[decided_P])), int(decided_P.sum())


def agreement(difference_P: Floats, target_P: Floats) -> float:
    """Share of decided pairs whose difference of rewards has the annotator's sign; NaN if no pair is decided."""
    right, number = count_right(difference_P, target_P)
    return right / number if number else math.nan


def reliability(difference_P: Floats, target_P: Floats, temperature: float = 1.0) -> tuple[Bin, ...]:
    """Decided pairs by the confidence in the side that the model prefers: ``BINS`` bins of equal width in [0.5, 1], empty ones left out."""
    chosen_P = decided(target_P)
    difference_P, target_P = difference_P[chosen_P], target_P[chosen_P]
    confidence_P = 1.0 / (1.0 + np.exp(-np.minimum(np.abs(difference_P) / temperature, 700.0)))
    right_P = np.where(difference_P == 0.0, 0.5, np.where(difference_P > 0.0, target_P, 1.0 - target_P))
    place_P = np.minimum(((confidence_P - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    found = []
    for place in np.unique(place_P).tolist():
        inside_P = place_P == place
        means = float(confidence_P[inside_P].mean()), float(right_P[inside_P].mean())
        found.append(Bin(0.5 + 0.5 * place / BINS, 0.5 + 0.5 * (place + 1) / BINS, int(inside_P.sum()), *means))
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Mean of |confidence - accuracy| over bins, weighted by their pairs (Naeini et al. 2015); NaN without pairs."""
    pairs = sum(one.pairs for one in bins)
    return sum(one.pairs * abs(one.confidence - one.accuracy) for one in bins) / pairs if pairs else math.nan


def fit_temperature(difference_P: Floats, target_P: Floats) -> float:
    """The temperature in [0.05, 20] with the least cross-entropy on decided pairs (Guo et al. 2017).

    It is 1 if that one does not also lower their calibration error. For pairs that the model was not fitted to.
    """
    chosen_P = decided(target_P)
    if not chosen_P.any():
        return 1.0
    grid = np.geomspace(0.05, 20.0, 241)
    logits = difference_P[chosen_P][None] / grid[:, None]
    losses = (np.logaddexp(0.0, logits) - target_P[chosen_P] * logits).mean(axis=1)
    best = float(grid[losses.argmin()])
    before, after = (calibration_error(reliability(difference_P, target_P, temperature)) for temperature in (1.0, best))
    return best if after < before else 1.0
