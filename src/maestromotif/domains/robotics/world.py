"""The physics: a gripper over a bench, simulated by MuJoCo for many games, one after another.

``B`` games; lengths in metres, z upwards from the top of the bench, y away from the person. A step of the games is ``SECONDS`` long.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIONS", "DRAWER_FRONT", "DRAWER_LENGTH", "SECONDS", "Bench", "model"]

Floats = NDArray[np.float64]

ACTIONS = ("move right", "move away", "move up", "open fingers")
DRAWER_FRONT, DRAWER_LENGTH = 0.15, 0.13  # where the front of the shut drawer is, and how far it comes out
SECONDS = 0.04

_SUBSTEPS = 8
_STRIDE, _SQUEEZE = 0.025, 0.012  # that an action moves the goals of hand and fingers, at most
_LOW, _HIGH = np.array([-0.3, -0.28, 0.016]), np.array([0.3, 0.26, 0.24])
_LEAD, _GRIP_LEAD = 0.04, 0.015  # that goals may be ahead of hand and fingers, so that pushing against something does not wind up
_OPEN, _CLOSED = 0.034, -0.02
_CAP, _DRAWER, _CUBE, _HAND, _FINGERS = 0, 1, slice(2, 5), slice(9, 12), slice(12, 14)
_CUBE_TURN = slice(5, 9)
_HAND_SPEED = slice(8, 11)
# Where things may be in the beginning: least and most x, y.
_CUBE_FIELD = ((-0.09, 0.09), (-0.21, -0.11))
_PLATE_FIELD = ((-0.24, -0.19), (-0.18, 0.02))
_BUTTON_FIELD = ((0.19, 0.24), (-0.18, 0.02))
_HAND_FIELD = ((-0.15, 0.15), (-0.2, 0.05), (0.12, 0.2))
_CUBE_HALF, _MOST_TURN = 0.02, 0.2


@cache
def model() -> Any:
    """The compiled scene; shared by all games, never written."""
    return mujoco.MjModel.from_xml_string((files(__package__) / "world.xml").read_text(encoding="utf-8"))


class Bench:
    """``B`` benches.

    Attributes, written anew by ``reset`` and ``step``:
        tip_B3: between the fingertips; speed_B3: of the hand, m/s; goal_B3: where the hand is being driven.
        gap_B: between the fingers; grip_B: where each of them is being driven; touch_B2: forces on the left and right finger, N.
        cube_B3, plate_B3: their middles; button_B3: the top of the button when it is not pressed.
        pressed_B: depth of the button; drawer_B: how far the drawer has come out.
    """

    def __init__(self, num_games: int) -> None:
        count = num_games
        self._model = model()
        self._data = [mujoco.MjData(self._model) for _ in range(count)]
        self._qpos_BQ, self._qvel_BV = np.zeros((count, self._model.nq)), np.zeros((count, self._model.nv))
        self.touch_B2, self.goal_B3, self.grip_B = np.zeros((count, 2)), np.zeros((count, 3)), np.zeros(count)
        self.plate_B3, self.button_B3 = np.zeros((count, 3)), np.zeros((count, 3))
        self.tip_B3, self.cube_B3 = self._qpos_BQ[:, _HAND], self._qpos_BQ[:, _CUBE]
        self.speed_B3, self.drawer_B = self._qvel_BV[:, _HAND_SPEED], self._qpos_BQ[:, _DRAWER]

    @property
    def gap_B(self) -> Floats:
        gaps: Floats = self._qpos_BQ[:, _FINGERS].sum(1)
        return gaps

    @property
    def pressed_B(self) -> Floats:
        return -self._qpos_BQ[:, _CAP]

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        """Put everything into its place; where exactly follows from the seeds."""
        for game, seed in zip(games, seeds, strict=True):
            rng, data = np.random.default_rng([int(seed) % 2**63, 3]), self._data[game]
            mujoco.mj_resetData(self._model, data)
            cube, plate, button, hand = (_place(rng, field) for field in (_CUBE_FIELD, _PLATE_FIELD, _BUTTON_FIELD, _HAND_FIELD))
            turn = rng.uniform(-_MOST_TURN, _MOST_TURN)
            data.qpos[_CUBE], data.qpos[_HAND] = (*cube, _CUBE_HALF), hand
            data.qpos[_CUBE_TURN] = (np.cos(turn / 2), 0, 0, np.sin(turn / 2))
            data.qpos[_FINGERS] = _OPEN
            data.ctrl[:3], data.ctrl[3:] = hand, _OPEN
            data.mocap_pos[0], data.mocap_pos[1] = (*plate, 0.001), (*button, 0)
            mujoco.mj_forward(self._model, data)
            self.plate_B3[game], self.button_B3[game] = (*plate, 0), (*button, 0.06)
            self.goal_B3[game], self.grip_B[game] = hand, _OPEN
            self._read(game)

    def step(self, actions_B4: NDArray[Any]) -> None:
        """Move the goals of the hands by three numbers in [-1, 1], and those of the fingers by one, outwards above 0."""
        goal_B3 = np.clip(self.goal_B3 + _STRIDE * actions_B4[:, :3], self.tip_B3 - _LEAD, self.tip_B3 + _LEAD)
        np.clip(goal_B3, _LOW, _HIGH, out=self.goal_B3)
        finger_B = self.gap_B / 2
        grip_B = np.clip(self.grip_B + _SQUEEZE * actions_B4[:, 3], finger_B - _GRIP_LEAD, finger_B + _GRIP_LEAD)
        np.clip(grip_B, _CLOSED, _OPEN, out=self.grip_B)
        fingers = self.grip_B.tolist()
        for game, data in enumerate(self._data):
            ctrl = data.ctrl
            ctrl[:3], ctrl[3:] = self.goal_B3[game], fingers[game]
            mujoco.mj_step(self._model, data, nstep=_SUBSTEPS)
            self._read(game)

    def _read(self, game: int) -> None:
        data = self._data[game]
        self._qpos_BQ[game], self._qvel_BV[game], self.touch_B2[game] = data.qpos, data.qvel, data.sensordata

    def data(self, game: int) -> Any:
        """MuJoCo's own state of a game, to draw it."""
        return self._data[game]


def _place(rng: np.random.Generator, field: Sequence[tuple[float, float]]) -> Floats:
    return np.array([rng.uniform(low, high) for low, high in field])
