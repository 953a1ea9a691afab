"""The text house as a domain: what the contract asks for, put together from this folder's parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import CallMeasure, Domain, Facts, FactSpec, ObservationSpec, SignSpec, Task
from maestromotif.domains.screens import TextScreen
from maestromotif.domains.textgame import progress, tasks, vocabulary
from maestromotif.domains.textgame.env import TextEnv
from maestromotif.domains.textgame.pages import FILE, read_screens
from maestromotif.domains.textgame.scripts import TextExplorer, TextSimulator
from maestromotif.domains.textgame.telling import OBSERVATION, SLOTS
from maestromotif.errors import DomainError
from maestromotif.types import RewardInput

__all__ = ["TextHouse"]

_SLIPS = 0.15
_RECORDED_GAMES, _RECORDED_STEPS = 6, 60
_RECORDED_SLIPS = 0.6  # skills by rule are done after two or three commands; programs should be tried on longer calls, too


@dataclass(frozen=True)
class TextHouse(Domain):
    """No options."""

    def __post_init__(self) -> None:
        if self.options:
            names = ", ".join(map(repr, self.options))
            raise DomainError(f"maestro.toml [domain]: unknown option {names}", "textgame has no options beside id")

    @property
    def id(self) -> str:
        return "textgame"

    @property
    def title(self) -> str:
        return "Text house"

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
        return tuple(f"command {number}" for number in range(1, SLOTS + 1))

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
        # What was measured is in docs/textgame.md. The ways told with the commands remember for the network, hence no recurrent core.
        return {
            # Games begin anew with every shard only, since they have no end of their own: 512 houses of 60 steps.
            "collect": {"steps": 30_720, "num_games": 64, "shard_steps": 3_840},
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
                "episode_steps": 100,
                # With "cut", exploring learns to leave the last room unseen, since seeing it ends its income.
                "returns": "renew",
                "workers": 2,
            },
            "evaluate": {
                "skill_episodes": 32,
                "max_steps": 200,
                "tasks": ["dinner", "treat", "treat_served", "dinner_treat", "table_set"],
            },
        }

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        return (str(files(__package__) / "answers"),)

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        """Episodes of the explorer, played now."""
        env, explorer = self.make_env(_RECORDED_GAMES), TextExplorer(0, _RECORDED_SLIPS)
        env.reset(range(_RECORDED_GAMES), range(_RECORDED_GAMES))
        moments = [[env.facts(game) for game in range(_RECORDED_GAMES)]]
        for _ in range(_RECORDED_STEPS):
            env.step(explorer.act(env))
            moments.append([env.facts(game) for game in range(_RECORDED_GAMES)])
        return list(zip(*moments, strict=True))

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        return progress.caption_score(skill_id, reward_input)

    def screens(self, folder: Path) -> Iterator[TextScreen]:
        return read_screens(folder / FILE)

    def make_env(self, num_games: int) -> TextEnv:
        return TextEnv(num_games)

    def simulator(self) -> TextSimulator:
        return TextSimulator(_SLIPS)

    def simulators(self) -> Mapping[str, TextSimulator]:
        return {"perfect": TextSimulator(0.0)}

    def explorer(self, seed: int) -> TextExplorer:
        return TextExplorer(seed)


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
