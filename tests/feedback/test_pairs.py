"""Which pairs are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.feedback.pairs import _pattern, make_pair, sample_rows
from maestromotif.feedback.tables import CaptionTable
from maestromotif.feedback.words import content_words, fallback_variables
from maestromotif.skills import Skill
from maestromotif.types import Caption, RewardInput


def table(signs: list[tuple[int, ...]]) -> CaptionTable:
    entries = {key: (Caption(f"text {key}", RewardInput(f"message {key}", row)), 1) for key, row in enumerate(signs)}
    return CaptionTable.build(entries, len(signs[0]))


@given(st.integers(2, 60), st.integers(1, 400), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_pairs_are_different_and_as_many_as_can_be(size: int, wanted: int, seed: int) -> None:
    rows = sample_rows(table([(row % 3, row % 2) for row in range(size)]), wanted, np.random.default_rng(seed))
    assert len(rows) == min(wanted, size * (size - 1) // 2)
    assert rows.min() >= 0
    assert rows.max() < size
    assert np.all(rows[:, 0] != rows[:, 1])
    assert len({tuple(sorted(pair)) for pair in rows.tolist()}) == len(rows)


def test_rare_kinds_of_transitions_are_seen_often() -> None:
    # One caption in a thousand has the rare sign; uniform pairs would show it about six times.
    captions = table([(1 if row == 0 else 0, row % 3) for row in range(1000)])
    rows = sample_rows(captions, 3000, np.random.default_rng(0))
    assert len(rows) == 3000
    assert np.sum(rows == 0) > 200


@given(st.lists(st.lists(st.integers(-128, 127), min_size=3, max_size=3), min_size=1, max_size=40), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_numbers_of_rows_are_as_the_slow_way_gives_them(rows: list[list[int]], copies: int) -> None:
    """Up to what fits into a number (3 signs of 256 values), and beyond (12)."""
    signs = np.tile(np.array(rows, np.int8), (2, copies))
    slow = np.unique(signs, axis=0, return_inverse=True)[1].reshape(-1)
    fast = np.unique(_pattern(signs), return_inverse=True)[1].reshape(-1)
    assert np.array_equal(slow, fast)


def test_the_same_seed_gives_the_same_pairs() -> None:
    captions = table([(row % 5, row % 7) for row in range(300)])
    first, again, other = (sample_rows(captions, 500, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_pair_does_not_depend_on_the_order_of_its_captions() -> None:
    captions = [Caption(f"text {number}", RewardInput("m", (number,))) for number in range(40)]
    pairs = [make_pair(one, other) for one in captions for other in captions if one is not other]
    by_id = {pair.id: pair for pair in pairs}
    assert len(by_id) == 40 * 39 // 2
    assert all(by_id[pair.id] == pair for pair in pairs)
    # Neither place is preferred: the first caption of the list comes first in about half of its pairs.
    assert 8 <= sum(pair.first is captions[0] for pair in by_id.values()) <= 31


def test_swapping() -> None:
    pair = make_pair(Caption("a", RewardInput("a", ())), Caption("b", RewardInput("b", ())))
    assert pair.swap().swap() == pair
    assert pair.swap().first == pair.second


def test_content_words() -> None:
    assert content_words("The player prefers gold; gold, and MORE gems than before!") == ("player", "gold", "gems")
    assert fallback_variables(Skill("digger", "Digs tunnels.", prefer="Find gems.")) == {"skill": "digger", "words": "gems"}


@pytest.mark.parametrize("text", ["", "and the of", "“…” 123"])
def test_texts_without_content_words(text: str) -> None:
    assert content_words(text) == ()
