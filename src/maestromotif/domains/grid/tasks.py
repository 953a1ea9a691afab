"""Tasks of the grid house, from one skill to a chain of eight calls, and what a call of a skill may be measured by."""

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
    return lambda truth: bool(truth[thing] == "hand")


def _lies(thing: str, room: str) -> Landmark:
    return lambda truth: bool(truth[thing] == room)


def _open(truth: Truth) -> bool:
    return bool(truth["door_open"])


def _goal(truth: Truth) -> bool:
    return bool(truth["on_goal"])


def _together(*landmarks: Landmark) -> Landmark:
    return lambda truth: all(landmark(truth) for landmark in landmarks)


def _task(name: str, description: str, landmarks: Sequence[Landmark], max_steps: int) -> Task:
    def make() -> Criterion:
        return InOrder(*landmarks)

    return Task(name, description, {"landmark": make}, max_steps)


_BALL_HOME = (_held("ball"), _lies("ball", "home"))
_BOX_HOME = (_held("key"), _open, _held("box"), _lies("box", "home"))
_ALL = (
    # One skill, once what it needs has been found.
    _task("key", "Pick up the key.", (_held("key"),), 200),
    _task("ball", "Pick up the ball.", (_held("ball"),), 200),
    _task("goal", "Stand on the green goal.", (_goal,), 200),
    # Two.
    _task("vault_open", "Fetch the key and unlock the door of the vault.", (_held("key"), _open), 300),
    _task("ball_home", "Fetch the ball and bring it home.", _BALL_HOME, 300),
    _task("ball_to_goal", "Fetch the ball and carry it to the green goal.", (_held("ball"), _together(_held("ball"), _goal)), 300),
    # Three.
    _task("ball_home_goal", "Fetch the ball, bring it home, and stand on the green goal after that.", (*_BALL_HOME, _goal), 400),
    _task("vault_open_goal", "Fetch the key, unlock the vault, and stand on the green goal after that.", (_held("key"), _open, _goal), 400),
    _task("key_home", "Unlock the vault with the key, then bring the key home.", (_held("key"), _open, _lies("key", "home")), 400),
    # Four and more.
    _task("box", "Unlock the vault with the key, get rid of the key, and pick up the box.", (_held("key"), _open, _held("box")), 400),
    _task("box_home", "Unlock the vault with the key, and bring the box home from there.", _BOX_HOME, 500),
    _task(
        "box_home_goal",
        "Unlock the vault with the key, bring the box home from there, and stand on the green goal after that.",
        (*_BOX_HOME, _goal),
        600,
    ),
    _task(
        "all_home",
        "Have the key, the ball and the box all lie at home.",
        (_together(*(_lies(thing, "home") for thing in ("key", "ball", "box"))),),
        800,
    ),
)
TASKS: Mapping[str, Task] = {task.id: task for task in _ALL}


def _picks(thing: str) -> CallMeasure:
    return lambda start, end: bool(end.carrying == thing and start.carrying != thing)


CALL_MEASURES: Mapping[str, CallMeasure] = {
    "saw_more": lambda start, end: bool(end.squares_seen > start.squares_seen),
    "took_key": _picks("key"),
    "took_ball": _picks("ball"),
    "took_box": _picks("box"),
    "opened_door": lambda start, end: bool(end.door == "open" and start.door != "open"),
    "put_something_down": lambda start, end: bool(end.put_down > start.put_down),
    "put_down_at_home": lambda start, end: bool(end.put_down_at_home > start.put_down_at_home),
    "reached_goal": lambda start, end: bool(end.goal_visits > start.goal_visits),
}
