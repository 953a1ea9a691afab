"""Proximal policy optimisation (Schulman et al. 2017) over chunks of recurrent experience."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.device import wants_bfloat16
from maestromotif.rl.distributed import Ranks
from maestromotif.rl.distributions import CATEGORICAL, Distribution, distribution
from maestromotif.rl.graphs import GraphedStep
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.returns import advantages, moments, standardise, vtrace
from maestromotif.types import EndCause

__all__ = ["Learner", "Rollout", "ppo_losses"]

_log = logging.getLogger(__name__)
_FAST = ("skips.", "log_std")  # names of weights that learn faster
_BATCH = ("skill", "action", "log_prob", "keep", "value", "advantage", "target")
Sequence = Callable[[Mapping[str, Tensor], Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Experience of ``T`` steps in ``B`` games, on the CPU. Games come first, so that the chunks of a game are contiguous.

    Attributes:
        observation: ``[B, T, ...]``.
        skill: int64 ``[B, T]``; action: ``[B, T, ...]``, as it was drawn.
        log_prob, value: float ``[B, T]``, as they were when acting; value in units of reward.
        reward, boot: float ``[B, T]``; cause: int8 ``[B, T]``. See ``returns.advantages``.
        keep: float ``[B, T]``, 0 where the memory was emptied before the step.
        memory: ``[B, T / chunk, H]``, the memory before each chunk.
        last_value: float ``[B]``, of the observation after the last step.
    """

    observation: dict[str, Tensor]
    skill: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    boot: Tensor
    cause: Tensor
    keep: Tensor
    memory: Tensor
    last_value: Tensor


def ppo_losses(
    outputs: Tensor,
    value: Tensor,
    action: Tensor,
    old_log_prob: Tensor,
    old_value: Tensor,
    advantage: Tensor,
    target: Tensor,
    mask: Tensor | None,
    clip: float,
    value_clip: float,
    kind: Distribution = CATEGORICAL,
) -> dict[str, Tensor]:
    """Losses over ``N`` steps, each a scalar: ``policy``, ``value``, ``entropy``, and for the record ``kl`` and ``clipped``.

    Args:
        outputs, mask: ``[N, ...]``, see ``Distribution.score``; kind: of the actions.
        value, old_value, target: ``[N]``, normalised.
        action: ``[N, ...]``; old_log_prob, advantage: ``[N]``.
    """
    log_prob, entropies = kind.score(outputs, action, mask)
    log_ratio = log_prob - old_log_prob
    ratio = log_ratio.exp()
    policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
    bounded = old_value + (value - old_value).clamp(-value_clip, value_clip)
    value_loss = 0.5 * torch.maximum((value - target).square(), (bounded - target).square()).mean()
    entropy = entropies.mean()
    with torch.no_grad():
        kl = (ratio - 1 - log_ratio).mean()
        clipped = ((ratio - 1).abs() > clip).float().mean()
    return {"policy": policy, "value": value_loss, "entropy": entropy, "kl": kl, "clipped": clipped}


