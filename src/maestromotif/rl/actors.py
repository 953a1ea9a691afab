"""Actors: the network of a training in the form that acts best where it acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.acting import Actor

if TYPE_CHECKING:
    import torch

    from maestromotif.rl.config import TrainConfig
    from maestromotif.rl.networks import SkillPolicy

__all__ = ["TorchActor", "acts_in_workers", "can_fuse", "make_actor", "to_tensors"]

Floats = NDArray[np.float32]


def can_fuse(network: Mapping[str, Any]) -> bool:
    """Whether ``fused.FusedActor`` knows a network (the values of a ``NetworkConfig``), and numba is there to compile it."""
    if network["network"] != "small" or network["conditioning"] != "onehot" or network["core"] not in ("gru", "ff"):
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def acts_in_workers(config: TrainConfig) -> bool:
    """Whether the processes that play games, where there are any, act as well; else the trainer acts for all."""
    if config.acting == "auto":
        return config.device == "cpu" or can_fuse(config.shape.model_dump())
    return config.acting == "workers"


def make_actor(
    spec: ObservationSpec,
    skills: Sequence[str],
    network: Mapping[str, Any],
    weights: Mapping[str, Floats],
    device: str = "cpu",
    bfloat16: bool = False,
) -> Actor:
    """The fastest actor for a network on a device.

    Args:
        network: values of a ``NetworkConfig``.
        weights: by the names of ``SkillPolicy.state_dict()``; ``load`` reads them anew.
        bfloat16: make the large products in this type, where torch makes them.
    """
    if device == "cpu" and can_fuse(network):
        from maestromotif.rl.fused import FusedActor

        return FusedActor(spec, weights)
    import torch

    from maestromotif.rl.config import NetworkConfig
    from maestromotif.rl.networks import SkillPolicy

    policy = SkillPolicy(spec, skills, NetworkConfig(**network)).to(device)
    return TorchActor(policy.act_in(torch.bfloat16) if bfloat16 else policy, weights)


class TorchActor:
    """Any network, on any device. See ``acting.Actor``."""

    def __init__(self, policy: SkillPolicy, weights: Mapping[str, Floats]) -> None:
        from maestromotif.rl.distributions import distribution

        self._policy, self._weights, self._distribution = policy, weights, distribution(policy.spec)
        self.load()

    def load(self) -> None:
        import torch

        with torch.no_grad():
            for name, tensor in self._policy.state_dict().items():
                tensor.copy_(torch.from_numpy(self._weights[name]))

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
        import torch

        with torch.inference_mode():
            outputs, values, after = self._step(observation, skill, memory)
            chosen, chosen_log_prob = self._distribution.draw(outputs, torch.from_numpy(chance).to(outputs.device))
            memory[...] = after.cpu().numpy()
            action[...] = chosen.cpu().numpy()
            log_prob[...] = chosen_log_prob.cpu().numpy()
            value[...] = values.cpu().numpy()

    def values(self, observation: Mapping[str, NDArray[Any]], skill: NDArray[np.int64], memory: Floats) -> Floats:
        import torch

        with torch.inference_mode():
            _, values, _ = self._step(observation, skill, memory)
            result: Floats = values.cpu().numpy()
            return result

    def _step(
        self, observation: Mapping[str, NDArray[Any]], skill: NDArray[np.int64], memory: Floats
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        import torch

        policy = self._policy
        tensors = to_tensors(observation, policy.spec, policy.device)
        return policy.step(tensors, torch.from_numpy(skill).to(policy.device), torch.from_numpy(memory).to(policy.device))


def to_tensors(arrays: Mapping[str, NDArray[Any]], spec: ObservationSpec, device: torch.device) -> dict[str, torch.Tensor]:
    """Observation arrays as a network takes them: indices as int32, the rest as it is."""
    import torch

    return {name: torch.from_numpy(array.astype(np.int32) if name in spec.indices else array).to(device) for name, array in arrays.items()}
