"""What a game shows a person, as recordings keep it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Screen", "TextScreen", "changed_runs", "screen_json"]

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


Screen = TextScreen | NDArray[np.uint8]
"""Text, or an RGB picture, uint8 ``[H, W, 3]``."""


def screen_json(screen: Screen) -> dict[str, object]:
    """As values that JSON has: ``rows`` of text and ``colours`` of the characters, one hexadecimal digit each; or ``png`` in base64."""
    if isinstance(screen, TextScreen):
        rows = [bytes(row).decode("latin-1") for row in screen.chars_HW]
        return {"rows": rows, "colours": ["".join(f"{colour:x}" for colour in row) for row in screen.colours_HW.tolist()]}
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(screen).save(file, "PNG", compress_level=1)
        return {"png": base64.b64encode(file.getvalue()).decode()}


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
