"""The games: MuJoCo moves things, and a few whole-array operations say what happened and what is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import DENSE, DomainEnv, Facts, ObservationSpec
from maestromotif.domains.robotics import vocabulary as words
from maestromotif.domains.robotics.world import ACTIONS, DRAWER_FRONT, DRAWER_LENGTH, Bench
from maestromotif.types import Caption, RewardInput

__all__ = ["NUMBERS", "OBSERVATION", "RobotEnv"]

Floats = NDArray[np.float64]

_PLACES, _TABLE, _PLATE, _DRAWER, _HAND = len(words.PLACES), *range(len(words.CUBE_AT))
_COARSE, _FINE = 4.0, 25.0  # scales at which distances are seen
_DENSE = 3 + 3 + 3 + 2 + 2 + 2 * 3 * _PLACES + 3 + 1 + 3 + 2 + len(words.DRAWERS) + 1 + len(words.CUBE_AT)

OBSERVATION = ObservationSpec(bags={}, dense=_DENSE, actions=len(ACTIONS), continuous=True)

# Facts are numbers, but for the message.
NUMBERS = tuple(spec.name for spec in words.FACTS[:-1])
_COLUMNS = {name: column for column, name in enumerate(NUMBERS)}

# Distances that have to be passed to have come nearer, and by how many of them one must have gone away before they count anew.
_LEVELS = np.array([0.4, 0.33, 0.27, 0.22, 0.18, 0.145, 0.115, 0.09, 0.07, 0.053, 0.039, 0.028, 0.019, 0.012])
_AWAY = 8
_AT = 0.03
_GRIP_FORCE, _GRIP_REACH, _LIFTED, _LIES = 0.3, 0.03, 0.04, 0.032
_CLEAR = 0.052  # a gap between the fingers in which the cube is not held
_ON_PLATE = 0.045
_PRESSED, _RELEASED = 0.009, 0.004
_SHUT, _OPEN, _NOTCH = 0.012, 0.105, 0.012
_INSIDE = 0.05  # behind the drawer's front, where things are put
_GAP = -0.025  # before it, between the front and the handle


class RobotEnv(DomainEnv):
    """Games on benches that differ from episode to episode. They have no end of their own.

    Attributes:
        bench: the physics.
        towards_BP3: from the fingertips to each of ``vocabulary.PLACES``.
    """

    def __init__(self, num_games: int) -> None:
        self.num_games = num_games
        self.observation = OBSERVATION.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self.bench = Bench(num_games)
        self.towards_BP3 = np.zeros((num_games, _PLACES, 3))
        self._numbers_BF = np.zeros((num_games, len(NUMBERS)), np.int64)
        self._counts = {name: self._numbers_BF[:, column] for name, column in _COLUMNS.items()}
        self._event_BE = np.zeros((num_games, len(words.SIZES)), np.int64)
        # The most levels passed on the way to each place, the drawer's furthest notches out and in, and what may be told only once.
        self._level_BP = np.zeros((num_games, _PLACES), np.int64)
        self._out_B, self._in_B = np.zeros(num_games, np.int64), np.zeros(num_games, np.int64)
        self._gripped_B, self._down_B = np.zeros(num_games, np.bool_), np.zeros(num_games, np.bool_)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        chosen = np.asarray(games, np.int64)
        self.bench.reset(games, seeds)
        for array in (self._numbers_BF, self._event_BE, self._out_B, self._gripped_B, self._down_B, self.terminated_B):
            array[chosen] = 0
        self._in_B[chosen] = 0
        self._look()
        self._level_BP[chosen] = self._levels()[chosen]
        self._write()

    def step(self, actions_B: NDArray[Any]) -> None:
        self.bench.step(actions_B)
        counts, event = self._counts, self._event_BE
        counts["steps"] += 1
        event[:, 0] = self._handle_cube()
        event[:, 1] = self._handle_drawer()
        event[:, 2] = self._handle_button()
        self._look()
        event[:, 3] = self._approach()
        self._write()

    def _look(self) -> None:
        """Where everything is, seen from the hand; whole numbers of it among the facts."""
        bench, towards, counts = self.bench, self.towards_BP3, self._counts
        front_B = DRAWER_FRONT - bench.drawer_B
        targets = np.zeros_like(towards)
        targets[:, 0] = bench.cube_B3
        targets[:, 1] = bench.button_B3
        targets[:, 2, 1], targets[:, 2, 2] = front_B + _GAP, 0.05
        targets[:, 3] = bench.plate_B3
        targets[:, 3, 2] = 0.02
        targets[:, 4, 1], targets[:, 4, 2] = front_B + _INSIDE, 0.08
        np.subtract(targets, bench.tip_B3[:, None], out=towards)
        distance_BP = np.linalg.norm(towards, axis=2)
        nearest_B = distance_BP.argmin(1)
        counts["near"][...] = np.where(distance_BP.min(1) < _AT, 1 + nearest_B, 0)
        counts["height"][...] = np.clip(np.rint(100 * bench.tip_B3[:, 2]), 0, 30)
        counts["drawer_out"][...] = np.clip(np.rint(100 * bench.drawer_B), 0, 14)

    def _levels(self) -> NDArray[np.int64]:
        distance_BP = np.linalg.norm(self.towards_BP3, axis=2)
        levels: NDArray[np.int64] = (distance_BP[:, :, None] < _LEVELS).sum(2)
        return levels

    def _handle_cube(self) -> NDArray[np.int64]:
        """What happened to the cube, as in ``vocabulary.CUBE``."""
        bench, counts = self.bench, self._counts
        cube, where = bench.cube_B3, counts["cube_at"]
        close_B = np.linalg.norm(cube - bench.tip_B3, axis=1) < _GRIP_REACH
        gripping_B = close_B & (bench.touch_B2 > _GRIP_FORCE).all(1)
        height_B = cube[:, 2]
        plate_B = np.linalg.norm((cube - bench.plate_B3)[:, :2], axis=1) < _ON_PLATE
        front_B = DRAWER_FRONT - bench.drawer_B
        inside_B = (abs(cube[:, 0]) < 0.1) & (cube[:, 1] > front_B) & (height_B < 0.06)
        held_B = gripping_B & (height_B > _LIFTED) & ~inside_B
        free_B = ~close_B | (bench.gap_B > _CLEAR)
        now = np.where(held_B, _HAND, where)
        now = np.where(free_B & inside_B, _DRAWER, now)
        lies_B = free_B & ~inside_B & (height_B < _LIES)
        now = np.where(lies_B, np.where(plate_B, _PLATE, _TABLE), now)
        moved_B = now != where
        # Pushed off the plate, or onto it, is not dropped, nor put there.
        told_B = moved_B & ((where == _HAND) | (now == _HAND) | (now == _DRAWER))
        event = np.where(told_B, np.select([now == _HAND, now == _TABLE, now == _PLATE], [2, 3, 4], 5), 0)
        grips_B = gripping_B & ~self._gripped_B & (now != _HAND)
        event = np.where((event == 0) & grips_B, 1, event)
        self._gripped_B |= gripping_B
        self._gripped_B &= (now == _HAND) | ~told_B
        counts["cube_at"][...], counts["gripping"][...] = now, gripping_B
        for name, kind in (("lifts", 2), ("drops", 3), ("placed", 4), ("put_away", 5)):
            counts[name] += event == kind
        return event

    def _handle_drawer(self) -> NDArray[np.int64]:
        """What happened to the drawer, as in the sign."""
        out_B, counts = self.bench.drawer_B, self._counts
        before = counts["drawer"].copy()
        now = np.where(out_B > _OPEN, 2, np.where(out_B < _SHUT, 0, 1))
        # Open until it is nearly shut, and shut until it is well out: at a border nothing happens again and again.
        now = np.where((before == 2) & (out_B > _OPEN - 0.02), 2, now)
        notch = (out_B / _NOTCH).astype(np.int64)
        inwards = int(DRAWER_LENGTH / _NOTCH) - notch
        further_B, back_B = notch > self._out_B, inwards > self._in_B
        opened_B, shut_B = (now == 2) & (before != 2), (now == 0) & (before != 0) & (self._in_B > 0)
        event = np.select([opened_B, shut_B, further_B, back_B & (self._in_B > 0)], [2, 4, 1, 3], 0)
        self._out_B = np.where(shut_B, 0, np.maximum(self._out_B, notch))
        # Ways in count from where it was opened, ways out from where it was shut.
        self._in_B = np.where(opened_B, np.maximum(inwards, 1), np.where(self._in_B > 0, np.maximum(self._in_B, inwards), 0))
        self._in_B[shut_B] = 0
        counts["drawer"][...] = now
        counts["opened"] += event == 2
        counts["shut"] += event == 4
        return event

    def _handle_button(self) -> NDArray[np.int64]:
        depth_B, counts = self.bench.pressed_B, self._counts
        pressed_B = (depth_B > _PRESSED) & ~self._down_B
        self._down_B = np.where(self._down_B, depth_B > _RELEASED, pressed_B)
        event = np.where(pressed_B, np.where(counts["lamp_on"] > 0, 2, 1), 0)
        counts["lamp_on"] |= pressed_B
        counts["presses"] += pressed_B
        return event

    def _approach(self) -> NDArray[np.int64]:
        """The place that was come nearer to, counted from 1; the nearest of several."""
        counts = self._counts
        level_BP, best_BP = self._levels(), self._level_BP
        held_B = counts["cube_at"] == _HAND
        told_BP = np.stack([~held_B, ~held_B, ~held_B, held_B, held_B & (counts["drawer"] == 2)], 1)
        nearer_BP = (level_BP > best_BP) & told_BP
        found = np.where(nearer_BP.any(1), 1 + np.where(nearer_BP, level_BP, -1).argmax(1), 0)
        # With the cube in the hand nothing counts anew: going to and fro before the plate was worth more than letting go there.
        away_BP = ~told_BP | ((level_BP <= best_BP - _AWAY) & ~held_B[:, None])
        self._level_BP = np.where(away_BP, level_BP, np.maximum(best_BP, level_BP))
        return found

    def _write(self) -> None:
        """Observations of all games."""
        bench, counts, towards = self.bench, self._counts, self.towards_BP3
        count = self.num_games
        cube_to_plate = bench.plate_B3 - bench.cube_B3
        parts = (
            bench.tip_B3 / (0.3, 0.28, 0.12) - (0, 0, 1),
            np.clip(bench.speed_B3 / 0.6, -2, 2),
            (bench.goal_B3 - bench.tip_B3) / 0.04,
            np.stack([bench.gap_B / 0.034 - 1, bench.grip_B / 0.034], 1),
            np.tanh(bench.touch_B2 / 4),
            np.clip(_COARSE * towards, -2, 2).reshape(count, -1),
            np.tanh(_FINE * towards).reshape(count, -1),
            np.tanh(_FINE * cube_to_plate),
            np.tanh(_FINE * (bench.cube_B3[:, 2:] - 0.02)),
            np.stack([bench.drawer_B / DRAWER_LENGTH, bench.pressed_B / 0.01, counts["lamp_on"]], 1),
            np.stack([counts["gripping"], self._down_B], 1),
            np.eye(len(words.DRAWERS))[counts["drawer"]],
            (counts["near"] > 0)[:, None],
            np.eye(len(words.CUBE_AT))[counts["cube_at"]],
        )
        self.observation[DENSE][...] = np.concatenate(parts, 1)

    def picture(self, game: int) -> NDArray[np.uint8]:
        # Whoever only plays need not load what draws.
        from maestromotif.domains.robotics.pictures import draw

        return draw(self.bench, game, bool(self._counts["lamp_on"][game]))

    def facts(self, game: int) -> Facts:
        return words.make_facts(self._numbers_BF[game].tolist(), words.message(self._event_BE[game].tolist()))

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._numbers_BF, _COLUMNS

    def reward_key(self, game: int) -> int:
        return self.reward_keys()[game]

    def reward_keys(self) -> list[int]:
        index_B: NDArray[np.int64] = np.asarray(np.ravel_multi_index(tuple(self._event_BE.T), words.SIZES))
        keys: list[int] = (1 + index_B).tolist()
        return keys

    def caption(self, game: int) -> Caption:
        return words.caption(self._event_BE[game].tolist())

    def reward_input(self, game: int) -> RewardInput:
        return words.reward_input(self._event_BE[game].tolist())

    def truth(self, game: int) -> Mapping[str, Any]:
        """Where the cube is, whether the drawer is shut, ajar or open, and whether the lamp is on."""
        counts = self._counts
        return {
            "cube": words.CUBE_AT[counts["cube_at"][game]],
            "drawer": words.DRAWERS[counts["drawer"][game]],
            "lamp": bool(counts["lamp_on"][game]),
        }
