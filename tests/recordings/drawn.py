"""A corridor that draws pictures: one square for each place, and the walker's in red."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv


class DrawnEnv(CorridorEnv):
    """See ``CorridorEnv``."""

    def picture(self, game: int) -> NDArray[np.uint8]:
        facts = self.facts(game)
        picture = np.full((8, 8 * 5, 3), 230, np.uint8)
        place = facts.position
        picture[:, 8 * place : 8 * place + 8] = (200, 30, 30)
        return picture


class DrawnCorridor(Corridor):
    """See ``Corridor``."""

    def make_env(self, num_games: int) -> DrawnEnv:
        return DrawnEnv(num_games, *self._settings)
