"""Acting: the network plays all games for some steps and remembers what the learner needs."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.learner import Rollout
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.vector import Games
from maestromotif.types import EndCause

__all__ = ["Collector", "sample", "to_tensors"]

_BOOTSTRAPPED = (EndCause.INTERRUPTED, EndCause.TIMED_OUT, EndCause.CUT)


def to_tensors(arrays: dict[str, Any], spec: ObservationSpec, device: torch.device) -> dict[str, Tensor]:
    """Observation arrays as a network takes them: bags as int32, the rest as it is."""
    return {name: torch.from_numpy(array.astype(np.int32) if name in spec.bags else array).to(device) for name, array in arrays.items()}


def sample(logits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw actions ``[N]`` from logits ``[N, A]``; also their log-probabilities."""
    log_probs = torch.log_softmax(logits, 1)
    # The fastest of exponential clocks with these rates is a draw from the softmax.
    noise = torch.empty(logits.shape).exponential_(generator=generator).log_().to(logits.device)
    action = (log_probs - noise).argmax(1)
    return action, log_probs.gather(1, action[:, None])[:, 0]


class _Buffers:
    """Room for one rollout; see ``Rollout`` for shapes."""

    def __init__(self, games: int, policy: SkillPolicy, config: TrainConfig) -> None:
        steps = config.rollout
        self.observation: dict[str, Tensor] = {}
        for name, (shape, dtype) in policy.spec.layout().items():
            kind = torch.int32 if name in policy.spec.bags else torch.from_numpy(np.zeros(1, dtype)).dtype
            self.observation[name] = torch.zeros(games, steps, *shape, dtype=kind)
        self.skill = torch.zeros(games, steps, dtype=torch.int64)
        self.action = torch.zeros(games, steps, dtype=torch.int64)
        self.log_prob, self.value, self.reward, self.boot, self.keep = (torch.zeros(games, steps) for _ in range(5))
        self.cause = torch.zeros(games, steps, dtype=torch.int8)
        self.memory = torch.zeros(games, steps // config.chunk, policy.initial(1).shape[1])


class Collector:
    """Plays ``config.rollout`` steps of every game at a time.

    Args:
        games: not yet reset.
        policy: acts; with ``config.overlap``, as a copy that is renewed at the beginning of every rollout, so that the learner may
            change the weights meanwhile.
        generator: draws actions, on the CPU whatever the device.
    """

    def __init__(self, games: Games, policy: SkillPolicy, config: TrainConfig, generator: torch.Generator) -> None:
        self._games, self._config, self._generator = games, config, generator
        self._policy, self._actor = policy, copy.deepcopy(policy) if config.overlap else policy
        # The learner reads one set while the other is filled.
        self._sets = [_Buffers(games.num_games, policy, config) for _ in range(2 if config.overlap else 1)]
        self._memory = policy.initial(games.num_games)
        self._next_keep = torch.zeros(games.num_games)
        self.seconds = {"environment": 0.0, "inference": 0.0}
        games.reset()

    def sync(self) -> None:
        """Act with the present weights from now on."""
        if self._actor is not self._policy:
            with torch.no_grad():
                for mine, new in zip(self._actor.state_dict().values(), self._policy.state_dict().values(), strict=True):
                    mine.copy_(new)

    def collect(self) -> Rollout:
        """Play on. The rollout's tensors are overwritten by the call after the next (the next, without overlap)."""
        games, steps = self._games, self._config.rollout
        buffers = self._sets.pop(0)
        self._sets.append(buffers)
        with torch.inference_mode():
            for step in range(steps):
                for group, rows in enumerate(games.groups):
                    if step:
                        self._finish(buffers, step - 1, group, rows)
                    began = time.perf_counter()
                    self._act(buffers, step, rows)
                    self.seconds["inference"] += time.perf_counter() - began
                    self._timed(games.send, group)
            for group, rows in enumerate(games.groups):
                self._finish(buffers, steps - 1, group, rows)
            began = time.perf_counter()
            memory = self._memory * self._next_keep[:, None].to(self._memory.device)
            last_value = self._peek(games.arrays.observation, torch.from_numpy(games.arrays.skill), memory)
            self.seconds["inference"] += time.perf_counter() - began
        return Rollout(
            observation=buffers.observation,
            skill=buffers.skill,
            action=buffers.action,
            log_prob=buffers.log_prob,
            value=buffers.value,
            reward=buffers.reward,
            boot=buffers.boot,
            cause=buffers.cause,
            keep=buffers.keep,
            memory=buffers.memory,
            # What inference mode made cannot take part in learning; a clone can.
            last_value=last_value.cpu().clone(),
        )

    def _timed(self, work: Callable[[int], None], group: int) -> None:
        began = time.perf_counter()
        work(group)
        self.seconds["environment"] += time.perf_counter() - began

    def _act(self, buffers: _Buffers, step: int, rows: slice) -> None:
        """Observe, infer, and write actions for one group."""
        arrays, actor = self._games.arrays, self._actor
        observation = to_tensors({name: array[rows] for name, array in arrays.observation.items()}, actor.spec, actor.device)
        for name, tensor in observation.items():
            buffers.observation[name][rows, step] = tensor.cpu()
        buffers.skill[rows, step] = torch.from_numpy(arrays.skill[rows])
        buffers.keep[rows, step] = self._next_keep[rows]
        chunk, inside = divmod(step, self._config.chunk)
        if inside == 0:
            # Stored before it is emptied: the learner empties it again by ``keep``.
            buffers.memory[rows, chunk] = self._memory[rows].cpu()
        memory = self._memory[rows] * self._next_keep[rows, None].to(actor.device)
        logits, value, memory = actor.step(observation, torch.from_numpy(arrays.skill[rows]).to(actor.device), memory)
        action, log_prob = sample(logits, self._generator)
        action = action.cpu()
        self._memory[rows] = memory
        buffers.action[rows, step] = action
        buffers.log_prob[rows, step] = log_prob.cpu()
        buffers.value[rows, step] = value.cpu()
        arrays.action[rows] = action.numpy()

    def _finish(self, buffers: _Buffers, step: int, group: int, rows: slice) -> None:
        """Take in what a step led to."""
        self._timed(self._games.wait, group)
        began = time.perf_counter()
        arrays = self._games.arrays
        buffers.reward[rows, step] = torch.from_numpy(arrays.reward[rows])
        cause = arrays.cause[rows]
        buffers.cause[rows, step] = torch.from_numpy(cause)
        ended = cause != EndCause.CONTINUES
        if ended.any():
            self._bootstrap(buffers, step, rows, cause)
        forget = arrays.fresh[rows].astype(bool)
        if self._config.reset_memory:
            forget |= ended
        self._next_keep[rows] = torch.from_numpy(~forget).float()
        self.seconds["inference"] += time.perf_counter() - began

    def _bootstrap(self, buffers: _Buffers, step: int, rows: slice, cause: NDArray[np.int8]) -> None:
        """Value of what followed, under the skill that acted, where a call ended without being over."""
        chosen = np.flatnonzero(np.isin(cause, _BOOTSTRAPPED))
        if not len(chosen):
            return
        arrays, games = self._games.arrays, chosen + rows.start
        was_cut = cause[chosen] == EndCause.CUT
        observation = {name: array[games] for name, array in arrays.observation.items()}
        for name, array in arrays.last.items():
            observation[name][was_cut] = array[games[was_cut]]
        index = torch.from_numpy(games)
        memory = self._memory[index.to(self._memory.device)]
        buffers.boot[index, step] = self._peek(observation, buffers.skill[index, step], memory).cpu()

    def _peek(self, observation: dict[str, Any], skill: Tensor, memory: Tensor) -> Tensor:
        """Values of observations, without acting on them."""
        actor = self._actor
        _, value, _ = actor.step(to_tensors(observation, actor.spec, actor.device), skill.to(actor.device), memory)
        return value
