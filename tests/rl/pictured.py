"""A corridor that networks see as a picture and a text. Workers import this file by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, Grid, ObservationSpec
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv

SIDE = 6
SPECS = {
    "light": ObservationSpec({}, dense=0, actions=3, grids={"squares": Grid(SIDE, SIDE, 3)}),
    "reference": ObservationSpec({}, dense=0, actions=3, grids={"squares": Grid(SIDE, SIDE, 3)}, texts={"place": 9}),
}


class PicturedEnv(CorridorEnv):
    """The corridor lies in the first rows of the picture: 1 is a square, 2 the agent. The text names the square."""

    _arrays: dict[str, NDArray[Any]] | None = None

    def bind(self, arrays: dict[str, NDArray[Any]]) -> None:
        if ACTION_MASK in arrays and "squares" in arrays:
            self._arrays = arrays
        else:
            super().bind(arrays)

    def _write(self) -> None:
        super()._write()
        if self._arrays is None:
            return
        self._arrays[ACTION_MASK][...] = 1
        squares = self._arrays["squares"].reshape(self.num_games, -1)
        squares[:, : self.length] = 1
        squares[np.arange(self.num_games), self._counts["position"]] = 2
        if "place" in self._arrays:
            self._arrays["place"][:, 0] = ord("a") + self._counts["position"]


class PicturedCorridor(Corridor):
    """``Corridor`` with observations for every network."""

    def observation_for(self, network: str) -> ObservationSpec:
        return SPECS[network] if network in SPECS else super().observation_for(network)

    def make_env(self, num_games: int) -> PicturedEnv:
        return PicturedEnv(num_games, *self._settings)
