"""Skills by rule: for the explorer, and for tests that the bench can be mastered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import DomainEnv
from maestromotif.domains.robotics.env import RobotEnv
from maestromotif.domains.robotics.vocabulary import PLACES
from maestromotif.domains.robotics.world import ACTIONS

__all__ = ["SKILLS", "RobotExplorer", "follow", "makes_sense"]

Floats = NDArray[np.float64]

_STRIDE = 0.025
_CLEAR, _OVER = 0.13, 0.012  # a height at which nothing is in the way; how well above a place one must be to go down to it
_CUBE, _BUTTON, _HANDLE, _PLATE, _DRAWER = range(len(PLACES))


def _drive(way: Floats, fingers: float) -> Floats:
    return np.array([*np.clip(way / _STRIDE, -1, 1), fingers])


def _down_to(env: RobotEnv, game: int, place: int, fingers: float, depth: float = 0.0, over: float = _OVER) -> tuple[bool, Floats]:
    """Whether the hand is above a place or at it, and how to get there: up, across, down."""
    way, height = env.towards_BP3[game, place].copy(), env.bench.tip_B3[game, 2]
    away = float(np.hypot(way[0], way[1]))
    if away > over:
        # Across only where nothing is in the way.
        way[2] = _CLEAR - height
        if way[2] > 0.02:
            way[:2] = 0
        return False, _drive(way, fingers)
    way[2] -= depth
    return True, _drive(way, fingers)


def _press(env: RobotEnv, game: int) -> Floats:
    return _down_to(env, game, _BUTTON, -1, 0.03)[1]


def _slide(env: RobotEnv, game: int, direction: float) -> Floats:
    """Get behind the handle, then push or pull."""
    _, action = _down_to(env, game, _HANDLE, -1)
    inside = env.bench.tip_B3[game, 2] < 0.065 and abs(env.towards_BP3[game, _HANDLE, 0]) < 0.04
    if inside and abs(env.towards_BP3[game, _HANDLE, 1]) < 0.03:
        return np.array([0.0, direction, action[2], -1.0])
    return action


def _lift(env: RobotEnv, game: int) -> Floats:
    if env.facts(game).gripping:
        return np.array([0.0, 0.0, 1.0, -1.0])
    above, action = _down_to(env, game, _CUBE, 1)
    if above and np.linalg.norm(env.towards_BP3[game, _CUBE]) < 0.008:
        return np.array([0.0, 0.0, 0.0, -1.0])
    return action


def _place(env: RobotEnv, game: int) -> Floats:
    above, action = _down_to(env, game, _PLATE, -1, over=0.02)
    return np.array([0.0, 0.0, 0.0, 1.0]) if above and env.bench.tip_B3[game, 2] < 0.03 else action


def _put_away(env: RobotEnv, game: int) -> Floats:
    above, action = _down_to(env, game, _DRAWER, -1, over=0.03)
    return np.array([0.0, 0.0, 0.0, 1.0]) if above and env.bench.tip_B3[game, 2] < 0.14 else action


SKILLS: Mapping[str, Callable[[RobotEnv, int], Floats]] = {
    "press_button": _press,
    "open_drawer": lambda env, game: _slide(env, game, -1.0),
    "close_drawer": lambda env, game: _slide(env, game, 1.0),
    "lift_cube": _lift,
    "place_on_plate": _place,
    "put_in_drawer": _put_away,
}


def makes_sense(env: RobotEnv, game: int, skill: str) -> bool:
    """Whether a skill has something to do."""
    truth = env.truth(game)
    held, drawer = truth["cube"] == "hand", truth["drawer"]
    return {
        "press_button": not truth["lamp"] and not held,
        "open_drawer": drawer != "open" and not held,
        "close_drawer": drawer != "shut" and not held,
        "lift_cube": truth["cube"] in ("table", "plate") or (truth["cube"] == "drawer" and drawer == "open"),
        "place_on_plate": held,
        "put_in_drawer": held and drawer == "open",
    }[skill] and not (skill == "lift_cube" and held)


def follow(env: RobotEnv, game: int, skill: str) -> Floats:
    """The action ``[4]`` that brings a skill on."""
    action = SKILLS[skill](env, game)
    if action[2] > 0 and np.linalg.norm(env.towards_BP3[game, _CUBE]) < 0.05 and env.truth(game)["cube"] != "hand" and skill != "lift_cube":
        action[3] = 1.0  # a cube just put down is not to be taken up again
    return action


class RobotExplorer:
    """Tries one skill by rule after the other, each until it is done or for a while, with a hand that shakes, and moves at random for
    some steps now and then.

    More than half of the tries are of what leads to a cube in the drawer, or else that would hardly ever be met.
    """

    _CHANGES, _WANDERS, _SETTLES = 0.02, 0.015, 0.15
    _SHAKE = 0.3
    _CHAIN = ("put_in_drawer", "lift_cube", "close_drawer")

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._skills: list[str] = []
        self._wandering: list[Floats | None] = []

    def act(self, env: DomainEnv) -> NDArray[np.float32]:
        assert isinstance(env, RobotEnv)
        rng, count = self._rng, env.num_games
        if len(self._skills) != count:
            self._skills, self._wandering = ["lift_cube"] * count, [None] * count
        actions = np.zeros((count, len(ACTIONS)))
        for game in range(count):
            if rng.random() < self._CHANGES or not makes_sense(env, game, self._skills[game]):
                self._skills[game] = self._choose(env, game)
            wandering = self._wandering[game]
            if rng.random() < (self._WANDERS if wandering is None else self._SETTLES):
                wandering = self._wandering[game] = rng.uniform(-1, 1, len(ACTIONS)) if wandering is None else None
            actions[game] = follow(env, game, self._skills[game]) if wandering is None else wandering
        actions[:, :3] += self._SHAKE * rng.standard_normal((count, 3))
        return np.clip(actions, -1, 1).astype(np.float32)

    def _choose(self, env: RobotEnv, game: int) -> str:
        possible = [skill for skill in SKILLS if makes_sense(env, game, skill)]
        truth = env.truth(game)
        if truth["cube"] != "hand" and truth["drawer"] != "open" and truth["cube"] != "drawer":
            wanted = ["open_drawer"]
        else:
            wanted = [skill for skill in self._CHAIN if skill in possible and not (skill == "lift_cube" and truth["cube"] == "drawer")]
        if wanted and self._rng.random() < 0.6:
            return wanted[0]
        return possible[int(self._rng.integers(len(possible)))] if possible else "lift_cube"
