"""What a game shows a person, as recordings keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TextScreen", "changed_runs"]

_GAP = 4  # unchanged cells that cost less inside a run than a further run


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


def changed_runs(before: TextScreen | None, after: TextScreen) -> list[tuple[int, int]]:
    """First place and the place after the last one of stretches of cells that cover all that differ. Places count row by row.

    Args:
        before: of the same size; None: an empty screen in grey.
    """
    chars = ord(" ") if before is None else before.chars_HW.ravel()
    colours = 7 if before is None else before.colours_HW.ravel()
    changed = ((after.chars_HW.ravel() != chars) | (after.colours_HW.ravel() != colours)).nonzero()[0].tolist()
    runs: list[tuple[int, int]] = []
    for place in changed:
        if runs and place - runs[-1][1] < _GAP:
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    return runs
