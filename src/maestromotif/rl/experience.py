"""Experience: rollout after rollout, played by the network wherever that is fastest."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.acting import ActingArrays, ActingSpec, Collector, RolloutArrays
from maestromotif.rl.actions import action_kind
from maestromotif.rl.actors import acts_in_workers, make_actor, to_tensors
from maestromotif.rl.arrays import SharedBuffer, room
from maestromotif.rl.config import SettledConfig, TrainConfig
from maestromotif.rl.device import wants_bfloat16
from maestromotif.rl.distributions import distribution
from maestromotif.rl.learner import Rollout
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.resume import ActionLog, Played, fingerprints
from maestromotif.rl.vector import Acting, Games

__all__ = ["Experience", "prepare_acting", "rollout_from_tensors", "rollout_to_tensors", "saved_episodes"]

_log = logging.getLogger(__name__)
_PLAYED = ("episode", "lengths", "actions", "given")


def prepare_acting(policy: SkillPolicy, config: SettledConfig, num_games: int) -> Acting:
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
        bfloat16=wants_bfloat16(config, policy.device),
    )
    layout = spec.layout(policy.spec, num_games)
    buffer = SharedBuffer(room(layout))
    return Acting(spec, buffer, ActingArrays.over(buffer.memory, layout), config.workers > 0 and acts_in_workers(config))


class Experience:
    """Plays ``config.rollout`` steps of every game at a time, with a copy of the weights.

    Args:
        games: made with ``acting``; not yet reset.
        policy: its weights are copied by ``sync``, so that the learner may change them while games are played.
        generator: draws actions, on the CPU whatever the device.
        rows: these games among those of all ranks, whose generators draw the same.
        total: number of games of all ranks.

    Attributes:
        seconds: time spent waiting for games and, where the network acts in this process, acting.
    """

    def __init__(
        self,
        games: Games,
        policy: SkillPolicy,
        config: TrainConfig,
        generator: torch.Generator,
        acting: Acting,
        rows: slice,
        total: int,
    ) -> None:
        self._games, self._policy, self._generator, self._acting = games, policy, generator, acting
        self._rows, self._total = rows, total
        self.arrays = acting.arrays
        self._turn = 0
        self._distribution = distribution(policy.spec)
        self._actions = ActionLog(games.num_games, config.episode_steps, action_kind(policy.spec))
        self._collector: Collector | None = None
        self.seconds = {"environment": 0.0, "inference": 0.0}
        self.sync()
        if not acting.by_workers:
            actor = make_actor(policy.spec, policy.skills, acting.spec.network, self.arrays.weights, config.device, acting.spec.bfloat16)
            self._collector = Collector(games, actor, self.arrays, acting.spec)
            self.seconds = self._collector.seconds

    def begin(self, saved: Mapping[str, Tensor], tell: Callable[[str], None]) -> None:
        """Begin all games; to be called once.

        Args:
            saved: what ``state`` gave, perhaps in another process, for games with ``saved_episodes`` as their first: they are played
                up to where they were. Empty: every game begins an episode.
            tell: told, in words, what takes long.
        """
        if not saved:
            self._games.reset()
            return
        played = Played(**{name: saved[f"games/{name}"].numpy() for name in _PLAYED})
        tell(f"replaying {played.steps:,} steps")
        self._games.replay(played)
        self._actions.restore(played)
        arrays = self._games.arrays
        lost = np.flatnonzero(fingerprints(arrays) != saved["games/fingerprints"].numpy())
        for name, array in (("memory", self.arrays.memory), ("keep", self.arrays.keep)):
            array[...] = saved[f"acting/{name}"].numpy()
            array[lost] = 0
        if len(lost):
            _log.warning(
                "%d of %d games did not go the way they went before the interruption (another version of the environment or of a program "
                "may be the reason); they begin their next episodes",
                len(lost),
                self._games.num_games,
            )
            self._games.renew(lost.tolist())

    def state(self) -> dict[str, Tensor]:
        """All that ``begin`` needs in order to go on from here."""
        arrays = self._games.arrays
        played = self._actions.played(arrays)
        found = {f"games/{name}": torch.from_numpy(getattr(played, name)) for name in _PLAYED}
        found["games/fingerprints"] = torch.from_numpy(fingerprints(arrays))
        return found | {f"acting/{name}": torch.from_numpy(getattr(self.arrays, name).copy()) for name in ("memory", "keep")}

    @property
    def latest(self) -> RolloutArrays:
        """The rollout that was played last."""
        return self.arrays.rollouts[self._turn - 1]

    def sync(self) -> None:
        """Act with the present weights from now on."""
        for name, tensor in self._policy.state_dict().items():
            self.arrays.weights[name][...] = tensor.detach().cpu().numpy()

    def collect(self) -> Rollout:
        """Play on. The rollout's tensors are overwritten by the call after the next (the next, without overlap)."""
        chance = self.arrays.chance
        chances = self._distribution.noise(self._generator, (self._total, chance.shape[1]), chance.shape[2:])
        chance[...] = chances[self._rows].numpy()
        number, self._turn = self._turn, (self._turn + 1) % len(self.arrays.rollouts)
        if self._collector is not None:
            self._collector.collect(number)
        else:
            began = time.perf_counter()
            self._games.play(number)
            self.seconds["environment"] += time.perf_counter() - began
        self._actions.add(self.arrays.rollouts[number].action, self._games.arrays.time)
        return _as_tensors(self.arrays.rollouts[number], self._policy.spec)


def saved_episodes(saved: Mapping[str, Tensor], num_games: int) -> tuple[int, ...] | None:
    """The numbers of the episodes that so many games were in; None where nothing was saved of them."""
    numbers = saved.get("games/episode")
    return tuple(numbers.tolist()) if numbers is not None and len(numbers) == num_games else None


def rollout_to_tensors(rollout: Rollout) -> dict[str, Tensor]:
    """For a checkpoint; ``rollout_from_tensors`` takes them back."""
    values = {field.name: getattr(rollout, field.name) for field in dataclasses.fields(rollout)}
    observation = values.pop("observation")
    return {f"rollout/{name}": tensor for name, tensor in values.items()} | {
        f"rollout/observation/{name}": tensor for name, tensor in observation.items()
    }


def rollout_from_tensors(saved: Mapping[str, Tensor], steps: int, chunk: int) -> Rollout | None:
    """The rollout that was saved, if it has the shape that is asked for."""
    mine = {name.removeprefix("rollout/"): tensor for name, tensor in saved.items() if name.startswith("rollout/")}
    if not mine or mine["action"].shape[1] != steps or mine["memory"].shape[1] != steps // chunk:
        return None
    observation = {name.removeprefix("observation/"): mine.pop(name) for name in list(mine) if name.startswith("observation/")}
    return Rollout(observation=observation, **mine)


def _as_tensors(arrays: RolloutArrays, spec: ObservationSpec) -> Rollout:
    tensors: dict[str, Any] = {name: getattr(arrays, name) for name in RolloutArrays.__slots__}
    observation = to_tensors(tensors.pop("observation"), spec, torch.device("cpu"))
    return Rollout(observation=observation, **{name: torch.from_numpy(array) for name, array in tensors.items()})
