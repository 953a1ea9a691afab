"""Tasks on the bench, from one skill to a chain of five, and what a call of a skill may be measured by."""

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


def _lamp(truth: Truth) -> bool:
    return bool(truth["lamp"])


def _cube(*places: str) -> Landmark:
    return lambda truth: truth["cube"] in places


def _drawer(state: str) -> Landmark:
    return lambda truth: bool(truth["drawer"] == state)


def _together(*landmarks: Landmark) -> Landmark:
    return lambda truth: all(landmark(truth) for landmark in landmarks)


def _task(name: str, description: str, landmarks: Sequence[Landmark], max_steps: int) -> Task:
    def make() -> Criterion:
        return InOrder(*landmarks)

    return Task(name, description, {"landmark": make}, max_steps)


_STORED = (_drawer("open"), _cube("hand"), _cube("drawer"), _together(_cube("drawer"), _drawer("shut")))
_ALL = (
    # One skill.
    _task("lamp", "Light the lamp.", (_lamp,), 150),
    _task("drawer", "Open the drawer.", (_drawer("open"),), 150),
    _task("lift", "Lift the cube.", (_cube("hand"),), 150),
    # Two.
    _task("lamp_drawer", "Light the lamp, and open the drawer after that.", (_lamp, _drawer("open")), 250),
    _task("open_shut", "Open the drawer and shut it again.", (_drawer("open"), _drawer("shut")), 250),
    _task("plate", "Lift the cube and put it on the plate.", (_cube("hand"), _cube("plate")), 250),
    # Three and more.
    _task("plate_lamp", "Lift the cube, put it on the plate, and light the lamp after that.", (_cube("hand"), _cube("plate"), _lamp), 350),
    _task("put_away", "Open the drawer, lift the cube, and put it into the drawer.", _STORED[:3], 350),
    _task("stored", "Open the drawer, lift the cube, put it into the drawer, and shut the drawer with the cube in it.", _STORED, 500),
    _task(
        "all_done",
        "Light the lamp. Then open the drawer, lift the cube, put it into the drawer, and shut the drawer with the cube in it.",
        (_lamp, *_STORED),
        600,
    ),
)
TASKS: Mapping[str, Task] = {task.id: task for task in _ALL}

CALL_MEASURES: Mapping[str, CallMeasure] = {
    "lit_lamp": lambda start, end: bool(end.lamp_on and not start.lamp_on),
    "opened_drawer": lambda start, end: bool(end.drawer == "open" and start.drawer != "open"),
    "shut_drawer": lambda start, end: bool(end.drawer == "shut" and start.drawer != "shut"),
    "lifted_cube": lambda start, end: bool(end.cube_at == "hand" and start.cube_at != "hand"),
    "put_on_plate": lambda start, end: bool(end.placed > start.placed),
    "put_in_drawer": lambda start, end: bool(end.put_away > start.put_away),
}
