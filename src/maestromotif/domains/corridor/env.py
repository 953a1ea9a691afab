"""The corridor's games: all of them are stepped by a few vector operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import (
    ACTION_MASK,
    DENSE,
    Bag,
    DomainEnv,
    Facts,
    FactSpec,
    ObservationSpec,
    SignSpec,
    facts_class,
)
from maestromotif.types import Caption, RewardInput

__all__ = ["ACTIONS", "FACTS", "SIGNS", "CorridorEnv", "CorridorFacts", "message", "observation_spec"]

ACTIONS = ("left", "right", "wait")

FACTS: tuple[FactSpec, ...] = (
    FactSpec("position", "int", "the square stood on, counted from 0 at the left end"),
    FactSpec("length", "int", "number of squares of the corridor; the right end is square length - 1", least=3),
    FactSpec("steps", "int", "steps since the episode began"),
    FactSpec("at_left_end", "bool", "the square stood on is the left end"),
    FactSpec("at_right_end", "bool", "the square stood on is the right end"),
    FactSpec("in_middle", "bool", "the square stood on is the middle one, length // 2"),
    FactSpec("left_visits", "int", "arrivals at the left end in this episode; beginning there counts"),
    FactSpec("right_visits", "int", "arrivals at the right end in this episode; beginning there counts"),
    FactSpec("bumps", "int", "bumps into a wall in this episode"),
    FactSpec("rested", "int", "steps in a row spent waiting in the middle, up to now"),
    FactSpec("message", "str", "what the last step felt like"),
)
CorridorFacts = facts_class("CorridorFacts", FACTS)

SIGNS: tuple[SignSpec, ...] = (
    SignSpec("move", ("none", "left", "right"), "where the last step led"),
    SignSpec("arrival", ("none", "left end", "right end", "middle"), "a special square that the last step arrived at"),
)

_MOVES = (
    "You look around.",
    "You step left.",
    "You step right.",
    "You bump into the wall.",
    "You wait.",
    "You slip and stay where you are.",
)
_ARRIVALS = ("", " You reach the left end.", " You reach the right end.", " You reach the middle.")
_LOOK, _LEFT, _RIGHT, _BUMP, _WAIT, _SLIP = range(len(_MOVES))
# Numbers from which the facts follow, and the one behind each fact that can change, but for the message.
_COUNTS = ("position", "steps", "left", "right", "bumps", "rested")
_BEHIND = {"position": "position", "at_left_end": "position", "at_right_end": "position", "in_middle": "position", "steps": "steps"}
_BEHIND |= {"left_visits": "left", "right_visits": "right", "bumps": "bumps", "rested": "rested"}
_COLUMNS = {fact: _COUNTS.index(name) for fact, name in _BEHIND.items()}
# Index of the "move" sign for each kind of move.
_MOVE_SIGN = (0, 1, 2, 0, 0, 0)


def message(code: int) -> str:
    """The text of a message code: kind of move * 4 + arrival."""
    return _MOVES[code // len(_ARRIVALS)] + _ARRIVALS[code % len(_ARRIVALS)]


def observation_spec(length: int) -> ObservationSpec:
    """Bags ``place`` (the square) and ``last`` (kind of move and arrival); dense: position, light left, time rested."""
    return ObservationSpec(
        bags={"place": Bag(length + 1, 1), "last": Bag(1 + len(_MOVES) + len(_ARRIVALS), 2)},
        dense=3,
        actions=len(ACTIONS),
        skip=("place",),
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function: a random stream for every (seed, step), without a generator for every game."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class CorridorEnv(DomainEnv):
    """Games in a corridor of ``length`` squares, each lit for ``light`` steps: an episode terminates in the dark.

    Args:
        num_games: games stepped together.
        length: squares of the corridor.
        slip: chance that a step left or right leads nowhere.
        light: steps after which an episode terminates.
    """

    def __init__(self, num_games: int, length: int = 9, slip: float = 0.05, light: int = 400) -> None:
        self.num_games, self.length, self.light = num_games, length, light
        self._slip = np.uint64(int(slip * 2**32))
        self.observation = observation_spec(length).allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._seed_B = np.zeros(num_games, np.uint64)
        self._numbers_BF = np.zeros((num_games, len(_COUNTS)), np.int64)
        self._counts = {name: self._numbers_BF[:, column] for column, name in enumerate(_COUNTS)}
        self._code_B = np.zeros(num_games, np.int64)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        chosen = np.asarray(games, np.int64)
        stream = _mix(np.asarray([seed % 2**64 for seed in seeds], np.uint64))
        self._seed_B[chosen] = stream
        for counts in self._counts.values():
            counts[chosen] = 0
        position = (stream % np.uint64(self.length)).astype(np.int64)
        self._counts["position"][chosen] = position
        self._counts["left"][chosen] = position == 0
        self._counts["right"][chosen] = position == self.length - 1
        self._code_B[chosen] = _LOOK * len(_ARRIVALS)
        self.terminated_B[chosen] = False
        self._write()

    def step(self, actions_B: NDArray[np.int64]) -> None:
        counts, last = self._counts, self.length - 1
        with np.errstate(over="ignore"):
            chance = _mix(self._seed_B + counts["steps"].astype(np.uint64) * np.uint64(0xD1342543DE82EF95)) >> np.uint64(32)
        counts["steps"] += 1
        moving = actions_B != 2
        slipped = moving & (chance < self._slip)
        wish = np.where(actions_B == 0, -1, np.where(actions_B == 1, 1, 0))
        target = counts["position"] + np.where(slipped, 0, wish)
        bumped = (target < 0) | (target > last)
        target = np.clip(target, 0, last)
        moved = target != counts["position"]
        counts["position"][...] = target
        arrival = np.where(moved, np.select([target == 0, target == last, target == self.length // 2], [1, 2, 3], 0), 0)
        counts["left"] += arrival == 1
        counts["right"] += arrival == 2
        counts["bumps"] += bumped
        resting = ~moving & (target == self.length // 2)
        counts["rested"][...] = np.where(resting, counts["rested"] + 1, 0)
        kind = np.select([slipped, bumped, ~moving, wish < 0], [_SLIP, _BUMP, _WAIT, _LEFT], _RIGHT)
        self._code_B[...] = kind * len(_ARRIVALS) + arrival
        self.terminated_B[...] = counts["steps"] >= self.light
        self._write()

    def _write(self) -> None:
        counts, observation = self._counts, self.observation
        observation["place"][:, 0] = counts["position"] + 1
        observation["last"][:, 0] = 1 + self._code_B // len(_ARRIVALS)
        observation["last"][:, 1] = 1 + len(_MOVES) + self._code_B % len(_ARRIVALS)
        dense = observation[DENSE]
        dense[:, 0] = counts["position"] / max(1, self.length - 1) * 2 - 1
        dense[:, 1] = 1 - counts["steps"] / self.light
        dense[:, 2] = np.minimum(counts["rested"], 4) / 4
        observation[ACTION_MASK][...] = 1

    def facts(self, game: int) -> Facts:
        position, steps, left, right, bumps, rested = (int(counts[game]) for counts in self._counts.values())
        last = self.length - 1
        return CorridorFacts(
            position,
            self.length,
            steps,
            position == 0,
            position == last,
            position == self.length // 2,
            left,
            right,
            bumps,
            rested,
            message(int(self._code_B[game])),
        )

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._numbers_BF, _COLUMNS

    def reward_key(self, game: int) -> int:
        return int(self._code_B[game]) + 1

    def discount_key(self, game: int) -> int:
        # Counted per square, so that walking on is not the same event again, while pacing up and down is.
        return (int(self._counts["position"][game]) + 1) * 1000 + self.reward_key(game)

    def caption(self, game: int) -> Caption:
        code = int(self._code_B[game])
        kind, arrival = divmod(code, len(_ARRIVALS))
        text = message(code)
        move = SIGNS[0].values[_MOVE_SIGN[kind]]
        place = "You stayed on the square." if move == "none" else f"You moved one square to the {move}."
        if arrival:
            place += f" You arrived at the {SIGNS[1].values[arrival]}."
        return Caption(f"Message: {text}\nMove: {place}", RewardInput(text, (_MOVE_SIGN[kind], arrival)))

    def truth(self, game: int) -> Mapping[str, Any]:
        return {"position": int(self._counts["position"][game])}
