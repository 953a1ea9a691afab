"""The paired comparison against enumeration of all swaps, and against published intervals."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.bench.paired import compare_paired

outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9)


@given(outcomes)
@settings(max_examples=60, deadline=None)
def test_the_p_value_is_the_share_of_swaps_that_favour_the_second_as_much(pairs: list[tuple[bool, bool]]) -> None:
    found = compare_paired([one for one, _ in pairs], [other for _, other in pairs])
    observed = sum(other - one for one, other in pairs)
    swaps = [sum(sign * (other - one) for sign, (one, other) in zip(signs, pairs, strict=True)) for signs in _signs(len(pairs))]
    assert found.p_value == pytest.approx(sum(value >= observed for value in swaps) / len(swaps))
    assert found.difference == pytest.approx(observed / len(pairs))
    assert found.episodes == len(pairs)
    assert -1 <= found.interval.low <= found.interval.high <= 1


def _signs(count: int) -> list[tuple[int, ...]]:
    return list(itertools.product((1, -1), repeat=count))


def test_the_interval_is_the_published_one() -> None:
    # Agresti and Min 2005, adjusted Wald, by hand: 20 pairs, 9 won, 1 lost: centre 8/22, spread sqrt(11 - 64/22)/22.
    found = compare_paired([False] * 9 + [True] + [True] * 10, [True] * 9 + [False] + [True] * 10)
    spread = math.sqrt(11 - 64 / 22) / 22
    assert (found.only_second, found.only_first, found.both, found.neither) == (9, 1, 10, 0)
    assert found.interval.low == pytest.approx(8 / 22 - 1.959964 * spread, abs=1e-6)
    assert found.interval.high == pytest.approx(8 / 22 + 1.959964 * spread, abs=1e-6)


def test_the_interval_covers_the_truth() -> None:
    import numpy as np

    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        cell = rng.choice(4, size=24, p=(0.3, 0.1, 0.35, 0.25))  # both, only first, only second, neither
        found = compare_paired(list(np.isin(cell, (0, 1))), list(np.isin(cell, (0, 2))))
        covered += found.interval.low <= 0.25 <= found.interval.high
    assert 0.92 <= covered / 400 <= 0.99


def test_nothing_tells_equal_vectors_apart() -> None:
    found = compare_paired([True, False], [True, False])
    assert found.p_value == 1.0
    assert found.difference == 0.0
    assert found.interval.low < 0 < found.interval.high


def test_other_episodes_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="the same episodes"):
        compare_paired([True], [True, False])
