"""Any Gymnasium environment as a domain: its spaces give observations and actions, an adapter gives the words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import (
    ACTION_MASK,
    Bag,
    CallMeasure,
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
from maestromotif.domains.gym.actions import Actions, read_actions
from maestromotif.domains.gym.adapter import STANDARD_FACTS, Adapter, Condition, Goal
from maestromotif.domains.gym.env import BAG, GymEnv
from maestromotif.domains.gym.honesty import check_spaces
from maestromotif.domains.gym.loading import digest, load_adapter
from maestromotif.domains.gym.observations import ObservationReader
from maestromotif.errors import DomainError

__all__ = ["ANSWERS", "GymDomain", "GymExplorer", "GymSimulator", "InOrder"]

ANSWERS = "answers"
_RECORDED, _RECORDED_STEPS = 2, 60
_TICK = 4  # environment steps of a tick of the simulator
_STICKY = 0.6
_EPISODE = 1_000
_OPTIONS: Mapping[str, tuple[type, str]] = {
    "env": (str, "the id of a Gymnasium environment, as in gymnasium.make; module:id imports a module first"),
    "adapter": (str, "a file of Python with an Adapter, from the project's folder on"),
    "arguments": (dict, "arguments of the environment, as a table"),
}


class InOrder:
    """Success: conditions were met one after another, at most one in each step."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._left = list(conditions)

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        if self._left and self._left[0](facts, truth):
            del self._left[0]
        return not self._left


class GymExplorer:
    """Random actions, each of which it mostly goes on with for a while.

    Args:
        dimensions: of continuous actions; 0: actions are chosen among those that the mask allows.
    """

    def __init__(self, seed: int, dimensions: int = 0) -> None:
        self._rng, self._dimensions = np.random.default_rng(seed), dimensions
        self._last_B: NDArray[Any] = np.zeros(0, np.int64)

    def act(self, env: DomainEnv) -> NDArray[Any]:
        if self._dimensions:
            return self._vectors(env.num_games)
        mask_BA = env.observation[ACTION_MASK] > 0
        fresh_B = np.argmax(self._rng.random(mask_BA.shape) * mask_BA, axis=1).astype(np.int64)
        goes_on_B = self._rng.random(len(mask_BA)) < _STICKY
        if len(self._last_B) == len(fresh_B):
            goes_on_B &= mask_BA[np.arange(len(mask_BA)), self._last_B]
            fresh_B = np.where(goes_on_B, self._last_B, fresh_B)
        self._last_B = fresh_B
        actions_B: NDArray[np.int64] = fresh_B.copy()
        return actions_B

    def _vectors(self, count: int) -> NDArray[Any]:
        fresh_BA = self._rng.uniform(-1, 1, (count, self._dimensions)).astype(np.float32)
        goes_on_B = self._rng.random(count) < _STICKY
        if len(self._last_B) == count:
            fresh_BA[goes_on_B] = self._last_B[goes_on_B]
        self._last_B = fresh_BA
        return fresh_BA.copy()


class GymSimulator:
    """The environment itself under random play, four steps a tick: nothing is known of what a skill will be able to do."""

    def __init__(self, env: GymEnv, dimensions: int) -> None:
        self._env, self._dimensions = env, dimensions
        self._explorer = GymExplorer(0, dimensions)

    def reset(self, seed: int) -> Facts:
        self._explorer = GymExplorer(seed % 2**63, self._dimensions)
        self._env.reset([0], [seed])
        return self._env.facts(0)

    def step(self, skill: str) -> tuple[Facts, bool]:
        for _ in range(_TICK):
            self._env.step(self._explorer.act(self._env))
            if self._env.terminated_B[0]:
                break
        return self._env.facts(0), bool(self._env.terminated_B[0])

    def truth(self) -> Mapping[str, Any]:
        return self._env.truth(0)


