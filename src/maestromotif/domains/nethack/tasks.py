"""NetHack's tasks in English with their success criteria, and the measures by which calls of skills are reported.

Every task has two criteria. ``proxy`` is what the paper's released code measures; ``landmark`` is the thing that the English asks for, read
from the game's own memory (``DomainEnv.truth``). Programs and policies never see either.

Truth keys: ``dnum`` (number of the dungeon branch, index into ``BRANCHES``), ``dlevel`` (level inside the branch), ``on_oracle_level``,
``escaped`` (left the dungeon alive), ``died``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maestromotif.domains.contract import CallMeasure, Facts, Task
from maestromotif.domains.nethack.vocabulary import BRANCHES

__all__ = ["CALL_MEASURES", "EPISODE_STEPS", "TASKS", "GoldenExit", "GoldenExitLandmark", "OnOracleLevel", "ReachedDepth", "ReachedMines"]

EPISODE_STEPS = 10_000  # the paper's limit for an episode
_MAIN, _MINES = BRANCHES.index("main"), BRANCHES.index("mines")
_PROXY_DELPHI_DEPTH = 7  # the Oracle's level lies at depth 5 to 9; the released code takes 7 for it
_GOLD, _KILLS, _LEVELS = 20, 25, 3


class ReachedMines:
    """Success: the character has stood on a level of the Gnomish Mines.

    Args:
        by_facts: judge by the facts that programs see instead of the game's memory.
    """

    def __init__(self, by_facts: bool = False) -> None:
        self._by_facts = by_facts
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or (facts.branch == "mines" if self._by_facts else truth["dnum"] == _MINES)
        return self._done


class ReachedDepth:
    """Success: the character has stood on this level of the main branch."""

    def __init__(self, depth: int = _PROXY_DELPHI_DEPTH) -> None:
        self._depth = depth
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or (facts.branch == "main" and facts.depth == self._depth)
        return self._done


class OnOracleLevel:
    """Success: the character has stood on the level that holds the Oracle, wherever this game has put it."""

    def __init__(self) -> None:
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or bool(truth["on_oracle_level"])
        return self._done


class GoldenExit:
    """Success: gold and kills were both enough at one moment, and the character left the dungeon alive after it."""

    def __init__(self, gold: int = _GOLD, kills: int = _KILLS) -> None:
        self._gold, self._kills = gold, kills
        self._ready = False
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or (self._ready and bool(truth["escaped"]))
        self._ready = self._ready or (facts.gold >= self._gold and facts.kills >= self._kills)
        return self._done


class GoldenExitLandmark(GoldenExit):
    """As ``GoldenExit``, and each of the first three levels of the main branch was visited.

    Other levels do not spoil it: trap doors and the second staircase of the Mines' level lead to them by accident.
    """

    def __init__(self, gold: int = _GOLD, kills: int = _KILLS, levels: int = _LEVELS) -> None:
        super().__init__(gold, kills)
        self._missing = {(_MAIN, level) for level in range(1, levels + 1)}

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._missing.discard((int(truth["dnum"]), int(truth["dlevel"])))
        return super().update(facts, truth) and not self._missing


def _reached_mines_by_facts() -> ReachedMines:
    return ReachedMines(by_facts=True)


_ALL = (
    Task(
        "gnomish_mines",
        "Find the staircase to the Gnomish Mines, which starts on one of the dungeon levels 2 to 4, and enter the Gnomish Mines.",
        {"proxy": _reached_mines_by_facts, "landmark": ReachedMines},
        EPISODE_STEPS,
    ),
    Task(
        "delphi",
        "Go down through the main dungeon, staying out of the Gnomish Mines, until you reach the Oracle's level, Delphi, which lies on "
        "one of the dungeon levels 5 to 9.",
        {"proxy": ReachedDepth, "landmark": OnOracleLevel},
        EPISODE_STEPS,
    ),
    Task(
        "golden_exit",
        "Move back and forth between the first three levels of the main dungeon, adventuring on each, until you carry at least 20 gold "
        "pieces and have defeated at least 25 monsters. Then go back up and leave the dungeon by the staircase up of the first level.",
        {"proxy": GoldenExit, "landmark": GoldenExitLandmark},
        EPISODE_STEPS,
    ),
)

TASKS: Mapping[str, Task] = {task.id: task for task in _ALL}

_MUCH = 40  # squares; about a large room, seen for the first time


def _same_level(start: Facts, end: Facts) -> bool:
    return bool(start.depth == end.depth and start.branch == end.branch)


CALL_MEASURES: Mapping[str, CallMeasure] = {
    "deeper": lambda start, end: bool(end.depth > start.depth),
    "shallower": lambda start, end: bool(end.depth < start.depth),
    "explored": lambda start, end: _same_level(start, end) and bool(end.squares_seen_here - start.squares_seen_here >= _MUCH),
    "killed_something": lambda start, end: bool(end.kills > start.kills),
    "found_gold": lambda start, end: bool(end.gold_collected > start.gold_collected),
    "gained_items": lambda start, end: bool(end.new_items > start.new_items),
    "sold_something": lambda start, end: bool(end.items_sold > start.items_sold),
    "dropped_on_altar": lambda start, end: bool(end.on_altar and end.unknown_buc_items < start.unknown_buc_items),
}
