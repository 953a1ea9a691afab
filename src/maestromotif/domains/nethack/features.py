"""The vectorised part of the environment: map memory, shortest paths, features, facts and signs of all games in one call.

Everything here is compiled by numba and works on preallocated arrays; no Python object is touched. ``B`` games, maps are
21 x 79. Ways are numbered as in ``levels``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.compiling import compiled
from maestromotif.domains.nethack.glyphs import FLAGS_OF, TOKEN_OF
from maestromotif.domains.nethack.layout import CROP, FACT, MAP_CLASSES, MAP_COLUMNS, MAP_SQUARE, SECTIONS, SIGN
from maestromotif.domains.nethack.levels import (
    DOWN_ACTION,
    DX,
    DY,
    SEARCH_ACTION,
    TALLY_OF,
    UP_ACTION,
    VISITED,
    WAIT_ACTION,
    arrive,
    block_of,
    by_shop,
    enter,
    feel,
    find_meal,
    look,
    mark_shops,
    run_across,
    stand,
)
from maestromotif.domains.nethack.memory import COLUMNS, NO_WAY, ROWS, UNREACHED, Inputs, Memory, Outputs
from maestromotif.domains.nethack.paths import T_UNEXPLORED, find_paths
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["update"]

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

BL_X, BL_Y, BL_HP, BL_HPMAX, BL_DEPTH, BL_GOLD, BL_POWER = 0, 1, 10, 11, 12, 13, 14
BL_XL, BL_TURN, BL_HUNGER, BL_DNUM, BL_DLEVEL = 18, 20, 21, 23, 24
KICK_ACTION, EAT_ACTION = ACTIONS.index("kick"), ACTIONS.index("eat")
MINES = 2  # of BL_DNUM; all doors there are Minetown's, which has a watch
FOOD = 7  # a class of objects
GOLD = ord("$")  # its letter; gold is no item
CONDITIONS = 25  # of blstats
BLIND, HALLUCINATING = 0x20, 0x200  # of these


@compiled
def _bin(value: int, steps: tuple[int, ...]) -> int:
    for index, step in enumerate(steps):
        if value < step:
            return index
    return len(steps)


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
            memory.slot[game], memory.visited[game] = enter(
                level_id, memory.level_ids[game], memory.counts[game], memory.terrain[game], memory.marks[game], memory.visited[game]
            )
        slot = memory.slot[game]
        terrain, marks, counts = memory.terrain[game, slot], memory.marks[game, slot], memory.counts[game, slot]
        fresh, turn = memory.fresh[game], stats[BL_TURN]
        changed, dirty, memory.tally[game] = look(
            glyphs, memory.glyphs[game], new_level, terrain, counts, me_y, me_x, seen, memory.tally[game], fresh, turn
        )
        if action == EAT_ACTION:
            fresh[me_y, me_x] = 0
        memory.meal[game] = find_meal(fresh, turn, me_y, me_x)
        if new_level:
            arrive(terrain, counts, me_y, me_x, age, action, stood_on)
            dirty = -1
        if inputs.feet[game] or not marks[me_y, me_x] & VISITED:
            dirty |= block_of(me_y, me_x)
        if 8 <= action < 16 and not new_level:
            dirty |= run_across(terrain, marks, glyphs, position[1], position[0], me_y, me_x, action - 8)
        watched = stats[BL_DNUM] == MINES
        searched = stand(terrain, marks, counts, seen, me_y, me_x, action, inputs.bumps[game], inputs.feet[game], watched)
        if stats[CONDITIONS] & BLIND == 0:
            feel(terrain, glyphs, me_y, me_x)
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
            dirty |= mark_shops(glyphs, terrain, counts, memory.search.queue)
        memory.shop[game] = counts[7] > 0 and by_shop(terrain, me_y, me_x)
        memory.beside[game] = _surroundings(glyphs, me_y, me_x, state, terrain)
        # Where nothing has happened, nor has been searched, paths are what they were.
        if changed or stuck == 0 or action in (WAIT_ACTION, SEARCH_ACTION) or inputs.bumps[game] >= 0:
            find_paths(terrain, marks, glyphs, counts, items, me_y, me_x, ways, distances, memory.places[game], memory.search)

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
        if branch == MINES and facts[F_BRANCH] == 0 and facts[F_ENTRANCE] == 0:
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
