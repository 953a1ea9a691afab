"""A drawing of a bench: from above, and below that from the front. Drawn without OpenGL, which a confined process need not have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from maestromotif.domains.robotics.world import DRAWER_FRONT, Bench

__all__ = ["draw"]

_SCALE = 500  # pixels a metre
_WIDTH, _DEPTH, _HEIGHT = 0.72, 0.68, 0.3
_HANDLE = 0.05  # how far it stands off
_TABLE, _WOOD, _DARK, _METAL = (214, 196, 160), (128, 90, 52), (90, 62, 36), (70, 74, 84)
_CUBE, _PLATE, _BUTTON, _GOLD, _LAMP, _WALL = (38, 140, 60), (60, 120, 200), (190, 40, 40), (220, 190, 60), (255, 220, 70), (238, 238, 240)
_CUBE_HALF, _FINGER = 0.02, 0.016


def draw(bench: Bench, game: int, lamp: bool) -> NDArray[np.uint8]:
    """RGB, uint8 ``[H, W, 3]``."""
    above, front = int(_DEPTH * _SCALE), int(_HEIGHT * _SCALE)
    picture = Image.new("RGB", (int(_WIDTH * _SCALE), above + front), _WALL)
    pen = ImageDraw.Draw(picture)
    _above(pen, bench, game, lamp)
    _front(pen, bench, game, above + front - 12)
    return np.asarray(picture)


def _above(pen: ImageDraw.ImageDraw, bench: Bench, game: int, lamp: bool) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return (x + _WIDTH / 2) * _SCALE, (_DEPTH / 2 - y) * _SCALE

    def box(left: float, right: float, low: float, high: float, colour: tuple[int, int, int]) -> None:
        pen.rectangle((*at(left, high), *at(right, low)), fill=colour, outline=(60, 50, 40))

    def disc(x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        pen.ellipse((*at(x - radius, y + radius), *at(x + radius, y - radius)), fill=colour, outline=(60, 50, 40))

    box(-_WIDTH / 2, _WIDTH / 2, -_DEPTH / 2, _DEPTH / 2, _TABLE)
    front = DRAWER_FRONT - float(bench.drawer_B[game])
    box(-0.1, 0.1, front, DRAWER_FRONT + 0.02, _WOOD)
    box(-0.055, 0.055, front - _HANDLE - 0.005, front - _HANDLE + 0.005, _GOLD)
    plate, button, cube, tip = bench.plate_B3[game], bench.button_B3[game], bench.cube_B3[game], bench.tip_B3[game]
    disc(plate[0], plate[1], 0.05, _PLATE)
    box(button[0] - 0.045, button[0] + 0.045, button[1] - 0.045, button[1] + 0.045, _METAL)
    disc(button[0], button[1], 0.037, _BUTTON)
    box(cube[0] - _CUBE_HALF, cube[0] + _CUBE_HALF, cube[1] - _CUBE_HALF, cube[1] + _CUBE_HALF, _CUBE)
    box(-0.122, 0.122, DRAWER_FRONT, DRAWER_FRONT + 0.17, _DARK)
    disc(0.28, 0.25, 0.03, _LAMP if lamp else _METAL)
    gap = float(bench.gap_B[game]) / 2
    for side in (-1, 1):
        inner, outer = sorted((tip[0] + side * gap, tip[0] + side * (gap + _FINGER)))
        box(inner, outer, tip[1] - 0.011, tip[1] + 0.011, _METAL)


def _front(pen: ImageDraw.ImageDraw, bench: Bench, game: int, floor: float) -> None:
    def box(left: float, right: float, low: float, high: float, colour: tuple[int, int, int]) -> None:
        x, y = (left + _WIDTH / 2) * _SCALE, floor - high * _SCALE
        pen.rectangle((x, y, (right + _WIDTH / 2) * _SCALE, floor - low * _SCALE), fill=colour, outline=(60, 50, 40))

    box(-_WIDTH / 2, _WIDTH / 2, -0.03, 0, _TABLE)
    box(-0.122, 0.122, 0, 0.11, _DARK)
    box(-0.1, 0.1, 0.008, 0.072, _WOOD)
    box(-0.055, 0.055, 0.038, 0.062, _GOLD)
    plate, button, cube, tip = bench.plate_B3[game], bench.button_B3[game], bench.cube_B3[game], bench.tip_B3[game]
    box(plate[0] - 0.05, plate[0] + 0.05, 0, 0.004, _PLATE)
    box(button[0] - 0.045, button[0] + 0.045, 0, 0.03, _METAL)
    box(button[0] - 0.037, button[0] + 0.037, 0.03, button[2] - bench.pressed_B[game], _BUTTON)
    box(cube[0] - _CUBE_HALF, cube[0] + _CUBE_HALF, cube[2] - _CUBE_HALF, cube[2] + _CUBE_HALF, _CUBE)
    gap = float(bench.gap_B[game]) / 2
    for side in (-1, 1):
        inner, outer = sorted((tip[0] + side * gap, tip[0] + side * (gap + _FINGER)))
        box(inner, outer, tip[2] - 0.011, tip[2] + 0.053, _METAL)
    box(tip[0] - 0.05, tip[0] + 0.05, tip[2] + 0.053, tip[2] + 0.077, _METAL)
