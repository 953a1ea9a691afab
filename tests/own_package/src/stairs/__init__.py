"""A domain in a package of somebody else's: a flight of stairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import (
    ACTION_MASK,
    DENSE,
    Bag,
    Criterion,
    Domain,
    DomainEnv,
    Facts,
    FactSpec,
    ObservationSpec,
    SignSpec,
    Task,
    facts_class,
)
from maestromotif.types import Caption, RewardInput

__all__ = ["Stairs"]

TOP = 12
FACTS = (
    FactSpec("height", "int", "steps above the floor; the top is 12", most=TOP),
    FactSpec("steps", "int", "moves since the episode began"),
)
MOVES = ("You stay.", "You climb.", "You climb and reach the top.", "You descend.", "You descend and reach the floor.")
SkillFacts = facts_class("StairsFacts", FACTS)


class StairsEnv(DomainEnv):
    def __init__(self, num_games: int) -> None:
        self.num_games = num_games
        self.observation = SPEC.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._height, self._steps, self._move = [0] * num_games, [0] * num_games, [0] * num_games

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        for game, seed in zip(games, seeds, strict=True):
            self._height[game], self._steps[game], self._move[game] = int(np.random.default_rng(seed % 2**63).integers(1, TOP)), 0, 0
            self.terminated_B[game] = False
        self._write()

    def step(self, actions_B: NDArray[np.int64]) -> None:
        for game, action in enumerate(actions_B.tolist()):
            old = self._height[game]
            new = self._height[game] = min(TOP, max(0, old + (1, -1, 0)[action]))
            self._steps[game] += 1
            self._move[game] = 0 if new == old else (1 + (new == TOP) if new > old else 3 + (new == 0))
            self.terminated_B[game] = self._steps[game] >= 100
        self._write()

    def _write(self) -> None:
        self.observation["height"][:, 0] = np.array(self._height) + 1
        self.observation[DENSE][:, 0] = np.array(self._height) / TOP * 2 - 1
        self.observation[ACTION_MASK][...] = 1

    def facts(self, game: int) -> Facts:
        return SkillFacts(self._height[game], self._steps[game])

    def reward_key(self, game: int) -> int:
        return self._move[game] + 1

    def caption(self, game: int) -> Caption:
        move = self._move[game]
        return Caption(MOVES[move], RewardInput(MOVES[move], (move,)))


SPEC = ObservationSpec(bags={"height": Bag(TOP + 2, 1)}, dense=1, actions=3, skip=("height",))


class _Explorer:
    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, env: DomainEnv) -> NDArray[np.int64]:
        return self._rng.integers(3, size=env.num_games)


class _Simulator:
    def __init__(self) -> None:
        self._env = StairsEnv(1)

    def reset(self, seed: int) -> Facts:
        self._env.reset([0], [seed])
        return self._env.facts(0)

    def step(self, skill: str) -> tuple[Facts, bool]:
        self._env.step(np.array([{"climb": 0, "descend": 1}.get(skill, 2)]))
        return self._env.facts(0), bool(self._env.terminated_B[0])

    def truth(self) -> Mapping[str, Any]:
        return {}


class _UpAndDown:
    def __init__(self) -> None:
        self._up = self._down = False

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self._up = self._up or facts.height == TOP
        self._down = self._down or (self._up and facts.height == 0)
        return self._down


def _up_and_down() -> Criterion:
    return _UpAndDown()


class Stairs(Domain):
    id = "stairs"
    title = "Stairs"
    knowledge = "A flight of twelve steps, from the floor (height 0) to the top (height 12). You climb, descend, or stay."
    fact_specs = FACTS
    sign_specs = (SignSpec("move", ("none", "up", "top", "down", "floor"), "where the last move led"),)
    actions = ("climb", "descend", "stay")
    observation_spec = SPEC

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"up_and_down": Task("up_and_down", "Go to the top, then down to the floor.", {"landmark": _up_and_down}, 90)}

    @property
    def skills_toml(self) -> str:
        return (Path(__file__).parent / "skills.toml").read_text()

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        return (str(Path(__file__).parent / "answers"),)

    def make_env(self, num_games: int) -> StairsEnv:
        return StairsEnv(num_games)

    def simulator(self) -> _Simulator:
        return _Simulator()

    def explorer(self, seed: int) -> _Explorer:
        return _Explorer(seed)
