"""Similarity of texts without any model: tf-idf over hashed words and pieces of words, in whatever alphabet."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["hashed_similarity"]

# A word, or a single sign that is none, such as an emoji.
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SIZE = 1 << 20
_PIECES = (2, 3, 4, 5)


def hashed_similarity(texts: Sequence[str], query: str) -> NDArray[np.float64]:
    """Cosine between each text and the query, float64 ``[N]`` in [0, 1]; 0 where they share nothing.

    A feature weighs log(1 + times) * (1 + log((1 + N) / (1 + texts that have it))); what is rare among ``texts`` counts most.
    """
    found = [_features(text) for text in texts]
    rows = np.repeat(np.arange(len(texts)), [len(ids) for ids, _ in found])
    ids = np.concatenate([ids for ids, _ in found]) if found else np.zeros(0, np.int32)
    times = np.concatenate([counts for _, counts in found]) if found else np.zeros(0, np.float32)
    weight = np.log((1 + len(texts)) / (1 + np.bincount(ids, minlength=_SIZE))) + 1
    values = np.log1p(times) * weight[ids]
    wanted = np.zeros(_SIZE)
    query_ids, query_times = _features(query)
    wanted[query_ids] = np.log1p(query_times) * weight[query_ids]
    length = np.sqrt(np.bincount(rows, values**2, len(texts)))
    shared = np.bincount(rows, values * wanted[ids], len(texts))
    product = length * np.linalg.norm(wanted)
    found_N: NDArray[np.float64] = np.divide(shared, product, out=np.zeros(len(texts)), where=product > 0)
    return found_N


def _features(text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Distinct hashed features of a text, and how often each occurs."""
    words = [_word(token) for token in _TOKEN.findall(text.casefold())]
    if not words:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    ids, counts = np.unique(np.concatenate(words), return_counts=True)
    return ids, counts.astype(np.float32)


@lru_cache(maxsize=100_000)
def _word(token: str) -> NDArray[np.int32]:
    """Features of a word: itself, and its pieces with its ends marked."""
    marked = f"<{token}>"
    pieces = {marked[start : start + size] for size in _PIECES for start in range(len(marked) - size + 1)}
    return np.array([zlib.crc32(piece.encode()) % _SIZE for piece in sorted({marked, *pieces})], np.int32)
