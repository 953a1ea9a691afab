"""Observations of any Gymnasium environment as what networks read: one dense vector and one bag of active features.

* numbers become dense, scaled by their bounds to [-1, 1]; where there are none, by ``sign(x) log(1 + |x|)``, which has no memory;
* categories, whether single or in arrays of at most ``MOST_CELLS`` small whole numbers, become features: this place, that value;
* larger arrays are averaged over blocks into pictures of at most ``PICTURE`` rows and columns;
* words of a text become features by their hash.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maestromotif.errors import DomainError

__all__ = ["MOST_CELLS", "PICTURE", "ObservationReader", "is_text", "leaves"]

MOST_CELLS = 256
PICTURE = 16
_MOST_CATEGORIES = 65_536
_VALUES = 16  # values of a cell that have a feature of their own; the last one stands for all above
_WORDS, _WORD_KINDS = 16, 1024
_UNBOUNDED = 1e6

_Row = NDArray[Any]
_Write = Callable[[Any, _Row, _Row], None]


def leaves(space: gymnasium.Space[Any], path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], gymnasium.Space[Any]]]:
    """The parts of a space that are no tuples and dictionaries, each with the keys that lead there."""
    if isinstance(space, spaces.Dict):
        return [leaf for key, part in space.spaces.items() for leaf in leaves(part, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for key, part in enumerate(space.spaces) for leaf in leaves(part, (*path, key))]
    return [(path, space)]


def is_text(leaf: gymnasium.Space[Any]) -> bool:
    """Whether its values are texts, also where the environment brings a kind of space of its own for them."""
    known = isinstance(leaf, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Graph | spaces.Sequence)
    return isinstance(leaf, spaces.Text) or (not known and isinstance(leaf.sample(), str))


class ObservationReader:
    """Writes an environment's observations into rows of arrays.

    Attributes:
        dense: numbers of the dense vector.
        bag_size, bag_length: of the bag of features; see ``contract.Bag``.

    Raises:
        DomainError: a kind of space that cannot be read.
    """

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self.dense, self.bag_size, self.bag_length = 0, 1, 0
        self._parts: list[tuple[tuple[Any, ...], str, _Write]] = []
        for path, leaf in leaves(space):
            name = "observation" + "".join(f"[{key!r}]" for key in path)
            self._parts += [(path, name, write) for write in self._writers(leaf, name)]

    def write(self, observation: Any, dense: _Row, bag: _Row) -> None:
        """Write one observation.

        Args:
            dense: float32 ``[dense]``.
            bag: ``[bag_length]`` indices.

        Raises:
            DomainError: the observation is not of its space.
        """
        for path, name, write in self._parts:
            value = observation
            try:
                for key in path:
                    value = value[key]
            except (KeyError, IndexError, TypeError) as error:
                raise DomainError(f"{name} is not there, though the observation space has it", "Mend the environment's spaces") from error
            write(value, dense, bag)

    def _writers(self, leaf: gymnasium.Space[Any], name: str) -> list[_Write]:
        if isinstance(leaf, spaces.Discrete):
            return [self._categories(name, (), np.array([leaf.start]), np.array([leaf.n]))]
        if isinstance(leaf, spaces.MultiDiscrete):
            return [self._categories(name, leaf.shape, leaf.start.ravel(), leaf.nvec.ravel())]
        if isinstance(leaf, spaces.MultiBinary):
            return [self._numbers(name, leaf.shape, np.zeros(leaf.shape), np.ones(leaf.shape))]
        if is_text(leaf):
            return [self._text(name)]
        if isinstance(leaf, spaces.Box):
            if leaf.low.size > MOST_CELLS:
                return [self._picture(name, leaf)]
            numbers = self._numbers(name, leaf.shape, leaf.low, leaf.high)
            if np.issubdtype(np.dtype(leaf.dtype), np.integer) and leaf.low.size:
                return [numbers, self._cells(name, leaf)]
            return [numbers]
        raise DomainError(
            f"{name} is of the kind {type(leaf).__name__}, which cannot be read",
            "Wrap the environment so that it is a Box, a Discrete, a Text, or a tuple or dictionary of them",
        )

    def _categories(self, name: str, shape: tuple[int, ...], start: NDArray[Any], counts: NDArray[Any]) -> _Write:
        """One feature for each place and value; where there are too many, numbers."""
        if int(counts.sum()) > _MOST_CATEGORIES:
            return self._numbers(name, shape, start.reshape(shape), (start + counts - 1).reshape(shape))
        offsets = self.bag_size + np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) - start
        low, high, place = start, start + counts, slice(self.bag_length, self.bag_length + len(counts))
        self.bag_size, self.bag_length = self.bag_size + int(counts.sum()), self.bag_length + len(counts)

        def write(value: Any, dense: _Row, bag: _Row) -> None:
            found = _array(value, shape, name).ravel()
            if ((found < low) | (found >= high)).any():
                raise DomainError(f"{name} is {value!r}, which is outside its space", "Mend the environment's spaces")
            bag[place] = found.astype(np.int64) + offsets

        return write

    def _cells(self, name: str, leaf: spaces.Box) -> _Write:
        """One feature for each place and small value above the least one."""
        size, least = leaf.low.size, int(leaf.low.min())
        offsets = self.bag_size + np.arange(size) * _VALUES
        place = slice(self.bag_length, self.bag_length + size)
        self.bag_size, self.bag_length = self.bag_size + size * _VALUES, self.bag_length + size

        def write(value: Any, dense: _Row, bag: _Row) -> None:
            bag[place] = np.clip(_array(value, leaf.shape, name).ravel().astype(np.int64) - least, 0, _VALUES - 1) + offsets

        return write

    def _numbers(self, name: str, shape: tuple[int, ...], low: NDArray[Any], high: NDArray[Any]) -> _Write:
        low, high = np.asarray(low, np.float64).ravel(), np.asarray(high, np.float64).ravel()
        bounded = (np.abs(low) < _UNBOUNDED) & (np.abs(high) < _UNBOUNDED) & (high > low)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        middle, half = (low + high) / 2, (high - low) / 2
        all_bounded, place = bool(bounded.all()), slice(self.dense, self.dense + low.size)
        self.dense += low.size

        def write(value: Any, dense: _Row, bag: _Row) -> None:
            found = _array(value, shape, name).ravel().astype(np.float64)
            scaled = (found - middle) / half
            if not all_bounded:
                scaled = np.where(bounded, scaled, np.sign(found) * np.log1p(np.abs(found)))
            if not np.isfinite(scaled).all():
                raise DomainError(f"{name} holds a value that is no number", "Mend the environment")
            dense[place] = np.clip(scaled, -20, 20)

        return write

    def _picture(self, name: str, leaf: spaces.Box) -> _Write:
        """Averages over blocks. Of more than two dimensions, the last is taken for channels if it is short, else the first."""
        shape = leaf.shape
        flat = len(shape) == 1
        rows, columns = (1, shape[0]) if flat else (shape[0], shape[1]) if len(shape) == 2 or shape[-1] <= 4 else (shape[1], shape[2])
        first = len(shape) == 3 and shape[-1] > 4
        if len(shape) > 3:
            raise DomainError(f"{name} has {len(shape)} dimensions, pictures have two or three", "Wrap the environment to make it smaller")
        channels = 1 if len(shape) < 3 else shape[0] if first else shape[-1]
        high = 1 if flat else min(rows, PICTURE)
        wide = min(columns, MOST_CELLS if flat else PICTURE)
        # Where channels are many, they are averaged.
        kept = channels if channels <= 4 else 1
        low_bound, high_bound = float(leaf.low.min()), float(leaf.high.max())
        known = abs(low_bound) < _UNBOUNDED and abs(high_bound) < _UNBOUNDED and high_bound > low_bound
        row_cuts, column_cuts = np.arange(high) * rows // high, np.arange(wide) * columns // wide
        sizes = np.diff([*row_cuts, rows])[:, None, None] * np.diff([*column_cuts, columns])[None, :, None]
        place = slice(self.dense, self.dense + high * wide * kept)
        self.dense += high * wide * kept

        def write(value: Any, dense: _Row, bag: _Row) -> None:
            found = _array(value, shape, name).astype(np.float32)
            found = np.moveaxis(found, 0, -1) if first else found.reshape(rows, columns, channels)
            if kept != channels:
                found = found.mean(-1, keepdims=True)
            blocks = np.add.reduceat(np.add.reduceat(found, row_cuts, 0), column_cuts, 1) / sizes
            if known:
                blocks = (blocks - low_bound) / (high_bound - low_bound) * 2 - 1
            else:
                blocks = np.sign(blocks) * np.log1p(np.abs(blocks))
            if not np.isfinite(blocks).all():
                raise DomainError(f"{name} holds a value that is no number", "Mend the environment")
            dense[place] = np.clip(blocks, -20, 20).ravel()

        return write

    def _text(self, name: str) -> _Write:
        offset, place = self.bag_size, slice(self.bag_length, self.bag_length + _WORDS)
        self.bag_size, self.bag_length = self.bag_size + _WORD_KINDS, self.bag_length + _WORDS

        def write(value: Any, dense: _Row, bag: _Row) -> None:
            if not isinstance(value, str):
                raise DomainError(f"{name} is a {type(value).__name__}, its space says text", "Mend the environment's spaces")
            words = value.lower().split()[:_WORDS]
            bag[place] = 0
            bag[place.start : place.start + len(words)] = [offset + zlib.crc32(word.encode()) % _WORD_KINDS for word in words]

        return write


def _array(value: Any, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    if isinstance(value, Mapping | str):
        raise DomainError(f"{name} is a {type(value).__name__}, its space says an array", "Mend the environment's spaces")
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise DomainError(f"{name} cannot be read as an array ({error})", "Mend the environment") from error
    if found.shape != shape:
        raise DomainError(f"{name} has the shape {found.shape}, its space says {shape}", "Mend the environment's spaces")
    if found.dtype.kind not in "biuf":
        raise DomainError(f"{name} holds {found.dtype}, not numbers", "Mend the environment")
    return found
