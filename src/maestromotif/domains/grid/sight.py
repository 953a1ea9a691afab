"""What the agents see and remember, and which way leads where: compiled, for all games at once.

A map is a row of ``height * width`` squares. The agents' memory is ``known``: squares that have once been in view. Only the agent changes
the world, and it changes the square before it, so what is known stays true. ``V`` is the side of the view, 7 as in MiniGrid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.grid.compiled import compiled
from maestromotif.domains.grid.world import BALL, BOX, FLOOR, GOAL, KEY, LOCKED, OPEN, SILL, WALL

__all__ = [
    "AHEAD",
    "BEFORE",
    "BEHIND",
    "DX",
    "DY",
    "HERE",
    "LEFT",
    "NOWHERE",
    "RIGHT",
    "TARGETS",
    "VIEW",
    "VIEW_BAG",
    "find_ways",
    "look",
]

VIEW = 7
_KINDS = 8  # of squares that are drawn: all but plain floor
VIEW_BAG = 1 + VIEW * VIEW * _KINDS
# What ways lead to, and how the first step of a way lies to where the agent looks.
TARGETS = ("unseen", "key", "door", "ball", "box", "goal", "home")
NOWHERE, AHEAD, RIGHT, BEHIND, LEFT, BEFORE, HERE = range(7)
_SQUARE_TARGETS = {KEY: 1, LOCKED: 2, BALL: 3, BOX: 4, GOAL: 5}
_TARGET_OF = np.array([_SQUARE_TARGETS.get(kind, -1) for kind in range(9)], np.int64)
DX, DY = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])  # MiniGrid's directions: east, south, west, north


@compiled
def look(
    games: NDArray[np.int64],
    cells_BS: NDArray[np.int8],
    known_BS: NDArray[np.bool_],
    place_B3: NDArray[np.int64],
    width: int,
    view_BV: NDArray[np.int16],
    fresh_B: NDArray[np.int64],
    things_B: NDArray[np.int64],
) -> None:
    """Draw the views of these games and remember what is in them.

    Sight begins at the agent, at the middle of the view's nearest row, and spreads over each row to both sides, and from there to the next
    row straight and slantwise; walls and closed doors are seen, and nothing through them. This is MiniGrid's rule.

    Args:
        cells_BS: codes of the squares.
        known_BS: is added to.
        place_B3: column, row, direction.
        view_BV: written: for each square of the view 1 + square * kinds + code - 1, or 0 for plain floor and what is not seen.
        fresh_B: written: squares that came to be known now.
        things_B: written: bits of the codes of what came to be known now.
    """
    height = cells_BS.shape[1] // width
    seen = np.zeros((VIEW, VIEW), np.bool_)
    half = VIEW // 2
    for game in games:
        cells, known = cells_BS[game], known_BS[game]
        x, y, direction = place_B3[game, 0], place_B3[game, 1], place_B3[game, 2]
        ahead_x, ahead_y = DX[direction], DY[direction]
        right_x, right_y = -ahead_y, ahead_x
        seen[:] = False
        seen[0, half] = True
        fresh, things = 0, 0
        for row in range(VIEW):
            for turn in range(2):
                step = 1 if turn == 0 else -1
                column = 0 if turn == 0 else VIEW - 1
                while 0 <= column + step < VIEW:
                    if seen[row, column]:
                        square_x = x + ahead_x * row + right_x * (column - half)
                        square_y = y + ahead_y * row + right_y * (column - half)
                        inside = 0 <= square_x < width and 0 <= square_y < height
                        kind = cells[square_y * width + square_x] if inside else WALL
                        if kind not in (WALL, LOCKED):
                            seen[row, column + step] = True
                            if row + 1 < VIEW:
                                seen[row + 1, column + step] = True
                                seen[row + 1, column] = True
                    column += step
        for row in range(VIEW):
            for column in range(VIEW):
                index = row * VIEW + column
                view_BV[game, index] = 0
                square_x = x + ahead_x * row + right_x * (column - half)
                square_y = y + ahead_y * row + right_y * (column - half)
                if not seen[row, column] or square_x < 0 or square_x >= width or square_y < 0 or square_y >= height:
                    continue
                square = square_y * width + square_x
                kind = cells[square]
                if kind != FLOOR:
                    view_BV[game, index] = index * _KINDS + kind
                if not known[square]:
                    known[square] = True
                    fresh += 1
                    things |= 1 << kind
        fresh_B[game], things_B[game] = fresh, things


@compiled
def find_ways(
    games: NDArray[np.int64],
    cells_BS: NDArray[np.int8],
    known_BS: NDArray[np.bool_],
    place_B3: NDArray[np.int64],
    walls_B2: NDArray[np.int64],
    width: int,
    ways_BT: NDArray[np.int64],
    steps_BT: NDArray[np.int64],
) -> None:
    """Shortest ways over known squares, one for each of ``TARGETS``.

    A way to a thing or a door ends beside it; one to the goal or home ends there; one to the unseen ends on the nearest square beside which
    something is unknown. Among equals, ways that go on straight ahead come first.

    Args:
        walls_B2: columns of the walls between the rooms; home lies west of the first.
        ways_BT: written: where the first step lies: ``AHEAD``, ``RIGHT``, ``BEHIND``, ``LEFT``; ``BEFORE``: the target is the next
            square ahead; ``HERE``: the way is at its end; ``NOWHERE``: the target is not known, or no known way leads there.
        steps_BT: written: steps to the end of the way; -1: nowhere.
    """
    size = cells_BS.shape[1]
    queue = np.empty(size, np.int64)
    first = np.empty(size, np.int64)
    far = np.empty(size, np.int64)
    for game in games:
        cells, known = cells_BS[game], known_BS[game]
        direction = place_B3[game, 2]
        start = place_B3[game, 1] * width + place_B3[game, 0]
        ways, steps = ways_BT[game], steps_BT[game]
        ways[:] = NOWHERE
        steps[:] = -1
        far[:] = -1
        far[start] = 0
        queue[0] = start
        head, tail = 0, 1
        while head < tail:
            square = queue[head]
            head += 1
            # The goal, home and the unseen are found on a square, things and doors beside it.
            if cells[square] == GOAL and steps[5] < 0:
                steps[5] = far[square]
                ways[5] = HERE if square == start else 1 + (first[square] - direction) % 4
            if square % width < walls_B2[game, 0] and steps[6] < 0:
                steps[6] = far[square]
                ways[6] = HERE if square == start else 1 + (first[square] - direction) % 4
            for turn in range(4):
                # Ahead, right, left, behind.
                toward = (direction + (0, 1, 3, 2)[turn]) % 4
                following = square + DY[toward] * width + DX[toward]
                leads = toward if square == start else first[square]
                if not known[following]:
                    if steps[0] < 0:
                        steps[0] = far[square]
                        ways[0] = 1 + (leads - direction) % 4
                    continue
                kind = cells[following]
                target = _TARGET_OF[kind]
                if target > 0 and kind != GOAL and steps[target] < 0:
                    steps[target] = far[square]
                    ways[target] = BEFORE if square == start and turn == 0 else 1 + (leads - direction) % 4
                if kind in (FLOOR, OPEN, GOAL, SILL) and far[following] < 0:
                    far[following] = far[square] + 1
                    first[following] = leads
                    queue[tail] = following
                    tail += 1
