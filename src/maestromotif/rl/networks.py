"""The skill policy: one small recurrent actor-critic, conditioned on the active skill."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from maestromotif.domains.contract import ACTION_MASK, COMMANDS, DENSE, Bag, Grid, ObservationSpec
from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.rl.conditioning import Film, Generated, HyperNetwork
from maestromotif.rl.config import NetworkConfig
from maestromotif.rl.cores import gru_sequence, gru_step, lstm_sequence, lstm_step
from maestromotif.rl.distributions import LEAST_LOG_STD, MOST_LOG_STD
from maestromotif.rl.encoders import LightEncoder, ReferenceEncoder, normal
from maestromotif.rl.grouped import Rows, linear
from maestromotif.rl.kernels import bag_sum

__all__ = ["SkillPolicy", "spec_from_json", "spec_to_json"]

_FORBIDDEN = -1e9
_FIRST_LOG_STD = -0.5
_EMBEDS = re.compile(r"\.(embeddings|letters|statistics|statistics_last)\b")
_ENCODERS: Mapping[str, type[LightEncoder | ReferenceEncoder]] = {"light": LightEncoder, "reference": ReferenceEncoder}
_GATES = {"gru": 3, "lstm": 4, "ff": 1}


class SkillPolicy(nn.Module):
    """Features of all bags, the dense vector, what an encoder sees in grids and texts, and a row for the skill are summed into one layer;
    a core follows; then logits and a value. Where actions are vectors, means take the place of the logits, and every skill has log
    standard deviations of its own, which do not depend on what is observed.

    Where actions are commands in words (``spec.commands``), the outputs in place of logits are a query ``[W]``, and the logit of a command
    is the product of the query and the sum of embeddings of the command's words: what counts is what a command says, not its place.

    Beside the core, every skill has a linear map of its own from the bags named in ``spec.skip`` to the logits (or the query), zero at
    first: simple associations (this sign, that action) are learned in it within a few thousand steps. The value is one output for each
    skill, in units of that skill's returns (``value_scale``), so that skills with large rewards do not drown those with small ones.

    ``config.conditioning`` says what else depends on the skill: see ``conditioning.py`` for ``"film"`` and ``"hypernetwork"``;
    with ``"multihead"`` the heads do and nothing before them; with ``"separate"`` everything does, and a row is computed with the
    weights of its own skill only. Weights that every skill has of its own are ``[K, ...]``, tables of bags ``[K * size, ...]``.

    Args:
        spec: what is observed, ``Domain.observation_for(config.network)``.
        skills: ids, in the order of their indices.
        config: sizes and kinds.
        seed: of the initial weights.

    Shapes: ``N`` games, ``T`` steps, ``A`` actions, ``M`` width of the memory (``H``, the width of the core, for a GRU; ``2 H`` for
    an LSTM). Observations are tensors by the names of ``spec.layout()``, integer bags as int32.

    Raises:
        ValueError: the network cannot read this observation.
    """

    def __init__(self, spec: ObservationSpec, skills: Sequence[str], config: NetworkConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.spec, self.skills, self.config = spec, tuple(skills), config or NetworkConfig()
        config, count, actions, width = self.config, len(self.skills), spec.actions, self.config.features
        encoder = _ENCODERS.get(config.network)
        if encoder is None and (spec.grids or spec.texts):
            raise ValueError(f"the network {config.network!r} cannot read grids or texts")
        # The light network without memory has nothing between its first layer and its heads.
        hidden = 0 if config.network == "light" and config.core == "ff" else config.hidden
        generator = torch.Generator().manual_seed(seed)
        separate = config.conditioning == "separate"
        outputs = actions if spec.commands is None else width
        own = (count,) if separate else ()  # leading axis of weights that every skill has of its own
        copies = count if separate else 1
        active = sum(bag.length for bag in spec.bags.values()) + 1
        self.bags = nn.ParameterDict({name: normal(generator, active**-0.5, copies * bag.size, width) for name, bag in spec.bags.items()})
        words = spec.commands
        self.commands = normal(generator, words.length**-0.5, copies * words.size, width) if words is not None else None
        plain = spec.dense and not (encoder is not None and encoder.takes_dense)
        self.dense = normal(generator, spec.dense**-0.5, *own, spec.dense, width) if plain else None
        self.encoders = nn.ModuleList([encoder(spec, width, generator) for _ in range(copies)] if encoder is not None else [])
        # The row that is added for the skill; one for all where the first layer does not know it, or knows it otherwise.
        self.skill = normal(generator, 0.5, 1 if config.conditioning in ("multihead", "hypernetwork") else count, width)
        recurrent = config.core != "ff"
        gates = _GATES[config.core] * hidden
        scale = (1 if recurrent else 2**0.5) * width**-0.5
        self.core_in = normal(generator, scale, *own, gates, width) if hidden else None
        self.core_in_bias = nn.Parameter(torch.zeros(*own, gates)) if hidden else None
        self.core_back = normal(generator, hidden**-0.5, *own, gates, hidden) if recurrent else None
        self.core_back_bias = nn.Parameter(torch.zeros(*own, gates)) if recurrent else None
        # Heads read the first layer too: what needs no memory need not pass through it.
        heads = (count,) if separate or config.conditioning == "multihead" else ()
        values = count if config.conditioning in ("onehot", "film") else 1
        self.head = normal(generator, 0.01 * (width + hidden) ** -0.5, *heads, outputs + values, width + hidden)
        self.head_bias = nn.Parameter(torch.zeros(*heads, outputs + values))
        self.film = Film(count, width, hidden) if config.conditioning == "film" else None
        generated = config.conditioning == "hypernetwork"
        self.hyper = HyperNetwork(count, width, (outputs + 1, width + hidden), generator) if generated else None
        # How widely actions vary around the mean, where they are vectors.
        self.log_std = nn.Parameter(torch.full((count, actions), _FIRST_LOG_STD)) if spec.continuous else None
        self.skips = nn.ParameterDict({name: nn.Parameter(torch.zeros(count * spec.bags[name].size, outputs)) for name in spec.skip})
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
            for name, size in self.padded():
                self.get_parameter(name)[::size] = 0

    def padded(self) -> list[tuple[str, int]]:
        """Parameters whose rows 0, s, 2s ... stand for padding and must stay zero, each with its s."""
        found = [(f"bags.{name}", bag.size) for name, bag in self.spec.bags.items()]
        if self.spec.commands is not None:
            found.append(("commands", self.spec.commands.size))
        return found + [(f"skips.{name}", self.spec.bags[name].size) for name in self.spec.skip]

    @property
    def device(self) -> torch.device:
        return self.skill.device

    @property
    def parameter_count(self) -> int:
        """Numbers that are learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    def initial(self, count: int) -> Tensor:
        """Empty memory, ``[count, M]``; width 0 where the core has none."""
        width = {"gru": 1, "lstm": 2, "ff": 0}[self.config.core] * self.config.hidden
        return torch.zeros(count, width, device=self.device)

    def step(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act in ``N`` games.

        Args:
            observation: arrays ``[N, ...]``.
            skill: int64 ``[N]``.
            memory: ``[N, M]``, already emptied where it is to be forgotten.

        Returns:
            outputs ``[N, ...]`` for ``distribution(spec)``, value ``[N]`` in units of reward, new memory.
        """
        rows, made = self._rows(skill), self._made()
        features = self._features(observation, skill, rows, made)
        core = self._core_inputs(features, rows)
        if core is not None and self.core_back is not None and self.core_back_bias is not None:
            width = self.config.hidden
            back = linear(memory[:, :width], self.core_back, self.core_back_bias, rows)
            memory = (lstm_step if self.config.core == "lstm" else gru_step)(core, back, memory)
            core = memory[:, :width]
        outputs, value = self._heads(features, core, observation, skill, rows, made)
        return outputs, self.to_reward_units(value, skill), memory

    def sequence(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """The same over ``T`` steps, for learning.

        Args:
            observation: arrays ``[N, T, ...]``.
            skill: int64 ``[N, T]``.
            memory: ``[N, M]`` before the first step.
            keep: float ``[N, T]``, 0 where the memory is emptied before the step.

        Returns:
            outputs ``[N * T, ...]`` for ``distribution(spec)`` and normalised values ``[N * T]``, game-major.
        """
        count, steps = skill.shape
        flat = {name: array.reshape(steps * count, -1) for name, array in observation.items()}
        skills = skill.reshape(-1)
        rows, made = self._rows(skills), self._made()
        features = self._features(flat, skills, rows, made)
        core = self._core_inputs(features, rows)
        if core is not None and self.core_back is not None and self.core_back_bias is not None:
            run = lstm_sequence if self.config.core == "lstm" else gru_sequence
            whose = skill if self.core_back.dim() == 3 else None
            core = run(core.view(count, steps, -1), memory, keep, self.core_back, self.core_back_bias, whose).reshape(steps * count, -1)
        return self._heads(features, core, flat, skills, rows, made)

    def act_in(self, dtype: torch.dtype) -> Self:
        """Make the weights of the large products this type; what comes in and goes out, and all else, stays float32. Only for acting."""
        for name, parameter in self.named_parameters():
            large = (name in ("core_in", "core_back") and parameter.dim() == 2) or (name.startswith("encoders.") and parameter.dim() > 1)
            if large and not _EMBEDS.search(name):
                parameter.requires_grad_(False).data = parameter.data.to(dtype)
        return self

    def to_reward_units(self, value: Tensor, skill: Tensor) -> Tensor:
        """Normalised values of skills, in units of reward."""
        return value * self.value_scale[skill] + self.value_mean[skill]

    def _rows(self, skill: Tensor) -> Rows | None:
        """Which rows belong to which skill, where some weights belong to skills."""
        return None if self.config.conditioning in ("onehot", "film") else Rows.of(skill, len(self.skills))

    def _made(self) -> Generated | None:
        return self.hyper(self.head, self.head_bias) if self.hyper is not None else None

    def _features(self, observation: Mapping[str, Tensor], skill: Tensor, rows: Rows | None, made: Generated | None) -> Tensor:
        """The first layer, ``[N, W]``."""
        row = self.skill[skill] if len(self.skill) == len(self.skills) else self.skill
        if self.film is not None:
            seen = self._add_seen(torch.zeros_like(row), observation, skill, rows)
            return torch.relu(row + self.film.features(seen, skill))
        if made is None or rows is None:
            return torch.relu(self._add_seen(row, observation, skill, rows))
        return made.adapt(torch.relu(self._add_seen(row + made.shift[skill], observation, skill, rows)), rows)

    def _add_seen(self, total: Tensor, observation: Mapping[str, Tensor], skill: Tensor, rows: Rows | None) -> Tensor:
        """Add what is observed, ``[N, W]``, to something that has that shape or one row."""
        separate = self.config.conditioning == "separate"
        for name, table in self.bags.items():
            indices = observation[name]
            total = total + bag_sum(table, _own(indices, skill, self.spec.bags[name].size) if separate else indices)
        if self.dense is not None:
            if separate:
                weight = self.dense.transpose(1, 2)
                total = total + linear(observation[DENSE], weight, weight.new_zeros(()).expand(weight.shape[:2]), rows)
            else:
                total = torch.addmm(total, observation[DENSE], self.dense)
        if len(self.encoders) > 1:
            assert rows is not None
            read = {name: observation[name] for name in (*self.spec.grids, *self.spec.texts, *((DENSE,) if self.spec.dense else ()))}
            total = total + rows.map(lambda index, mine: self.encoders[index](mine), read)
        elif len(self.encoders):
            total = total + self.encoders[0](observation)
        return total

    def _core_inputs(self, features: Tensor, rows: Rows | None) -> Tensor | None:
        """What goes into the gates of the core, or the core itself where it has no memory; None where there is no core."""
        if self.core_in is None or self.core_in_bias is None:
            return None
        inputs = linear(features, self.core_in, self.core_in_bias, rows)
        return torch.relu(inputs) if self.core_back is None else inputs

    def _heads(
        self,
        features: Tensor,
        core: Tensor | None,
        observation: Mapping[str, Tensor],
        skill: Tensor,
        rows: Rows | None,
        made: Generated | None,
    ) -> tuple[Tensor, Tensor]:
        count = self.spec.actions if self.spec.commands is None else self.config.features
        if core is not None:
            core = self.film.core(core, skill) if self.film is not None else core
            features = torch.cat([features, core], 1)
        weight, bias = (self.head, self.head_bias) if made is None else (made.head, made.head_bias)
        outputs = linear(features, weight, bias, rows)
        chosen = outputs[:, :count]
        value = outputs[:, count:].gather(1, skill[:, None])[:, 0] if weight.dim() == 2 else outputs[:, count]
        for name, table in self.skips.items():
            chosen = chosen + bag_sum(table, _own(observation[name], skill, self.spec.bags[name].size))
        if self.commands is not None:
            chosen = self._score(chosen, observation[COMMANDS], skill, self.commands)
        if self.log_std is not None:
            return torch.cat([chosen, self.log_std[skill]], 1), value
        return chosen.masked_fill(observation[ACTION_MASK] == 0, _FORBIDDEN), value

    def _score(self, query: Tensor, commands: Tensor, skill: Tensor, table: Tensor) -> Tensor:
        """Logits ``[N, A]`` of commands, indices ``[N, A, length]`` in any shape, for queries ``[N, W]``."""
        words = self.spec.commands
        assert words is not None
        flat = commands.reshape(len(query), -1)
        if self.config.conditioning == "separate":
            flat = _own(flat, skill, words.size)
        meant = bag_sum(table, flat.reshape(-1, words.length)).view(len(query), self.spec.actions, -1)
        return torch.bmm(meant, query[:, :, None])[:, :, 0]

    @torch.no_grad()
    def keep_bounds(self) -> None:
        """To be called after every change of the weights."""
        if self.log_std is not None:
            self.log_std.clamp_(LEAST_LOG_STD, MOST_LOG_STD)

    def save(self, path: Path) -> None:
        """Write ``path`` (safetensors) with the shape of the network in its metadata."""
        metadata = {"policy": json.dumps({"spec": spec_to_json(self.spec), "skills": self.skills, "config": self.config.model_dump()})}
        write_atomically(path, to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}, metadata))

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


def _own(indices: Tensor, skill: Tensor, size: int) -> Tensor:
    """Indices of bags, ``[N, length]``, within a table of all skills. Padding (0) stays 0, the padding row of the first skill."""
    return torch.where(indices > 0, indices + (skill * size).to(indices.dtype)[:, None], 0)


def spec_to_json(spec: ObservationSpec) -> dict[str, Any]:
    """Plain values; ``spec_from_json`` takes them back."""
    bags = {name: [bag.size, bag.length] for name, bag in spec.bags.items()}
    found = {"bags": bags, "dense": spec.dense, "actions": spec.actions, "skip": list(spec.skip)}
    if spec.grids:
        found["grids"] = {name: [grid.height, grid.width, grid.size] for name, grid in spec.grids.items()}
    if spec.texts:
        found["texts"] = dict(spec.texts)
    if spec.continuous:
        found["continuous"] = True
    if spec.commands is not None:
        found["commands"] = [spec.commands.size, spec.commands.length]
    return found


def spec_from_json(values: Mapping[str, Any]) -> ObservationSpec:
    """From what ``spec_to_json`` gave."""
    bags = {name: Bag(*shape) for name, shape in values["bags"].items()}
    grids = {name: Grid(*shape) for name, shape in values.get("grids", {}).items()}
    texts, continuous = values.get("texts", {}), values.get("continuous", False)
    commands = Bag(*values["commands"]) if "commands" in values else None
    return ObservationSpec(bags, values["dense"], values["actions"], tuple(values["skip"]), grids, texts, continuous, commands)
