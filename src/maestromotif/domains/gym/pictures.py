"""Plain numbers that say something of a picture: for facts where an observation is one. And pictures for recordings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bright_column", "bright_row", "brightness", "smaller"]

_LONGEST = 320  # pixels of a side of what recordings keep


def brightness(picture: ArrayLike) -> float:
    """Mean over all pixels and channels, in the picture's own units, rounded to four digits."""
    return round(float(np.mean(_grey(picture))), 4)


def bright_row(picture: ArrayLike) -> float:
    """Where the brightness lies from top (0) to bottom (1): its centre; 0.5 where all is dark."""
    return _centre(_grey(picture).sum(1))


def bright_column(picture: ArrayLike) -> float:
    """Where the brightness lies from left (0) to right (1): its centre; 0.5 where all is dark."""
    return _centre(_grey(picture).sum(0))


def smaller(picture: Any) -> NDArray[np.uint8]:
    """A picture as recordings keep it, uint8 ``[H, W, 3]``: squares of pixels become one each, as large as is needed for 320 on a side.

    Raises:
        ValueError: it is not uint8 ``[H, W, 3]``.
    """
    found = np.asarray(picture)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3:
        raise ValueError(f"a picture is uint8 [H, W, 3], this one is {found.dtype} {list(found.shape)}")
    from PIL import Image

    return np.asarray(Image.fromarray(found).reduce(math.ceil(max(found.shape) / _LONGEST)))


def _grey(picture: ArrayLike) -> NDArray[Any]:
    found = np.asarray(picture, np.float64)
    if found.ndim < 3:
        return np.atleast_2d(found)
    return np.asarray(found.mean(-1 if found.shape[-1] <= 4 else 0))


def _centre(weights: NDArray[Any]) -> float:
    total = weights.sum()
    if total <= 0 or len(weights) < 2:
        return 0.5
    return round(float((weights * np.linspace(0, 1, len(weights))).sum() / total), 4)
