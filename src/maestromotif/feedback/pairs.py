"""Which captions are compared: partly any two, partly such that rare kinds of transitions are seen often enough."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from maestromotif.feedback.tables import CaptionTable
from maestromotif.skills import Skill
from maestromotif.types import Caption, Pair

__all__ = ["Question", "caption_digest", "make_pair", "pairs_of_keys", "pairs_of_rows", "sample_rows", "skill_rng"]

# A pair with the keys of its first and second caption.
Question = tuple[Pair, int, int]

# Shares of pairs whose first member is drawn: uniformly, by pattern of signs, by a single sign that says something.
_UNIFORM, _PATTERN, _SIGN = 0.4, 0.3, 0.3


def make_pair(one: Caption, other: Caption, digests_of: tuple[str, str] | None = None) -> Pair:
    """A pair whose id and order depend only on the two captions, not on the order in which they come.

    ``digests_of`` are the two ``caption_digest``, where the caller has them.
    """
    known = digests_of or (caption_digest(one), caption_digest(other))
    digests = {known[0]: one, known[1]: other}
    low, high = min(digests), max(digests)
    pair_id = hashlib.sha256(f"{low}{high}".encode()).hexdigest()[:24]
    pair = Pair(pair_id, digests[low], digests[high])
    # A bit of the hash decides who comes first, so that no kind of caption is always on one side.
    return pair.swap() if int(pair_id[-1], 16) % 2 else pair


def caption_digest(caption: Caption) -> str:
    """Hash of all that a caption says."""
    content = repr((caption.text, caption.reward_input.message, tuple(map(int, caption.reward_input.signs))))
    return hashlib.sha256(content.encode()).hexdigest()


def skill_rng(skill: Skill, seed: int) -> np.random.Generator:
    """A generator for a skill that does not depend on the other skills."""
    return np.random.default_rng([seed % 2**63, int.from_bytes(hashlib.sha256(skill.id.encode()).digest()[:8], "big")])


def pairs_of_keys(captions: CaptionTable, keys_P: Iterable[Sequence[int]]) -> list[Question]:
    """As ``pairs_of_rows``, for the captions with these keys."""
    row_of = captions.rows()
    rows = [[row_of[int(one)], row_of[int(other)]] for one, other in keys_P]
    return pairs_of_rows(captions, np.array(rows, np.int64).reshape(-1, 2))


def pairs_of_rows(captions: CaptionTable, rows: NDArray[np.int64]) -> list[Question]:
    """Questions about pairs of these rows (int64 ``[P, 2]``); the same pair only once."""
    used = {row: captions.caption(row) for row in np.unique(rows).tolist()}
    digests = {row: caption_digest(caption) for row, caption in used.items()}
    questions: dict[str, Question] = {}
    for one, other in rows.tolist():
        first, second = used[one], used[other]
        pair = make_pair(first, second, (digests[one], digests[other]))
        keys = int(captions.keys[one]), int(captions.keys[other])
        questions[pair.id] = (pair, *(keys if pair.first is first else keys[::-1]))
    return list(questions.values())


def sample_rows(table: CaptionTable, num_pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``table`` to compare.

    Args:
        num_pairs: as many pairs, or all there are if there are fewer.

    Returns:
        Int64 ``[P, 2]``: no pair twice, in any order, and none of a row with itself.
    """
    size = len(table)
    total = size * (size - 1) // 2
    if total <= 2 * num_pairs:
        rows = np.stack(np.triu_indices(size, 1), axis=1).astype(np.int64)
        return rng.permutation(rows)[:num_pairs]
    patterns, singles = _strata(table)
    everything = [np.arange(size)]
    shares = [(everything, _UNIFORM), (patterns, _PATTERN), (singles or everything, _SIGN)]
    chosen: dict[tuple[int, int], None] = {}
    # Strata that are small run out of fresh pairs; after some rounds uniform ones fill the rest.
    for attempt in range(1000):
        wanted = num_pairs - len(chosen)
        for strata, share in shares if attempt < 8 else [(everything, 1.0)]:
            number = max(1, round(share * wanted))
            first = _draw(strata, number, rng)
            others = _draw(strata, number, rng)
            second = np.where(rng.random(number) < 0.5, others, rng.integers(size, size=number))
            for one, other in zip(first.tolist(), second.tolist(), strict=True):
                if one != other and len(chosen) < num_pairs:
                    chosen[min(one, other), max(one, other)] = None
        if len(chosen) == num_pairs:
            break
    return rng.permutation(np.array(list(chosen), np.int64))


def _strata(table: CaptionTable) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Rows by pattern of signs, and rows by each (sign, value) that says that something happened."""
    pattern = _pattern(table.signs)
    order = np.argsort(pattern, kind="stable")
    patterns = np.split(order, np.flatnonzero(np.diff(pattern[order])) + 1)
    singles = [
        np.flatnonzero(table.signs[:, sign] == value)
        for sign in range(table.signs.shape[1])
        for value in np.unique(table.signs[:, sign]).tolist()
        if value != 0
    ]
    return patterns, singles


def _pattern(signs_N: NDArray[np.int8]) -> NDArray[np.int64]:
    """A number for each row of signs (``[N, S]``), int64 ``[N]``: equal for equal rows only, and in their lexicographic order."""
    digits_N = signs_N.astype(np.int64)
    digits_N -= digits_N.min(axis=0, initial=0)
    sizes = digits_N.max(axis=0, initial=0) + 1
    if math.prod(sizes.tolist()) >= 2**63:
        return np.unique(signs_N, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    # Sorting rows takes most of the time that choosing pairs does; digits of one number need no such thing.
    number = np.zeros(len(signs_N), np.int64)
    for column, size in enumerate(sizes.tolist()):
        number = number * size + digits_N[:, column]
    return number


def _draw(strata: Sequence[NDArray[np.int64]], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``number`` rows: a stratum uniformly, then a row of it uniformly."""
    flat = np.concatenate(strata)
    sizes = np.array([len(rows) for rows in strata])
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    stratum = rng.integers(len(strata), size=number)
    return flat[starts[stratum] + rng.integers(sizes[stratum])]
