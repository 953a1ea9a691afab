"""What a game shows a person, as recordings keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TextScreen"]


@dataclass(frozen=True, slots=True)
class TextScreen:
    """One frame of a terminal.

    Attributes:
        chars_HW: uint8, characters in Latin-1.
        colours_HW: uint8, 0-15 of a terminal's palette: black, red, green, brown, blue, magenta, cyan, grey, and the same bright.
        cursor: row and column.
    """

    chars_HW: NDArray[np.uint8]
    colours_HW: NDArray[np.uint8]
    cursor: tuple[int, int]
