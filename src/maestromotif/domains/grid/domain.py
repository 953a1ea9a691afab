"""The grid house as a domain: what the contract asks for, put together from this folder's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from maestromotif.domains.contract import CallMeasure, Domain, Facts, FactSpec, ObservationSpec, SignSpec, Task
from maestromotif.domains.grid import possible, progress, tasks, vocabulary
from maestromotif.domains.grid.env import GridEnv
from maestromotif.domains.grid.scripts import GridExplorer, GridSimulator
from maestromotif.domains.grid.telling import OBSERVATION
from maestromotif.errors import DomainError
from maestromotif.types import RewardInput

__all__ = ["GridHouse"]

_LEAST, _MOST, _USUAL = 5, 9, 5
_SLIPS = 0.15
_RECORDED_GAMES, _RECORDED_STEPS = 3, 150


@dataclass(frozen=True)
class GridHouse(Domain):
    """Option: ``room`` (height and average width of the three rooms in squares, 5 to 9, default 5)."""

    def __post_init__(self) -> None:
        problems = [f"unknown option {name!r}" for name in self.options if name != "room"]
        room = self.options.get("room", _USUAL)
        if isinstance(room, bool) or not isinstance(room, int) or not _LEAST <= room <= _MOST:
            problems.append(f"room must be a whole number from {_LEAST} to {_MOST}, not {room!r}")
        if problems:
            raise DomainError("maestro.toml [domain]: " + "; ".join(problems), "Options of grid: room")

    @property
    def _room(self) -> int:
        return int(self.options.get("room", _USUAL))

    @property
    def id(self) -> str:
        return "grid"

    @property
    def title(self) -> str:
        return "Grid house"

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
        return vocabulary.ACTIONS

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
        # What was measured is in docs/grid.md. The ways in the observation remember for the network, hence no recurrent core.
        return {
            # Games begin anew with every shard only, since they have no end of their own: 256 houses of 160 steps.
            "collect": {"steps": 40_960, "num_games": 64, "shard_steps": 10_240},
            "annotate": {"pairs": 4_000},
            "reward": {"contrast": 3.0},
            "train": {
                "steps": 300_000,
                "games": 64,
                "rollout": 32,
                "minibatch": 512,
                "features": 64,
                "hidden": 64,
                "core": "ff",
                "episode_steps": 300,
                # With "cut", exploring learns to leave the last corner unseen, since seeing it ends its income.
                "returns": "renew",
                "workers": 2,
            },
            # Five of the thirteen tasks, so that a first run stays short; [] plays all.
            "evaluate": {
                "skill_episodes": 32,
                "max_steps": 800,
                "tasks": ["vault_open", "ball_home_goal", "vault_open_goal", "key_home", "box_home_goal"],
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

    def possible_facts(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return possible.possible_facts(values, before, self._room)

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        return progress.caption_score(skill_id, reward_input)

    def make_env(self, num_games: int) -> GridEnv:
        return GridEnv(num_games, self._room)

    def simulator(self) -> GridSimulator:
        return GridSimulator(self._room, _SLIPS)

    def simulators(self) -> Mapping[str, GridSimulator]:
        return {"perfect": GridSimulator(self._room, 0.0)}

    def explorer(self, seed: int) -> GridExplorer:
        return GridExplorer(seed)


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
