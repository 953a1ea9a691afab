"""Shortest paths over what is remembered of a level, to the nearest square of each kind that matters.

Ways are numbered as in ``levels``; 9 means "none known".
"""

from __future__ import annotations

from typing import Any

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.compiling import compiled
from maestromotif.domains.nethack.glyphs import FLAGS_OF
from maestromotif.domains.nethack.layout import TARGETS
from maestromotif.domains.nethack.levels import DX, DY, HERE, SEARCHED_SHIFT, VISITED, is_door, walkable
from maestromotif.domains.nethack.memory import COLUMNS, NO_WAY, ROWS, UNREACHED, Search

__all__ = ["T_SPOT", "T_UNEXPLORED", "find_paths"]

T_DOWN, T_UP, T_UNEXPLORED, T_ALTAR, T_ITEM, T_SPOT, T_DOOR, T_SHOP = range(len(TARGETS))
DEAD_END_SEARCHES = 60  # after so many searches a dead end is given up
WALL_SEARCHES = 15  # and any other place

# A search numbers squares in rows of 80, with a border of closed squares around them.
STRIDE = COLUMNS + 1
SIDES = DY * STRIDE + DX
OPEN, DOOR = 255, 254  # squares that a search may reach but has not; once it has, the first step to them stands there


@compiled
def _prepare(terrain: Any, marks: Any, search: Search) -> None:
    """Lay the level out for a search: what can be reached (not the leftmost column), what is there, and where its frontier runs.

    The frontier are squares never stood upon that border on something never seen, first row and column left aside.
    """
    first, kinds, frontier, _ = search
    for y in range(ROWS):
        row = (y + 1) * STRIDE + 1
        into, kinds_here = first[row : row + COLUMNS], kinds[row : row + COLUMNS]
        for x in range(COLUMNS):
            kind = terrain[y, x]
            kinds_here[x] = kind
            walkable = ((kind >= squares.FLOOR) & (kind <= squares.FURNITURE)) | (kind == squares.FALL)
            walkable |= (kind == squares.USED_STAIRS_DOWN) | (kind == squares.SHOP_FLOOR)
            door = (kind == squares.OPEN_DOOR) | (kind == squares.CLOSED_DOOR)
            into[x] = (OPEN - door) * walkable
        into[0] = 0
        kinds_here[0] = max(kinds_here[0], 1)
    for x in range(COLUMNS):
        kinds[STRIDE + 1 + x] = max(kinds[STRIDE + 1 + x], 1)
    for y in range(ROWS):
        row = (y + 1) * STRIDE + 1
        above, here, below = kinds[row - STRIDE - 1 :], kinds[row - 1 :], kinds[row + STRIDE - 1 :]
        out = frontier[row : row + COLUMNS]
        for x in range(COLUMNS):
            unknown = (above[x] == 0) | (above[x + 1] == 0) | (above[x + 2] == 0) | (here[x] == 0) | (here[x + 2] == 0)
            unknown |= (below[x] == 0) | (below[x + 1] == 0) | (below[x + 2] == 0)
            out[x] = unknown & (marks[y, x] & VISITED == 0)


@compiled
def _search_spot(terrain: Any, marks: Any, y: int, x: int) -> int:
    """Is this a good place to search? 2: a visited end of a corridor; 1: a place beside walls or rock; 0: searched enough."""
    searched = marks[y, x] >> SEARCHED_SHIFT
    if not marks[y, x] & VISITED or searched >= DEAD_END_SEARCHES:
        return 0
    ways, unknown, blocked, last = 0, 0, 0, -1
    for way in range(8):
        ny, nx = y + DY[way], x + DX[way]
        if not (0 <= nx < COLUMNS and 0 <= ny < ROWS):
            continue
        if walkable(terrain[ny, nx]):
            if last >= 0 and abs(DY[way] - DY[last]) + abs(DX[way] - DX[last]) == 1:
                ways -= 1  # two squares beside each other lead the same way
            ways += 1
            last = way
        elif terrain[ny, nx] in (squares.UNKNOWN, squares.ROCK):
            unknown += 1
        else:
            blocked += 1
    if ways <= 1 and unknown >= 3:
        return 2
    return 1 if unknown + blocked > 0 and searched < WALL_SEARCHES else 0


