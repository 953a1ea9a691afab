"""A bench without physics, on which programs are tried: skills take time, fail now and then, and do what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from maestromotif.domains.contract import Facts
from maestromotif.domains.robotics import vocabulary as words
from maestromotif.domains.robotics.env import NUMBERS

__all__ = ["RobotSimulator"]

_TICK = 10  # steps of the real bench
_TABLE, _PLATE, _DRAWER, _HAND = range(len(words.CUBE_AT))
_SHUT, _AJAR, _OPEN = range(len(words.DRAWERS))
_OUT = (0, 5, 12)  # centimetres, by state of the drawer
_AT: Mapping[str, str] = {
    "press_button": "button",
    "open_drawer": "handle",
    "close_drawer": "handle",
    "lift_cube": "cube",
    "place_on_plate": "plate",
    "put_in_drawer": "drawer",
}


class RobotSimulator:
    """One tick is ten steps of a skill: it gets there, and in a later tick it does its deed.

    Args:
        success: chance that a tick gets on.
        clumsiness: chance that a tick with the cube in the hand drops it.
    """

    def __init__(self, success: float, clumsiness: float) -> None:
        self._success, self._clumsiness = success, clumsiness
        self._rng = np.random.default_rng(0)
        self._numbers = dict.fromkeys(NUMBERS, 0)
        self._event = [0] * len(words.SIZES)

    def reset(self, seed: int) -> Facts:
        self._rng = np.random.default_rng([seed % 2**63, 7])
        self._numbers = dict.fromkeys(NUMBERS, 0) | {"height": 15}
        self._event = [0] * len(words.SIZES)
        return self._facts()

    def step(self, skill: str) -> tuple[Facts, bool]:
        numbers = self._numbers
        numbers["steps"] += _TICK
        self._event = [0] * len(words.SIZES)
        if numbers["cube_at"] == _HAND and self._rng.random() < self._clumsiness:
            self._cube(_TABLE, 3, "drops")
        elif skill in _AT and self._rng.random() < self._success:
            self._get_on(skill)
        return self._facts(), False

    def _get_on(self, skill: str) -> None:
        numbers, at = self._numbers, words.NEAR.index(_AT[skill])
        if numbers["near"] != at:
            numbers["near"], numbers["height"] = at, 4
            self._event[3] = at
            return
        held = numbers["cube_at"] == _HAND
        if skill == "press_button" and not held:
            self._event[2] = 2 if numbers["lamp_on"] else 1
            numbers["lamp_on"], numbers["presses"] = 1, numbers["presses"] + 1
        elif skill == "open_drawer" and not held and numbers["drawer"] != _OPEN:
            self._drawer(numbers["drawer"] + 1, "opened")
        elif skill == "close_drawer" and not held and numbers["drawer"] != _SHUT:
            self._drawer(numbers["drawer"] - 1, "shut")
        elif skill == "lift_cube" and not held and (numbers["cube_at"] != _DRAWER or numbers["drawer"] == _OPEN):
            self._cube(_HAND, 2, "lifts")
        elif skill == "place_on_plate" and held:
            self._cube(_PLATE, 4, "placed")
        elif skill == "put_in_drawer" and held and numbers["drawer"] == _OPEN:
            self._cube(_DRAWER, 5, "put_away")

    def _cube(self, at: int, event: int, count: str) -> None:
        self._numbers |= {"cube_at": at, "gripping": int(at == _HAND), "near": words.NEAR.index("cube")}
        self._numbers[count] += 1
        self._event[0] = event

    def _drawer(self, state: int, count: str) -> None:
        outwards = state > self._numbers["drawer"]
        self._numbers |= {"drawer": state, "drawer_out": _OUT[state]}
        self._numbers[count] += state != _AJAR
        self._event[1] = (1 if outwards else 3) + (state != _AJAR)

    def _facts(self) -> Facts:
        return words.make_facts(list(self._numbers.values()), words.message(self._event))

    def truth(self) -> Mapping[str, Any]:
        numbers = self._numbers
        return {
            "cube": words.CUBE_AT[numbers["cube_at"]],
            "drawer": words.DRAWERS[numbers["drawer"]],
            "lamp": bool(numbers["lamp_on"]),
        }
