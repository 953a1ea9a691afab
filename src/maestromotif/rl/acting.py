"""Acting: a network plays some games for the steps of a rollout and remembers what the learner needs.

The same code runs in the training process and in processes that play games, over memory that both can see.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.actions import action_kind
from maestromotif.rl.arrays import Layout, StepArrays, carve
from maestromotif.types import EndCause

__all__ = ["ActingArrays", "ActingSpec", "Actor", "Collector", "PlayedGames", "RolloutArrays", "cut_rollout"]

Floats = NDArray[np.float32]
_BOOTSTRAPPED = (EndCause.INTERRUPTED, EndCause.TIMED_OUT, EndCause.CUT)


class Actor(Protocol):
    """A network that acts. ``N`` games, ``H`` width of the memory. Actions are as ``ObservationSpec.action`` says."""

    def load(self) -> None:
        """Use the present weights from now on."""
        ...

    def act(
        self,
        observation: Mapping[str, NDArray[Any]],
        skill: NDArray[np.int64],
        memory: Floats,
        chance: Floats,
        action: NDArray[Any],
        log_prob: Floats,
        value: Floats,
    ) -> None:
        """Act.

        Args:
            observation: arrays ``[N, ...]``; skill: ``[N]``.
            memory: ``[N, H]``, already emptied where it is to be forgotten; becomes the new memory.
            chance: ``[N, *ActionKind.shape]``. Of choices: uniform in [0, 1), and the action is the first at which the distribution
                function exceeds it. Of vectors: standard normal.
            action: ``[N, ...]``, written; log_prob, value: ``[N]``, written; value in units of reward.
        """
        ...

    def values(self, observation: Mapping[str, NDArray[Any]], skill: NDArray[np.int64], memory: Floats) -> Floats:
        """Values ``[N]`` without acting."""
        ...


class PlayedGames(Protocol):
    """What the collector needs of ``vector.Games``."""

    arrays: StepArrays
    groups: list[slice]

    def send(self, group: int) -> None: ...

    def wait(self, group: int) -> None: ...


@dataclass(frozen=True, slots=True)
class RolloutArrays:
    """Experience of ``T`` steps in ``B`` games. Games come first, so that the chunks of a game are contiguous.

    Attributes:
        observation: ``[B, T, ...]``.
        skill: int64 ``[B, T]``; action: ``[B, T, ...]``, as it was drawn.
        log_prob, value: float32 ``[B, T]``, as they were when acting; value in units of reward.
        reward, boot: float32 ``[B, T]``; cause: int8 ``[B, T]``. See ``returns.advantages``.
        keep: float32 ``[B, T]``, 0 where the memory was emptied before the step.
        memory: float32 ``[B, T / chunk, H]``, the memory before each chunk, not yet emptied.
        last_value: float32 ``[B]``, of the observation after the last step.
    """

    observation: dict[str, NDArray[Any]]
    skill: NDArray[np.int64]
    action: NDArray[Any]
    log_prob: Floats
    value: Floats
    reward: Floats
    boot: Floats
    cause: NDArray[np.int8]
    keep: Floats
    memory: Floats
    last_value: Floats


@dataclass(frozen=True, slots=True)
class ActingSpec:
    """What acts, and how long; plain values that can cross to another process.

    Attributes:
        skills: ids.
        network: values of a ``NetworkConfig``.
        weights: shapes of the network's arrays, all float32, by the names of ``SkillPolicy.state_dict()``.
        width: of its memory.
        steps, chunk: of a rollout, see ``TrainConfig``.
        sets: rollouts kept at the same time.
        flow: returns flow from call to call, but not from episode to episode: where a call is over together with its episode, the
            episode was cut.
        bfloat16: torch makes the network's large products in this type.
    """

    skills: tuple[str, ...]
    network: Mapping[str, Any]
    weights: Mapping[str, Sequence[int]]
    width: int
    steps: int
    chunk: int
    sets: int
    flow: bool
    bfloat16: bool

    def layout(self, spec: ObservationSpec, num_games: int) -> Layout:
        """Shape and type of every array of ``ActingArrays``, by a path of names."""
        layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        kinds = dict.fromkeys(("log_prob", "value", "reward", "boot", "keep"), "f4") | {"skill": "i8", "cause": "i1"}
        action_shape, action_dtype = spec.action
        for number in range(self.sets):
            for name, (shape, dtype) in spec.layout().items():
                layout[f"rollouts/{number}/observation/{name}"] = ((num_games, self.steps, *shape), dtype)
            for name, code in kinds.items():
                layout[f"rollouts/{number}/{name}"] = ((num_games, self.steps), np.dtype(code))
            layout[f"rollouts/{number}/action"] = ((num_games, self.steps, *action_shape), action_dtype)
            layout[f"rollouts/{number}/memory"] = ((num_games, self.steps // self.chunk, self.width), np.dtype("f4"))
            layout[f"rollouts/{number}/last_value"] = ((num_games,), np.dtype("f4"))
        layout["memory"] = ((num_games, self.width), np.dtype("f4"))
        layout["keep"] = ((num_games,), np.dtype("f4"))
        layout["chance"] = ((num_games, self.steps, *action_kind(spec).shape), np.dtype("f4"))
        for name, wide in self.weights.items():
            layout[f"weights/{name}"] = (tuple(wide), np.dtype("f4"))
        return layout


@dataclass(frozen=True, slots=True)
class ActingArrays:
    """All that actors read and write, in memory that processes can share.

    Attributes:
        rollouts: one or two sets: the learner reads one while the other is filled.
        memory: float32 ``[B, H]``, after the last step; keep: float32 ``[B]``, 0 where it is to be emptied.
        chance: float32 ``[B, T, *ActionKind.shape]``, for the rollout to be played; see ``Actor.act``.
        weights: of the network that acts, by the names of ``SkillPolicy.state_dict()``.
    """

    rollouts: tuple[RolloutArrays, ...]
    memory: Floats
    keep: Floats
    chance: Floats
    weights: dict[str, NDArray[Any]]

    @classmethod
    def over(cls, buffer: Any, layout: Layout) -> ActingArrays:
        """Arrays over a writable buffer; the same layout gives the same places."""
        arrays = carve(buffer, layout)
        sets: dict[str, dict[str, Any]] = {}
        weights = {}
        for path, array in arrays.items():
            names = path.split("/", 2)
            if names[0] == "weights":
                weights[path.removeprefix("weights/")] = array
            elif names[0] == "rollouts":
                mine = sets.setdefault(names[1], {"observation": {}})
                home, _, leaf = names[2].partition("/")
                if leaf:
                    mine[home][leaf] = array
                else:
                    mine[home] = array
        rollouts = tuple(RolloutArrays(**mine) for mine in sets.values())
        return cls(rollouts, arrays["memory"], arrays["keep"], arrays["chance"], weights)

    def part(self, games: slice) -> ActingArrays:
        """Views of some of the games."""
        rollouts = []
        for whole in self.rollouts:
            values = {name: getattr(whole, name) for name in RolloutArrays.__slots__}
            observation = {name: array[games] for name, array in values.pop("observation").items()}
            rollouts.append(RolloutArrays(observation=observation, **{name: array[games] for name, array in values.items()}))
        return ActingArrays(tuple(rollouts), self.memory[games], self.keep[games], self.chance[games], self.weights)


def cut_rollout(out: RolloutArrays, step: int) -> None:
    """End all calls and episodes at a step that was begun and then lost, together with the collector that filled these games' arrays.

    What the calls of this rollout would have bootstrapped from is lost too; the value of the observation before is close to it.
    """
    out.reward[:, step] = 0
    out.cause[:, step] = EndCause.CUT
    ended = np.isin(out.cause[:, : step + 1], _BOOTSTRAPPED)
    out.boot[:, : step + 1][ended] = out.value[:, : step + 1][ended]


class Collector:
    """Plays the steps of a rollout in some games.

    Args:
        games: already reset.
        arrays: of these games.

    Attributes:
        seconds: time spent waiting for games, and for the network.
    """

    def __init__(self, games: PlayedGames, actor: Actor, arrays: ActingArrays, spec: ActingSpec) -> None:
        self._games, self._actor, self._arrays = games, actor, arrays
        self._chunk, self._reset_memory, self._flow = spec.chunk, spec.network["reset_memory"], spec.flow
        self.seconds = {"environment": 0.0, "inference": 0.0}
        # Bootstrap values are computed together, at the end of a rollout: the weights do not change until then.
        self._boots: list[tuple[int, int, dict[str, NDArray[Any]], Floats]] = []

    def collect(self, number: int, first: int = 0) -> None:
        """Fill the set ``arrays.rollouts[number]``, from step ``first`` on: the steps before are there already."""
        games, out = self._games, self._arrays.rollouts[number]
        steps = out.skill.shape[1]
        environment, began = 0.0, time.perf_counter()
        self._actor.load()
        for step in range(first, steps):
            for group, rows in enumerate(games.groups):
                if step > first:
                    environment += self._finish(out, step - 1, group, rows)
                self._act(out, step, rows)
                sent = time.perf_counter()
                games.send(group)
                environment += time.perf_counter() - sent
        if first < steps:
            for group, rows in enumerate(games.groups):
                environment += self._finish(out, steps - 1, group, rows)
        self._bootstrap(out)
        arrays, state = games.arrays, self._arrays
        out.last_value[...] = self._actor.values(arrays.observation, arrays.skill, state.memory * state.keep[:, None])
        self.seconds["environment"] += environment
        self.seconds["inference"] += time.perf_counter() - began - environment

    def _act(self, out: RolloutArrays, step: int, rows: slice) -> None:
        """Observe, infer, and write actions for one group."""
        arrays, state = self._games.arrays, self._arrays
        observation = {name: array[rows] for name, array in arrays.observation.items()}
        for name, array in observation.items():
            out.observation[name][rows, step] = array
        memory, keep = state.memory[rows], state.keep[rows]
        out.skill[rows, step] = arrays.skill[rows]
        out.keep[rows, step] = keep
        chunk, inside = divmod(step, self._chunk)
        if inside == 0:
            out.memory[rows, chunk] = memory
        memory *= keep[:, None]
        action, log_prob, value = arrays.action[rows], np.empty(len(keep), np.float32), np.empty(len(keep), np.float32)
        self._actor.act(observation, arrays.skill[rows], memory, state.chance[rows, step], action, log_prob, value)
        out.action[rows, step] = action
        out.log_prob[rows, step] = log_prob
        out.value[rows, step] = value

    def _finish(self, out: RolloutArrays, step: int, group: int, rows: slice) -> float:
        """Take in what a step led to; seconds waited for the games."""
        began = time.perf_counter()
        self._games.wait(group)
        waited = time.perf_counter() - began
        arrays, state = self._games.arrays, self._arrays
        cause = arrays.cause[rows]
        if self._flow:
            cause = np.where((arrays.fresh[rows] != 0) & (cause == EndCause.OVER), np.int8(EndCause.CUT), cause)
        out.reward[rows, step] = arrays.reward[rows]
        out.cause[rows, step] = cause
        keep = arrays.fresh[rows] == 0
        ended = cause.nonzero()[0]
        if len(ended):
            if self._reset_memory:
                keep[ended] = False
            for row, why in zip(ended.tolist(), cause[ended].tolist(), strict=True):
                if why in _BOOTSTRAPPED:
                    game = row + rows.start
                    source = arrays.last if why == EndCause.CUT else arrays.observation
                    seen = {name: array[game].copy() for name, array in source.items()}
                    self._boots.append((game, step, seen, state.memory[game].copy()))
        state.keep[rows] = keep
        return waited

    def _bootstrap(self, out: RolloutArrays) -> None:
        """Value of what followed, under the skill that acted, where a call ended without being over."""
        boots, self._boots = self._boots, []
        if not boots:
            return
        games, steps, seen, memory = zip(*boots, strict=True)
        observation = {name: np.stack([one[name] for one in seen]) for name in seen[0]}
        place = (np.array(games), np.array(steps))
        out.boot[place] = self._actor.values(observation, out.skill[place], np.stack(memory))