@compiled
def _square(place: int) -> int:
    """A search's number of a square as 79 * y + x."""
    return (place // STRIDE - 1) * COLUMNS + place % STRIDE - 1


@compiled
def find_paths(
    terrain: Any,
    marks: Any,
    glyphs: Any,
    counts: Any,
    items: int,
    me_y: int,
    me_x: int,
    ways: Any,
    distances: Any,
    places: Any,
    search: Search,
) -> None:
    """Breadth-first search from the character to the nearest square of each target kind that the level is known to have.

    ``ways``, ``distances`` and ``places`` get the first step, the length and the end. Places to search and locked doors matter
    only where nothing else is left to explore, so they are looked for only then, in the order in which squares were reached.
    """
    _prepare(terrain, marks, search)
    first, kinds, frontier, queue = search
    ways[:] = NO_WAY
    distances[:] = UNREACHED
    used_way, used_distance, used_place = NO_WAY, UNREACHED, 0  # stairs down that were not used yet come first
    missing = 1 + (counts[3] + counts[6] > 0) + (counts[4] > 0) + (counts[5] > 0) + (counts[7] > 0) + (items > 0)
    head, tail = 0, 1
    start = (me_y + 1) * STRIDE + me_x + 1
    queue[0] = start
    first[start] = HERE
    while head < tail and missing > 0:
        place, distance = queue[head] & 0xFFFF, queue[head] >> 16
        head += 1
        kind = kinds[place]
        way_here = first[place]
        if kind >= squares.STAIRS_DOWN:
            found = -1
            if kind == squares.STAIRS_DOWN or kind == squares.FALL:
                found = T_DOWN
            elif kind == squares.STAIRS_UP:
                found = T_UP
            elif kind == squares.ALTAR:
                found = T_ALTAR
            elif kind == squares.SHOP_FLOOR:
                found = T_SHOP
            elif kind == squares.USED_STAIRS_DOWN and used_way == NO_WAY:
                used_way, used_distance, used_place = int(way_here), min(distance, UNREACHED - 1), place
            if found >= 0 and ways[found] == NO_WAY:
                ways[found], distances[found], places[found] = way_here, min(distance, UNREACHED - 1), _square(place)
                missing -= 1
        if distance > 0:
            if frontier[place] and ways[T_UNEXPLORED] == NO_WAY:
                ways[T_UNEXPLORED], distances[T_UNEXPLORED], places[T_UNEXPLORED] = way_here, min(distance, UNREACHED - 1), _square(place)
                missing -= 1
            if (
                items > 0
                and ways[T_ITEM] == NO_WAY
                and kind != squares.SHOP_FLOOR
                and FLAGS_OF[glyphs[place // STRIDE - 1, place % STRIDE - 1]] & squares.ITEM
            ):
                ways[T_ITEM], distances[T_ITEM] = way_here, min(distance, UNREACHED - 1)
                missing -= 1
        straight = is_door(kind)  # nobody walks diagonally through a door
        for way in range(8):
            side = place + SIDES[way]
            if first[side] < DOOR or (way >= 4 and (straight or first[side] == DOOR)):
                continue
            if distance == 0:
                creature = FLAGS_OF[glyphs[me_y + DY[way], me_x + DX[way]]]
                stairs = kinds[side] in (squares.STAIRS_DOWN, squares.USED_STAIRS_DOWN, squares.STAIRS_UP)
                if creature & squares.PEACEFUL or (creature & squares.FORBIDDEN and not stairs):
                    continue  # a creature that is not to be fought stands in the way
            first[side] = way if way_here == HERE else way_here
            queue[tail] = side | (distance + 1) << 16
            tail += 1
    if ways[T_DOWN] == NO_WAY:
        ways[T_DOWN], distances[T_DOWN], places[T_DOWN] = used_way, used_distance, _square(used_place)
    if ways[T_UNEXPLORED] == NO_WAY:
        _last_resorts(terrain, marks, first, queue, tail, ways, distances)


@compiled
def _last_resorts(terrain: Any, marks: Any, first: Any, queue: Any, reached: int, ways: Any, distances: Any) -> None:
    """The nearest dead end (else any place worth searching) and the nearest locked door among the squares reached."""
    wall_way, wall_distance = NO_WAY, UNREACHED
    for index in range(reached):
        place, distance = queue[index] & 0xFFFF, min(queue[index] >> 16, UNREACHED - 1)
        y, x = place // STRIDE - 1, place % STRIDE - 1
        if ways[T_SPOT] == NO_WAY:
            spot = _search_spot(terrain, marks, y, x)
            if spot == 2:
                ways[T_SPOT], distances[T_SPOT] = first[place], distance
            elif spot == 1 and wall_way == NO_WAY:
                wall_way, wall_distance = int(first[place]), distance
        if ways[T_DOOR] == NO_WAY:
            for way in range(4):
                ny, nx = y + DY[way], x + DX[way]
                if 0 <= nx < COLUMNS and 0 <= ny < ROWS and terrain[ny, nx] == squares.LOCKED_DOOR:
                    ways[T_DOOR], distances[T_DOOR] = first[place], distance
    if ways[T_SPOT] == NO_WAY:
        ways[T_SPOT], distances[T_SPOT] = wall_way, wall_distance
