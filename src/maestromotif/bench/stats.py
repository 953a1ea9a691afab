"""Intervals and tests for rates and means: pure functions, every random one with its generator passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Alternative", "Interval", "PermutationTest", "bootstrap_mean", "permutation_test", "wilson"]

Alternative = Literal["greater", "less", "two-sided"]
_CHUNK_CELLS = 2_000_000  # permuted labels held at once: bounds memory at some 16 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval around an estimate."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """The outcome of a two-sample permutation test on pooled rates.

    Attributes:
        difference: rate of the first sample minus rate of the second; NaN if one of them has no trial.
        p_value: (1 + permutations at least as extreme) / (1 + permutations); 1.0 where nothing can be compared.
        permutations: how many relabellings were drawn.
    """

    difference: float
    p_value: float
    permutations: int


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a binomial rate; ``[0, 1]`` when there are no trials.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).

    Raises:
        ValueError: successes outside ``[0, trials]`` or confidence outside ``(0, 1)``.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie in [0, trials], got {successes} of {trials}")
    z = _two_sided_quantile(confidence)
    if trials == 0:
        return Interval(0.0, 1.0)
    rate = successes / trials
    weight = z * z / trials
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    # At the ends the formula is exact on paper but not in floating point.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)


def permutation_test(
    successes_1: ArrayLike,
    trials_1: ArrayLike,
    successes_2: ArrayLike,
    trials_2: ArrayLike,
    rng: np.random.Generator,
    *,
    alternative: Alternative = "two-sided",
    permutations: int = 9_999,
) -> PermutationTest:
    """Do two groups of clusters (episodes) have the same pooled success rate?

    Whole clusters change sides, never single trials, since the trials of one episode depend on each other. A relabelling
    that leaves a side without trials counts as extreme, which can only make the p value larger.

    Args:
        successes_1: int ``[clusters of group 1]``, successes of each cluster; likewise ``successes_2``.
        trials_1: int, same shape: trials of each cluster (zeros are allowed); likewise ``trials_2``.
        rng: draws the relabellings.
        alternative: ``"greater"`` asks whether the first rate is higher.
        permutations: relabellings; the smallest p value is ``1 / (permutations + 1)``.

    Raises:
        ValueError: shapes that differ, negative counts, more successes than trials, or an unknown alternative.
    """
    if alternative not in ("greater", "less", "two-sided"):
        raise ValueError(f"unknown alternative {alternative!r}: use 'greater', 'less' or 'two-sided'")
    good_1, all_1 = _counts(successes_1, trials_1)
    good_2, all_2 = _counts(successes_2, trials_2)
    if all_1.sum() == 0 or all_2.sum() == 0:
        return PermutationTest(math.nan, 1.0, 0)
    good, trials = np.concatenate([good_1, good_2]), np.concatenate([all_1, all_2])
    observed = float(good_1.sum() / all_1.sum() - good_2.sum() / all_2.sum())
    extreme, left, size = 0, permutations, len(good)
    labels = np.zeros(size, dtype=bool)
    labels[: len(good_1)] = True
    while left > 0:
        draws = min(left, max(1, _CHUNK_CELLS // size))
        first = rng.permuted(np.broadcast_to(labels, (draws, size)), axis=1).astype(np.int64)
        extreme += int(_as_extreme(_differences(first, good, trials), observed, alternative).sum())
        left -= draws
    return PermutationTest(observed, (1 + extreme) / (1 + permutations), permutations)


def bootstrap_mean(values: ArrayLike, rng: np.random.Generator, *, confidence: float = 0.95, resamples: int = 2_000) -> Interval:
    """Percentile bootstrap interval of a mean; values are float ``[n]``, NaNs are refused; NaN bounds for ``n = 0``.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).

    Raises:
        ValueError: a value is NaN, or confidence outside ``(0, 1)``.
    """
    data = np.asarray(values, dtype=np.float64).ravel()
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    if np.isnan(data).any():
        raise ValueError("cannot resample values that are NaN")
    if len(data) == 0:
        return Interval(math.nan, math.nan)
    means = np.empty(resamples)
    step = max(1, _CHUNK_CELLS // len(data))
    for begin in range(0, resamples, step):
        count = min(step, resamples - begin)
        means[begin : begin + count] = data[rng.integers(0, len(data), (count, len(data)))].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _two_sided_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    good, every = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if good.shape != every.shape or good.ndim != 1:
        raise ValueError(f"successes and trials must be vectors of one length, got {good.shape} and {every.shape}")
    if (good < 0).any() or (good > every).any():
        raise ValueError("successes must lie in [0, trials] in every cluster")
    return good, every


def _differences(first: NDArray[np.int64], good: NDArray[np.int64], trials: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rate differences [draws] of relabellings ``first`` [draws, clusters]; NaN where a side has no trials."""
    good_1, all_1 = first @ good, first @ trials
    good_2, all_2 = good.sum() - good_1, trials.sum() - all_1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(good_1 / all_1 - good_2 / all_2, dtype=np.float64)


def _as_extreme(differences: NDArray[np.float64], observed: float, alternative: Alternative) -> NDArray[np.bool_]:
    slack = 1e-12  # equal rates reached by different sums must count as equal
    if alternative == "greater":
        reached = differences >= observed - slack
    elif alternative == "less":
        reached = differences <= observed + slack
    else:
        reached = np.abs(differences) >= abs(observed) - slack
    return np.asarray(reached | np.isnan(differences), dtype=np.bool_)
