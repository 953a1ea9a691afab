"""The pipeline and the count discount: fast ways against slow ones, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.rewards.discount import CountDiscount
from maestromotif.rewards.pipeline import Threshold, count_factors, fit_shaping, shape

RAWS = st.lists(st.floats(-50, 50, allow_nan=False), min_size=1, max_size=60)
KINDS = st.sampled_from(["soft", "hard"])


@given(RAWS, st.floats(0, 0.99), KINDS, st.sampled_from([1.0, 2.0, 3.5]), st.sampled_from([-math.inf, 0.0, 3.0]))
@settings(deadline=None)
def test_the_fast_way_equals_the_slow_way(raw: list[float], quantile: float, threshold: Threshold, contrast: float, least: float) -> None:
    raw_N = np.array(raw)
    shaping = fit_shaping(raw_N, quantile, threshold, contrast, clip=3.0, scale=0.1, least_raw=least)
    others_N = np.concatenate([raw_N, raw_N + 0.37, [1e6, -1e6]])
    assert shape(others_N, shaping) == pytest.approx([shaping.one(value) for value in others_N.tolist()], abs=1e-12)


@given(RAWS, st.floats(0, 0.99), KINDS, st.sampled_from([1.0, 2.0]))
@settings(deadline=None)
def test_what_must_always_hold(raw: list[float], quantile: float, threshold: Threshold, contrast: float) -> None:
    raw_N = np.sort(np.array(raw))
    shaping = fit_shaping(raw_N, quantile, threshold, contrast, clip=5.0, scale=0.1)
    reward_N = shape(raw_N, shaping)
    assert np.all(np.isfinite(reward_N))
    assert np.all(np.abs(reward_N) <= 0.5 + 1e-12)
    # At most the share above the quantile earns anything; more raw never earns less.
    assert np.mean(reward_N != 0) <= 1 - quantile + 1 / len(raw_N)
    if threshold == "soft":
        assert np.all(reward_N >= 0)
        assert np.all(np.diff(reward_N) >= -1e-12)


def test_by_hand() -> None:
    raw_N = np.array([0.0, 0.0, 0.0, 0.0, 4.0, 8.0])
    mean, std = 2.0, math.sqrt(28 / 3)
    soft = fit_shaping(raw_N, 0.5, "soft", scale=1.0)
    assert shape(raw_N, soft) == pytest.approx([0, 0, 0, 0, 4 / std, 8 / std])
    hard = fit_shaping(raw_N, 0.5, "hard", scale=1.0)
    assert shape(raw_N, hard) == pytest.approx([0, 0, 0, 0, (4 - mean) / std, (8 - mean) / std])
    contrast = fit_shaping(raw_N, 0.5, "soft", contrast=2.0, scale=1.0)
    assert shape(raw_N, contrast) == pytest.approx([0, 0, 0, 0, 2 / std, 8 / std])
    floor = fit_shaping(raw_N, 0.0, "soft", scale=1.0, least_raw=6.0)
    assert shape(raw_N, floor) == pytest.approx([0, 0, 0, 0, 0, 2 / std])


def test_a_constant_reward_pays_nothing() -> None:
    shaping = fit_shaping(np.full(10, 3.0), 0.85)
    assert shape(np.full(10, 3.0), shaping).tolist() == [0.0] * 10


@given(st.lists(st.integers(0, 4), max_size=80), st.integers(1, 25), st.sampled_from([0.0, 1.0, 3.0]))
@settings(deadline=None)
def test_the_window_of_steps_equals_counting(keys: list[int], window: int, exponent: float) -> None:
    discount = CountDiscount(window, exponent)
    assert [discount.factor(key) for key in keys] == pytest.approx(count_factors(keys, window, exponent).tolist())


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 6))
@settings(deadline=None)
def test_the_window_of_distinct_keys_equals_the_slow_way(keys: list[int], window: int) -> None:
    discount = CountDiscount(window, 2.0, "distinct")
    recent: list[int] = []  # keys, the one seen last at the end
    counts: dict[int, int] = {}
    for key in keys:
        factor = discount.factor(key)
        if key == 0:
            assert factor == 1.0
            continue
        counts[key] = counts.get(key, 0) + 1 if key in recent else 1
        recent = [*(other for other in recent if other != key), key][-window:]
        assert factor == pytest.approx(counts[key] ** -2.0)


def test_discounts_are_reset_and_checked() -> None:
    discount = CountDiscount()
    assert [discount.factor(7), discount.factor(7), discount.factor(0)] == pytest.approx([1.0, 1 / 8, 1.0])
    discount.reset()
    assert discount.factor(7) == 1.0
    with pytest.raises(ValueError, match="window"):
        CountDiscount(0)
