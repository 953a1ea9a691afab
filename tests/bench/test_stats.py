"""Intervals and tests against known values, exact enumeration and slow twins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.bench import bootstrap_mean, permutation_test, wilson
from maestromotif.bench.stats import Alternative

Clusters = list[tuple[int, int]]
clusters = st.lists(st.integers(0, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # the 95 % intervals of Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_holds_the_rate_is_symmetric_and_widens_with_confidence(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    interval = wilson(successes, trials, confidence)
    mirrored = wilson(trials - successes, trials, confidence)
    assert 0 <= interval.low <= interval.high <= 1
    if trials:
        assert interval.low - 1e-12 <= successes / trials <= interval.high + 1e-12
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)
    wider = wilson(successes, trials, (1 + confidence) / 2)
    assert wider.low <= interval.low
    assert wider.high >= interval.high


@given(st.integers(1, 200), st.data())
def test_wilson_bounds_are_where_the_score_test_turns(trials: int, data: st.DataObject) -> None:
    """Definition: at both bounds the standardised distance to the observed rate is the quantile."""
    successes = data.draw(st.integers(0, trials))
    interval = wilson(successes, trials)
    for bound in (interval.low, interval.high):
        if 0 < bound < 1:
            distance = abs(successes / trials - bound) / math.sqrt(bound * (1 - bound) / trials)
            assert distance == pytest.approx(1.959963985, rel=1e-6)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)])
def test_wilson_refuses_nonsense(successes: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        wilson(successes, trials, confidence)


def exact_p(first: Clusters, second: Clusters, alternative: Alternative) -> float:
    """All relabellings, one by one; a side without trials counts as extreme."""

    def difference(one: Sequence[tuple[int, int]], two: Sequence[tuple[int, int]]) -> float:
        trials = [sum(n for _, n in side) for side in (one, two)]
        if not all(trials):
            return math.nan
        return sum(s for s, _ in one) / trials[0] - sum(s for s, _ in two) / trials[1]

    pool, observed = first + second, difference(first, second)
    hits = total = 0
    for chosen in itertools.combinations(range(len(pool)), len(first)):
        one = [pool[i] for i in chosen]
        two = [pool[i] for i in range(len(pool)) if i not in chosen]
        value = difference(one, two)
        total += 1
        hits += (
            math.isnan(value)
            or (alternative == "greater" and value >= observed - 1e-12)
            or (alternative == "less" and value <= observed + 1e-12)
            or (alternative == "two-sided" and abs(value) >= abs(observed) - 1e-12)
        )
    return hits / total


@settings(max_examples=60, deadline=None)
@given(clusters, clusters, st.sampled_from(["greater", "less", "two-sided"]), st.integers(0, 2**32))
def test_permutation_test_agrees_with_full_enumeration(first: Clusters, second: Clusters, alternative: Alternative, seed: int) -> None:
    columns = [np.array(side, dtype=int) for side in (first, second)]
    if not all(side[:, 1].sum() for side in columns):
        return
    draws = 2_000
    result = permutation_test(
        columns[0][:, 0], columns[0][:, 1], columns[1][:, 0], columns[1][:, 1], np.random.default_rng(seed),
        alternative=alternative, permutations=draws,
    )  # fmt: skip
    expected = exact_p(first, second, alternative)
    assert result.p_value == pytest.approx(expected, abs=6 * math.sqrt(max(expected * (1 - expected), 1 / draws) / draws) + 1 / draws)


@given(clusters, clusters, st.integers(0, 2**32))
def test_swapping_the_groups_swaps_the_sides(first: Clusters, second: Clusters, seed: int) -> None:
    one, two = np.array(first), np.array(second)
    there = permutation_test(one[:, 0], one[:, 1], two[:, 0], two[:, 1], np.random.default_rng(seed), permutations=99)
    back = permutation_test(two[:, 0], two[:, 1], one[:, 0], one[:, 1], np.random.default_rng(seed), permutations=99)
    assert there.difference == pytest.approx(-back.difference, nan_ok=True)
    assert 0 < there.p_value <= 1


def test_permutation_test_is_a_function_of_its_generator_and_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0)
    trials = data.integers(0, 9, 60)
    good = data.binomial(trials, 0.4)
    arguments = (good[:30], trials[:30], good[30:], trials[30:])
    whole = permutation_test(*arguments, np.random.default_rng(5), permutations=500)
    assert whole == permutation_test(*arguments, np.random.default_rng(5), permutations=500)
    monkeypatch.setattr("maestromotif.bench.stats._CHUNK_CELLS", 600)
    assert whole == permutation_test(*arguments, np.random.default_rng(5), permutations=500)


def test_clustered_trials_are_not_taken_for_independent_ones() -> None:
    """Two lucky episodes of fifty calls each are two observations, not a hundred."""
    result = permutation_test([50, 0], [50, 50], [0, 0], [50, 50], np.random.default_rng(0), alternative="greater")
    assert result.p_value > 0.3
    separate = permutation_test([1] * 20, [1] * 20, [0] * 20, [1] * 20, np.random.default_rng(0), alternative="greater")
    assert separate.p_value == 1e-4


def test_uniform_p_values_when_nothing_differs() -> None:
    rng = np.random.default_rng(1)
    values = []
    for _ in range(200):
        good = rng.binomial(5, 0.3, 40)
        values.append(permutation_test(good[:20], [5] * 20, good[20:], [5] * 20, rng, alternative="greater", permutations=199).p_value)
    assert np.mean(np.array(values) <= 0.1) < 0.2
    assert 0.4 < np.mean(values) < 0.65


def test_nothing_to_compare_is_not_significant() -> None:
    result = permutation_test([], [], [1], [2], np.random.default_rng(0))
    assert result.p_value == 1.0
    assert math.isnan(result.difference)


@pytest.mark.parametrize(
    ("successes", "trials", "alternative"), [([2], [1], "greater"), ([1, 1], [2], "greater"), ([-1], [1], "less"), ([1], [1], "larger")]
)
def test_permutation_test_refuses_nonsense(successes: list[int], trials: list[int], alternative: Alternative) -> None:
    with pytest.raises(ValueError, match=r"must|unknown"):
        permutation_test(successes, trials, [1], [1], np.random.default_rng(0), alternative=alternative)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(0, 2**32))
def test_bootstrap_equals_its_slow_twin(values: list[float], seed: int) -> None:
    interval = bootstrap_mean(values, np.random.default_rng(seed), resamples=200)
    rng = np.random.default_rng(seed)
    means = [float(np.mean([values[i] for i in row])) for row in rng.integers(0, len(values), (200, len(values)))]
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=1e-6)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=1e-6)
    assert min(values) - 1e-6 <= interval.low <= interval.high <= max(values) + 1e-6


def test_bootstrap_is_as_wide_as_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(2.0, 1.0, 400)
    interval = bootstrap_mean(values, np.random.default_rng(4))
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_bootstrap_of_nothing_and_of_nan() -> None:
    assert math.isnan(bootstrap_mean([], np.random.default_rng(0)).low)
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_mean([math.nan], np.random.default_rng(0))