class Learner:
    """Owns the optimiser and turns rollouts into better weights.

    Args:
        config: games and minibatch are this rank's share.
        generator: shuffles minibatches.
        ranks: the processes that learn together.
    """

    # How fast the running statistics of returns follow, per update.
    _FOLLOW = 0.1

    def __init__(self, policy: SkillPolicy, config: TrainConfig, generator: torch.Generator, ranks: Ranks | None = None) -> None:
        self.policy, self.config, self._generator, self._ranks = policy, config, generator, ranks or Ranks()
        self._kind, self._action_shape = distribution(policy.spec), policy.spec.action[0]
        kind = policy.device.type
        # Adam moves a weight by about its learning rate at most, so a sign that should decide an action alone needs a larger one, and so
        # does the spread of continuous actions, which depends on nothing else.
        named = dict(policy.named_parameters())
        fast = [parameter for name, parameter in named.items() if name.startswith(_FAST)]
        others = [parameter for name, parameter in named.items() if not name.startswith(_FAST)]
        self._rates = [config.learning_rate, config.learning_rate * config.skip_rate]
        # On a GPU the rate is a tensor, so that a recorded step reads the present one.
        rates = [torch.tensor(rate, device=policy.device) if kind == "cuda" else rate for rate in self._rates]
        groups = [{"params": others, "lr": rates[0]}, {"params": fast, "lr": rates[1]}]
        self.optimiser = torch.optim.Adam(groups, eps=1e-6, fused=kind in ("cpu", "cuda"), capturable=kind == "cuda")
        # The fused optimiser leaves the weights alone where this is 1; so nobody waits for the GPU to tell whether a gradient is a number.
        self._unsound = torch.zeros((), device=policy.device)
        if kind == "cuda":
            self.optimiser.found_inf = self._unsound  # type: ignore[attr-defined]
        self._padded = [(policy.get_parameter(name), size) for name, size in policy.padded()]
        self._sequence: Sequence = _Compiled(policy) if config.compile else policy.sequence
        self._autocast = torch.autocast(kind, torch.bfloat16, enabled=wants_bfloat16(config, policy.device))
        # Where every skill has weights of its own, how many rows are whose is asked of the GPU in every step.
        recordable = config.conditioning in ("onehot", "film") and not config.compile and self._ranks.count == 1
        self._graphed = GraphedStep(self._gradient_step) if kind == "cuda" and recordable else None

    def update(self, rollout: Rollout, progress: float, age: int = 0) -> dict[str, float]:
        """Learn from one rollout.

        Args:
            progress: share of the training that is done, for the decay of the learning rate.
            age: number of updates that the weights have had since those that played.

        Returns:
            Means over the gradient steps: the losses, the gradient's norm, entropy, kl, clipped, explained variance.
        """
        config, device = self.config, self.policy.device
        if config.decay == "linear":
            self._set_rates(max(0.02, 1 - progress))
        data = {name: getattr(rollout, name).to(device, non_blocking=True) for name in ("skill", "action", "log_prob", "keep")}
        batch = {name: _chunks(tensor, config.chunk) for name, tensor in data.items()}
        observation = {name: _chunks(tensor.to(device, non_blocking=True), config.chunk) for name, tensor in rollout.observation.items()}
        memory = rollout.memory.to(device, non_blocking=True).flatten(0, 1)
        value, ratio = rollout.value, None
        if config.vtrace == "on" or (config.vtrace == "auto" and age > 1):
            value, ratio = self._look_again(batch, observation, memory, rollout)
        advantage, target, explained = self._targets(rollout, value, ratio)
        batch["value"] = _chunks(self._normalise(value.to(device), data["skill"]), config.chunk)
        batch["advantage"] = _chunks(advantage.to(device), config.chunk)
        batch["target"] = _chunks(self._normalise(target.to(device), data["skill"]), config.chunk)
        inputs = {**batch, **{f"observation/{name}": tensor for name, tensor in observation.items()}, "memory": memory}
        step = partial(self._gradient_step, inputs) if self._graphed is None else self._graphed
        if self._graphed is not None:
            self._graphed.bind(inputs)
        sums: dict[str, Tensor] = {}
        count = 0
        for _ in range(config.epochs):
            order = torch.randperm(len(memory), generator=self._generator).to(device)
            for part in torch.split(order, config.minibatch // config.chunk):
                for name, loss in step(part).items():
                    sums[name] = sums[name] + loss if name in sums else loss.clone()
                count += 1
        means = self._ranks.total(np.array([float(total) for total in sums.values()])) / (count * self._ranks.count)
        return {**dict(zip(sums, means.tolist(), strict=True)), "explained_variance": explained}

    def _set_rates(self, factor: float) -> None:
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

    def _rows(self, observation: Mapping[str, Tensor], part: Tensor) -> dict[str, Tensor]:
        return {name: tensor.index_select(0, part).view(len(part), self.config.chunk, -1) for name, tensor in observation.items()}

    def _forward(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """``SkillPolicy.sequence``, with products in the chosen precision and results in float32."""
        with self._autocast:
            outputs, value = self._sequence(observation, skill, memory, keep)
        return outputs.float(), value.float()

    def _actions(self, rows: Tensor) -> Tensor:
        """Actions of chunks, one row for each chunk, as one for each step."""
        return rows.reshape(-1, *self._action_shape)

    @torch.no_grad()
    def _look_again(
        self, batch: Mapping[str, Tensor], observation: Mapping[str, Tensor], memory: Tensor, rollout: Rollout
    ) -> tuple[Tensor, Tensor]:
        """Values in units of reward, and ratios of the actions' probabilities to those when acting, by the present weights: ``[B, T]``."""
        values, ratios = [], []
        for part in torch.split(torch.arange(len(memory), device=memory.device), self.config.minibatch // self.config.chunk):
            mine = {name: tensor.index_select(0, part) for name, tensor in batch.items()}
            outputs, value = self._forward(self._rows(observation, part), mine["skill"], memory.index_select(0, part), mine["keep"])
            log_prob = self._kind.log_prob(outputs, self._actions(mine["action"]))
            values.append(self.policy.to_reward_units(value, mine["skill"].view(-1)))
            ratios.append((log_prob - mine["log_prob"].view(-1)).exp())
        shape = rollout.value.shape
        return torch.cat(values).cpu().view(shape), torch.cat(ratios).cpu().view(shape)

    def _gradient_step(self, inputs: Mapping[str, Tensor], part: Tensor) -> dict[str, Tensor]:
        """Learn from the chunks ``part`` (int64 ``[N]``) of a rollout's tensors, whose rows are chunks."""
        config, policy = self.config, self.policy
        observation = self._rows({name: inputs[f"observation/{name}"] for name in policy.spec.layout()}, part)
        batch = {name: inputs[name].index_select(0, part) for name in _BATCH}
        outputs, value = self._forward(observation, batch["skill"], inputs["memory"].index_select(0, part), batch["keep"])
        flat = {name: tensor.reshape(-1) for name, tensor in batch.items() if name != "action"}
        mask = observation[ACTION_MASK].reshape(len(outputs), -1) if ACTION_MASK in observation else None
        losses = ppo_losses(
            outputs,
            value,
            self._actions(batch["action"]),
            flat["log_prob"],
            flat["value"],
            flat["advantage"],
            flat["target"],
            mask,
            config.clip,
            config.value_clip,
            self._kind,
        )
        total = losses["policy"] + config.value_weight * losses["value"] - config.entropy * losses["entropy"]
        self.optimiser.zero_grad(set_to_none=False)
        torch.autograd.backward(total)
        for parameter, size in self._padded:
            if parameter.grad is not None:
                parameter.grad[::size] = 0
        self._ranks.average([parameter.grad for parameter in policy.parameters() if parameter.grad is not None])
        norm = clip_grad_norm_(policy.parameters(), config.gradient_clip)
        # A gradient that is not a number must not reach the weights; the caller sees it in the result and stops.
        if policy.device.type == "cuda":
            self._unsound.copy_(norm.isfinite().logical_not())
            self.optimiser.step()
        elif math.isfinite(float(norm)):
            self.optimiser.step()
        policy.keep_bounds()
        return {**{name: loss.detach() for name, loss in losses.items()}, "loss": total.detach(), "gradient_norm": norm}

    def _targets(self, rollout: Rollout, value: Tensor, ratio: Tensor | None) -> tuple[Tensor, Tensor, float]:
        """Standardised advantages, value targets in units of reward (both ``[B, T]``), and the share of variance explained.

        Args:
            value: ``[B, T]``, in units of reward; ratio: ``[B, T]``, for V-trace; None: no correction.
        """
        config, policy, total = self.config, self.policy, self._ranks.total
        skills, boot = rollout.skill.numpy(), rollout.boot.numpy()
        if config.returns == "renew":
            boot = np.where(rollout.cause.numpy() == EndCause.OVER, policy.value_start.cpu().numpy()[skills], boot)
        values = value.numpy()
        experience = (rollout.reward.numpy().T, values.T, rollout.last_value.numpy(), rollout.cause.numpy().T, boot.T)
        how = (config.discount, config.gae, config.returns)
        if ratio is None:
            raw = advantages(*experience, *how).T
            target = raw + values
        else:
            raw, target = (array.T for array in vtrace(*experience, ratio.numpy().T, *how))
        everything = np.zeros_like(skills)
        left, spread = (float(moments(array, everything, 1, total)[2][0]) for array in (target - values, target))
        explained = 1 - (left / spread) ** 2 if spread > 0 else 0.0
        scaled = standardise(raw, skills, len(policy.skills), config.advantage_floor, config.balance, total)
        self._follow_returns(target, skills, rollout.cause.numpy())
        return torch.from_numpy(scaled), torch.from_numpy(target), explained

    def _follow_returns(self, target: NDArray[np.float32], skill: NDArray[np.int64], cause: NDArray[np.int8]) -> None:
        """Move each skill's statistics of returns towards those of this rollout; the first rollout of a skill sets them."""
        policy, count = self.policy, len(self.policy.skills)
        steps, means, deviations = moments(target, skill, count, self._ranks.total)
        # A call begins where another has ended; a beginning at the border of two rollouts is left out.
        begins = cause[:, :-1] != EndCause.CONTINUES
        begun, starts, _ = moments(target[:, 1:][begins], skill[:, 1:][begins], count, self._ranks.total)
        seen = policy.value_seen.cpu().numpy()
        rates = np.maximum(self._FOLLOW * np.minimum(1, steps * count / steps.sum()), steps / np.maximum(1, steps + seen))
        rates[steps < 2] = 0
        scales = np.maximum(deviations, self.config.advantage_floor)
        moved = ((policy.value_mean, rates, means), (policy.value_scale, rates, scales), (policy.value_start, rates * (begun > 0), starts))
        for statistic, rate, new in moved:
            statistic.lerp_(torch.from_numpy(new).to(statistic), torch.from_numpy(rate).to(statistic))
        policy.value_seen += torch.from_numpy(np.where(steps < 2, 0, steps)).to(policy.value_seen)

    def _normalise(self, value: Tensor, skill: Tensor) -> Tensor:
        return (value - self.policy.value_mean[skill]) / self.policy.value_scale[skill]


class _Compiled:
    """``SkillPolicy.sequence`` through torch.compile, or as it is where it cannot be compiled, which is found out in the first call."""

    def __init__(self, policy: SkillPolicy) -> None:
        self._policy, self._run, self._tried = policy, torch.compile(policy.sequence), False

    def __call__(self, observation: Mapping[str, Tensor], skill: Tensor, memory: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        if not self._tried:
            self._tried = True
            try:
                with torch.enable_grad():
                    logits, value = self._run(observation, skill, memory, keep)
                    # The way back is compiled too, and fails for reasons of its own.
                    torch.autograd.grad(logits.sum() + value.sum(), self._policy.head)
            # Compilers raise whatever they like; none of it needs to stop a training.
            except Exception as error:
                _log.warning("the network cannot be compiled here and is used as it is (%s)", str(error).partition("\n")[0])
                self._run = self._policy.sequence
        return self._run(observation, skill, memory, keep)


def _chunks(tensor: Tensor, chunk: int) -> Tensor:
    """``[B, T, ...]`` as ``[B * T / chunk, chunk * ...]``: one row for each chunk."""
    return tensor.reshape(tensor.shape[0] * tensor.shape[1] // chunk, -1)
