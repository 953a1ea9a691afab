"""The corridor as a domain: tasks, simulator, explorer, and the text that a coder or judge needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import (
    CallMeasure,
    Criterion,
    Domain,
    DomainEnv,
    Facts,
    FactSpec,
    ObservationSpec,
    SignSpec,
    Task,
)
from maestromotif.domains.corridor.env import ACTIONS, FACTS, SIGNS, CorridorEnv, observation_spec
from maestromotif.errors import DomainError
from maestromotif.types import RewardInput

__all__ = ["Corridor", "CorridorExplorer", "CorridorSimulator", "Visits"]

_KNOWLEDGE = """\
You stand in a straight corridor, one square wide and dark. Squares are numbered from 0 (the left end) upwards; the
right end is square length - 1, the middle is square length // 2. In each step you go left, go right, or wait. Going on at an
end bumps into the wall. The floor is wet: a step sometimes slips and leads nowhere. The lamp burns for a few hundred steps;
when it goes out the episode is over. Episodes begin on a random square.
"""

_RECORDED_STEPS = 60
_OPTIONS: Mapping[str, tuple[type, float, float]] = {"length": (int, 3, 200), "slip": (float, 0, 0.9), "light": (int, 10, 100_000)}


class Visits:
    """Success: the given ends ("left", "right") have been stood on, in this order."""

    def __init__(self, *order: str) -> None:
        self._order = order
        self._reached = 0

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        here = {"left": facts.at_left_end, "right": facts.at_right_end}
        if self._reached < len(self._order) and here[self._order[self._reached]]:
            self._reached += 1
        return self._reached == len(self._order)


def _visits(*order: str) -> Any:
    def make() -> Criterion:
        return Visits(*order)

    return make


_TASKS = (
    Task(
        "both_ends",
        "Touch the left end of the corridor first, then the right end.",
        {"landmark": _visits("left", "right"), "proxy": _visits("right")},
        120,
    ),
    Task(
        "three_crossings",
        "Start from the right end, cross the corridor to the left end, go back to the right end, and return to the left end once more.",
        {"landmark": _visits("right", "left", "right", "left")},
        200,
    ),
)


class CorridorSimulator:
    """One tick is three steps of a skill that mostly does what its name says; an unknown skill walks at random."""

    def __init__(self, length: int, slip: float, light: int) -> None:
        self._env = CorridorEnv(1, length, slip, light)
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> Facts:
        self._rng = np.random.default_rng([seed % 2**63, 7])
        self._env.reset([0], [seed])
        return self._env.facts(0)

    def step(self, skill: str) -> tuple[Facts, bool]:
        facts = self._env.facts(0)
        for _ in range(3):
            self._env.step(np.array([self._action(skill, facts)], np.int64))
            facts = self._env.facts(0)
            if self._env.terminated_B[0] or self._arrived(skill, facts):
                break
        return facts, bool(self._env.terminated_B[0])

    def truth(self) -> Mapping[str, Any]:
        return self._env.truth(0)

    def _action(self, skill: str, facts: Facts) -> int:
        if skill not in ("go_left", "go_right", "wait_middle") or self._rng.random() < 0.1:
            return int(self._rng.integers(len(ACTIONS)))
        if skill == "wait_middle":
            middle = facts.length // 2
            return 2 if facts.position == middle else 0 if facts.position > middle else 1
        return 0 if skill == "go_left" else 1

    @staticmethod
    def _arrived(skill: str, facts: Facts) -> bool:
        return bool((skill == "go_left" and facts.at_left_end) or (skill == "go_right" and facts.at_right_end))


class CorridorExplorer:
    """Walks in one direction for a while, or waits, then changes its mind."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._actions_B = np.zeros(0, np.int64)

    def act(self, env: DomainEnv) -> NDArray[np.int64]:
        if len(self._actions_B) != env.num_games:
            self._actions_B = self._rng.integers(len(ACTIONS), size=env.num_games)
        change = self._rng.random(env.num_games) < 0.25
        fresh = self._rng.integers(len(ACTIONS), size=env.num_games)
        self._actions_B = np.where(change, fresh, self._actions_B)
        return self._actions_B.copy()


