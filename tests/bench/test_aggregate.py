"""Interquartile means beside a slow twin, and intervals that hold what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.bench.aggregate import iqm, iqm_over_episodes, iqm_over_runs, mean_and_error


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_interquartile_mean_leaves_a_quarter_away_at_each_end(values: list[float]) -> None:
    kept = sorted(values)
    for _ in range(int(0.25 * len(values))):
        kept = kept[1:-1]
    assert float(iqm(values)) == pytest.approx(sum(kept) / len(kept), abs=1e-6)


def test_the_interquartile_mean_of_a_table_is_that_of_all_its_scores() -> None:
    scores = np.array([[0.0, 0.2, 1.0], [0.1, 0.3, 0.9]])
    assert float(iqm(scores)) == pytest.approx((0.1 + 0.2 + 0.3 + 0.9) / 4)
    assert iqm(np.array([[1.0, 2.0, 3.0, 100.0], [5.0, 5.0, 5.0, 5.0]]), axis=1).tolist() == [2.5, 5.0]


def test_runs_are_drawn_within_their_tasks() -> None:
    # Tasks differ a lot, runs of a task not at all: whatever is drawn, the mean is the same.
    value, interval = iqm_over_runs(np.tile([0.0, 0.4, 0.6, 1.0], (5, 1)), np.random.default_rng(0))
    assert value == pytest.approx(interval.low) == pytest.approx(interval.high) == pytest.approx(0.5)
    noisy = np.random.default_rng(1).random((4, 3))
    value, interval = iqm_over_runs(noisy, np.random.default_rng(0))
    assert interval.low < value < interval.high
    assert interval == iqm_over_runs(noisy, np.random.default_rng(0))[1]
    narrow = iqm_over_runs(noisy, np.random.default_rng(0), confidence=0.5)[1]
    assert interval.low < narrow.low < narrow.high < interval.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    chances = (0.2, 0.5, 0.7, 0.9)  # the middle two are left: 0.6
    hits = 0
    for _ in range(200):
        _, interval = iqm_over_episodes([rng.random(64) < chance for chance in chances], rng, resamples=200)
        hits += interval.low <= 0.6 <= interval.high
    assert 175 <= hits <= 200


def test_means_have_errors_from_two_runs_on() -> None:
    found = mean_and_error([0.1, 0.3, 0.5])
    assert found.runs == 3
    assert found.mean == pytest.approx(0.3)
    assert found.error == pytest.approx(0.2 / math.sqrt(3))
    assert math.isnan(mean_and_error([0.1]).error)
    assert math.isnan(mean_and_error([]).mean)


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(ValueError, match="runs, tasks"):
        iqm_over_runs([0.1, 0.2], np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one episode"):
        iqm_over_episodes([[True], []], np.random.default_rng(0))
