"""The vectorised part of the environment: map memory, shortest paths, features, facts and signs of all games in one call.

Everything here is compiled by numba and works on preallocated arrays; no Python object is touched. ``B`` games, maps are
21 x 79. Ways are numbered as the first eight actions (N E S W NE SE SW NW); 8 means "here", 9 "none known".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from nle import nethack
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.glyphs import FLAGS_OF, TERRAIN_OF, TOKEN_OF
from maestromotif.domains.nethack.layout import CROP, FACT, MAP_CLASSES, MAP_COLUMNS, MAP_SQUARE, SECTIONS, SIGN, TARGETS
from maestromotif.domains.nethack.memory import COLUMNS, LEVELS, NO_WAY, ROWS, UNREACHED, Inputs, Memory, Outputs, Search
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["DX", "DY", "HERE", "compiled", "update"]

HERE = 8

DY = np.array([-1, 0, 1, 0, -1, 1, 1, -1], np.int64)
DX = np.array([0, 1, 0, -1, 1, 1, -1, -1], np.int64)

VISITED, SEARCHED_SHIFT = 1, 1  # bits of ``marks``: stood upon; searches made there (7 bits)

T_DOWN, T_UP, T_UNEXPLORED, T_ALTAR, T_ITEM, T_SPOT, T_DOOR, T_SHOP = range(len(TARGETS))
DEAD_END_SEARCHES = 60  # after so many searches a dead end is given up
WALL_SEARCHES = 15  # and any other place

(_P_DIR, _I_DIR), (_P_DIST, _I_DIST) = SECTIONS["direction"], SECTIONS["distance"]
(_P_MON, _I_MON), (_P_TER, _I_TER), (_P_HERE, _I_HERE) = SECTIONS["beside_monster"], SECTIONS["beside_terrain"], SECTIONS["here"]
(_P_HP, _I_HP), (_P_DEPTH, _I_DEPTH), (_P_BRANCH, _I_BRANCH) = SECTIONS["hit_points"], SECTIONS["depth"], SECTIONS["branch"]
(_P_XL, _I_XL), (_P_HUNGER, _I_HUNGER), (_P_STEPS, _I_STEPS) = SECTIONS["experience"], SECTIONS["hunger"], SECTIONS["steps_here"]
(_P_STUCK, _I_STUCK), (_P_SEARCHED, _I_SEARCHED), (_P_NEW, _I_NEW) = SECTIONS["stuck"], SECTIONS["searched"], SECTIONS["new_squares"]
(_P_CROWD, _I_CROWD), (_P_ACTION, _I_ACTION), (_P_PROMPT, _I_PROMPT) = SECTIONS["monsters"], SECTIONS["previous_action"], SECTIONS["prompt"]
(_P_ITEMS, _I_ITEMS), (_P_WORDS, _I_WORDS) = SECTIONS["bag_of_items"], SECTIONS["message"]

F_DEPTH, F_BRANCH, F_BRANCH_LEVEL, F_ENTRANCE = FACT["depth"], FACT["branch"], FACT["branch_level"], FACT["mines_entrance_depth"]
F_MAX_DEPTH, F_LEVELS, F_TURN, F_STEPS = FACT["max_depth"], FACT["levels_visited"], FACT["turn"], FACT["steps"]
F_HP, F_MAX_HP, F_GOLD, F_GOLD_TOTAL = FACT["hp"], FACT["max_hp"], FACT["gold"], FACT["gold_collected"]
F_XL, F_XL_DEPTH = FACT["experience_level"], FACT["experience_depth"]
F_HUNGER, F_KILLS, F_KILLS_HERE, F_STEPS_HERE = FACT["hunger"], FACT["kills"], FACT["kills_here"], FACT["steps_here"]
F_KEEPER, F_ALTAR, F_ON_ALTAR = FACT["shopkeeper_near"], FACT["altar_near"], FACT["on_altar"]
F_DOWN_KNOWN, F_UP_KNOWN, F_DOWN_COUNT = FACT["stairs_down_known"], FACT["stairs_up_known"], FACT["stairs_down_count"]
F_ON_DOWN, F_ON_UP, F_UNEXPLORED = FACT["on_stairs_down"], FACT["on_stairs_up"], FACT["unexplored_reachable"]
F_SEEN, F_HOSTILES, F_ORACLE = FACT["squares_seen_here"], FACT["hostiles_near"], FACT["oracle_near"]
F_ITEMS, F_NEW_ITEMS, F_FOOD, F_UNKNOWN = FACT["items"], FACT["new_items"], FACT["food_items"], FACT["unknown_buc_items"]

G_LEVEL, G_GOLD, G_HP, G_XL, G_HUNGER = SIGN["level"], SIGN["gold"], SIGN["hit_points"], SIGN["experience"], SIGN["hunger"]
G_NEW, G_DOWN, G_UP, G_ALTAR, G_SHOP = SIGN["new_squares"], SIGN["stairs_down"], SIGN["stairs_up"], SIGN["altar"], SIGN["shop"]
G_ITEMS = SIGN["items"]

# What a map has of these, counted for each glyph in 16 bits of one number: items, monsters to fight, shopkeepers, signs of the Oracle.
TALLY_OF = (
    (FLAGS_OF & squares.ITEM > 0)
    + (((FLAGS_OF & (squares.MONSTER | squares.PEACEFUL)) == squares.MONSTER).astype(np.int64) << 16)
    + ((FLAGS_OF & squares.KEEPER > 0).astype(np.int64) << 32)
    + ((FLAGS_OF & squares.ORACLE > 0).astype(np.int64) << 48)
)

WALKABLE = np.zeros(squares.ROCK + 1, np.bool_)
WALKABLE[[*range(squares.FLOOR, squares.FURNITURE + 1), squares.FALL, squares.USED_STAIRS_DOWN, squares.SHOP_FLOOR]] = True
# A search numbers squares in rows of 80, with a border of closed squares around them.
STRIDE = COLUMNS + 1
SIDES = DY * STRIDE + DX
OPEN, DOOR = 255, 254  # squares that a search may reach but has not; once it has, the first step to them stands there

BL_X, BL_Y, BL_HP, BL_HPMAX, BL_DEPTH, BL_GOLD, BL_POWER = 0, 1, 10, 11, 12, 13, 14
BL_XL, BL_TURN, BL_HUNGER, BL_DNUM, BL_DLEVEL = 18, 20, 21, 23, 24
UP_ACTION, DOWN_ACTION, WAIT_ACTION, SEARCH_ACTION, KICK_ACTION, EAT_ACTION = (
    ACTIONS.index(name) for name in ("up", "down", "wait", "search", "kick", "eat")
)
FOOD = 7  # a class of objects
BLANK = nethack.GLYPH_CMAP_OFF  # rock, or nothing known
CORRIDOR = BLANK + 21  # and the lit one after it
LARGEST_SHOP = 160  # squares; whatever is larger is no shop
GOLD = ord("$")  # its letter; gold is no item
CONDITIONS = 25  # of blstats
BLIND, HALLUCINATING = 0x20, 0x200  # of these
FRESH = 30  # turns for which no corpse makes ill
CORPSE = nethack.GLYPH_BODY_OFF


_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """numba's njit with the types kept.

    Compiled code is cached beside the file of its function and made anew when that file changes, but not when another one does. Therefore
    all that ``update`` calls stands here; after a change here or of constants elsewhere, touch this file and ``masks``.
    """
    return cast(_Function, numba.njit(cache=True)(function))


@compiled
def _walkable(terrain: int) -> bool:
    return bool(WALKABLE[terrain])


@compiled
def _block(y: int, x: int) -> int:
    """The block of the coarse map, as one bit."""
    return 1 << ((y // MAP_SQUARE[0]) * MAP_COLUMNS + x // MAP_SQUARE[1])


@compiled
def _bin(value: int, steps: tuple[int, ...]) -> int:
    for index, step in enumerate(steps):
        if value < step:
            return index
    return len(steps)


@compiled
def _enter_level(level_id: int, ids: Any, counts: Any, terrain: Any, marks: Any, visited: int) -> tuple[int, int]:
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
def _look(
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
            dirty |= _block(y, x)
    counts[2] += seen[0]
    counts[3] += seen[1]
    counts[4] += seen[2]
    counts[5] += seen[3]
    return changed, dirty, tally


@compiled
def _find_meal(fresh: Any, turn: int, me_y: int, me_x: int) -> int:
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
def _mark_shops(glyphs: Any, terrain: Any, counts: Any, queue: Any) -> int:
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
            dirty |= _block(y, x)
        elif terrain[y, x] == squares.SHOP_FLOOR and at_door:
            terrain[y, x] = squares.FLOOR
            counts[7] -= 1
            dirty |= _block(y, x)
    return dirty


@compiled
def _by_shop(terrain: Any, me_y: int, me_x: int) -> bool:
    for y in range(max(0, me_y - 1), min(ROWS, me_y + 2)):
        for x in range(max(0, me_x - 1), min(COLUMNS, me_x + 2)):
            if terrain[y, x] == squares.SHOP_FLOOR:
                return True
    return False


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
        if _walkable(terrain[ny, nx]):
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
def _search(
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


@compiled
def _sign(now: int, before: int) -> int:
    return 0 if now == before else 1 if now > before else 2


@compiled
def _view(glyphs: Any, me_y: int, me_x: int, view: Any, tokens: int) -> None:
    half = CROP // 2
    view[:] = 0
    for row in range(max(0, half - me_y), min(CROP, ROWS + half - me_y)):
        for column in range(max(0, half - me_x), min(CROP, COLUMNS + half - me_x)):
            cell = row * CROP + column
            token = int(TOKEN_OF[glyphs[me_y + row - half, me_x + column - half]])
            view[cell] = cell * tokens + token if token else 0
    view[CROP * CROP // 2] = 0


@compiled
def _surroundings(glyphs: Any, me_y: int, me_x: int, state: Any, terrain: Any) -> int:
    """Write the eight squares around the character; returns the ways to monsters to fight, as bits."""
    beside = 0
    for way in range(8):
        ny, nx = me_y + DY[way], me_x + DX[way]
        there = np.int64(squares.SOLID)
        if 0 <= nx < COLUMNS and 0 <= ny < ROWS:
            there = np.int64(terrain[ny, nx])
            if there == squares.ROCK:
                there = np.int64(squares.UNKNOWN)
            flags = FLAGS_OF[glyphs[ny, nx]]
            if flags & squares.MONSTER and not flags & squares.PEACEFUL:
                state[_P_MON + way] = _I_MON + way
                beside |= 1 << way
        state[_P_TER + way] = _I_TER + way * squares.TERRAINS + there
    return beside


@compiled
def update(games: NDArray[np.int64], inputs: Inputs, memory: Memory, outputs: Outputs, tokens: int) -> None:
    """Observations but for the mask, facts and signs of the given games after a step or, where ``age`` is 0, a reset.

    Args:
        games: which games, int64.
        tokens: number of crop tokens.
    """
    seen = np.zeros(4, np.int64)
    for game in games:
        stats, state, facts, signs = inputs.stats[game], outputs.state[game], outputs.facts[game], outputs.signs[game]
        glyphs, position, age = inputs.glyphs[game], memory.position[game], memory.age[game]
        me_x, me_y, action = stats[BL_X], stats[BL_Y], inputs.actions[game]
        level_id = stats[BL_DNUM] * 64 + stats[BL_DLEVEL]
        new_level = age == 0 or level_id != position[2]
        stood_on = memory.terrain[game, memory.slot[game], position[1], position[0]]
        if new_level:
            if age > 0 and action == DOWN_ACTION and stood_on == squares.STAIRS_DOWN:
                memory.terrain[game, memory.slot[game], position[1], position[0]] = squares.USED_STAIRS_DOWN
            memory.slot[game], memory.visited[game] = _enter_level(
                level_id, memory.level_ids[game], memory.counts[game], memory.terrain[game], memory.marks[game], memory.visited[game]
            )
        slot = memory.slot[game]
        terrain, marks, counts = memory.terrain[game, slot], memory.marks[game, slot], memory.counts[game, slot]
        fresh, turn = memory.fresh[game], stats[BL_TURN]
        changed, dirty, memory.tally[game] = _look(
            glyphs, memory.glyphs[game], new_level, terrain, counts, me_y, me_x, seen, memory.tally[game], fresh, turn
        )
        if action == EAT_ACTION:
            fresh[me_y, me_x] = 0
        memory.meal[game] = _find_meal(fresh, turn, me_y, me_x)
        if new_level:
            _arrive(terrain, counts, me_y, me_x, age, action, stood_on)
            dirty = -1
        if inputs.feet[game] or not marks[me_y, me_x] & VISITED:
            dirty |= _block(me_y, me_x)
        if 8 <= action < 16 and not new_level:
            dirty |= _run(terrain, marks, glyphs, position[1], position[0], me_y, me_x, action - 8)
        searched = _stand(terrain, marks, counts, seen, me_y, me_x, action, inputs.bumps[game], inputs.feet[game])
        if stats[CONDITIONS] & BLIND == 0:
            _feel(terrain, glyphs, me_y, me_x)
        counts[0] += 1
        counts[1] += inputs.kills[game]
        stuck = position[3] + 1 if (not new_level and position[0] == me_x and position[1] == me_y) else 0
        position[0], position[1], position[2], position[3] = me_x, me_y, level_id, stuck
        ways, distances = memory.ways[game], memory.distances[game]
        state[:] = 0
        tally = memory.tally[game] - TALLY_OF[glyphs[me_y, me_x]]
        differs = changed > 0 and not stats[CONDITIONS] & HALLUCINATING  # who hallucinates sees other things all the time
        moved = new_level or stuck == 0 or differs or turn != memory.clock[game]
        idle = memory.idle[game]
        asked = inputs.prompts[game] > 0
        if moved:
            idle[:] = 0
        elif action >= 0 and not asked:
            _note_idle(idle, glyphs, me_y, me_x, KICK_ACTION if memory.asked[game] else action, inputs.refused[game] > 0)
        memory.clock[game], memory.asked[game] = turn, asked
        items, crowd, keeper, oracle = tally & 0xFFFF, tally >> 16 & 0xFFFF, tally >> 32 & 0xFFFF > 0, tally >> 48 > 0
        if keeper and changed:
            dirty |= _mark_shops(glyphs, terrain, counts, memory.search.queue)
        memory.shop[game] = counts[7] > 0 and _by_shop(terrain, me_y, me_x)
        memory.beside[game] = _surroundings(glyphs, me_y, me_x, state, terrain)
        # Where nothing has happened, nor has been searched, paths are what they were.
        if changed or stuck == 0 or action in (WAIT_ACTION, SEARCH_ACTION) or inputs.bumps[game] >= 0:
            _search(terrain, marks, glyphs, counts, items, me_y, me_x, ways, distances, memory.places[game], memory.search)

        new_bin = _bin(seen[0], (1, 4, 12)) if age > 0 else 0
        here = terrain[me_y, me_x]
        _write_paths(state, ways, distances)
        _write_state(state, stats, here, counts[0], stuck, searched, new_bin, crowd, action, inputs.prompts[game])
        _write_things(state, inputs.classes[game], inputs.words[game])
        _view(glyphs, me_y, me_x, outputs.crop[game], tokens)
        _write_map(outputs.map[game], memory.blocks[game], dirty, terrain, marks, me_y, me_x)
        _write_dense(outputs.dense[game], stats, distances, counts, crowd, age)
        onto = here == squares.ALTAR and facts[F_ON_ALTAR] == 0
        _write_signs(signs, stats, memory.history[game], age, new_bin, seen, keeper and not memory.keeper[game], onto)
        memory.keeper[game] = keeper
        _write_facts(facts, stats, counts, here, ways, memory.visited[game], age, keeper, crowd, oracle, inputs.sold[game])
        facts[F_KILLS] += inputs.kills[game]
        letters, classes = inputs.letters[game], inputs.classes[game]
        outputs.renamed[game] = _read_inventory(facts, signs, letters, classes, inputs.started[game], memory.letters[game], age == 0)
        memory.age[game] = age + 1


@compiled
def _feel(terrain: Any, glyphs: Any, y: int, x: int) -> None:
    """Where nothing shows beside somebody who stands here and sees, nothing is that can be walked upon, unless it is hidden."""
    for way in range(8):
        ny, nx = y + DY[way], x + DX[way]
        if 0 <= nx < COLUMNS and 0 <= ny < ROWS and terrain[ny, nx] == squares.UNKNOWN and glyphs[ny, nx] == BLANK:
            terrain[ny, nx] = squares.ROCK


@compiled
def _run(terrain: Any, marks: Any, glyphs: Any, y: int, x: int, me_y: int, me_x: int, way: int) -> int:
    """Mark the squares that the character has run across; returns the blocks of the coarse map whose marks have changed."""
    far = max(abs(me_y - y), abs(me_x - x))
    if y + far * DY[way] != me_y or x + far * DX[way] != me_x:
        return 0  # something else has moved it
    dirty = 0
    for _ in range(1, far):
        y, x = y + DY[way], x + DX[way]
        if not marks[y, x] & VISITED:
            marks[y, x] |= VISITED
            dirty |= _block(y, x)
        _feel(terrain, glyphs, y, x)
    return dirty


@compiled
def _stand(terrain: Any, marks: Any, counts: Any, seen: Any, me_y: int, me_x: int, action: int, bump: int, feet: int) -> int:
    """Mark where the character stands, on what (``feet``), and what it ran into; returns how often it has searched here."""
    before = squares.STAIRS_DOWN if terrain[me_y, me_x] == squares.USED_STAIRS_DOWN else terrain[me_y, me_x]
    if feet == squares.OPEN_DOOR:
        terrain[me_y, me_x] = feet
    elif feet != squares.UNKNOWN and feet != before:
        kind = 1 if feet == squares.STAIRS_DOWN else 2 if feet == squares.STAIRS_UP else 3
        seen[kind] += 1
        counts[2 + kind] += 1
        terrain[me_y, me_x] = feet
    if not _walkable(terrain[me_y, me_x]) and terrain[me_y, me_x] != squares.TRAP:
        terrain[me_y, me_x] = squares.FLOOR
    if bump >= 0:
        by, bx = me_y + DY[bump], me_x + DX[bump]
        if 0 <= bx < COLUMNS and 0 <= by < ROWS and terrain[by, bx] == squares.CLOSED_DOOR:
            terrain[by, bx] = squares.LOCKED_DOOR
    marks[me_y, me_x] |= VISITED
    more = 20 if action == WAIT_ACTION else 1 if action == SEARCH_ACTION else 0
    if more:  # a search covers the neighbours; counting one square further spreads searches out
        for y in range(max(0, me_y - 2), min(ROWS, me_y + 3)):
            for x in range(max(0, me_x - 2), min(COLUMNS, me_x + 3)):
                searched = min((marks[y, x] >> SEARCHED_SHIFT) + more, 120)
                marks[y, x] = (marks[y, x] & VISITED) | (searched << SEARCHED_SHIFT)
    return int(marks[me_y, me_x] >> SEARCHED_SHIFT)


@compiled
def _arrive(terrain: Any, counts: Any, me_y: int, me_x: int, age: int, action: int, stood_on: int) -> None:
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


@compiled
def _write_state(
    state: Any, stats: Any, here: int, steps_here: int, stuck: int, searched: int, new_bin: int, crowd: int, action: int, prompt: int
) -> None:
    state[_P_HERE] = _I_HERE + here
    state[_P_HP] = _I_HP + min(7, 8 * stats[BL_HP] // max(1, stats[BL_HPMAX]))
    state[_P_DEPTH] = _I_DEPTH + min(11, stats[BL_DEPTH])
    state[_P_BRANCH] = _I_BRANCH + min(7, stats[BL_DNUM])
    state[_P_XL] = _I_XL + min(9, stats[BL_XL])
    state[_P_HUNGER] = _I_HUNGER + min(6, stats[BL_HUNGER])
    state[_P_STEPS] = _I_STEPS + _bin(steps_here, (10, 30, 60, 120, 250, 500, 1000))
    state[_P_STUCK] = _I_STUCK + _bin(stuck, (1, 2, 4, 8, 16))
    state[_P_SEARCHED] = _I_SEARCHED + _bin(searched, (1, 5, 15, 30, 60))
    state[_P_NEW] = _I_NEW + new_bin
    state[_P_CROWD] = _I_CROWD + min(4, crowd)
    state[_P_ACTION] = _I_ACTION + action + 1
    state[_P_PROMPT] = _I_PROMPT + prompt


@compiled
def _write_paths(state: Any, ways: Any, distances: Any) -> None:
    for index in range(len(ways)):
        state[_P_DIR + index] = _I_DIR + index * 10 + ways[index]
        state[_P_DIST + index] = _I_DIST + index * 8 + _bin(distances[index], (1, 2, 4, 8, 16, 32, UNREACHED))


@compiled
def _write_things(state: Any, classes: Any, words: Any) -> None:
    for item in classes:
        if item < 18:
            state[_P_ITEMS + item] = _I_ITEMS + item
    for index in range(len(words)):
        if words[index] > 0:
            state[_P_WORDS + index] = _I_WORDS + words[index]


@compiled
def _write_map(out: Any, blocks: Any, dirty: int, terrain: Any, marks: Any, me_y: int, me_x: int) -> None:
    """The whole level in coarse blocks: the most telling thing known of each; only dirty ones are looked at again."""
    height, width = MAP_SQUARE
    for block in range(len(blocks)):
        if dirty >> block & 1:
            top, left, most = (block // MAP_COLUMNS) * height, (block % MAP_COLUMNS) * width, 0
            for y in range(top, top + height):
                for x in range(left, min(left + width, COLUMNS)):
                    kind = terrain[y, x]
                    if kind == squares.UNKNOWN or kind == squares.ROCK:
                        continue
                    value = 2 if marks[y, x] & VISITED else 1
                    if kind == squares.STAIRS_UP:
                        value = 3
                    elif kind == squares.STAIRS_DOWN or kind == squares.USED_STAIRS_DOWN:
                        value = 4
                    most = max(most, value)
            blocks[block] = most
        out[block] = block * MAP_CLASSES + blocks[block] if blocks[block] else 0
    here = (me_y // height) * MAP_COLUMNS + me_x // width
    out[here] = here * MAP_CLASSES + 5


@compiled
def _read_inventory(facts: Any, signs: Any, letters: Any, classes: Any, started: Any, before: Any, first: bool) -> bool:
    """Facts and the sign of the inventory, where letters have changed; True if names are to be looked at, for ``unknown_buc_items``."""
    signs[G_ITEMS] = 0
    same = 0
    for index in range(len(letters)):
        same += letters[index] == before[index]
    if same == len(letters) and not first:
        return False
    held, had = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
    for index in range(len(letters)):
        held[letters[index]] = True
        had[before[index]] = True
    items, new, gained, lost = 0, 0, False, False
    for letter in range(1, 256):
        items += held[letter] and letter != GOLD
        new += held[letter] and not started[letter]
        gained |= held[letter] and not had[letter]
        lost |= had[letter] and not held[letter]
    if not first:
        signs[G_ITEMS] = 1 if gained else 2 if lost else 0
    food = 0
    for item in classes:
        food += item == FOOD
    facts[F_ITEMS], facts[F_NEW_ITEMS], facts[F_FOOD], facts[F_UNKNOWN] = items, new, food, 0
    before[:] = letters
    return bool(new > 0)


@compiled
def _note_idle(idle: Any, glyphs: Any, me_y: int, me_x: int, action: int, refused: bool) -> None:
    """Note an action after which everything is as before: it will do nothing again. A blow that missed is not meant, nor a search, nor
    the way out of the dungeon, which has to be asked for twice."""
    struck = action < 8 and FLAGS_OF[glyphs[me_y + DY[action], me_x + DX[action]]] & squares.MONSTER != 0
    if (refused or not struck) and action not in (SEARCH_ACTION, UP_ACTION):
        idle[action] = 1


@compiled
def _write_dense(dense: Any, stats: Any, distances: Any, counts: Any, crowd: int, age: int) -> None:
    """Chosen and normalised blstats, then closeness of each target; roughly in [-1, 1]."""
    dense[0] = stats[BL_HP] / max(1, stats[BL_HPMAX])
    dense[1] = np.log1p(max(0, stats[BL_HPMAX])) / 5
    dense[2] = stats[BL_DEPTH] / 10
    dense[3] = np.log1p(max(0, stats[BL_GOLD])) / 8
    dense[4] = stats[14] / max(1, stats[15])
    dense[5] = stats[16] / 10  # armour class
    dense[6] = stats[BL_XL] / 10
    dense[7] = np.log1p(stats[BL_TURN]) / 10
    dense[8] = (stats[BL_HUNGER] - 1) / 3
    dense[9] = stats[22] / 3  # burden
    dense[10] = stats[BL_X] / 79
    dense[11] = stats[BL_Y] / 21
    dense[12] = np.log1p(counts[0]) / 8
    dense[13] = np.log1p(counts[2]) / 8
    dense[14] = min(crowd, 5) / 5
    dense[15] = np.log1p(age) / 10
    for bit in range(5):
        dense[16 + bit] = 1.0 if stats[CONDITIONS] & (BLIND << bit) else 0.0  # blind, deaf, stunned, confused, hallucinating
    for index in range(len(distances)):
        dense[21 + index] = 1.0 / (1.0 + distances[index]) if distances[index] < UNREACHED else 0.0


@compiled
def _write_signs(signs: Any, stats: Any, history: Any, age: int, new_bin: int, seen: Any, keeper: bool, onto: bool) -> None:
    slot = age % len(history)
    if age == 0:
        signs[:] = 0
        for index in range(len(history)):
            _remember(history[index], stats)
        return
    before = history[slot]
    signs[G_LEVEL] = _sign(stats[BL_DEPTH], before[0])
    signs[G_GOLD] = _sign(stats[BL_GOLD], before[1])
    signs[G_HP] = _sign(stats[BL_HP], before[2])
    signs[G_XL] = _sign(stats[BL_XL], before[3])
    signs[G_HUNGER] = _sign(stats[BL_HUNGER], before[4])
    signs[G_NEW] = new_bin
    signs[G_DOWN] = seen[1] > 0
    signs[G_UP] = seen[2] > 0
    signs[G_ALTAR] = 2 if onto else seen[3] > 0
    signs[G_SHOP] = keeper
    _remember(before, stats)


@compiled
def _remember(row: Any, stats: Any) -> None:
    row[0], row[1], row[2], row[3], row[4] = stats[BL_DEPTH], stats[BL_GOLD], stats[BL_HP], stats[BL_XL], stats[BL_HUNGER]


@compiled
def _write_facts(
    facts: Any, stats: Any, counts: Any, here: int, ways: Any, visited: int, age: int, keeper: bool, crowd: int, oracle: bool, sold: int
) -> None:
    branch = stats[BL_DNUM]
    if age > 0:
        if branch == 2 and facts[F_BRANCH] == 0 and facts[F_ENTRANCE] == 0:
            facts[F_ENTRANCE] = facts[F_DEPTH]  # the level just left
        facts[F_GOLD_TOTAL] += 0 if sold else max(0, stats[BL_GOLD] - facts[F_GOLD])
    facts[F_DEPTH] = stats[BL_DEPTH]
    facts[F_BRANCH] = branch
    facts[F_BRANCH_LEVEL] = stats[BL_DLEVEL]
    facts[F_MAX_DEPTH] = max(facts[F_MAX_DEPTH], stats[BL_DEPTH])
    facts[F_LEVELS] = visited
    facts[F_TURN] = stats[BL_TURN]
    facts[F_STEPS] = age
    facts[F_HP] = stats[BL_HP]
    facts[F_MAX_HP] = stats[BL_HPMAX]
    if age == 0 or facts[F_XL] != stats[BL_XL]:
        facts[F_XL], facts[F_XL_DEPTH] = stats[BL_XL], stats[BL_DEPTH]
    facts[F_GOLD] = stats[BL_GOLD]
    facts[F_HUNGER] = stats[BL_HUNGER]
    facts[F_KILLS_HERE] = counts[1]
    facts[F_STEPS_HERE] = counts[0] - 1  # the step that led here was spent elsewhere
    facts[F_KEEPER] = keeper
    facts[F_ALTAR] = counts[5] > 0
    facts[F_ON_ALTAR] = here == squares.ALTAR
    facts[F_DOWN_KNOWN] = counts[3] > 0
    facts[F_UP_KNOWN] = counts[4] > 0
    facts[F_DOWN_COUNT] = counts[3]
    facts[F_ON_DOWN] = here == squares.STAIRS_DOWN or here == squares.USED_STAIRS_DOWN
    facts[F_ON_UP] = here == squares.STAIRS_UP
    facts[F_UNEXPLORED] = ways[T_UNEXPLORED] != NO_WAY
    facts[F_SEEN] = counts[2]
    facts[F_HOSTILES] = crowd
    facts[F_ORACLE] = oracle
