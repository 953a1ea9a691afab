"""The skill policy: one small recurrent actor-critic, conditioned on the active skill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from maestromotif.domains.contract import ACTION_MASK, DENSE, Bag, ObservationSpec
from maestromotif.errors import ArtifactError
from maestromotif.rl.config import NetworkConfig
from maestromotif.rl.gru import gru_sequence, gru_step
from maestromotif.rl.kernels import bag_sum

__all__ = ["SkillPolicy", "spec_from_json", "spec_to_json"]

_FORBIDDEN = -1e9


class SkillPolicy(nn.Module):
    """Features of all bags, the dense vector and the skill are summed into one layer; a core follows; then logits and a value.

    Beside the core, every skill has a linear map of its own from the bags named in ``spec.skip`` to the logits, zero at first:
    simple associations (this sign, that action) are learned in it within a few thousand steps. The value is one output for each
    skill, in units of that skill's returns (``value_scale``), so that skills with large rewards do not drown those with small ones.

    Args:
        spec: what is observed.
        skills: ids, in the order of their indices.
        config: sizes.
        seed: of the initial weights.

    Shapes: ``N`` games, ``T`` steps, ``A`` actions, ``H`` width of the core. Observations are tensors by the names of
    ``spec.layout()``, integer bags as int32.
    """

    def __init__(self, spec: ObservationSpec, skills: Sequence[str], config: NetworkConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.spec, self.skills, self.config = spec, tuple(skills), config or NetworkConfig()
        generator = torch.Generator().manual_seed(seed)
        width, hidden, actions, count = self.config.features, self.config.hidden, spec.actions, len(self.skills)
        active = sum(bag.length for bag in spec.bags.values()) + 1
        self.bags = nn.ParameterDict({name: _normal(generator, active**-0.5, bag.size, width) for name, bag in spec.bags.items()})
        self.dense = nn.Parameter(_normal(generator, max(1, spec.dense) ** -0.5, spec.dense, width)) if spec.dense else None
        self.skill = _normal(generator, 0.5, count, width)
        recurrent = self.config.core == "gru"
        gates = 3 if recurrent else 1
        self.core_in = _normal(generator, (1 if recurrent else 2**0.5) * width**-0.5, gates * hidden, width)
        self.core_in_bias = nn.Parameter(torch.zeros(gates * hidden))
        self.core_back = _normal(generator, hidden**-0.5, gates * hidden, hidden) if recurrent else None
        self.core_back_bias = nn.Parameter(torch.zeros(gates * hidden)) if recurrent else None
        # Heads read the first layer too: what needs no memory need not pass through it.
        self.head = _normal(generator, 0.01 * (width + hidden) ** -0.5, actions + count, width + hidden)
        self.head_bias = nn.Parameter(torch.zeros(actions + count))
        self.skips = nn.ParameterDict({name: nn.Parameter(torch.zeros(count * spec.bags[name].size, actions)) for name in spec.skip})
        # Of returns, in units of reward; and what a call is worth at its beginning. The learner keeps them.
        self.value_mean: Tensor
        self.value_scale: Tensor
        self.value_start: Tensor
        self.value_seen: Tensor
        self.register_buffer("value_mean", torch.zeros(count))
        self.register_buffer("value_scale", torch.ones(count))
        self.register_buffer("value_start", torch.zeros(count))
        self.register_buffer("value_seen", torch.zeros(count))
        with torch.no_grad():
            for name, _ in self.padded():
                self.get_parameter(name)[0] = 0

    def padded(self) -> list[tuple[str, int]]:
        """Parameters whose rows 0, s, 2s ... stand for padding and must stay zero, each with its s."""
        found = [(f"bags.{name}", bag.size) for name, bag in self.spec.bags.items()]
        return found + [(f"skips.{name}", self.spec.bags[name].size) for name in self.spec.skip]

    @property
    def device(self) -> torch.device:
        return self.skill.device

    def initial(self, count: int) -> Tensor:
        """Empty memory, ``[count, H]``; width 0 where the core has none."""
        width = self.config.hidden if self.core_back is not None else 0
        return torch.zeros(count, width, device=self.device)

    def step(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act in ``N`` games.

        Args:
            observation: arrays ``[N, ...]``.
            skill: int64 ``[N]``.
            memory: ``[N, H]``, already emptied where it is to be forgotten.

        Returns:
            logits ``[N, A]`` (forbidden actions very low), value ``[N]`` in units of reward, new memory.
        """
        features = self._features(observation, skill)
        core = torch.addmm(self.core_in_bias, features, self.core_in.t())
        if self.core_back is not None and self.core_back_bias is not None:
            core = memory = gru_step(core, torch.addmm(self.core_back_bias, memory, self.core_back.t()), memory)
        else:
            core = torch.relu(core)
        logits, value = self._heads(features, core, observation, skill)
        return logits, self.to_reward_units(value, skill), memory

    def sequence(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """The same over ``T`` steps, for learning.

        Args:
            observation: arrays ``[N, T, ...]``.
            skill: int64 ``[N, T]``.
            memory: ``[N, H]`` before the first step.
            keep: float ``[N, T]``, 0 where the memory is emptied before the step.

        Returns:
            logits ``[N * T, A]`` and normalised values ``[N * T]``, game-major.
        """
        count, steps = skill.shape
        flat = {name: array.reshape(steps * count, -1) for name, array in observation.items()}
        skills = skill.reshape(-1)
        features = self._features(flat, skills)
        core = torch.addmm(self.core_in_bias, features, self.core_in.t())
        if self.core_back is not None and self.core_back_bias is not None:
            core = gru_sequence(core.view(count, steps, -1), memory, keep, self.core_back, self.core_back_bias).reshape(steps * count, -1)
        else:
            core = torch.relu(core)
        return self._heads(features, core, flat, skills)

    def to_reward_units(self, value: Tensor, skill: Tensor) -> Tensor:
        """Normalised values of skills, in units of reward."""
        return value * self.value_scale[skill] + self.value_mean[skill]

    def _features(self, observation: Mapping[str, Tensor], skill: Tensor) -> Tensor:
        total = self.skill[skill]
        for name, table in self.bags.items():
            total = total + bag_sum(table, observation[name])
        if self.dense is not None:
            total = torch.addmm(total, observation[DENSE], self.dense)
        return torch.relu(total)

    def _heads(self, features: Tensor, core: Tensor, observation: Mapping[str, Tensor], skill: Tensor) -> tuple[Tensor, Tensor]:
        actions = self.spec.actions
        outputs = torch.addmm(self.head_bias, torch.cat([features, core], 1), self.head.t())
        logits = outputs[:, :actions]
        value = outputs[:, actions:].gather(1, skill[:, None])[:, 0]
        for name, table in self.skips.items():
            # Padding (index 0) stays index 0, which is the padding row of the first skill.
            indices = observation[name]
            shift = (skill * self.spec.bags[name].size).to(indices.dtype)[:, None]
            logits = logits + bag_sum(table, torch.where(indices > 0, indices + shift, 0))
        return logits.masked_fill(observation[ACTION_MASK] == 0, _FORBIDDEN), value

    def save(self, path: Path) -> None:
        """Write ``path`` (safetensors) with the shape of the network in its metadata."""
        metadata = {"policy": json.dumps({"spec": spec_to_json(self.spec), "skills": self.skills, "config": self.config.model_dump()})}
        temporary = path.with_name(path.name + ".partial")
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}, temporary, metadata)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: missing, truncated, or not a skill policy.
        """
        from safetensors import safe_open

        try:
            with safe_open(path, "pt") as file:
                described = json.loads(file.metadata()["policy"])
            policy = cls(spec_from_json(described["spec"]), described["skills"], NetworkConfig(**described["config"]))
            policy.load_state_dict(load_file(path))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ArtifactError(f"{path}: not a complete skill policy ({error})", "Train again, or restore the file") from error
        return policy.to(device)


def _normal(generator: torch.Generator, scale: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=generator) * scale)


def spec_to_json(spec: ObservationSpec) -> dict[str, Any]:
    """Plain values; ``spec_from_json`` takes them back."""
    bags = {name: [bag.size, bag.length] for name, bag in spec.bags.items()}
    return {"bags": bags, "dense": spec.dense, "actions": spec.actions, "skip": list(spec.skip)}


def spec_from_json(values: Mapping[str, Any]) -> ObservationSpec:
    """From what ``spec_to_json`` gave."""
    bags = {name: Bag(*shape) for name, shape in values["bags"].items()}
    return ObservationSpec(bags, values["dense"], values["actions"], tuple(values["skip"]))
