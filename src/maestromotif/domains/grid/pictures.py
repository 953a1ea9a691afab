"""A house as a picture: MiniGrid's own drawing, dark where nobody has looked yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.grid.world import GridHouseWorld

__all__ = ["draw_house"]

_TILE = 16  # pixels of a side of a square
_UNSEEN = 0.3  # of the brightness


def draw_house(world: GridHouseWorld, known_S: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """RGB, uint8 ``[H, W, 3]``, sixteen pixels for each square.

    Args:
        known_S: which squares have been seen, row by row.
    """
    # MiniGrid would highlight what the agent sees; here brightness tells what it has seen.
    nothing = np.zeros((world.width, world.height), np.bool_)
    picture = world.grid.render(_TILE, world.agent_pos, world.agent_dir, nothing)
    light = np.where(known_S.reshape(world.height, world.width), 1.0, _UNSEEN).repeat(_TILE, 0).repeat(_TILE, 1)
    drawn: NDArray[np.uint8] = (picture * light[:, :, None]).astype(np.uint8)
    return drawn
