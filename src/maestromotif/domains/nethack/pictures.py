"""Pictures of what surrounds the character, for networks that see NetHack as an image: glyphs, characters, colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numba
import numpy as np
from nle import nethack
from numpy.typing import NDArray

__all__ = ["CHARACTERS", "COLOURS", "GLYPHS", "PICTURES", "draw"]

GLYPHS = nethack.MAX_GLYPH + 1  # the last one stands for what lies outside the map
CHARACTERS = 128
COLOURS = 16
_DARK = 8
_ZAP, _SWALLOW, _EXPLOSION = 65, 79, 87  # first symbols of beams, of a gullet, of explosions


def _symbol(index: int) -> tuple[int, int]:
    found = nethack.symdef.from_idx(index)
    return int(found.sym), int(found.color)


def _drawn(glyph: int) -> tuple[int, int]:
    """As ``_appearance``, with black shown as dark grey, and nothing as nothing."""
    if glyph == nethack.GLYPH_CMAP_OFF:
        return ord(" "), 0
    character, colour = _appearance(glyph)
    return character, colour or _DARK


def _appearance(glyph: int) -> tuple[int, int]:
    """The character and the colour with which a glyph is drawn. Beams, gullets and explosions, which are gone before anyone acts, get the
    colour of their symbol."""
    if nethack.glyph_is_statue(glyph):
        monster = nethack.permonst(glyph - nethack.GLYPH_STATUE_OFF)
        return ord(nethack.class_sym.from_mlet(monster.mlet).sym), nethack.objclass(nethack.glyph_to_obj(glyph)).oc_color
    if nethack.glyph_is_monster(glyph):
        monster = nethack.permonst(nethack.glyph_to_mon(glyph))
        return ord(nethack.class_sym.from_mlet(monster.mlet).sym), monster.mcolor
    if nethack.glyph_is_object(glyph):
        kind = nethack.objclass(nethack.glyph_to_obj(glyph))
        body = nethack.glyph_is_body(glyph)
        colour = nethack.permonst(glyph - nethack.GLYPH_BODY_OFF).mcolor if body else kind.oc_color
        return ord(nethack.class_sym.from_oc_class(kind.oc_class).sym), colour
    if nethack.glyph_is_cmap(glyph):
        return _symbol(nethack.glyph_to_cmap(glyph))
    if nethack.glyph_is_warning(glyph):
        return ord("0") + nethack.glyph_to_warning(glyph), _DARK
    if nethack.glyph_is_invisible(glyph):
        return ord("I"), _DARK
    if nethack.glyph_is_swallow(glyph):
        return _symbol(_SWALLOW + (glyph - nethack.GLYPH_SWALLOW_OFF) % 8)
    if glyph >= nethack.GLYPH_ZAP_OFF:
        return _symbol(_ZAP + (glyph - nethack.GLYPH_ZAP_OFF) % 4)
    return _symbol(_EXPLOSION + (glyph - nethack.GLYPH_EXPLODE_OFF) % 9)


def _tables() -> dict[str, NDArray[np.int16]]:
    drawn = np.array([_drawn(glyph) for glyph in range(nethack.MAX_GLYPH)] + [(ord(" "), 0)], np.int16)
    return {"glyphs": np.arange(GLYPHS, dtype=np.int16), "characters": drawn[:, 0].copy(), "colours": drawn[:, 1].copy()}


# By name of the grid: what stands in the picture for each glyph.
PICTURES: Mapping[str, NDArray[np.int16]] = _tables()


def _draw(games: Any, glyphs: Any, stats: Any, table: Any, out: Any) -> None:
    height, width = out.shape[1], out.shape[2]
    for game in games:
        top, left = stats[game, 1] - height // 2, stats[game, 0] - width // 2
        for row in range(height):
            for column in range(width):
                y, x = top + row, left + column
                inside = 0 <= y < glyphs.shape[1] and 0 <= x < glyphs.shape[2]
                out[game, row, column] = table[glyphs[game, y, x]] if inside else table[-1]


_Draw = Callable[[NDArray[np.int64], NDArray[np.int16], NDArray[np.int64], NDArray[np.int16], NDArray[Any]], None]
_compiled = cast(_Draw, numba.njit(cache=True)(_draw))


def draw(
    games: NDArray[np.int64], glyphs: NDArray[np.int16], stats: NDArray[np.int64], table: NDArray[np.int16], out: NDArray[Any]
) -> None:
    """Write pictures with the character in the middle.

    Args:
        games: which games; the other rows of ``out`` stay as they are.
        glyphs: int16 ``[B, 21, 79]``; stats: nle's blstats, ``[B, 27]``.
        table: one of ``PICTURES``.
        out: uint8 or int16 ``[B, height, width]``.
    """
    _compiled(games, glyphs, stats, table, out)
