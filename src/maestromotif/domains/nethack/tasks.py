"""NetHack's tasks in English with their success criteria, and the measures by which calls of skills are reported.

Every task has two criteria. ``proxy`` is what the paper's released code measures; ``landmark`` is the thing that the English asks for, read
from the game's own memory (``DomainEnv.truth``). Programs and policies never see either.

Truth keys: ``dnum`` (number of the dungeon branch, index into ``BRANCHES``), ``dlevel`` (level inside the branch), ``on_oracle_level``,
``on_minetown_level``, ``escaped`` (left the dungeon alive), ``died``.

Each task carries the paper's figures (means of 9 runs ± standard error), which belong to its proxy.
Where the paper counts per episode, a criterion has ``count`` and holds from the first one on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from maestromotif.domains.contract import CallMeasure, Facts, Task
from maestromotif.domains.nethack.vocabulary import BRANCHES

__all__ = [
    "CALL_MEASURES",
    "EPISODE_STEPS",
    "TASKS",
    "Counted",
    "DiscoveryHunger",
    "DiscoveryHungerLandmark",
    "Dropped",
    "GoldenExit",
    "GoldenExitLandmark",
    "LevelUpAndSell",
    "LevelUpAndSellLandmark",
    "Offers",
    "ReachedDepth",
    "ReachedMines",
    "Sales",
    "StoodOn",
]

EPISODE_STEPS = 10_000  # the paper's limit for an episode
_MAIN, _MINES = BRANCHES.index("main"), BRANCHES.index("mines")
_PROXY_DELPHI_DEPTH = 7  # the Oracle's level lies at depth 5 to 9; the released code takes 7 for it
_PROXY_MINETOWN_LEVELS = (3, 4)  # of the Mines; Minetown is one of them
_GOLD, _KILLS, _LEVELS = 20, 25, 3
_EXPERIENCE, _SURVIVE = 4, 300  # experience level; steps
_HUNGRY = frozenset(("hungry", "weak", "fainting", "fainted"))
_OFFER = re.compile(r" offers (?:only )?\d+ gold pieces? for ")
_ON_ALTAR = re.compile(r"\blands? on the altar\b|\bhits? the altar\b")


class ReachedMines:
    """Success: the character has stood on a level of the Gnomish Mines.

    Args:
        by_facts: judge by the facts that programs see instead of the game's memory.
        levels: the levels of the Mines that count; None: all.
    """

    def __init__(self, by_facts: bool = False, levels: tuple[int, ...] | None = None) -> None:
        self._by_facts, self._levels = by_facts, levels
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        if not self._done:
            there, level = (facts.branch == "mines", facts.branch_level) if self._by_facts else (truth["dnum"] == _MINES, truth["dlevel"])
            self._done = bool(there and (self._levels is None or level in self._levels))
        return self._done


class ReachedDepth:
    """Success: the character has stood on this level of the main branch."""

    def __init__(self, depth: int = _PROXY_DELPHI_DEPTH) -> None:
        self._depth = depth
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or (facts.branch == "main" and facts.depth == self._depth)
        return self._done


class StoodOn:
    """Success: the character has stood on a level that the game's memory knows, wherever this game has put it.

    Args:
        landmark: the truth that says so, e.g. ``"on_oracle_level"``.
    """

    def __init__(self, landmark: str) -> None:
        self._landmark = landmark
        self._done = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._done = self._done or bool(truth[self._landmark])
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


class Counted:
    """Success: a fact that counts something in this game is at least 1.

    Attributes:
        count: the fact's value.
    """

    def __init__(self, fact: str) -> None:
        self._fact = fact
        self.count = 0

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self.count = getattr(facts, self._fact)
        return self.count > 0


class Sales:
    """Success: a sale was completed: the shopkeeper has the item and the character the gold.

    Attributes:
        count: items sold.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sold, self._gold = 0, 0

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        if facts.items_sold > self._sold and facts.gold > self._gold:
            self.count += facts.items_sold - self._sold
        self._sold, self._gold = facts.items_sold, facts.gold
        return self.count > 0


