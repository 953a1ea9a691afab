"""From a reward model's raw output to the reward of training: normalise, threshold, contrast, scale (and, per game, discount).

Pure functions over arrays; ``_N`` is any number of transitions. ``RewardTable`` does the same for one transition at a
time, with the constants that were fitted over the distinct captions of the interactions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shaping", "Threshold", "count_factors", "fit_shaping", "shape"]

Floats = NDArray[np.float64]
Threshold = Literal["soft", "hard", "off"]


@dataclass(frozen=True, slots=True)
class Shaping:
    """The constants of one skill's pipeline.

    Attributes:
        mean, std: of the raw reward over distinct captions; 0 and 1 where rewards are not normalised.
        cut: the threshold, in normalised units.
        threshold: ``"hard"`` keeps what lies above the cut as it is; ``"soft"`` keeps what it exceeds the cut by; ``"off"`` keeps
            everything, also what is negative.
        contrast: 1.0 changes nothing; larger values shrink what is small beside ``top``.
        top: the largest reward after the threshold over distinct captions; 0 if there is none.
        clip: largest reward before scaling.
        scale: factor of everything.
    """

    mean: float
    std: float
    cut: float
    threshold: Threshold
    contrast: float
    top: float
    clip: float
    scale: float

    def one(self, raw: float) -> float:
        """The slow and obvious way, for one raw reward."""
        value = (raw - self.mean) / self.std
        if value <= self.cut and self.threshold != "off":
            return 0.0
        if self.threshold == "soft":
            value -= self.cut
        # No threshold, or a hard one with a cut below zero, lets negative rewards through; contrast has no meaning for them.
        if self.contrast != 1.0 and value > 0.0 and self.top > 0.0:
            value *= float((value / self.top) ** (self.contrast - 1.0))
        return max(-self.clip, min(self.clip, value)) * self.scale


def fit_shaping(
    raw_N: Floats,
    quantile: float,
    threshold: Threshold = "soft",
    contrast: float = 1.0,
    clip: float = 10.0,
    scale: float = 0.1,
    least_raw: float = -math.inf,
    normalise: bool = True,
) -> Shaping:
    """Constants from the raw rewards of the distinct captions, each counting once (paper, section on reward shaping).

    Args:
        least_raw: the cut is not below this raw reward, wherever the quantile lies.
        normalise: whether mean and standard deviation are taken out; if not, ``clip`` is in raw units.
    """
    mean, std = (float(np.mean(raw_N)), float(np.std(raw_N))) if normalise else (0.0, 1.0)
    if not std > 1e-8:
        std = 1.0  # a constant reward: everything becomes zero under the threshold
    normalised_N = (raw_N - mean) / std
    cut = max(float(np.quantile(normalised_N, quantile)), (least_raw - mean) / std)
    above_N = normalised_N if threshold == "off" else normalised_N[normalised_N > cut]
    top = float(above_N.max()) if len(above_N) else 0.0
    if threshold == "soft" and len(above_N):
        top -= cut
    # Rewards that differ by rounding alone have no largest one to be compared with.
    return Shaping(mean, std, cut, threshold, contrast, top if top > 1e-8 else 0.0, clip, scale)


def shape(raw_N: Floats, shaping: Shaping) -> Floats:
    """Rewards from raw ones, float64 ``[N]``; the vectorised twin of ``Shaping.one``."""
    value_N = (raw_N - shaping.mean) / shaping.std
    kept_N = (value_N > shaping.cut) | (shaping.threshold == "off")
    if shaping.threshold == "soft":
        value_N = value_N - shaping.cut
    if shaping.contrast != 1.0 and shaping.top > 0.0:
        positive_N = np.maximum(value_N, 1e-300)
        value_N = np.where(value_N > 0.0, value_N * (positive_N / shaping.top) ** (shaping.contrast - 1.0), value_N)
    return np.where(kept_N, np.clip(value_N, -shaping.clip, shaping.clip) * shaping.scale, 0.0)


def count_factors(keys_T: list[int], window: int, exponent: float) -> Floats:
    """The slow twin of ``CountDiscount`` with a window of steps: factors of an episode's discount keys, float64 ``[T]``."""
    factors = []
    for step, key in enumerate(keys_T):
        seen = keys_T[max(0, step - window + 1) : step + 1].count(key)
        factors.append(1.0 if key == 0 else 1.0 / seen**exponent)
    return np.array(factors)
