"""Ways in which a network knows the active skill, beyond a row of weights that is added for it. ``K`` skills."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maestromotif.rl.encoders import normal
from maestromotif.rl.grouped import Rows, linear

__all__ = ["Film", "Generated", "HyperNetwork"]


class Film(nn.Module):
    """Every skill scales and shifts features (Perez et al. 2018): those of the first layer and the core's output.

    The first layer's shift is the row that every network has for a skill. At first nothing is changed.
    """

    def __init__(self, skills: int, width: int, hidden: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(skills, width))
        self.core_scale = nn.Parameter(torch.zeros(skills, hidden))
        self.core_shift = nn.Parameter(torch.zeros(skills, hidden))

    def features(self, total: Tensor, skill: Tensor) -> Tensor:
        """``[N, W]``, before the skill's row is added."""
        return torch.addcmul(total, total, self.scale[skill])

    def core(self, core: Tensor, skill: Tensor) -> Tensor:
        """``[N, H]``."""
        return torch.addcmul(core + self.core_shift[skill], core, self.core_scale[skill])


class Generated:
    """Weights that a hypernetwork made, for all skills.

    Attributes:
        shift: ``[K, W]``, added into the first layer.
        down, up: ``[K, R, W]`` and ``[K, W, R]``, a low-rank map beside the trunk.
        head, head_bias: ``[K, O, I]`` and ``[K, O]``.
    """

    def __init__(self, shift: Tensor, down: Tensor, up: Tensor, head: Tensor, head_bias: Tensor) -> None:
        self.shift, self.down, self.up, self.head, self.head_bias = shift, down, up, head, head_bias

    def adapt(self, features: Tensor, rows: Rows) -> Tensor:
        """Add the low-rank map of each row's skill to features ``[N, W]``."""
        none = features.new_zeros(())
        narrow = linear(features, self.down, none.expand(self.down.shape[:2]), rows)
        return features + linear(narrow, self.up, none.expand(self.up.shape[:2]), rows)


class HyperNetwork(nn.Module):
    """A small network that makes weights out of an embedding of the skill (Ha et al. 2017).

    It makes a shift and a low-rank adapter of the first layer, and what is added to the heads' common weights. What skills have in
    common is in the trunk and in the generator, which has one hidden layer. The adapter is zero at first.
    """

    _EMBEDDING, _HIDDEN, _RANK = 16, 32, 4

    def __init__(self, skills: int, width: int, head: tuple[int, int], generator: torch.Generator) -> None:
        super().__init__()
        self._shapes = {"shift": (width,), "down": (self._RANK, width), "up": (width, self._RANK), "head": head, "head_bias": head[:1]}
        scales = {"shift": 0.5, "down": width**-0.5, "up": 0.0, "head": 0.01 * head[1] ** -0.5, "head_bias": 0.0}
        self.embedding = normal(generator, 1.0, skills, self._EMBEDDING)
        self.inner = normal(generator, self._EMBEDDING**-0.5, self._HIDDEN, self._EMBEDDING)
        self.inner_bias = nn.Parameter(torch.zeros(self._HIDDEN))
        self.outer = nn.ParameterDict(
            {
                name: normal(generator, scale * self._HIDDEN**-0.5, torch.Size(self._shapes[name]).numel(), self._HIDDEN)
                for name, scale in scales.items()
            }
        )

    def forward(self, common: Tensor, common_bias: Tensor) -> Generated:
        """Weights for all skills; ``common`` ``[O, I]`` and ``common_bias`` ``[O]`` are the part of the heads that skills share."""
        inner = torch.tanh(torch.addmm(self.inner_bias, self.embedding, self.inner.t()))
        made = {name: (inner @ self.outer[name].t()).view(-1, *shape) for name, shape in self._shapes.items()}
        made["head"], made["head_bias"] = made["head"] + common, made["head_bias"] + common_bias
        return Generated(**made)
