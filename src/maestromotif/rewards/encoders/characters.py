"""A small convolution over the bytes of the message, beside the signs.

Seven neighbouring bytes, each as a short vector, go through one layer; the largest answer of each unit over the whole message
joins the signs, and both go through a linear part and a hidden layer. The message is read in lower case, as UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from maestromotif.rewards.encoders.base import Floats, Reader, Rows, one_hot, ranges, require_shapes
from maestromotif.types import RewardInput

__all__ = ["BYTE_SIZE", "FILTERS", "WIDTH", "CharacterReader", "CharacterScorer", "Texts"]

# Numbers of each byte, bytes seen together, and units that see them.
BYTE_SIZE, WIDTH, FILTERS = 8, 7, 96
# Longer messages are cut, as in the reference.
_LONGEST = 256
_CHUNK = 512


@dataclass(frozen=True)
class Texts:
    """Messages as one array of bytes, and signs.

    Attributes:
        flat: uint8; each message is followed by ``WIDTH`` zeros.
        starts, lengths: int64 ``[N]``, where each message begins and how long it is.
        signs: float32 ``[N, S]``, one-hot.
    """

    flat: NDArray[np.uint8]
    starts: Rows
    lengths: Rows
    signs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, chosen: Rows) -> Self:
        return type(self)(self.flat, self.starts[chosen], self.lengths[chosen], self.signs[chosen])

    def windows(self) -> tuple[Rows, Rows]:
        """Bytes seen together, int64 ``[Q, WIDTH]``, and the place of each message's first window, int64 ``[N]``.

        A message of ``L`` bytes has ``L + 1`` windows; the last one sees zeros alone, so that an empty message has one too.
        """
        places, offsets = ranges(self.starts, self.lengths + 1)
        return self.flat[places[:, None] + np.arange(WIDTH)].astype(np.int64), offsets


@dataclass(frozen=True)
class CharacterReader:
    """Reads bytes and signs; ``sign_sizes`` are the numbers of values of the domain's signs."""

    sign_sizes: tuple[int, ...]

    def read(self, inputs: Sequence[RewardInput]) -> Texts:
        messages = [given.message.lower().encode()[:_LONGEST] for given in inputs]
        lengths = np.array([len(message) for message in messages], np.int64)
        flat = np.frombuffer(b"".join(message + bytes(WIDTH) for message in messages), np.uint8)
        return Texts(flat, np.cumsum(lengths + WIDTH) - lengths - WIDTH, lengths, one_hot(inputs, self.sign_sizes))

    def card(self) -> dict[str, str]:
        return {"name": "character-cnn"}

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {}

    def same(self, other: Reader) -> bool:
        return self == other


@dataclass(frozen=True)
class CharacterScorer:
    """The network at rest.

    Attributes:
        bytes: float32 ``[256, BYTE_SIZE]``; row 0 is 0.
        filters: float32 ``[WIDTH * BYTE_SIZE, FILTERS]``, with ``filter_bias`` ``[FILTERS]``.
        linear: float32 ``[FILTERS + S]``.
        hidden: float32 ``[FILTERS + S, H]``, with ``bias`` and ``out`` ``[H]``.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("bytes", "filters", "filter_bias", "linear", "hidden", "bias", "out")
    bytes: NDArray[np.float32]
    filters: NDArray[np.float32]
    filter_bias: NDArray[np.float32]
    linear: NDArray[np.float32]
    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    out: NDArray[np.float32]

    def raws(self, features: Texts) -> Floats:
        chunks = np.split(np.arange(len(features)), range(_CHUNK, len(features), _CHUNK))
        return np.concatenate([self._some(features.take(chunk)) for chunk in chunks]) if len(features) else np.zeros(0)

    def _some(self, features: Texts) -> Floats:
        windows, offsets = features.windows()
        seen = self.bytes[windows].reshape(len(windows), -1) @ self.filters
        pooled = np.maximum(np.maximum.reduceat(seen, offsets, axis=0) + self.filter_bias, 0.0)
        joined = np.concatenate([pooled, features.signs], axis=1)
        value = joined @ self.linear + np.maximum(joined @ self.hidden + self.bias, 0.0) @ self.out
        return np.asarray(value, np.float64)

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.NAMES}

    def check(self, reader: Any) -> None:
        size, width = FILTERS + sum(reader.sign_sizes), len(self.out)
        shapes = {"bytes": (256, BYTE_SIZE), "filters": (WIDTH * BYTE_SIZE, FILTERS), "filter_bias": (FILTERS,)}
        require_shapes(self.tensors(), {**shapes, "linear": (size,), "hidden": (size, width), "bias": (width,)})
