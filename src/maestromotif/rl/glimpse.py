"""A few games side by side, for whoever watches a training, and only while somebody does."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from maestromotif.files import write_quickly
from maestromotif.rl.acting import RolloutArrays
from maestromotif.rl.arrays import StepArrays

__all__ = ["ASKING_FILE", "GAMES_FILE", "Glimpse"]

ASKING_FILE = ".watched"
"""Touched again and again by whoever watches."""
GAMES_FILE = ".games.json"
_GAMES = 8
_SCREENS = 4  # of the first of them, what they show
_EVERY = 2.0  # seconds at least from one answer to the next, however quick updates are
_PATIENCE = 10.0  # seconds after which nobody seems to watch any more


class Glimpse:
    """Writes down what the first games did in the last rollout. Without a watcher this costs one look at a file for each update.

    Args:
        home: folder in which a watcher asks and is answered.
        skills: ids.
    """

    def __init__(self, home: Path, skills: Sequence[str]) -> None:
        self._home, self._skills = home, list(skills)
        self._next = 0.0

    def show(self, played: RolloutArrays, now: StepArrays, screens: Callable[[int], Sequence[object]]) -> None:
        """Of a rollout just played.

        Args:
            now: where the games are after it.
            screens: see ``Games.screens``; called only while somebody watches.
        """
        if time.monotonic() < self._next:
            return
        try:
            asked = (self._home / ASKING_FILE).stat().st_mtime
        except OSError:
            return
        if time.time() - asked > _PATIENCE:
            return
        self._next = time.monotonic() + _EVERY
        games: list[dict[str, object]] = [
            {
                "episode": int(now.episode[game]),
                "time": int(now.time[game]),
                "skill": int(now.skill[game]),
                "skills": played.skill[game].tolist(),
                "rewards": [round(reward, 4) for reward in played.reward[game].tolist()],
            }
            for game in range(min(_GAMES, len(now.skill)))
        ]
        for game, screen in zip(games, screens(_SCREENS), strict=False):
            game["screen"] = screen
        # A training does not end because somebody could not look at it.
        with contextlib.suppress(OSError):
            write_quickly(self._home / GAMES_FILE, json.dumps({"skills": self._skills, "games": games}).encode())
