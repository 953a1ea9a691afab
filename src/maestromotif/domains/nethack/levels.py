"""What is remembered of a level: its terrain, where the character has been and searched, shops, corpses that can be eaten.

Maps are 21 x 79. Ways are numbered as the first eight actions (N E S W NE SE SW NW); 8 means "here".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nle import nethack

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.compiling import compiled
from maestromotif.domains.nethack.glyphs import FLAGS_OF, TERRAIN_OF
from maestromotif.domains.nethack.layout import MAP_COLUMNS, MAP_SQUARE
from maestromotif.domains.nethack.memory import COLUMNS, LEVELS, NO_WAY, ROWS
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = [
    "BLANK",
    "DOWN_ACTION",
    "DX",
    "DY",
    "HERE",
    "SEARCHED_SHIFT",
    "SEARCH_ACTION",
    "TALLY_OF",
    "UP_ACTION",
    "VISITED",
    "WAIT_ACTION",
    "arrive",
    "block_of",
    "by_shop",
    "enter",
    "feel",
    "find_meal",
    "is_door",
    "look",
    "mark_shops",
    "run_across",
    "stand",
    "walkable",
]

HERE = 8

DY = np.array([-1, 0, 1, 0, -1, 1, 1, -1], np.int64)
DX = np.array([0, 1, 0, -1, 1, 1, -1, -1], np.int64)

VISITED, SEARCHED_SHIFT = 1, 1  # bits of ``marks``: stood upon; searches made there (7 bits)

# What a map has of these, counted for each glyph in 16 bits of one number: items, monsters to fight, shopkeepers, signs of the Oracle.
TALLY_OF = (
    (FLAGS_OF & squares.ITEM > 0)
    + (((FLAGS_OF & (squares.MONSTER | squares.PEACEFUL)) == squares.MONSTER).astype(np.int64) << 16)
    + ((FLAGS_OF & squares.KEEPER > 0).astype(np.int64) << 32)
    + ((FLAGS_OF & squares.ORACLE > 0).astype(np.int64) << 48)
)

WALKABLE = np.zeros(squares.ROCK + 1, np.bool_)
WALKABLE[[*range(squares.FLOOR, squares.FURNITURE + 1), squares.FALL, squares.USED_STAIRS_DOWN, squares.SHOP_FLOOR]] = True

UP_ACTION, DOWN_ACTION, WAIT_ACTION, SEARCH_ACTION = (ACTIONS.index(name) for name in ("up", "down", "wait", "search"))
BLANK = nethack.GLYPH_CMAP_OFF  # rock, or nothing known
CORRIDOR = BLANK + 21  # and the lit one after it
LARGEST_SHOP = 160  # squares; whatever is larger is no shop
FRESH = 30  # turns for which no corpse makes ill
CORPSE = nethack.GLYPH_BODY_OFF


@compiled
def walkable(terrain: int) -> bool:
    return bool(WALKABLE[terrain])


@compiled
def block_of(y: int, x: int) -> int:
    """The block of the coarse map, as one bit."""
    return 1 << ((y // MAP_SQUARE[0]) * MAP_COLUMNS + x // MAP_SQUARE[1])


@compiled
def enter(level_id: int, ids: Any, counts: Any, terrain: Any, marks: Any, visited: int) -> tuple[int, int]:
    """Find or make the memory slot of a level; returns (slot, number of levels visited)."""
    for index in range(LEVELS):
        if ids[index] == level_id:
            return index, visited
    slot = visited % LEVELS
    ids[slot] = level_id
    counts[slot, :] = 0
    terrain[slot] = 0
    marks[slot] = 0
    return slot, visited + 1


@compiled
def look(
    glyphs: Any, previous: Any, whole: bool, terrain: Any, counts: Any, me_y: int, me_x: int, seen: Any, tally: int, fresh: Any, turn: int
) -> tuple[int, int, int]:
    """Bring the level's terrain up to date with the glyphs; ``seen`` gets new squares, new down, new up, new altars.

    Where a monster stood and its corpse lies, it has fallen in this ``turn``; corpses of the undead, which are old, are not theirs.

    Returns:
        How many glyphs have changed; the blocks of the coarse map whose terrain has; the tally of the map.
    """
    seen[:] = 0
    changed, dirty = 0, 0
    if whole:
        tally = 0
        fresh[:] = 0
    for y in range(ROWS):
        if not whole:
            differ = 0
            for x in range(COLUMNS):
                differ += glyphs[y, x] != previous[y, x]
            if differ == 0:
                continue
            changed += differ
        for x in range(COLUMNS):
            glyph = glyphs[y, x]
            if whole:
                tally += TALLY_OF[glyph]
            elif glyph == previous[y, x]:
                continue
            else:
                tally += TALLY_OF[glyph] - TALLY_OF[previous[y, x]]
                if FLAGS_OF[glyph] & squares.EDIBLE:
                    if glyph - CORPSE == previous[y, x]:
                        fresh[y, x] = turn
                elif FLAGS_OF[glyph] & squares.MONSTER == 0:
                    fresh[y, x] = 0
            previous[y, x] = glyph
            known = int(TERRAIN_OF[glyph])
            old = int(terrain[y, x])
            if old == squares.ROCK:
                old = squares.UNKNOWN
            if known == squares.UNKNOWN:
                if old == squares.UNKNOWN and FLAGS_OF[glyph] != 0:
                    known = squares.FLOOR  # something stands there, so it can be stood upon
                elif old == squares.BOULDER and not (y == me_y and x == me_x) and FLAGS_OF[glyph] & squares.OBJECT:
                    known = squares.FLOOR
                else:
                    continue
            if old == squares.UNKNOWN:
                seen[0] += 1
            if known == old or (known == squares.BOULDER and old != squares.UNKNOWN and old != squares.FLOOR):
                continue
            if known == squares.CLOSED_DOOR and old == squares.LOCKED_DOOR:
                continue
            if known == squares.STAIRS_DOWN and old == squares.USED_STAIRS_DOWN:
                continue
            if known == squares.FLOOR and old == squares.SHOP_FLOOR:
                continue
            if known == squares.STAIRS_DOWN:
                seen[1] += 1
            elif known == squares.STAIRS_UP:
                seen[2] += 1
            elif known == squares.ALTAR:
                seen[3] += 1
            elif known == squares.FALL:
                counts[6] += 1
            terrain[y, x] = known
            dirty |= block_of(y, x)
    counts[2] += seen[0]
    counts[3] += seen[1]
    counts[4] += seen[2]
    counts[5] += seen[3]
    return changed, dirty, tally


@compiled
def find_meal(fresh: Any, turn: int, me_y: int, me_x: int) -> int:
    """The way to a fresh corpse: HERE, one of the eight, or NO_WAY."""
    if fresh[me_y, me_x] > 0 and turn - fresh[me_y, me_x] <= FRESH:
        return HERE
    for way in range(8):
        y, x = me_y + DY[way], me_x + DX[way]
        if 0 <= x < COLUMNS and 0 <= y < ROWS and fresh[y, x] > 0 and turn - fresh[y, x] < FRESH:
            return way
    return NO_WAY


@compiled
def is_door(terrain: int) -> bool:
    return terrain in (squares.OPEN_DOOR, squares.CLOSED_DOOR, squares.LOCKED_DOOR)


@compiled
def mark_shops(glyphs: Any, terrain: Any, counts: Any, queue: Any) -> int:
    """Find the floor on which shopkeepers buy: theirs and all that borders on it, up to the doors and without the squares at these.

    Returns:
        The blocks of the coarse map whose terrain has changed.
    """
    dirty, tail = 0, 0
    reached = np.zeros((ROWS, COLUMNS), np.bool_)
    for y in range(ROWS):
        for x in range(COLUMNS):
            if FLAGS_OF[glyphs[y, x]] & squares.KEEPER:
                reached[y, x] = True
                queue[tail] = y * COLUMNS + x
                tail += 1
    head = 0
    while head < tail and tail < LARGEST_SHOP:
        y, x = queue[head] // COLUMNS, queue[head] % COLUMNS
        head += 1
        at_door = False
        for way in range(8):
            ny, nx = y + DY[way], x + DX[way]
            if not (0 <= nx < COLUMNS and 0 <= ny < ROWS):
                continue
            kind = terrain[ny, nx]
            at_door |= kind == squares.DOORWAY or is_door(kind)
            if not reached[ny, nx] and kind in (squares.FLOOR, squares.SHOP_FLOOR) and not CORRIDOR <= glyphs[ny, nx] <= CORRIDOR + 1:
                reached[ny, nx] = True
                queue[tail] = ny * COLUMNS + nx
                tail += 1
        if terrain[y, x] == squares.FLOOR and not at_door:
            terrain[y, x] = squares.SHOP_FLOOR
            counts[7] += 1
            dirty |= block_of(y, x)
        elif terrain[y, x] == squares.SHOP_FLOOR and at_door:
            terrain[y, x] = squares.FLOOR
            counts[7] -= 1
            dirty |= block_of(y, x)
    return dirty


@compiled
def by_shop(terrain: Any, me_y: int, me_x: int) -> bool:
    for y in range(max(0, me_y - 1), min(ROWS, me_y + 2)):
        for x in range(max(0, me_x - 1), min(COLUMNS, me_x + 2)):
            if terrain[y, x] == squares.SHOP_FLOOR:
                return True
    return False


@compiled
def feel(terrain: Any, glyphs: Any, y: int, x: int) -> None:
    """Where nothing shows beside somebody who stands here and sees, nothing is that can be walked upon, unless it is hidden."""
    for way in range(8):
        ny, nx = y + DY[way], x + DX[way]
        if 0 <= nx < COLUMNS and 0 <= ny < ROWS and terrain[ny, nx] == squares.UNKNOWN and glyphs[ny, nx] == BLANK:
            terrain[ny, nx] = squares.ROCK


@compiled
def run_across(terrain: Any, marks: Any, glyphs: Any, y: int, x: int, me_y: int, me_x: int, way: int) -> int:
    """Mark the squares that the character has run across; returns the blocks of the coarse map whose marks have changed."""
    far = max(abs(me_y - y), abs(me_x - x))
    if y + far * DY[way] != me_y or x + far * DX[way] != me_x:
        return 0  # something else has moved it
    dirty = 0
    for _ in range(1, far):
        y, x = y + DY[way], x + DX[way]
        if not marks[y, x] & VISITED:
            marks[y, x] |= VISITED
            dirty |= block_of(y, x)
        feel(terrain, glyphs, y, x)
    return dirty


@compiled
def stand(terrain: Any, marks: Any, counts: Any, seen: Any, me_y: int, me_x: int, action: int, bump: int, feet: int, watched: bool) -> int:
    """Mark where the character stands, on what (``feet``), and what it ran into; returns how often it has searched here.

    A locked door can be kicked in, but where it is ``watched``, whoever does so is hunted down: it is as good as a wall.
    """
    before = squares.STAIRS_DOWN if terrain[me_y, me_x] == squares.USED_STAIRS_DOWN else terrain[me_y, me_x]
    if feet == squares.OPEN_DOOR:
        terrain[me_y, me_x] = feet
    elif feet != squares.UNKNOWN and feet != before:
        kind = 1 if feet == squares.STAIRS_DOWN else 2 if feet == squares.STAIRS_UP else 3
        seen[kind] += 1
        counts[2 + kind] += 1
        terrain[me_y, me_x] = feet
    if not walkable(terrain[me_y, me_x]) and terrain[me_y, me_x] != squares.TRAP:
        terrain[me_y, me_x] = squares.FLOOR
    if bump >= 0:
        by, bx = me_y + DY[bump], me_x + DX[bump]
        if 0 <= bx < COLUMNS and 0 <= by < ROWS and terrain[by, bx] == squares.CLOSED_DOOR:
            terrain[by, bx] = squares.SOLID if watched else squares.LOCKED_DOOR
    marks[me_y, me_x] |= VISITED
    more = 20 if action == WAIT_ACTION else 1 if action == SEARCH_ACTION else 0
    if more:  # a search covers the neighbours; counting one square further spreads searches out
        for y in range(max(0, me_y - 2), min(ROWS, me_y + 3)):
            for x in range(max(0, me_x - 2), min(COLUMNS, me_x + 3)):
                searched = min((marks[y, x] >> SEARCHED_SHIFT) + more, 120)
                marks[y, x] = (marks[y, x] & VISITED) | (searched << SEARCHED_SHIFT)
    return int(marks[me_y, me_x] >> SEARCHED_SHIFT)


@compiled
def arrive(terrain: Any, counts: Any, me_y: int, me_x: int, age: int, action: int, stood_on: int) -> None:
    """The character hides what it stands on; whoever takes a staircase arrives on its other end."""
    here = squares.UNKNOWN
    if age == 0 or (action == DOWN_ACTION and (stood_on == squares.STAIRS_DOWN or stood_on == squares.USED_STAIRS_DOWN)):
        here = squares.STAIRS_UP
    elif action == UP_ACTION and stood_on == squares.STAIRS_UP:
        here = squares.USED_STAIRS_DOWN
    if here != squares.UNKNOWN and terrain[me_y, me_x] != here:
        if terrain[me_y, me_x] != squares.STAIRS_DOWN:  # seen already, or fallen past
            counts[3 if here == squares.USED_STAIRS_DOWN else 4] += 1
        terrain[me_y, me_x] = here
