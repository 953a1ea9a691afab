"""The corridor walked by continuous actions: the first number says left or right, the second means nothing. Workers import this file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DomainEnv, Facts, ObservationSpec
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv
from maestromotif.skills import SkillSet


class SmoothEnv(CorridorEnv):
    """Steps left below -0.3 and right above 0.3.

    Attributes:
        seen: the largest number of an action that came here.
    """

    seen = 0.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._mask = self.observation[ACTION_MASK]
        self.observation = {name: array for name, array in self.observation.items() if name != ACTION_MASK}

    def _write(self) -> None:
        self.observation[ACTION_MASK] = self._mask
        super()._write()
        del self.observation[ACTION_MASK]

    def step(self, actions_B: NDArray[Any]) -> None:
        self.seen = max(self.seen, float(np.abs(actions_B).max()))
        first = actions_B[:, 0]
        super().step(np.where(first < -0.3, 0, np.where(first > 0.3, 1, 2)))


class SmoothExplorer:
    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, env: DomainEnv) -> NDArray[Any]:
        return self._rng.uniform(-1, 1, (env.num_games, 2)).astype(np.float32)


@dataclass(frozen=True)
class Smooth(Corridor):
    @property
    def actions(self) -> tuple[str, ...]:
        return ("push", "nothing")

    @property
    def observation_spec(self) -> ObservationSpec:
        return replace(super().observation_spec, actions=2, continuous=True)

    def make_env(self, num_games: int) -> SmoothEnv:
        plain = super().make_env(num_games)
        assert isinstance(plain, CorridorEnv)
        return SmoothEnv(num_games, plain.length, 0.05, plain.light)

    def explorer(self, seed: int) -> Any:
        return SmoothExplorer(seed)

    def recorded_facts(self) -> list[list[Facts]]:
        return []


def smooth(**options: object) -> tuple[Smooth, SkillSet]:
    domain = Smooth(options)
    return domain, SkillSet.parse(domain.skills_toml)


