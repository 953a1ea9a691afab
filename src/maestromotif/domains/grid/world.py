"""One game: MiniGrid's own rules on a map of three rooms, and its squares as small numbers.

MiniGrid (Chevalier-Boisvert et al. 2023) spends most of a step on drawing the agent's view; ``sight`` does that for all games at once, so
``gen_obs`` gives nothing here. ``gen_obs_grid`` is untouched: tests compare ``sight`` with it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on standard output, where tables and JSON go

from minigrid.core.actions import Actions
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, WorldObj
from minigrid.minigrid_env import MiniGridEnv

__all__ = ["BALL", "BOX", "FLOOR", "GOAL", "KEY", "LOCKED", "MOVES", "OPEN", "SILL", "WALL", "GridHouseWorld", "code"]

# Numbers of what a square holds. A sill is floor on which nothing can be put down.
FLOOR, WALL, LOCKED, OPEN, KEY, BALL, BOX, GOAL, SILL = range(9)
_CODES = {"wall": WALL, "key": KEY, "ball": BALL, "box": BOX, "goal": GOAL, "floor": SILL}
# The package's actions, in their order, as MiniGrid's.
MOVES = (Actions.left, Actions.right, Actions.forward, Actions.pickup, Actions.drop, Actions.toggle)
_TRIES = 50


def code(thing: WorldObj | None) -> int:
    """The number of what lies on a square."""
    if thing is None:
        return FLOOR
    if thing.type == "door":
        return OPEN if thing.is_open else LOCKED
    return _CODES[thing.type]


class GridHouseWorld(MiniGridEnv):  # type: ignore[misc]
    """Home, hall and vault in a row, ``room`` squares wide on average and ``room`` high.

    A gap joins home and hall; a locked door joins hall and vault. The agent begins at home, the key lies at home or in the hall, the ball
    and the green goal are in the hall, the box is in the vault. No two of them touch. The columns beside the
    inner walls are sills, so that nothing that is laid down can bar gap or door. Standing on the goal does not end anything.

    Attributes:
        walls: columns of the two walls between the rooms.
    """

    def __init__(self, room: int = 5) -> None:
        self.room = room
        self.walls = (0, 0)
        mission = MissionSpace(mission_func=lambda: "do what you are told")
        super().__init__(mission_space=mission, width=3 * room + 4, height=room + 2, max_steps=2**31 - 1)

    def gen_obs(self) -> dict[str, Any]:
        return {}

    def codes(self) -> NDArray[np.int8]:
        """What every square holds, int8 ``[height * width]``, row by row."""
        return np.array([code(thing) for thing in self.grid.grid], np.int8)

    def _gen_grid(self, width: int, height: int) -> None:
        while not self._furnish(width, height):
            pass

    def _furnish(self, width: int, height: int) -> bool:
        """Build a map; False if the things found no room."""
        self.grid = grid = Grid(width, height)
        grid.wall_rect(0, 0, width, height)
        first = 1 + self.room + self._rand_int(-1, 2)
        second = 2 + 2 * self.room + self._rand_int(-1, 2)
        self.walls = (int(first), int(second))
        for column, opening in ((first, Floor("grey")), (second, Door("yellow", is_locked=True))):
            grid.vert_wall(column, 0)
            row = self._rand_int(1, height - 1)
            grid.set(column, row, opening)
            for beside in (column - 1, column + 1):
                grid.vert_wall(beside, 1, height - 2, lambda: Floor("grey"))
        home, hall, vault = (0, first), (first, second), (second, width)
        places = (
            (Key("yellow"), hall if self._rand_bool() else home),
            (Ball("red"), hall),
            (Goal("green"), hall),
            (Box("blue"), vault),
        )
        self.agent_pos = (-1, -1)
        try:
            for thing, (left, right) in places:
                self.place_obj(thing, (left, 0), (right - left, height), _touches, _TRIES)
            self.place_agent((0, 0), (first, height), max_tries=_TRIES)
        except RecursionError:  # MiniGrid's word for having tried too often
            return False
        return True


def _touches(world: GridHouseWorld, place: tuple[int, int]) -> bool:
    """Whether something lies beside the place, corners included."""
    x, y = place
    around = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    return any(code(world.grid.get(*square)) in (KEY, BALL, BOX, GOAL) for square in around)
