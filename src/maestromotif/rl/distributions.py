"""Distributions of actions: how a network's outputs become actions, and what learning needs of them.

``actions.py`` has what is needed of the same kinds without torch. Shapes: ``N`` steps, ``A`` actions or dimensions of an action.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maestromotif.domains.contract import ObservationSpec
from maestromotif.rl.actions import draw_actions

__all__ = ["CATEGORICAL", "GAUSSIAN", "LEAST_LOG_STD", "MOST_LOG_STD", "Distribution", "distribution"]

# Bounds of a Gaussian's log standard deviation, per dimension: never without chance, never much wider than what can be played.
LEAST_LOG_STD, MOST_LOG_STD = -3.0, 0.5
_LOG_ROOT = 0.5 * math.log(2 * math.pi)


class Distribution(Protocol):
    """One distribution for each row of a network's outputs."""

    def noise(self, generator: torch.Generator, leading: Sequence[int], shape: Sequence[int]) -> Tensor:
        """Chance for actions, ``[*leading, *shape]``, where ``shape`` is ``ActionKind.shape``."""
        ...

    def draw(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities ``[N]``: equal outputs and equal noise give equal actions."""
        ...

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """``[N]``; of a density where actions are numbers."""
        ...

    def score(self, outputs: Tensor, action: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """``log_prob`` and the entropies, both ``[N]``.

        Args:
            mask: ``[N, A]``, 0 where an action is forbidden; None where there is none.
        """
        ...

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> NDArray[np.generic]:
        """Actions drawn with numpy's chance, in double precision."""
        ...

    def collapsed(self, actions: int) -> float:
        """An entropy below which a policy hardly varies its actions any more."""
        ...


class Categorical:
    """One of ``A`` actions. Outputs are logits ``[N, A]``, very low for what is forbidden."""

    def noise(self, generator: torch.Generator, leading: Sequence[int], shape: Sequence[int]) -> Tensor:
        return torch.rand(*leading, *shape, generator=generator)

    def draw(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = torch.log_softmax(outputs, 1)
        odds = log_probs.exp()
        sums = odds.cumsum(1)
        # Rounding must not carry the draw past the last allowed action.
        last = odds.shape[1] - 1 - (odds.flip(1) > 0).int().argmax(1)
        chosen = torch.minimum((sums <= noise[:, None] * sums[:, -1:]).sum(1), last)
        return chosen, log_probs.gather(1, chosen[:, None])[:, 0]

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return torch.log_softmax(outputs, 1).gather(1, action[:, None])[:, 0]

    def score(self, outputs: Tensor, action: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        assert mask is not None
        log_probs = torch.log_softmax(outputs, 1)
        log_prob = log_probs.gather(1, action[:, None])[:, 0]
        # A forbidden action has probability 0 exactly, so it adds nothing; the mask keeps 0 * -1e9 from adding noise.
        return log_prob, -(log_probs.exp() * log_probs * mask).sum(1)

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> NDArray[np.generic]:
        return draw_actions(torch.softmax(outputs.double(), 1).cpu().numpy(), rng.random(len(outputs)))

    def collapsed(self, actions: int) -> float:
        return 0.02 * math.log(max(2, actions))


class Gaussian:
    """``A`` numbers, independent of each other. Outputs are means and log standard deviations, ``[N, 2 A]``.

    The distribution knows nothing of the bounds within which actions are played (``actions.Vectors`` cuts them): densities, ratios and
    entropies are those of what was drawn, and exact. Squashing by a hyperbolic tangent would need its inverse, which is no number at
    the bounds, and has no entropy in closed form.
    """

    def noise(self, generator: torch.Generator, leading: Sequence[int], shape: Sequence[int]) -> Tensor:
        return torch.randn(*leading, *shape, generator=generator)

    def draw(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, 1)
        return mean + log_std.exp() * noise, -(0.5 * noise.square() + log_std + _LOG_ROOT).sum(1)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        mean, log_std = outputs.chunk(2, 1)
        return -(0.5 * ((action - mean) * (-log_std).exp()).square() + log_std + _LOG_ROOT).sum(1)

    def score(self, outputs: Tensor, action: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.log_prob(outputs, action), (outputs.chunk(2, 1)[1] + (_LOG_ROOT + 0.5)).sum(1)

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> NDArray[np.generic]:
        mean, log_std = (part.numpy() for part in outputs.double().cpu().chunk(2, 1))
        actions: NDArray[np.float32] = (mean + np.exp(log_std) * rng.standard_normal(mean.shape)).astype(np.float32)
        return actions

    def collapsed(self, actions: int) -> float:
        return actions * (LEAST_LOG_STD + 0.3 + _LOG_ROOT + 0.5)


CATEGORICAL, GAUSSIAN = Categorical(), Gaussian()


def distribution(spec: ObservationSpec) -> Distribution:
    """The distribution of the actions that a domain has."""
    return GAUSSIAN if spec.continuous else CATEGORICAL
