"""A ladder of composite tasks: several goals in a row, in English, with a criterion that watches them in their order.

``ladder-g3-h5000-s1`` means three goals, 5,000 steps, number 1 of the tasks of that size. The goals depend on the number alone, and a task
with fewer goals has the first ones of a task with more: whoever climbs from ``g1`` to ``g6`` does the same and then one thing more, and
whoever changes the horizon changes nothing else. An ending as in ``ladder-g3-h5000-s1-n10`` makes the world less certain: in ten of a
hundred steps, drawn at random, an allowed action drawn at random is played in place of the chosen one (``Task.noise``).

Goals are things that exist in every game, so that each can be done by whoever is skilled enough.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from maestromotif.domains.contract import Facts, Task
from maestromotif.domains.nethack.vocabulary import BRANCHES

__all__ = ["MOST_GOALS", "STANDARD", "Goal", "InOrder", "TaskBook", "goals_of", "ladder_task"]

MOST_GOALS = 6
_HORIZONS = (100, 100_000)  # the least and the greatest
_MOST_NOISE = 50  # per cent
_ID = re.compile(r"ladder-g([1-9])-h([1-9]\d{1,5})-s([1-9]\d{0,3})(?:-n([1-9]\d?))?")
_MAIN, _MINES = BRANCHES.index("main"), BRANCHES.index("mines")
_DEEPEST = 5  # main level that a goal may name
_MOST_EXPERIENCE = 6
STANDARD = tuple(f"ladder-g{goals}-h5000-s{number}" for goals in range(1, MOST_GOALS + 1) for number in range(1, 4))
"""The ids that lists and patterns mean; all others of the form exist too."""

Truth = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to be done.

    Attributes:
        words: in English, as an infinitive.
        met: whether it is done, given the facts when its turn came, the present ones, and the truth.
    """

    words: str
    met: Callable[[Facts, Facts, Truth], bool]


def _stands_on(level: int, start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(truth["dnum"] == _MAIN and truth["dlevel"] == level)


def _in_mines(start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(truth["dnum"] == _MINES)


def _at_delphi(start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(truth["on_oracle_level"])


def _carries(gold: int, start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(facts.gold >= gold)


def _defeated(monsters: int, start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(facts.kills - start.kills >= monsters)


def _experienced(level: int, start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(facts.experience_level >= level)


def _ate(start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(facts.meals > start.meals)


def _left(start: Facts, facts: Facts, truth: Truth) -> bool:
    return bool(truth["escaped"])


class InOrder:
    """Success: goals were done one after the other, each when its turn had come; what is so already counts at once.

    Attributes:
        reached: how many have been done.
    """

    def __init__(self, goals: tuple[Goal, ...]) -> None:
        self._goals = goals
        self._start: Facts | None = None
        self.reached = 0

    def update(self, facts: Facts, truth: Truth) -> bool:
        if self._start is None:
            self._start = facts
        while self.reached < len(self._goals) and self._goals[self.reached].met(self._start, facts, truth):
            self.reached += 1
            self._start = facts
        return self.reached == len(self._goals)


def goals_of(number: int) -> tuple[Goal, ...]:
    """The six goals with this number, always the same."""
    rng = random.Random(f"ladder {number}")  # noqa: S311 - a choice, not a secret
    return tuple(_drawn(rng))


def _drawn(rng: random.Random) -> Iterator[Goal]:
    """Goals that are not done already where they are named, none like the one before."""
    level, gold, experience, mines, delphi, last = 1, 0, 1, False, False, ""
    for place in range(MOST_GOALS):
        kinds = {
            "down": level < _DEEPEST or mines,
            "up": level > 1,
            "mines": not mines,
            "gold": gold < 60,
            "kills": True,
            "meal": place > 0,
        }
        kinds |= {"experience": experience < _MOST_EXPERIENCE, "delphi": place > 2 and not delphi, "exit": place == MOST_GOALS - 1}
        opposite = {"down": "up", "up": "down"}.get(last)
        kind = rng.choice([kind for kind, fits in kinds.items() if fits and kind not in (last, opposite)])
        if kind in ("down", "up"):
            level = rng.randint(level + 1, min(level + 2, _DEEPEST)) if kind == "down" and level < _DEEPEST else rng.randint(1, level - 1)
            yield Goal(f"stand on level {level} of the main dungeon", partial(_stands_on, level))
        elif kind == "mines":
            yield Goal("enter the Gnomish Mines, which begin with a second staircase down on one of the levels 2 to 4", _in_mines)
        elif kind == "delphi":
            level, delphi = _DEEPEST, True
            yield Goal("stand on the level of the Oracle, Delphi, which is one of the levels 5 to 9 of the main dungeon", _at_delphi)
        elif kind == "gold":
            gold += rng.choice((10, 20))
            yield Goal(f"carry at least {gold} gold pieces", partial(_carries, gold))
        elif kind == "kills":
            monsters = rng.choice((3, 5, 8))
            yield Goal(f"defeat {monsters} more monsters", partial(_defeated, monsters))
        elif kind == "experience":
            experience += rng.choice((1, 2)) if experience > 1 else 1
            yield Goal(f"reach experience level {experience}", partial(_experienced, experience))
        elif kind == "meal":
            yield Goal("eat something", _ate)
        else:
            yield Goal("leave the dungeon alive by the staircase up of level 1", _left)
        mines = kind == "mines" or (mines and kind in ("gold", "kills", "experience", "meal"))
        last = kind


def ladder_task(task_id: str) -> Task | None:
    """The task with this id; None: it is no ladder's."""
    found = _ID.fullmatch(task_id)
    if found is None:
        return None
    count, horizon, number, noise = (int(part or 0) for part in found.groups())
    if count > MOST_GOALS or not _HORIZONS[0] <= horizon <= _HORIZONS[1] or noise > _MOST_NOISE:
        return None
    goals = goals_of(number)[:count]
    return Task(task_id, _english(goals), {"landmark": partial(InOrder, goals)}, horizon, noise=noise / 100)


def _english(goals: tuple[Goal, ...]) -> str:
    order = ("first", *("then" for _ in goals[2:]), "last")
    return f"Do the following in this order: {'; '.join(f'{when}, {goal.words}' for when, goal in zip(order, goals, strict=False))}."


class TaskBook(Mapping[str, Task]):
    """Tasks that are listed, and those of the ladder besides: they are found by id, but there are too many to be listed."""

    def __init__(self, listed: Mapping[str, Task]) -> None:
        self._listed = listed

    def __getitem__(self, task_id: str) -> Task:
        found = self._listed.get(task_id) or ladder_task(task_id)
        if found is None:
            raise KeyError(task_id)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)
