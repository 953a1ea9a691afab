"""Experience: rollout after rollout, played by the network wherever that is fastest."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.acting import ActingArrays, ActingSpec, Collector, RolloutArrays
from maestromotif.rl.actors import can_fuse, make_actor
from maestromotif.rl.arrays import SharedBuffer, room
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.learner import Rollout
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.vector import Acting, Games

__all__ = ["Experience", "prepare_acting"]


def prepare_acting(policy: SkillPolicy, config: TrainConfig, num_games: int) -> Acting:
    """Room for acting, shared with the processes that play where it is they who act."""
    spec = ActingSpec(
        skills=policy.skills,
        network=config.shape.model_dump(),
        weights={name: tuple(tensor.shape) for name, tensor in policy.state_dict().items()},
        width=policy.initial(1).shape[1],
        steps=config.rollout,
        chunk=config.chunk,
        sets=2 if config.overlap else 1,
        flow=config.returns == "flow",
    )
    layout = spec.layout(policy.spec, num_games)
    buffer = SharedBuffer(room(layout))
    by_workers = config.workers > 0 and (
        config.acting == "workers" or (config.acting == "auto" and (config.device == "cpu" or can_fuse(spec.network)))
    )
    return Acting(spec, buffer, ActingArrays.over(buffer.memory, layout), by_workers)


class Experience:
    """Plays ``config.rollout`` steps of every game at a time, with a copy of the weights.

    Args:
        games: made with ``acting``; not yet reset.
        policy: its weights are copied by ``sync``, so that the learner may change them while games are played.
        generator: draws actions, on the CPU whatever the device.

    Attributes:
        seconds: time spent waiting for games and, where the network acts in this process, acting.
    """

    def __init__(self, games: Games, policy: SkillPolicy, config: TrainConfig, generator: torch.Generator, acting: Acting) -> None:
        self._games, self._policy, self._generator, self._acting = games, policy, generator, acting
        self.arrays = acting.arrays
        self._turn = 0
        self._collector: Collector | None = None
        self.seconds = {"environment": 0.0, "inference": 0.0}
        self.sync()
        if not acting.by_workers:
            actor = make_actor(policy.spec, policy.skills, acting.spec.network, self.arrays.weights, config.device)
            self._collector = Collector(games, actor, self.arrays, acting.spec)
            self.seconds = self._collector.seconds
        games.reset()

    def sync(self) -> None:
        """Act with the present weights from now on."""
        for name, tensor in self._policy.state_dict().items():
            self.arrays.weights[name][...] = tensor.detach().cpu().numpy()

    def collect(self) -> Rollout:
        """Play on. The rollout's tensors are overwritten by the call after the next (the next, without overlap)."""
        noise = torch.from_numpy(self.arrays.noise)
        noise.exponential_(generator=self._generator).log_()
        number, self._turn = self._turn, (self._turn + 1) % len(self.arrays.rollouts)
        if self._collector is not None:
            self._collector.collect(number)
        else:
            began = time.perf_counter()
            self._games.play(number)
            self.seconds["environment"] += time.perf_counter() - began
        return _as_tensors(self.arrays.rollouts[number], self._policy.spec)


def _as_tensors(arrays: RolloutArrays, spec: ObservationSpec) -> Rollout:
    tensors: dict[str, Any] = {name: getattr(arrays, name) for name in RolloutArrays.__slots__}
    observation = {
        name: torch.from_numpy(array.astype(np.int32) if name in spec.bags else array) for name, array in tensors.pop("observation").items()
    }
    return Rollout(observation=observation, **{name: torch.from_numpy(array) for name, array in tensors.items()})
