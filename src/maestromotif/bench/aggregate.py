"""Figures over several trainings and tasks: means with standard errors, and interquartile means with stratified bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maestromotif.bench.stats import Interval

__all__ = ["Mean", "iqm", "iqm_over_episodes", "iqm_over_runs", "mean_and_error"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over runs. ``error``: its standard error; NaN for fewer than two runs."""

    mean: float
    error: float
    runs: int


def mean_and_error(values: Sequence[float]) -> Mean:
    """Mean of runs, with the standard deviation (divisor ``n - 1``) over the root of their number; NaN for no runs."""
    data = np.asarray(values, np.float64)
    if not len(data):
        return Mean(math.nan, math.nan, 0)
    error = float(data.std(ddof=1) / math.sqrt(len(data))) if len(data) > 1 else math.nan
    return Mean(float(data.mean()), error, len(data))


def iqm(scores: ArrayLike, axis: int | None = None) -> Floats:
    """Interquartile mean: what is left when the lowest and the highest quarter (each rounded down) are taken away.

    Args:
        scores: of any shape; ``axis`` None: all of them together.

    Source: R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021.
    """
    data = np.asarray(scores, np.float64)
    data = np.sort(data.ravel() if axis is None else np.moveaxis(data, axis, -1), axis=-1)
    cut = data.shape[-1] // 4
    middle: Floats = data[..., cut : data.shape[-1] - cut].mean(-1)
    return middle


def iqm_over_runs(
    scores_RT: ArrayLike, rng: np.random.Generator, *, confidence: float = 0.95, resamples: int = 2_000
) -> tuple[float, Interval]:
    """Interquartile mean of the scores ``[runs, tasks]``, and the percentile interval of a bootstrap that draws runs anew within each task.

    Source: as for ``iqm``.

    Raises:
        ValueError: not two axes, or no scores.
    """
    scores = np.asarray(scores_RT, np.float64)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"scores must be [runs, tasks], got {scores.shape}")
    runs, tasks = scores.shape
    drawn = rng.integers(0, runs, (resamples, runs, tasks))
    found = iqm(scores[drawn, np.arange(tasks)].reshape(resamples, -1), axis=1)
    return float(iqm(scores)), _percentiles(found, confidence)


def iqm_over_episodes(
    episodes: Sequence[ArrayLike], rng: np.random.Generator, *, confidence: float = 0.95, resamples: int = 2_000
) -> tuple[float, Interval]:
    """For a single run: the interquartile mean of the tasks' mean scores; the bootstrap draws episodes anew within each task.

    Args:
        episodes: for each task, the score of every episode.

    Raises:
        ValueError: no task, or one without episodes.
    """
    tasks = [np.asarray(values, np.float64).ravel() for values in episodes]
    if not tasks or not all(map(len, tasks)):
        raise ValueError("every task needs at least one episode")
    means = np.stack([values[rng.integers(0, len(values), (resamples, len(values)))].mean(1) for values in tasks], 1)
    return float(iqm([values.mean() for values in tasks])), _percentiles(iqm(means, axis=1), confidence)


def _percentiles(found: Floats, confidence: float) -> Interval:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(float(low), float(high))
