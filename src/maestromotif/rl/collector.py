"""Acting: the network plays all games for some steps and remembers what the learner needs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
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


class Collector:
    """Plays ``config.rollout`` steps of every game at a time.

    Args:
        games: not yet reset.
        generator: draws actions, on the CPU whatever the device.
    """

    def __init__(self, games: Games, policy: SkillPolicy, config: TrainConfig, generator: torch.Generator) -> None:
        self._games, self._policy, self._config, self._generator = games, policy, config, generator
        steps, count = config.rollout, games.num_games
        self._observation: dict[str, Tensor] = {}
        for name, (shape, dtype) in policy.spec.layout().items():
            kind = torch.int32 if name in policy.spec.bags else torch.from_numpy(np.zeros(1, dtype)).dtype
            self._observation[name] = torch.zeros(steps, count, *shape, dtype=kind)
        self._skill = torch.zeros(steps, count, dtype=torch.int64)
        self._action = torch.zeros(steps, count, dtype=torch.int64)
        self._log_prob, self._value, self._reward, self._boot, self._keep = (torch.zeros(steps, count) for _ in range(5))
        self._cause = torch.zeros(steps, count, dtype=torch.int8)
        self._memory = policy.initial(count)
        self._chunks = torch.zeros(steps // config.chunk, count, self._memory.shape[1], device=policy.device)
        self._next_keep = torch.zeros(count)
        self.seconds = {"environment": 0.0, "inference": 0.0}
        games.reset()

    def collect(self) -> Rollout:
        """Play on. The rollout's tensors are overwritten by the next call."""
        games, policy, steps = self._games, self._policy, self._config.rollout
        with torch.inference_mode():
            for step in range(steps):
                for group, rows in enumerate(games.groups):
                    if step:
                        self._finish(step - 1, group, rows)
                    began = time.perf_counter()
                    self._act(step, rows)
                    self.seconds["inference"] += time.perf_counter() - began
                    self._timed(games.send, group)
            for group, rows in enumerate(games.groups):
                self._finish(steps - 1, group, rows)
            began = time.perf_counter()
            last_value = self._peek(
                games.arrays.observation, torch.from_numpy(games.arrays.skill), self._memory * self._next_keep_on_device()
            )
            self.seconds["inference"] += time.perf_counter() - began
        device = policy.device
        # Inference-mode tensors cannot take part in learning; clones are ordinary.
        return Rollout(
            observation={name: tensor.to(device) for name, tensor in self._observation.items()},
            skill=self._skill.to(device),
            action=self._action.to(device),
            log_prob=self._log_prob.to(device),
            value=self._value.to(device),
            reward=self._reward,
            boot=self._boot,
            cause=self._cause,
            keep=self._keep.to(device),
            memory=self._chunks,
            last_value=last_value.cpu().clone(),
        )

    def _timed(self, work: Any, group: int) -> None:
        began = time.perf_counter()
        work(group)
        self.seconds["environment"] += time.perf_counter() - began

    def _next_keep_on_device(self) -> Tensor:
        return self._next_keep[:, None].to(self._policy.device)

    def _act(self, step: int, rows: slice) -> None:
        """Observe, infer, and write actions for one group."""
        arrays, policy = self._games.arrays, self._policy
        observation = {}
        for name, array in arrays.observation.items():
            row = self._observation[name][step, rows]
            row.numpy()[...] = array[rows]
            observation[name] = row.to(policy.device)
        skill = self._skill[step, rows]
        skill.numpy()[...] = arrays.skill[rows]
        self._keep[step, rows] = self._next_keep[rows]
        memory = self._memory[rows] * self._next_keep[rows, None].to(policy.device)
        chunk, inside = divmod(step, self._config.chunk)
        if inside == 0:
            # Stored before it is emptied: the learner empties it again by ``keep``.
            self._chunks[chunk, rows] = self._memory[rows]
        logits, value, memory = policy.step(observation, skill.to(policy.device), memory)
        action, log_prob = sample(logits, self._generator)
        self._memory[rows] = memory
        self._action[step, rows] = action.cpu()
        self._log_prob[step, rows] = log_prob.cpu()
        self._value[step, rows] = value.cpu()
        arrays.action[rows] = self._action[step, rows].numpy()

    def _finish(self, step: int, group: int, rows: slice) -> None:
        """Take in what a step led to."""
        self._timed(self._games.wait, group)
        began = time.perf_counter()
        arrays, config = self._games.arrays, self._config
        self._reward[step, rows].numpy()[...] = arrays.reward[rows]
        cause = self._cause[step, rows].numpy()
        cause[...] = arrays.cause[rows]
        ended = cause != EndCause.CONTINUES
        if ended.any():
            self._bootstrap(step, rows, cause)
        forget = arrays.fresh[rows].astype(bool)
        if config.reset_memory:
            forget |= ended
        self._next_keep[rows].numpy()[...] = ~forget
        self.seconds["inference"] += time.perf_counter() - began

    def _bootstrap(self, step: int, rows: slice, cause: Any) -> None:
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
        skill = self._skill[step, index]
        self._boot[step, index] = self._peek(observation, skill, self._memory[index.to(self._memory.device)]).cpu()

    def _peek(self, observation: dict[str, Any], skill: Tensor, memory: Tensor) -> Tensor:
        """Values of observations, without acting on them."""
        policy = self._policy
        _, value, _ = policy.step(to_tensors(observation, policy.spec, policy.device), skill.to(policy.device), memory)
        return value
