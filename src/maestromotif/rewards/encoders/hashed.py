"""Hashed words, word pairs and signs (``rewards.features``), with a linear part and a small hidden layer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from maestromotif.rewards.encoders.base import Floats, Reader, Rows, ranges, require_shapes
from maestromotif.rewards.features import SIGN_HASHES, feature_hashes
from maestromotif.types import RewardInput

__all__ = ["Corpus", "HashedReader", "HashedScorer", "build_corpus"]

# Inputs at a time: some twenty features of 32 float64 each.
_CHUNK = 2048
_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True)
class Corpus:
    """The features of ``N`` inputs as one flat array.

    Attributes:
        buckets: int64 ``[V]``, hashes of the known features, ascending.
        flat: int64, rows of ``buckets``, input after input.
        starts: int64 ``[N + 1]``: input ``i`` has ``flat[starts[i]:starts[i + 1]]``.
    """

    buckets: Rows
    flat: Rows
    starts: Rows

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, one: int) -> Rows:
        return self.flat[self.starts[one] : self.starts[one + 1]]

    def take(self, chosen: Rows) -> Self:
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        places, _ = ranges(self.starts[chosen], sizes)
        return type(self)(self.buckets, self.flat[places], np.concatenate(([0], np.cumsum(sizes))))


def build_corpus(hashes: Sequence[Sequence[int]], least: int) -> Corpus:
    """Number the features that at least ``least`` inputs have; rarer ones cannot be told from chance and are left out.

    Single signs stay: a domain has few of them, and what happens seldom (a game that is won) may always look the same.
    """
    lengths, everything = _flatten(hashes)
    found, counts = np.unique(everything, return_counts=True)
    return _known(found[(counts >= least) | np.isin(found, SIGN_HASHES)], lengths, everything)


@dataclass(frozen=True)
class HashedReader:
    """Reads the features with the hashes ``buckets`` (int64 ``[V]``, ascending); others count for nothing."""

    buckets: Rows

    @cached_property
    def places(self) -> dict[int, int]:
        """Row of each hash."""
        return {bucket: row for row, bucket in enumerate(self.buckets.tolist())}

    def rows(self, given: RewardInput) -> Rows:
        """The features of one input, as ``read`` gives them, without its overhead."""
        places = self.places
        return np.array([places[number] for number in feature_hashes(given) if number in places], np.int64)

    def read(self, inputs: Sequence[RewardInput]) -> Corpus:
        return _known(self.buckets, *_flatten([feature_hashes(given) for given in inputs]))

    def card(self) -> dict[str, str]:
        return {"name": "hashed"}

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {"buckets": self.buckets}

    def same(self, other: Reader) -> bool:
        return isinstance(other, HashedReader) and np.array_equal(self.buckets, other.buckets)


@dataclass(frozen=True)
class HashedScorer:
    """raw = sum of ``linear`` over the features + ``out`` . relu(sum of ``hidden`` over the features + ``bias``).

    Attributes:
        linear: float32 ``[V]``.
        hidden: float32 ``[V, H]``; ``H`` may be 0.
        bias, out: float32 ``[H]``.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("linear", "hidden", "bias", "out")
    linear: NDArray[np.float32]
    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    out: NDArray[np.float32]

    def raws(self, features: Corpus) -> Floats:
        result = np.zeros(len(features))
        for begin in range(0, len(features), _CHUNK):
            end = min(begin + _CHUNK, len(features))
            rows = features.flat[features.starts[begin] : features.starts[end]]
            starts = features.starts[begin : end + 1] - features.starts[begin]
            value = _segment_sums(self.linear[rows].astype(np.float64), starts)
            if len(self.out):
                # No product of matrices here: its rounding would depend on how many inputs are computed together.
                active = np.maximum(_segment_sums(self.hidden[rows].astype(np.float64), starts) + self.bias, 0.0)
                value += (active * self.out).sum(axis=1)
            result[begin:end] = value
        return result

    def raw(self, rows: Rows) -> float:
        """The raw reward of one input, as ``raws`` gives it to the last bit."""
        if not len(rows):
            rest = (np.maximum(self.bias, 0.0).astype(np.float64) * self.out).sum() if len(self.out) else 0.0
            return float(rest)
        value = np.add.reduceat(self.linear[rows].astype(np.float64), _FIRST)
        if len(self.out):
            value += (np.maximum(np.add.reduceat(self.hidden[rows].astype(np.float64), _FIRST) + self.bias, 0.0) * self.out).sum(axis=1)
        return float(value[0])

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.NAMES}

    def check(self, reader: Any) -> None:
        size, width = len(reader.buckets), len(self.out)
        require_shapes(self.tensors(), {"linear": (size,), "hidden": (size, width), "bias": (width,)})


def _flatten(hashes: Sequence[Sequence[int]]) -> tuple[Rows, Rows]:
    lengths = np.array([len(one) for one in hashes], np.int64)
    return lengths, np.fromiter(itertools.chain.from_iterable(hashes), np.int64, int(lengths.sum()))


def _known(buckets: Rows, lengths: Rows, everything: Rows) -> Corpus:
    """``everything``, the features of inputs with so many each, as far as they are among ``buckets``."""
    place = np.searchsorted(buckets, everything)
    known = (place < len(buckets)) & (buckets[np.minimum(place, len(buckets) - 1)] == everything) if len(buckets) else place < 0
    owner = np.repeat(np.arange(len(lengths)), lengths)[known]
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(lengths)))))
    return Corpus(buckets, place[known].astype(np.int64), starts.astype(np.int64))


def _segment_sums(values: Floats, starts: Rows) -> Floats:
    """Sums of ``values[starts[i]:starts[i + 1]]``, float64 ``[N, ...]``; an empty segment has sum 0."""
    sums = np.zeros((len(starts) - 1, *values.shape[1:]))
    filled = starts[1:] > starts[:-1]
    if filled.any():  # reduceat has no empty segments
        sums[filled] = np.add.reduceat(values, starts[:-1][filled], axis=0)
    return sums
