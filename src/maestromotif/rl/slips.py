"""Slips: in a share of the steps an action drawn at random is played in place of the chosen one, as a task may ask for."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Slips"]

_SALT = 0x51F5  # so that an episode's slips are not what its seed draws elsewhere


class Slips:
    """Slips of the games of one part. Those of an episode follow from its seed, whatever is played and whoever else plays.

    Args:
        share: of the steps, between 0 and 1.
        games: how many.
    """

    def __init__(self, share: float, games: int) -> None:
        self._share = share
        self._rngs = [random.Random(game) for game in range(games)]  # noqa: S311 - a game, not a secret

    def begin(self, game: int, seed: int) -> None:
        """An episode with this seed begins."""
        self._rngs[game].seed(seed ^ _SALT)

    def apply(self, actions_B: NDArray[Any], allowed_BA: NDArray[np.uint8]) -> None:
        """Replace the actions of the games that slip in this step, in place; two draws for each game, whether it slips or not."""
        for game, rng in enumerate(self._rngs):
            slips, which = rng.random() < self._share, rng.random()
            if slips and len(choices := np.flatnonzero(allowed_BA[game])):
                actions_B[game] = choices[int(which * len(choices))]
