"""The robot's bench as a domain: what the contract asks for, put together from this folder's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import mujoco

from maestromotif.domains.contract import CallMeasure, Domain, Facts, FactSpec, ObservationSpec, SignSpec, Task
from maestromotif.domains.robotics import progress, tasks, vocabulary
from maestromotif.domains.robotics.env import OBSERVATION, RobotEnv
from maestromotif.domains.robotics.scripts import RobotExplorer
from maestromotif.domains.robotics.simulator import RobotSimulator
from maestromotif.domains.robotics.world import ACTIONS
from maestromotif.errors import DomainError
from maestromotif.types import RewardInput

__all__ = ["RobotBench"]

_SUCCESS, _CLUMSINESS = 0.7, 0.05
_RECORDED_GAMES, _RECORDED_STEPS = 3, 150


@dataclass(frozen=True)
class RobotBench(Domain):
    """No options."""

    def __post_init__(self) -> None:
        if self.options:
            unknown = ", ".join(repr(name) for name in self.options)
            raise DomainError(f"maestro.toml [domain]: unknown option {unknown}", "The domain robotics has no options")

    @property
    def identity(self) -> Mapping[str, Any]:
        # Contacts are solved a little differently from version to version.
        return {**self.options, "mujoco": mujoco.__version__}

    @property
    def id(self) -> str:
        return "robotics"

    @property
    def title(self) -> str:
        return "Robot at a bench"

    @property
    def knowledge(self) -> str:
        return _text("knowledge.txt")

    @property
    def fact_specs(self) -> tuple[FactSpec, ...]:
        return vocabulary.FACTS

    @property
    def sign_specs(self) -> tuple[SignSpec, ...]:
        return vocabulary.SIGNS

    @property
    def actions(self) -> tuple[str, ...]:
        return ACTIONS

    @property
    def observation_spec(self) -> ObservationSpec:
        return OBSERVATION

    @property
    def tasks(self) -> Mapping[str, Task]:
        return tasks.TASKS

    @property
    def call_measures(self) -> Mapping[str, CallMeasure]:
        return tasks.CALL_MEASURES

    @property
    def skills_toml(self) -> str:
        return _text("skills.toml")

    @property
    def recommended(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            # Games begin anew with every shard only, since they have no end of their own: 256 benches of 160 steps.
            "collect": {"steps": 40_960, "num_games": 64, "shard_steps": 10_240},
            "annotate": {"pairs": 3_000},
            # Most captions mean nothing to a skill, and better_than_nothing leaves those out; a quantile would leave out what leads to
            # the aim as well.
            "reward": {"contrast": 2.0, "threshold_quantile": 0.0},
            "train": {
                "steps": 1_000_000,
                "games": 64,
                "rollout": 32,
                "minibatch": 512,
                # Games are slow and gradient steps cheap, so that each rollout is looked at more often than usual.
                "epochs": 4,
                "features": 128,
                "hidden": 64,
                "core": "ff",
                # Without it, noise dies down before the cube has ever been let go of in the right place.
                "entropy": 0.003,
                "learning_rate": 5e-4,
                "decay": "linear",
                "episode_steps": 400,
                # With "renew", a dropped cube costs nothing: the call is over, and its value begins anew.
                "returns": "cut",
                "workers": 2,
            },
            # The composite ones: five of the ten.
            "evaluate": {
                "skill_episodes": 32,
                "max_steps": 600,
                "tasks": ["lamp_drawer", "open_shut", "plate_lamp", "put_away", "all_done"],
            },
        }

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        return (str(files(__package__) / "answers"),)

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        """Episodes of the explorer, played now."""
        env, explorer = self.make_env(_RECORDED_GAMES), self.explorer(0)
        env.reset(range(_RECORDED_GAMES), range(_RECORDED_GAMES))
        moments = [[env.facts(game) for game in range(_RECORDED_GAMES)]]
        for _ in range(_RECORDED_STEPS):
            env.step(explorer.act(env))
            moments.append([env.facts(game) for game in range(_RECORDED_GAMES)])
        return list(zip(*moments, strict=True))

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        return progress.caption_score(skill_id, reward_input)

    def make_env(self, num_games: int) -> RobotEnv:
        return RobotEnv(num_games)

    def simulator(self) -> RobotSimulator:
        return RobotSimulator(_SUCCESS, _CLUMSINESS)

    def simulators(self) -> Mapping[str, RobotSimulator]:
        return {"perfect": RobotSimulator(1.0, 0.0)}

    def explorer(self, seed: int) -> RobotExplorer:
        return RobotExplorer(seed)


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
