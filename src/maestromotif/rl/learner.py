"""Proximal policy optimisation (Schulman et al. 2017) over chunks of recurrent experience."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.returns import advantages, standardise
from maestromotif.types import EndCause

__all__ = ["Learner", "Rollout", "ppo_losses"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Experience of ``T`` steps in ``B`` games, on the CPU. Games come first, so that the chunks of a game are contiguous.

    Attributes:
        observation: ``[B, T, ...]``.
        skill, action: int64 ``[B, T]``.
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
    logits: Tensor,
    value: Tensor,
    action: Tensor,
    old_log_prob: Tensor,
    old_value: Tensor,
    advantage: Tensor,
    target: Tensor,
    mask: Tensor,
    clip: float,
    value_clip: float,
) -> dict[str, Tensor]:
    """Losses over ``N`` steps, each a scalar: ``policy``, ``value``, ``entropy``, and for the record ``kl`` and ``clipped``.

    Args:
        logits: ``[N, A]``; mask: ``[N, A]``, 0 where an action is forbidden.
        value, old_value, target: ``[N]``, normalised.
        action, old_log_prob, advantage: ``[N]``.
    """
    log_probs = torch.log_softmax(logits, 1)
    log_ratio = log_probs.gather(1, action[:, None])[:, 0] - old_log_prob
    ratio = log_ratio.exp()
    policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
    bounded = old_value + (value - old_value).clamp(-value_clip, value_clip)
    value_loss = 0.5 * torch.maximum((value - target).square(), (bounded - target).square()).mean()
    # A forbidden action has probability 0 exactly, so it adds nothing; the mask keeps 0 * -1e9 from adding noise.
    entropy = -(log_probs.exp() * log_probs * mask).sum(1).mean()
    with torch.no_grad():
        kl = (ratio - 1 - log_ratio).mean()
        clipped = ((ratio - 1).abs() > clip).float().mean()
    return {"policy": policy, "value": value_loss, "entropy": entropy, "kl": kl, "clipped": clipped}


class Learner:
    """Owns the optimiser and turns rollouts into better weights.

    Args:
        generator: shuffles minibatches.
    """

    # How fast the running statistics of returns follow, per update.
    _FOLLOW = 0.1

    def __init__(self, policy: SkillPolicy, config: TrainConfig, generator: torch.Generator) -> None:
        self.policy, self.config, self._generator = policy, config, generator
        fused = policy.device.type in ("cpu", "cuda")
        # Adam moves a weight by about its learning rate at most, so a sign that should decide an action alone needs a larger one.
        named = dict(policy.named_parameters())
        skips = [parameter for name, parameter in named.items() if name.startswith("skips.")]
        others = [parameter for name, parameter in named.items() if not name.startswith("skips.")]
        self._rates = [config.learning_rate, config.learning_rate * config.skip_rate]
        groups = [{"params": others, "lr": self._rates[0]}, {"params": skips, "lr": self._rates[1]}]
        self.optimiser = torch.optim.Adam(groups, eps=1e-6, fused=fused)
        self._padded = [(policy.get_parameter(name), size) for name, size in policy.padded()]

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout.

        Args:
            progress: share of the training that is done, for the decay of the learning rate.

        Returns:
            Means over the gradient steps: the losses, the gradient's norm, entropy, kl, clipped, explained variance.
        """
        config, policy = self.config, self.policy
        if config.decay == "linear":
            for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
                group["lr"] = rate * max(0.02, 1 - progress)
        advantage, target, explained = self._targets(rollout)
        device, skill = policy.device, rollout.skill.to(policy.device)
        data = {
            "skill": skill,
            "action": rollout.action.to(device),
            "log_prob": rollout.log_prob.to(device),
            "value": self._normalise(rollout.value.to(device), skill),
            "advantage": advantage.to(device),
            "target": self._normalise(target.to(device), skill),
            "keep": rollout.keep.to(device),
        }
        data = {name: _chunks(tensor, config.chunk) for name, tensor in data.items()}
        observations = {name: _chunks(tensor.to(device), config.chunk) for name, tensor in rollout.observation.items()}
        memory = rollout.memory.to(device).flatten(0, 1)
        sums: dict[str, Tensor] = {}
        count = 0
        size = max(1, config.minibatch // config.chunk)
        for _ in range(config.epochs):
            order = torch.randperm(len(memory), generator=self._generator).to(policy.device)
            for first in range(0, len(order), size):
                part = order[first : first + size]
                batch = {name: tensor.index_select(0, part) for name, tensor in data.items()}
                observation = {
                    name: tensor.index_select(0, part).view(len(part), config.chunk, -1) for name, tensor in observations.items()
                }
                found = self._gradient_step(batch, observation, memory.index_select(0, part))
                for name, value in found.items():
                    sums[name] = sums[name] + value if name in sums else value
                count += 1
        return {**{name: float(total) / count for name, total in sums.items()}, "explained_variance": explained}

    def _gradient_step(self, batch: Mapping[str, Tensor], observation: Mapping[str, Tensor], memory: Tensor) -> dict[str, Tensor]:
        config, policy = self.config, self.policy
        logits, value = policy.sequence(observation, batch["skill"], memory, batch["keep"])
        flat = {name: tensor.reshape(-1) for name, tensor in batch.items()}
        mask = observation[ACTION_MASK].reshape(len(logits), -1)
        losses = ppo_losses(
            logits,
            value,
            flat["action"],
            flat["log_prob"],
            flat["value"],
            flat["advantage"],
            flat["target"],
            mask,
            config.clip,
            config.value_clip,
        )
        total = losses["policy"] + config.value_weight * losses["value"] - config.entropy * losses["entropy"]
        self.optimiser.zero_grad(set_to_none=False)
        torch.autograd.backward(total)
        for parameter, size in self._padded:
            if parameter.grad is not None:
                parameter.grad[::size] = 0
        norm = clip_grad_norm_(policy.parameters(), config.gradient_clip)
        # A gradient that is not a number must not reach the weights; the caller sees it in the result and stops.
        if math.isfinite(float(norm)):
            self.optimiser.step()
        return {**{name: loss.detach() for name, loss in losses.items()}, "loss": total.detach(), "gradient_norm": norm}

    def _targets(self, rollout: Rollout) -> tuple[Tensor, Tensor, float]:
        """Standardised advantages, value targets in units of reward (both ``[B, T]``), and the share of variance explained."""
        config, policy = self.config, self.policy
        value, skills = rollout.value.numpy(), rollout.skill.numpy()
        boot = rollout.boot.numpy()
        if config.returns == "renew":
            boot = np.where(rollout.cause.numpy() == EndCause.OVER, policy.value_start.cpu().numpy()[skills], boot)
        raw = advantages(
            rollout.reward.numpy().T,
            value.T,
            rollout.last_value.numpy(),
            rollout.cause.numpy().T,
            boot.T,
            config.discount,
            config.gae,
            config.returns,
        ).T
        target = raw + value
        variance = float(target.var())
        explained = 1 - float(raw.var()) / variance if variance > 0 else 0.0
        scaled = standardise(raw, skills, len(policy.skills), config.advantage_floor)
        self._follow_returns(torch.from_numpy(target), rollout)
        return torch.from_numpy(scaled), torch.from_numpy(target), explained

    def _follow_returns(self, target: Tensor, rollout: Rollout) -> None:
        """Move each skill's statistics of returns towards those of this rollout; the first rollout of a skill sets them."""
        policy = self.policy
        # A call begins where another has ended; a beginning at the border of two rollouts is left out.
        begins = torch.zeros_like(rollout.cause, dtype=torch.bool)
        begins[:, 1:] = rollout.cause[:, :-1] != EndCause.CONTINUES
        for index in range(len(policy.skills)):
            mine = rollout.skill == index
            count = int(mine.sum())
            if count < 2:
                continue
            share = min(1.0, count * len(policy.skills) / target.numel())
            rate = max(self._FOLLOW * share, count / (count + float(policy.value_seen[index])))
            policy.value_seen[index] += count
            mean, scale = float(target[mine].mean()), max(float(target[mine].std()), self.config.advantage_floor)
            policy.value_mean[index] += rate * (mean - policy.value_mean[index])
            policy.value_scale[index] += rate * (scale - policy.value_scale[index])
            started = mine & begins
            if started.any():
                policy.value_start[index] += rate * (target[started].mean().to(policy.device) - policy.value_start[index])

    def _normalise(self, value: Tensor, skill: Tensor) -> Tensor:
        return (value - self.policy.value_mean[skill]) / self.policy.value_scale[skill]


def _chunks(tensor: Tensor, chunk: int) -> Tensor:
    """``[B, T, ...]`` as ``[B * T / chunk, chunk * ...]``: one row for each chunk."""
    return tensor.reshape(tensor.shape[0] * tensor.shape[1] // chunk, -1)
