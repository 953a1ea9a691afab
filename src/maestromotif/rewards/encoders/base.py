"""What an encoder is made of, and arithmetic that several of them need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from maestromotif.types import RewardInput

__all__ = ["Features", "Floats", "Reader", "Rows", "Scorer", "one_hot", "ranges", "require_shapes"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


class Features(Protocol):
    """What was read of ``N`` inputs."""

    def __len__(self) -> int: ...

    def take(self, chosen: Rows) -> Self:
        """Those of the chosen inputs, in their order; an input may be chosen twice."""
        ...


class Reader(Protocol):
    """Turns inputs into features. Members of an ensemble share one, and equal ones are shared by skills."""

    def read(self, inputs: Sequence[RewardInput]) -> Any:
        """The features of all inputs."""
        ...

    def card(self) -> dict[str, str]:
        """Name of the encoder, and what else it takes to make the reader again."""
        ...

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What it has to be stored with."""
        ...

    def same(self, other: Reader) -> bool:
        """Whether both read alike."""
        ...


class Scorer(Protocol):
    """One fitted network at rest."""

    def raws(self, features: Any) -> Floats:
        """Raw rewards of all inputs, float64 ``[N]``."""
        ...

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The weights by name."""
        ...


def ranges(starts: Rows, sizes: Rows) -> tuple[Rows, Rows]:
    """``start, start + 1, ...`` (``size`` numbers) for each start, one after the other, and where each run begins in the result."""
    offsets = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) + np.repeat(starts - offsets, sizes), offsets


def one_hot(inputs: Sequence[RewardInput], sign_sizes: Sequence[int]) -> NDArray[np.float32]:
    """Signs as float32 ``[N, sum of sizes]``: one 1 for each sign."""
    hot = np.zeros((len(inputs), sum(sign_sizes)), np.float32)
    if len(inputs) and sign_sizes:
        places = np.cumsum([0, *sign_sizes[:-1]]) + np.array([given.signs for given in inputs], np.int64)
        hot[np.arange(len(inputs))[:, None], places] = 1.0
    return hot


def require_shapes(tensors: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises:
    ValueError: a tensor has another shape.
    """
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ValueError(f"tensors do not fit each other: {name} has shape {tensors[name].shape}, not {shape}")