class _Told:
    """Success: a message has told something.

    Attributes:
        count: how often.
    """

    pattern: re.Pattern[str]

    def __init__(self) -> None:
        self.count = 0

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self.count += len(self.pattern.findall(facts.message))
        return self.count > 0


class Offers(_Told):
    """Success: a shopkeeper has made an offer, for whatever."""

    pattern = _OFFER


class Dropped(_Told):
    """Success: something was dropped on an altar and its state seen, whether or not that was known before."""

    pattern = _ON_ALTAR


class LevelUpAndSell:
    """Success: something was sold, and the character was alive so many steps later."""

    def __init__(self, survive: int = _SURVIVE) -> None:
        self._survive = survive
        self._sold_at: int | None = None
        self._sold = 0
        self._done = False

    def ready(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        """Whether a sale counts now."""
        return True

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        ready = self.ready(facts, truth)
        if self._sold_at is None and ready and facts.items_sold > self._sold:
            self._sold_at = facts.steps
        self._sold = facts.items_sold
        alive = self._sold_at is not None and not truth["died"] and not truth["escaped"]
        self._done = self._done or (alive and facts.steps - (self._sold_at or 0) >= self._survive)
        return self._done


class LevelUpAndSellLandmark(LevelUpAndSell):
    """As ``LevelUpAndSell``, and before that the experience level was reached while standing on the first level.

    Ways to other levels and back do not spoil it: an explored level with nobody in it teaches nothing.
    """

    def __init__(self, experience: int = _EXPERIENCE, survive: int = _SURVIVE) -> None:
        super().__init__(survive)
        self._experience = experience
        self._grown_at: tuple[int, int] | None = None

    def ready(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        if self._grown_at is None and facts.experience_level >= self._experience:
            self._grown_at = (int(truth["dnum"]), int(truth["dlevel"]))
        return self._grown_at == (_MAIN, 1)


class DiscoveryHunger:
    """Success: the character ate in the Gnomish Mines while hungry, and stood on the seventh level of the main branch after it."""

    def __init__(self) -> None:
        self._goal = self.goal()
        self._meals = 0
        self._hungry = self._fed = self._done = False

    def goal(self) -> ReachedDepth | StoodOn:
        return ReachedDepth()

    def fed(self, ate: bool, facts: Facts) -> bool:
        """Whether that was the meal asked for; ``ate``: it was begun in the Mines by one who was hungry."""
        return ate

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        if not self._fed:
            self._fed = self.fed(facts.meals_in_mines > self._meals and self._hungry, facts)
        else:
            self._done = self._done or self._goal.update(facts, truth)
        self._meals, self._hungry = facts.meals_in_mines, facts.hunger in _HUNGRY
        return self._done


class DiscoveryHungerLandmark(DiscoveryHunger):
    """As ``DiscoveryHunger``, but the character must have eaten in the Mines until not hungry, and the goal is the Oracle's level."""

    def __init__(self) -> None:
        super().__init__()
        self._eating = False

    def goal(self) -> ReachedDepth | StoodOn:
        return StoodOn("on_oracle_level")

    def fed(self, ate: bool, facts: Facts) -> bool:
        self._eating = (self._eating or ate) and facts.branch == "mines"
        return self._eating and facts.hunger not in _HUNGRY


def _reached_mines_by_facts() -> ReachedMines:
    return ReachedMines(by_facts=True)


def _reached_minetowns_levels() -> ReachedMines:
    return ReachedMines(by_facts=True, levels=_PROXY_MINETOWN_LEVELS)


def _stood_on_minetown() -> StoodOn:
    return StoodOn("on_minetown_level")


def _stood_on_oracle() -> StoodOn:
    return StoodOn("on_oracle_level")


def _items_sold() -> Counted:
    return Counted("items_sold")


def _priced_items() -> Counted:
    return Counted("priced_items")


def _buc_identified_items() -> Counted:
    return Counted("buc_identified_items")


def _baselines(model: str, motif: str, embedding: str, task_reward: str = "") -> dict[str, str]:
    """The paper's figures for other ways to a task; it does not train on the reward of every one."""
    found = {"llm-actions": model, "motif": motif, "embedding": embedding}
    return {**found, "task-reward": task_reward} if task_reward else found


_ALL = (
    Task(
        "gnomish_mines",
        "Find the staircase to the Gnomish Mines, which starts on one of the dungeon levels 2 to 4, and enter the Gnomish Mines.",
        {"proxy": _reached_mines_by_facts, "landmark": ReachedMines},
        EPISODE_STEPS,
        {"proxy": "46 % ± 1.70"},
        paper_baselines=_baselines("0.1 %", "9 % ± 2.30", "3 % ± 0.10", "3.2 % ± 0.27"),
    ),
    Task(
        "delphi",
        "Go down through the main dungeon, staying out of the Gnomish Mines, until you reach the Oracle's level, Delphi, which lies on "
        "one of the dungeon levels 5 to 9.",
        {"proxy": ReachedDepth, "landmark": _stood_on_oracle},
        EPISODE_STEPS,
        {"proxy": "29 % ± 1.20"},
        paper_baselines=_baselines("0 %", "2 % ± 0.70", "0 %", "0 %"),
    ),
    Task(
        "minetown",
        "Enter the Gnomish Mines by the second staircase down on one of the dungeon levels 2 to 4, and go down in them until you reach "
        "Minetown, which is the third or fourth level of the Mines.",
        {"proxy": _reached_minetowns_levels, "landmark": _stood_on_minetown},
        EPISODE_STEPS,
        {"proxy": "7.2 % ± 0.50"},
        paper_baselines=_baselines("0 %", "0 %", "0 %", "0 %"),
    ),
    Task(
        "transactions",
        "Collect items, find shops and sell to their shopkeepers as many of the items as you can.",
        {"proxy": _items_sold, "landmark": Sales},
        EPISODE_STEPS,
        {"proxy": "0.66 ± 0.01"},
        paper_baselines=_baselines("0", "0.08", "0", "0.01"),
    ),
    Task(
        "price_identification",
        "Collect items of unknown kind, find shops and get shopkeepers to make an offer for as many of them as you can, since the offer "
        "tells what such an item is worth.",
        {"proxy": Offers, "landmark": _priced_items},
        EPISODE_STEPS,
        {"proxy": "0.47 ± 0.01"},
        paper_baselines=_baselines("0", "0.02", "0", "0"),
    ),
    Task(
        "buc_identification",
        "Collect items, find altars and learn from them, for as many items as you can, whether they are blessed, uncursed or cursed.",
        {"proxy": Dropped, "landmark": _buc_identified_items},
        EPISODE_STEPS,
        {"proxy": "1.60 ± 0.01"},
        paper_baselines=_baselines("0", "0.05", "0", "0"),
    ),
    Task(
        "golden_exit",
        "Move back and forth between the first three levels of the main dungeon, adventuring on each, until you carry at least 20 gold "
        "pieces and have defeated at least 25 monsters. Then go back up and leave the dungeon by the staircase up of the first level.",
        {"proxy": GoldenExit, "landmark": GoldenExitLandmark},
        EPISODE_STEPS,
        {"proxy": "24.80 % ± 1.18"},
        paper_baselines=_baselines("0 %", "0 %", "0 %"),
    ),
    Task(
        "level_up_and_sell",
        "Stay on the first level of the dungeon, adventuring there, until you reach experience level 4. Then find a shopkeeper on another "
        "level and sell an item that you have collected. After the sale, stay alive for at least 300 more steps.",
        {"proxy": LevelUpAndSell, "landmark": LevelUpAndSellLandmark},
        EPISODE_STEPS,
        {"proxy": "7.09 % ± 0.99"},
        paper_baselines=_baselines("0 %", "0 %", "0 %"),
    ),
    Task(
        "discovery_hunger",
        "Find the Gnomish Mines, which start with a second staircase down on one of the dungeon levels 2 to 4, and stay in them until you "
        "are hungry and have eaten there enough not to be hungry any more. Then go back up to the main dungeon and down to the Oracle's "
        "level, Delphi, which lies on one of the dungeon levels 5 to 9.",
        {"proxy": DiscoveryHunger, "landmark": DiscoveryHungerLandmark},
        EPISODE_STEPS,
        {"proxy": "7.91 % ± 1.47"},
        paper_baselines=_baselines("0 %", "0 %", "0 %"),
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
