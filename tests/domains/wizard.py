"""One real game in NetHack's own debugging mode: any level, any thing and any keys, watched through the environment."""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from maestromotif.domains.nethack import features
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.game import Game
from maestromotif.domains.nethack.sharing import loaded
from maestromotif.domains.nethack.vocabulary import ACTIONS

_DEBUG = 9  # of the game's flags
_IMPLICIT = 104  # and of its further flags
_CREATE, _TELEPORT, _LEVEL, _WISH = 7, 20, 22, 23  # keys of debugging commands


def debugging(game: Game, on: bool) -> None:
    """Switch the game's own debugging mode, in which more commands are there."""
    _flag(game, "flags", _DEBUG, on)


def talkative(game: Game) -> None:
    """Have the game say "uncursed" wherever that is known."""
    _flag(game, "iflags", _IMPLICIT, False)


def clock(game: Game) -> int:
    """The game's own count of turns."""
    return ctypes.c_long.from_address(_ctypes.dlsym(loaded(game._nle.dlpath), "moves")).value


def _flag(game: Game, record: str, place: int, on: bool) -> None:
    address = _ctypes.dlsym(loaded(game._nle.dlpath), record)
    ctypes.c_bool.from_address(address + place).value = on


@contextmanager
def masked(seed: int, mask: int) -> Iterator[Wizard]:
    """A game that has just begun, with this mask."""
    own = Wizard(seed)
    own.env._mask = mask
    own.act("search")
    yield own
    own.close()


class Wizard:
    """A game with one character who may do anything.

    Args:
        seed: of the game; the same dungeon for the same seed.
    """

    def __init__(self, seed: int) -> None:
        self.env = NetHackEnv(1, mask=False)
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Another game."""
        self.env.reset([0], [seed])
        self.game = self.env.games[0]
        debugging(self.game, True)

    @property
    def facts(self) -> Any:
        return self.env.facts(0)

    @property
    def truth(self) -> Any:
        return self.env.truth(0)

    def act(self, action: str) -> None:
        """One step of the environment."""
        self.env.step(np.array([ACTIONS.index(action)]))

    def keys(self, keys: bytes) -> None:
        """One step of the environment in which these keys are pressed, and what the last of them says is read."""
        game = self.game

        def start(action: int) -> list[bytes]:
            for key in keys:
                game.press(key)
            return []

        game.start = start  # type: ignore[method-assign]
        try:
            self.act("search")
        finally:
            del game.start

    def wish(self, thing: str) -> None:
        self.keys(bytes([_WISH]) + thing.encode() + b"\r")

    def create(self, monster: str) -> None:
        self.keys(bytes([_CREATE]) + monster.encode() + b"\r")

    def level(self, depth: int) -> None:
        """To another level of the same branch."""
        self.keys(bytes([_LEVEL]) + str(depth).encode() + b"\r")

    def special(self, keys: bytes) -> None:
        """To a level of the game's menu: its page and its letter, which depend on the seed."""
        self.keys(bytes([_LEVEL]) + b"?\r" + keys)

    def experience(self, level: int) -> None:
        self.keys(b"#levelchange\r" + str(level).encode() + b"\r")

    def square(self, column: int, row: int) -> None:
        """To a square of this level."""
        x, y = (int(self.game._stats[index]) for index in (0, 1))
        across, along = (b"l" if column > x else b"h") * abs(column - x), (b"j" if row > y else b"k") * abs(row - y)
        self.keys(bytes([_TELEPORT]) + across + along + b".")

    def letters(self) -> list[int]:
        """Letters of what is carried and was not carried when the game began."""
        return [letter for letter in self.game._letters.tolist() if letter and letter not in self.game.initial_letters]

    def allowed(self) -> set[str]:
        """Actions that the mask of now allows."""
        return {name for name, free in zip(ACTIONS, self.env.observation["action_mask"][0], strict=True) if free}

    def status(self, **numbers: int) -> None:
        """Look again as if the status line had these numbers, named as in ``features``; blows and the like are hard to arrange."""
        inputs = self.env._inputs
        stats = inputs.stats.copy()
        for name, value in numbers.items():
            stats[0, getattr(features, name)] = value
        self.env._inputs = inputs._replace(stats=stats)
        self.env._refresh(np.array([0]))
        self.env._inputs = inputs

    def close(self) -> None:
        self.env.close()