@dataclass(frozen=True)
class GymDomain(Domain):
    """Options: ``env`` (default CartPole-v1), ``adapter`` (a file; without one, words follow from the spaces), ``arguments``."""

    file_options = ("adapter",)

    def __post_init__(self) -> None:
        problems = []
        for name, value in self.options.items():
            if name not in _OPTIONS:
                problems.append(f"unknown option {name!r}")
            elif not isinstance(value, _OPTIONS[name][0]):
                problems.append(f"{name} must be {_OPTIONS[name][1]}, not {value!r}")
        if problems:
            raise DomainError("[domain] of gym: " + "; ".join(problems), "Options: " + ", ".join(_OPTIONS))

    @property
    def env_id(self) -> str:
        return str(self.options.get("env", "CartPole-v1"))

    @property
    def file(self) -> Path | None:
        """Where the adapter is, if there is one."""
        return Path(self.options["adapter"]) if self.options.get("adapter") else None

    @property
    def identity(self) -> Mapping[str, Any]:
        adapter = {"adapter": digest(self.file)} if self.file else {}
        return {**self.options, **adapter, "gymnasium": gymnasium.__version__}

    @cached_property
    def _adapter_class(self) -> type[Adapter]:
        return load_adapter(self.file) if self.file else Adapter

    def make(self, **more: Any) -> gymnasium.Env[Any, Any]:
        """One environment, without a limit of steps.

        Args:
            more: arguments beside those of the options, which they do not override.

        Raises:
            DomainError: it is not registered, or cannot be made.
        """
        # An adapter may register the environment.
        _ = self._adapter_class
        arguments = {**more, **self.options.get("arguments", {})}
        try:
            return gymnasium.make(self.env_id, max_episode_steps=-1, disable_env_checker=True, **arguments)
        except gymnasium.error.DependencyNotInstalled as error:
            raise DomainError(f"the environment {self.env_id} needs another package ({error})", "Install it") from error
        except ModuleNotFoundError as error:
            raise DomainError(f"the environment {self.env_id} needs a package ({error})", "Install it") from error
        except gymnasium.error.UnregisteredEnv as error:
            raise DomainError(
                f"Gymnasium knows no environment {self.env_id!r} ({' '.join(str(error).split())})",
                'Write "module:id" if a module registers it; `gymnasium.pprint_registry()` lists what is there',
            ) from error
        except Exception as error:  # whatever somebody's environment raises
            raise DomainError(f"the environment {self.env_id} cannot be made: {type(error).__name__}: {error}", "Mend [domain]") from error

    @cached_property
    def _parts(self) -> tuple[Adapter, Actions, ObservationReader, Callable[..., Facts], int]:
        """Made once: adapter, actions, reader of observations, class of facts, and the environment's own limit of steps."""
        env = self.make()
        try:
            kind = self._adapter_class
            try:
                adapter = kind(env.observation_space)
                facts = facts_class("GymFacts", (*adapter.fact_specs, *STANDARD_FACTS))
            except Exception as error:  # whatever somebody's adapter raises
                raise DomainError(f"{self.file}: the adapter cannot be made: {type(error).__name__}: {error}", "Mend it") from error
            actions = read_actions(env.action_space, adapter.bins, tuple(adapter.actions), _meanings(env))
            return adapter, actions, ObservationReader(env.observation_space), facts, _limit(env)
        finally:
            env.close()  # type: ignore[no-untyped-call]

    @property
    def adapter(self) -> Adapter:
        return self._parts[0]

    @property
    def max_steps(self) -> int:
        """The environment's own limit of steps; where it has none, a thousand."""
        return self._parts[4]

    @property
    def id(self) -> str:
        return "gym"

    @property
    def title(self) -> str:
        return self.adapter.title or self.env_id

    @property
    def knowledge(self) -> str:
        return self.adapter.knowledge or f"An agent acts in the environment {self.env_id}. Its actions: {', '.join(self.actions[:40])}."

    @property
    def fact_specs(self) -> tuple[FactSpec, ...]:
        return (*self.adapter.fact_specs, *STANDARD_FACTS)

    @property
    def sign_specs(self) -> tuple[SignSpec, ...]:
        return tuple(self.adapter.sign_specs)

    @property
    def actions(self) -> tuple[str, ...]:
        return self._parts[1].names

    @property
    def observation_spec(self) -> ObservationSpec:
        reader = self._parts[2]
        bags = {BAG: Bag(reader.bag_size, reader.bag_length)} if reader.bag_length else {}
        actions = self._parts[1]
        return ObservationSpec(bags, reader.dense, len(actions.names), skip=tuple(bags), continuous=actions.continuous)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {goal.id: _task(goal) for goal in self.adapter.goals}

    @property
    def call_measures(self) -> Mapping[str, CallMeasure]:
        return dict(self.adapter.measures)

    @property
    def skills_toml(self) -> str:
        """The one beside the adapter; without it, one skill for each of two facts."""
        beside = self.file.with_name("skills.toml") if self.file else None
        if beside is not None and beside.is_file():
            return beside.read_text(encoding="utf-8")
        numbers = [spec.name for spec in self.adapter.fact_specs if spec.type in ("int", "float")][:2] or ["steps"]
        return "\n".join(f'[[skill]]\nid = "raise_{name}"\ndescription = "Make {name} rise."\nmax_steps = 50\n' for name in numbers)

    @property
    def recommended(self) -> Mapping[str, Mapping[str, Any]]:
        limit = min(self.max_steps, _EPISODE)
        return {
            "domain": {"env": self.env_id},
            "collect": {"steps": 16_000, "shard_steps": 4_000},
            "annotate": {"pairs": 2_000},
            "program": {"episodes": 50, "max_ticks": 250},
            "train": {
                "steps": 300_000,
                "games": 32,
                "rollout": 32,
                "minibatch": 256,
                "features": 64,
                "hidden": 64,
                "episode_steps": limit,
            },
            "evaluate": {"skill_episodes": 64, "task_episodes": 64, "max_steps": limit},
        }

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        folder = self.file.with_name(ANSWERS) if self.file else None
        return (str(folder),) if folder is not None and folder.is_dir() else ()

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        """Some episodes of the explorer, played now."""
        episodes = []
        env = self.make_env(1)
        try:
            for seed in range(_RECORDED):
                explorer = self.explorer(seed)
                env.reset([0], [seed])
                moments = [env.facts(0)]
                while len(moments) <= _RECORDED_STEPS and not env.terminated_B[0]:
                    env.step(explorer.act(env))
                    moments.append(env.facts(0))
                episodes.append(moments)
        finally:
            env.close()
        return episodes

    def own_checks(self) -> Mapping[str, Callable[[Domain], str]]:
        return {"spaces": lambda domain: check_spaces(self.make, self._parts[1])}

    def make_env(self, num_games: int) -> GymEnv:
        adapter, actions, reader, facts, _ = self._parts
        return GymEnv(num_games, self.make, adapter, self.file, actions, reader, self.observation_spec, facts)

    def simulator(self) -> GymSimulator:
        return GymSimulator(self.make_env(1), self._dimensions)

    def explorer(self, seed: int) -> GymExplorer:
        return GymExplorer(seed, self._dimensions)

    @property
    def _dimensions(self) -> int:
        actions = self._parts[1]
        return len(actions.names) if actions.continuous else 0


def _task(goal: Goal) -> Task:
    def make() -> Criterion:
        return InOrder(goal.conditions)

    return Task(goal.id, goal.description, {"landmark": make}, goal.max_steps)


def _limit(env: gymnasium.Env[Any, Any]) -> int:
    """Steps of an episode as the environment was registered; where it has no limit, a thousand."""
    registered = gymnasium.registry.get(env.spec.id) if env.spec is not None else None
    return (registered.max_episode_steps if registered else None) or _EPISODE


def _meanings(env: gymnasium.Env[Any, Any]) -> list[str]:
    """What a discrete environment calls its actions, where it says so."""
    inner = env.unwrapped
    get = getattr(inner, "get_action_meanings", None)
    names = get() if callable(get) else [getattr(action, "name", "") for action in getattr(inner, "actions", None) or ()]
    found = [str(name).lower() for name in names]
    return found if all(found) and len(set(found)) == len(found) else []
