"""Tasks of the text house, from one skill to a chain of eight calls, and what a call of a skill may be measured by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maestromotif.domains.contract import CallMeasure, Criterion, Facts, Task

__all__ = ["CALL_MEASURES", "TASKS", "InOrder"]

Truth = Mapping[str, Any]
Landmark = Callable[[Truth], bool]


class InOrder:
    """Success: the landmarks have been reached one after the other, each no sooner than the one before."""

    def __init__(self, *landmarks: Landmark) -> None:
        self._landmarks = landmarks
        self._reached = 0

    def update(self, facts: Facts, truth: Truth) -> bool:
        while self._reached < len(self._landmarks) and self._landmarks[self._reached](truth):
            self._reached += 1
        return self._reached == len(self._landmarks)


def _held(thing: str) -> Landmark:
    return lambda truth: bool(truth[thing] == "I")


def _served(*things: str) -> Landmark:
    return lambda truth: all(truth[thing] == "table" for thing in things)


def _eaten(thing: str) -> Landmark:
    return lambda truth: bool(truth[thing] == "eaten")


def _open(truth: Truth) -> bool:
    return bool(truth["door_open"])


def _cooked(truth: Truth) -> bool:
    return bool(truth["cooked"])


def _meal_served(truth: Truth) -> bool:
    return _cooked(truth) and truth["food"] == "table"


def _table_set(truth: Truth) -> bool:
    return _meal_served(truth) and truth["treat"] == "table"


def _task(name: str, description: str, landmarks: Sequence[Landmark], max_steps: int) -> Task:
    def make() -> Criterion:
        return InOrder(*landmarks)

    return Task(name, description, {"landmark": make}, max_steps)


_TREAT = (_open, _held("treat"))
_ALL = (
    # One skill, once what it needs has been found.
    _task("key", "Have the key of the cellar in a hand.", (_held("key"),), 40),
    _task("food", "Have the food that has to be cooked in a hand.", (_held("food"),), 40),
    # Two.
    _task("cellar_open", "Fetch the key, unlock the door of the cellar and open it.", (_held("key"), _open), 40),
    _task("cooked", "Fetch the food and cook it.", (_cooked,), 40),
    # Three.
    _task("dinner", "Fetch the food, cook it, and eat it after that.", (_cooked, _eaten("food")), 40),
    _task("served", "Fetch the food, cook it, and put the cooked food on the kitchen table.", (_meal_served,), 50),
    _task("treat", "Open the cellar with the key and fetch the treat from there.", _TREAT, 50),
    # Four and more.
    _task(
        "treat_served", "Open the cellar with the key, fetch the treat, and put it on the kitchen table.", (*_TREAT, _served("treat")), 60
    ),
    _task("key_back", "Open the cellar with the key, and put the key on the kitchen table after that.", (_open, _served("key")), 60),
    _task(
        "dinner_treat",
        "Fetch the food, cook it and eat it. After that, open the cellar with the key, fetch the treat, and eat it, too.",
        (_cooked, _eaten("food"), _eaten("treat")),
        80,
    ),
    _task("table_set", "Have both the cooked food and the treat from the cellar lie on the kitchen table.", (_table_set,), 80),
)
TASKS: Mapping[str, Task] = {task.id: task for task in _ALL}


def _takes(thing: str) -> CallMeasure:
    def measure(start: Facts, end: Facts) -> bool:
        return bool(getattr(end, f"{thing}_at") == "hand" != getattr(start, f"{thing}_at"))

    return measure


CALL_MEASURES: Mapping[str, CallMeasure] = {
    "saw_more": lambda start, end: bool(end.rooms_seen > start.rooms_seen or (start.more_to_see and not end.more_to_see)),
    "took_key": _takes("key"),
    "took_food": _takes("food"),
    "took_treat": _takes("treat"),
    "opened_door": lambda start, end: bool(end.door == "open" and start.door != "open"),
    "cooked_food": lambda start, end: bool(end.food == "cooked" and start.food == "raw"),
    "put_on_table": lambda start, end: bool(end.put_on_table > start.put_on_table and end.free_hands == 2),
    "put_something_down": lambda start, end: bool(end.put_away > start.put_away and end.free_hands == 2),
    "ate": lambda start, end: bool(end.meals > start.meals),
}
