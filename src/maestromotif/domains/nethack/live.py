"""The screen of a game that goes on, put together from what nle gives for the map; recordings have the terminal's own, see ``ttyrec``."""

from __future__ import annotations

import numpy as np
from nle import nethack
from numpy.typing import NDArray

from maestromotif.domains.screens import TextScreen

__all__ = ["shown"]

_COLUMNS, _GREY = 80, 7
_BOTTOM = "Dlvl:{depth} $:{gold} HP:{hp}({most}) AC:{armour} Xp:{level} T:{turn}"
_PLACES = {
    "depth": nethack.NLE_BL_DEPTH,
    "gold": nethack.NLE_BL_GOLD,
    "hp": nethack.NLE_BL_HP,
    "most": nethack.NLE_BL_HPMAX,
    "armour": nethack.NLE_BL_AC,
    "level": nethack.NLE_BL_XP,
    "turn": nethack.NLE_BL_TIME,
}


def shown(message: NDArray[np.uint8], chars: NDArray[np.uint8], colours: NDArray[np.uint8], stats: NDArray[np.int64]) -> TextScreen:
    """A screen ``[23, 80]``.

    Args:
        message: uint8 ``[256]``, ends at its first zero.
        chars, colours: uint8 ``[21, 79]``, as nle gives them.
        stats: nle's bottom line.
    """
    height = len(chars) + 2
    text, shades = np.full((height, _COLUMNS), ord(" "), np.uint8), np.full((height, _COLUMNS), _GREY, np.uint8)
    said = bytes(message).partition(b"\0")[0][:_COLUMNS]
    bottom = _BOTTOM.format(**{name: stats[place] for name, place in _PLACES.items()}).encode()[:_COLUMNS]
    for row, line in ((0, said), (height - 1, bottom)):
        text[row, : len(line)] = np.frombuffer(line, np.uint8)
    text[1:-1, : chars.shape[1]] = chars
    # What is empty has no colour of its own.
    shades[1:-1, : chars.shape[1]] = np.where(chars == ord(" "), _GREY, colours & 15)
    return TextScreen(text, shades, (int(stats[nethack.NLE_BL_Y]) + 1, int(stats[nethack.NLE_BL_X])))
