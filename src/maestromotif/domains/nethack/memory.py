"""What the compiled features remember and exchange with the Python side: named tuples of preallocated arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack.layout import MAP_COLUMNS, MAP_SQUARE, TARGETS
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["COLUMNS", "LEVELS", "NO_WAY", "ROWS", "STATS", "UNREACHED", "Inputs", "Memory", "Outputs", "Search", "forget", "new_memory"]

ROWS, COLUMNS = 21, 79
LEVELS = 32  # levels remembered per game; a game that visits more forgets the one it saw first
STATS = 5  # level, gold, hit points, experience level, hunger: what signs compare
NO_WAY = 9  # no way to a target is known
UNREACHED = 255  # and no distance


class Search(NamedTuple):
    """Room for one breadth-first search over 21 x 79 squares with a border around them: 23 rows of 80 and one square more."""

    first: NDArray[np.uint8]  # [1841]
    kinds: NDArray[np.uint8]  # [1841]
    frontier: NDArray[np.uint8]  # [1841]
    queue: NDArray[np.int64]  # [21 * 79]


class Memory(NamedTuple):
    """What each game remembers between steps. Arrays begin with the game axis."""

    terrain: NDArray[np.uint8]  # [B, LEVELS, 21, 79]
    marks: NDArray[np.uint8]  # [B, LEVELS, 21, 79]: stood upon; searches made there
    level_ids: NDArray[np.int64]  # [B, LEVELS]
    counts: NDArray[np.int64]  # [B, LEVELS, 8]: steps, kills, seen squares, stairs down, stairs up, altars, falls, squares of shops
    slot: NDArray[np.int64]  # [B]: slot of the present level
    visited: NDArray[np.int64]  # [B]: levels visited
    glyphs: NDArray[np.int16]  # [B, 21, 79]: as of the last look
    position: NDArray[np.int64]  # [B, 4]: x, y, level id, steps without moving
    history: NDArray[np.int64]  # [B, window, STATS]: what signs compare with
    age: NDArray[np.int64]  # [B]: steps since the reset
    keeper: NDArray[np.uint8]  # [B]: a shopkeeper was in view
    ways: NDArray[np.int64]  # [B, targets]: first step of the shortest path
    distances: NDArray[np.int64]  # [B, targets]
    places: NDArray[np.int64]  # [B, targets]: where the path to it ends, as 79 * y + x; holds only where there is a way
    beside: NDArray[np.int64]  # [B]: bit w is set where a monster to fight stands in way w
    tally: NDArray[np.int64]  # [B]: what the map of the last look has of what is counted
    blocks: NDArray[np.uint8]  # [B, 30]: the present level in coarse blocks, without the character
    letters: NDArray[np.uint8]  # [B, 55]: the inventory's letters after the last step
    clock: NDArray[np.int64]  # [B]: turn of the last step
    asked: NDArray[np.uint8]  # [B]: 1 where a direction was asked for after it
    idle: NDArray[np.uint8]  # [B, actions]: 1 where an action has led nowhere since something changed
    fresh: NDArray[np.int32]  # [B, 21, 79]: turn in which something edible fell on a square of the present level, 0 for none
    meal: NDArray[np.int64]  # [B]: way to such a corpse here or beside the character
    shop: NDArray[np.bool_]  # [B]: the character stands on a shop's floor, or beside it
    search: Search


class Inputs(NamedTuple):
    """What the game and the Python side say of the last step."""

    glyphs: NDArray[np.int16]  # [B, 21, 79]
    stats: NDArray[np.int64]  # [B, 27]: nle's blstats
    letters: NDArray[np.uint8]  # [B, 55]: the inventory's letters, 0 where there is nothing
    classes: NDArray[np.uint8]  # [B, 55]: and classes
    started: NDArray[np.uint8]  # [B, 256]: 1 at letters of what the character had when the game began
    actions: NDArray[np.int64]  # [B]: -1 after a reset
    prompts: NDArray[np.int64]  # [B]: 1 where a direction is asked for
    words: NDArray[np.int16]  # [B, MESSAGE_TOKENS]
    kills: NDArray[np.int64]  # [B]: kills of the last step
    bumps: NDArray[np.int64]  # [B]: way in which a locked door was met, -1 if none
    prayed: NDArray[np.int64]  # [B]: turn of the last prayer
    confident: NDArray[np.uint8]  # [B]: 1 where the game has said that a skill of the character can be enhanced
    feet: NDArray[np.uint8]  # [B]: the staircase, altar or door that the game has said the character stands on, 0 if none
    refused: NDArray[np.uint8]  # [B]: 1 where the game has said that a monster is peaceful, and held the blow back
    sold: NDArray[np.uint8]  # [B]: 1 where something was sold


class Outputs(NamedTuple):
    """What ``update`` writes."""

    crop: NDArray[np.int16]
    map: NDArray[np.int16]
    state: NDArray[np.int16]
    dense: NDArray[np.float32]
    facts: NDArray[np.int64]  # [B, facts]
    signs: NDArray[np.int64]  # [B, signs]
    mask: NDArray[np.uint8]  # [B, actions]
    renamed: NDArray[np.bool_]  # [B]: other things are carried, among them some that the character did not start with


def new_memory(games: int, window: int) -> Memory:
    """Empty memory; signs of statistics compare with ``window`` steps earlier."""
    maps, padded = (games, LEVELS, ROWS, COLUMNS), (ROWS + 2) * (COLUMNS + 1) + 1
    return Memory(
        np.zeros(maps, np.uint8),
        np.zeros(maps, np.uint8),
        np.full((games, LEVELS), -1, np.int64),
        np.zeros((games, LEVELS, 8), np.int64),
        np.zeros(games, np.int64),
        np.zeros(games, np.int64),
        np.zeros((games, ROWS, COLUMNS), np.int16),
        np.zeros((games, 4), np.int64),
        np.zeros((games, window, STATS), np.int64),
        np.zeros(games, np.int64),
        np.zeros(games, np.uint8),
        np.full((games, len(TARGETS)), NO_WAY, np.int64),
        np.full((games, len(TARGETS)), UNREACHED, np.int64),
        np.zeros((games, len(TARGETS)), np.int64),
        np.zeros(games, np.int64),
        np.zeros(games, np.int64),
        np.zeros((games, ROWS // MAP_SQUARE[0] * MAP_COLUMNS), np.uint8),
        np.zeros((games, 55), np.uint8),
        np.zeros(games, np.int64),
        np.zeros(games, np.uint8),
        np.zeros((games, len(ACTIONS)), np.uint8),
        np.zeros((games, ROWS, COLUMNS), np.int32),
        np.full(games, NO_WAY, np.int64),
        np.zeros(games, np.bool_),
        Search(np.zeros(padded, np.uint8), np.ones(padded, np.uint8), np.zeros(padded, np.uint8), np.zeros(ROWS * COLUMNS, np.int64)),
    )


def forget(memory: Memory, game: int) -> None:
    """Empty the memory of one game."""
    memory.level_ids[game] = -1
    for array in (memory.slot, memory.visited, memory.position, memory.age, memory.keeper):
        array[game] = 0