@dataclass(frozen=True)
class Corridor(Domain):
    """Options: ``length`` (squares, default 9), ``slip`` (chance of a lost step, default 0.05), ``light`` (steps, default 400)."""

    def __post_init__(self) -> None:
        problems = []
        for name, value in self.options.items():
            kind, low, high = _OPTIONS.get(name, (str, 0, 0))
            if kind is str:
                problems.append(f"unknown option {name!r}")
            elif isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int) or not low <= value <= high:
                problems.append(f"{name} must be {'a whole number' if kind is int else 'a number'} from {low} to {high}, not {value!r}")
        if problems:
            raise DomainError("[domain] of the corridor: " + "; ".join(problems), "Options: " + ", ".join(_OPTIONS))

    @property
    def _settings(self) -> tuple[int, float, int]:
        get = self.options.get
        return int(get("length", 9)), float(get("slip", 0.05)), int(get("light", 400))

    @property
    def id(self) -> str:
        return "corridor"

    @property
    def title(self) -> str:
        return "Corridor"

    @property
    def knowledge(self) -> str:
        return _KNOWLEDGE

    @property
    def fact_specs(self) -> tuple[FactSpec, ...]:
        return FACTS

    @property
    def sign_specs(self) -> tuple[SignSpec, ...]:
        return SIGNS

    @property
    def actions(self) -> tuple[str, ...]:
        return ACTIONS

    @property
    def observation_spec(self) -> ObservationSpec:
        return observation_spec(self._settings[0])

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {task.id: task for task in _TASKS}

    @property
    def call_measures(self) -> Mapping[str, CallMeasure]:
        return {
            "reached_left_end": lambda start, end: bool(end.at_left_end and end.left_visits > start.left_visits),
            "reached_right_end": lambda start, end: bool(end.at_right_end and end.right_visits > start.right_visits),
            "rested_in_middle": lambda start, end: bool(end.rested >= 3),
        }

    @property
    def skills_toml(self) -> str:
        return files("maestromotif.domains.corridor").joinpath("skills.toml").read_text(encoding="utf-8")

    @property
    def recommended(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            "collect": {"steps": 4_000, "shard_steps": 1_000},
            "annotate": {"pairs": 200},
            "train": {
                "steps": 40_000,
                "games": 32,
                "rollout": 32,
                "minibatch": 256,
                "features": 32,
                "hidden": 32,
                "episode_steps": 200,
                "workers": 1,
            },
            "evaluate": {"skill_episodes": 32, "task_episodes": 32, "max_steps": 200},
        }

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        return (str(files("maestromotif.domains.corridor").joinpath("answers")),)

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        """Two episodes of the explorer, played now."""
        env, explorer = self.make_env(2), self.explorer(0)
        env.reset([0, 1], [0, 1])
        moments = [[env.facts(game) for game in range(2)]]
        for _ in range(min(_RECORDED_STEPS, self._settings[2])):
            env.step(explorer.act(env))
            moments.append([env.facts(game) for game in range(2)])
        return list(zip(*moments, strict=True))

    def possible_facts(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        length, _, light = self._settings
        position, steps = min(values["position"], length - 1), min(values["steps"], light)
        left, right, middle = position == 0, position == length - 1, position == length // 2
        counts = {name: min(values[name], steps + 1) for name in ("bumps", "left_visits", "right_visits")}
        if before:
            steps = max(steps, before["steps"])
            counts = {name: max(count, before[name]) for name, count in counts.items()}
        return {
            **values,
            **counts,
            "position": position,
            "length": length,
            "steps": steps,
            "at_left_end": left,
            "at_right_end": right,
            "in_middle": middle,
            "left_visits": max(counts["left_visits"], int(left)),
            "right_visits": max(counts["right_visits"], int(right)),
            "rested": min(values["rested"], steps) if middle else 0,
        }

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        move, arrival = (spec.values[index] for spec, index in zip(SIGNS, reward_input.signs, strict=True))
        if skill_id == "wait_middle":
            return 1.0 if arrival == "middle" else 0.0
        if skill_id not in ("go_left", "go_right"):
            return None
        wanted, other = ("left", "right") if skill_id == "go_left" else ("right", "left")
        return {wanted: 1.0, other: -1.0}.get(move, 0.0) + {f"{wanted} end": 1.0}.get(arrival, 0.0)

    def make_env(self, num_games: int) -> CorridorEnv:
        return CorridorEnv(num_games, *self._settings)

    def simulator(self) -> CorridorSimulator:
        return CorridorSimulator(*self._settings)

    def explorer(self, seed: int) -> CorridorExplorer:
        return CorridorExplorer(seed)
