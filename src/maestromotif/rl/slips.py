"""Slips: in a share of the steps an action drawn at random is played in place of the chosen one, as a task may ask for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from maestromotif.rl.actions import ActionKind

__all__ = ["Slips"]

_SALT = 0x51F5  # so that an episode's slips are not what its seed draws elsewhere


class Slips:
    """Slips of the games of one part. Those of an episode follow from its seed, whatever is played and whoever else plays.

    Args:
        share: of the steps, between 0 and 1.
        games: how many.
        kind: of their actions.
    """

    def __init__(self, share: float, games: int, kind: ActionKind) -> None:
        self._share, self._kind = share, kind
        self._rngs = [random.Random(game) for game in range(games)]  # noqa: S311 - a game, not a secret

    def begin(self, game: int, seed: int) -> None:
        """An episode with this seed begins."""
        self._rngs[game].seed(seed ^ _SALT)

    def apply(self, actions_B: NDArray[Any], observation: Mapping[str, NDArray[Any]]) -> None:
        """Replace the actions of the games that slip in this step, in place; as many draws for each game, whether it slips or not."""
        for game, rng in enumerate(self._rngs):
            slips, action = rng.random() < self._share, self._kind.slip(observation, game, rng.random)
            if slips and action is not None:
                actions_B[game] = action
