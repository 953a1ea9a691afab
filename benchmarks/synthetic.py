"""A domain with the observation shapes of NetHack and next to no game: what is left of the time is ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Bag, DomainEnv, Explorer, Facts, FactSpec, ObservationSpec, SignSpec, Simulator, Task, facts_class
from maestromotif.domains.corridor import Corridor
from maestromotif.types import Caption, RewardInput

SPEC = ObservationSpec(bags={"view": Bag(8000, 120), "state": Bag(4000, 80)}, dense=40, actions=28, skip=("state",))
FACTS = (FactSpec("steps", "int", "steps since the episode began"), FactSpec("noise", "int", "a number"))
SyntheticFacts = facts_class("SyntheticFacts", FACTS)


class SyntheticEnv(DomainEnv):
    """Observations drawn once, with a skewed frequency of features, and shown in turn."""

    def __init__(self, num_games: int) -> None:
        self.num_games = num_games
        self.observation = SPEC.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._steps_B = np.zeros(num_games, np.int64)
        rng = np.random.default_rng(0)
        places = 1 + np.arange(81) * 98
        self._view = np.zeros((512, 120), np.int16)
        self._view[:, :81] = places + np.minimum(rng.geometric(0.2, (512, 81)), 97)
        self._state = np.zeros((512, 80), np.int16)
        self._state[:, :50] = 1 + np.arange(50) * 79 + np.minimum(rng.geometric(0.2, (512, 50)), 78)
        self._dense = rng.random((512, 40), np.float32)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        self._steps_B[np.asarray(games)] = np.asarray(seeds, np.int64) % 512
        self.terminated_B[np.asarray(games)] = False
        self._write()

    def step(self, actions_B: NDArray[np.int64]) -> None:
        self._steps_B += 1 + actions_B % 3
        self.terminated_B[...] = self._steps_B > 4000
        self._write()

    def _write(self) -> None:
        rows = self._steps_B % 512
        self.observation["view"][...] = self._view[rows]
        self.observation["state"][...] = self._state[rows]
        self.observation["dense"][...] = self._dense[rows]

    def facts(self, game: int) -> Facts:
        steps = int(self._steps_B[game])
        return SyntheticFacts(steps, steps % 97)

    def reward_key(self, game: int) -> int:
        return int(self._steps_B[game]) % 512 + 1

    def caption(self, game: int) -> Caption:
        text = f"Step {int(self._steps_B[game]) % 512}."
        return Caption(text, RewardInput(text, (0,)))


class Synthetic(Corridor):
    """Skills, tasks and the rest are the corridor's; only the games differ."""

    @property
    def id(self) -> str:
        return "synthetic"

    @property
    def fact_specs(self) -> tuple[FactSpec, ...]:
        return FACTS

    @property
    def sign_specs(self) -> tuple[SignSpec, ...]:
        return (SignSpec("none", ("none",), "nothing"),)

    @property
    def observation_spec(self) -> ObservationSpec:
        return SPEC

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {}

    @property
    def call_measures(self) -> Mapping[str, Any]:
        return {}

    def make_env(self, num_games: int) -> SyntheticEnv:  # type: ignore[override]
        return SyntheticEnv(num_games)

    def simulator(self) -> Simulator:  # type: ignore[override]
        raise NotImplementedError("the synthetic domain is for measurements of speed only")

    def explorer(self, seed: int) -> Explorer:  # type: ignore[override]
        raise NotImplementedError("the synthetic domain is for measurements of speed only")
