"""Environments of somebody else's: sound ones with pictures and dictionaries, and broken ones. Importing this registers them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

__all__ = ["BROKEN"]


class Spot(gymnasium.Env[Any, Any]):
    """A bright spot in a picture of three colours, pushed about by a continuous action."""

    observation_space = spaces.Box(0, 255, (32, 48, 3), np.uint8)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._at = self.np_random.uniform([8, 12], [24, 36])
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._at = np.clip(self._at + 2 * np.asarray(action), 0, [31, 47])
        return self._see(), 0.0, False, False, {}

    def _see(self) -> Any:
        picture = np.zeros((32, 48, 3), np.uint8)
        row, column = self._at.astype(int)
        picture[max(0, row - 3) : row + 3, max(0, column - 3) : column + 3] = 255
        return picture


class Walk(gymnasium.Env[Any, Any]):
    """A walk on a line, seen as a dictionary of everything."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Discrete(11, start=-5),
            "speed": spaces.Box(-np.inf, np.inf, (1,), np.float32),
            "flags": spaces.MultiBinary(2),
            "pair": spaces.Tuple((spaces.MultiDiscrete([3, 4]), spaces.Box(0, 9, (2, 2), np.int64))),
            "word": spaces.Text(8),
        }
    )
    action_space = spaces.MultiDiscrete([3, 2])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._place, self._steps = int(self.np_random.integers(-2, 3)), 0
        return self._see(0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        move = (int(action[0]) - 1) * (1 + int(action[1]))
        self._place = int(np.clip(self._place + move, -5, 5))
        self._steps += 1
        return self._see(move), float(self._place == 5), self._steps >= 40, False, {}

    def _see(self, move: int) -> Any:
        place = self._place
        return {
            "place": place,
            "speed": np.array([move], np.float32),
            "flags": np.array([place < 0, place > 0], np.int8),
            "pair": (np.array([abs(move), min(3, abs(place))]), np.full((2, 2), abs(place))),
            "word": "left" if place < 0 else "right",
        }


class Fault(Walk):
    """``Walk`` with a fault."""

    fault: ClassVar[str] = ""
    steps: ClassVar[int] = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self.fault == "unseeded":
            seed = int.from_bytes(os.urandom(3), "little")
        observation, info = super().reset(seed=seed)
        return (observation, info) if self.fault != "old reset" else observation

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        Fault.steps += 1
        match self.fault:
            case "hangs":
                time.sleep(1_000)
            case "hangs late" if Fault.steps > 15_000:
                time.sleep(1_000)
            case "crashes" if self._steps > 5:
                os.abort()
            case "raises" if self._steps > 5:
                raise RuntimeError("out of chalk")
            case "wrong shape":
                observation["speed"] = np.zeros(3, np.float32)
            case "out of its space":
                observation["place"] = 77
            case "lies about bounds":
                observation["pair"] = (observation["pair"][0], np.full((2, 2), 30))
            case "no number":
                observation["speed"] = np.array([np.nan], np.float32)
            case "no key":
                del observation["word"]
        return observation, reward, terminated, truncated, info


class Stuck(Walk):
    """``Walk`` that does not return once a file is there.

    Args:
        file: its path.
        how: ``asleep``, or ``compiled``: in one operation, which nothing in the interpreter can interrupt.
    """

    def __init__(self, file: str = "", how: str = "asleep") -> None:
        self._file, self._how = file, how

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if os.path.exists(self._file):
            time.sleep(1_000) if self._how == "asleep" else sum([[0]] * 10**6, [])  # noqa: RUF017 - slow on purpose
        return super().step(action)


class Masked(gymnasium.Env[Any, Any]):
    """A mask that allows nothing after some steps."""

    observation_space = spaces.Discrete(50)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._place = int(self.np_random.integers(5))
        return self._place, {"action_mask": np.array([1, 1])}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._place = min(49, self._place + int(action))
        return self._place, 0.0, False, False, {"action_mask": np.array([self._place < 10] * 2)}


def _register(env_id: str, kind: Callable[..., gymnasium.Env[Any, Any]], limit: int | None = None) -> None:
    gymnasium.register(env_id, lambda **arguments: kind(**arguments), max_episode_steps=limit)


_register("OwnSpot-v0", Spot, 60)
_register("OwnWalk-v0", Walk)
_register("OwnStuck-v0", Stuck)
_register("OwnMasked-v0", Masked)
BROKEN: tuple[str, ...] = ("unseeded", "old reset", "hangs", "hangs late", "crashes", "raises")
BROKEN += ("wrong shape", "out of its space", "lies about bounds", "no number", "no key")
for _fault in BROKEN:
    _register(f"Own{_fault.title().replace(' ', '')}-v0", type("Faulty", (Fault,), {"fault": _fault}))
