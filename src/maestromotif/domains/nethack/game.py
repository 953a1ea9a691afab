"""One NetHack game driven by named actions: keys, prompts and macros over nle's low-level interface.

nle is used as installed. Options go into an options file, because exceptions to autopickup can only be given there; nle
joins its options with the player's name, so the file's own name ends in that name.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from nle import nethack
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.glyphs import FLAGS_OF
from maestromotif.domains.nethack.levels import DX, DY
from maestromotif.domains.nethack.memory import COLUMNS, ROWS
from maestromotif.domains.nethack.sharing import loaded, share_code
from maestromotif.domains.nethack.things import blessing_known
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["BUFFERS", "CURSOR", "MOVES", "NAMES", "Game", "KeyCounter", "OptionsFile", "names_on_demand"]

BUFFERS = ("glyphs", "blstats", "message", "misc", "inv_letters", "inv_oclasses", "chars", "colors")
NAMES = "inv_strs"  # to be added where ``names_on_demand`` is False: nle copies all names after each key, a fifth of a key's time

_ENTER, _ESCAPE = 13, 27
_WAYS = bytes((ord("k"), ord("l"), ord("j"), ord("h"), ord("u"), ord("n"), ord("b"), ord("y")))
MOVES = (*_WAYS, *_WAYS.upper())  # keys of the actions that are one key whatever the game says: eight steps, eight runs
_META = 0x80
_NAME = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)
_UP, _DOWN, _WAIT, _MORE, _KICK, _EAT, _SEARCH, _CAST, _ENHANCE, _PRAY, _QUAFF, _DROP = (
    ACTIONS.index(name) for name in ("up", "down", "wait", "more", "kick", "eat", "search", "cast", "enhance", "pray", "quaff", "drop")
)
_SINGLE = {_UP: ord("<"), _DOWN: ord(">"), _KICK: 4, _SEARCH: ord("s")}
_TRAVEL, _HERE, _CONFIRM = ord("_"), ord("@"), ord(".")  # the travel command; its cursor to the character; go there
CURSOR = b"For instructions type"  # said where the game has a square pointed out; none of its flags tells so
_TRAVEL_ASKS = b"Where do you want to travel"
_LEAP = 8  # squares that the cursor moves for a capital letter
_MOST_KEYS = 60  # answers to prompts within one action; more means that something is stuck
_OPTIONS = (
    "autopickup,color,!legacy,!cmdassist,mention_walls,nobones,!sparkle,pickup_burden:unencumbered,pickup_types:$?!/%",
    "pettype:none,runmode:teleport,showexp,!splash_screen,disclose:-i -a -v -g -c -o",
)
# Corpses are heavy and rot, eggs and tins are useless to someone without a plan: left where they lie.
_NOT_PICKED_UP = (">.* corpse.*", ">.*corpses.*", ">egg.*", ">.* egg.*", ">.*tin of.*", ">tin", ">.* tin")


@cache
def names_on_demand() -> bool:
    """Whether the installed game can be asked for the names of what is carried."""
    library = _ctypes.dlopen(nethack.nethack.DLPATH, os.RTLD_LAZY)
    try:
        return all(_ctypes.dlsym(library, symbol) for symbol in ("doname", "invent"))
    except OSError:
        return False
    finally:
        _ctypes.dlclose(library)


class OptionsFile:
    """Who plays and how, as a file that games read at each reset. Lives until ``close``.

    Args:
        character: role-race-alignment-gender in nle's spelling, e.g. ``mon-hum-neu-mal``.
    """

    def __init__(self, character: str) -> None:
        self.player = f"Agent-{character}"
        self.priest = character.startswith("pri")
        lines = [*(f"OPTIONS={line}" for line in _OPTIONS), f"OPTIONS=name:{self.player}"]
        lines += [f'AUTOPICKUP_EXCEPTION="{pattern}"' for pattern in _NOT_PICKED_UP]
        self._folder = tempfile.TemporaryDirectory(prefix="maestromotif")
        self.option = f"@{self._folder.name}/options"
        with open(f"{self._folder.name}/options,name:{self.player}", "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def close(self) -> None:
        self._folder.cleanup()


class KeyCounter:
    """Stands for nle's low-level game while that is recorded.

    Attributes:
        keys: pressed since the episode began.
    """

    def __init__(self, low: Any) -> None:
        self._low, self._step = low, low.step
        self.keys = 0

    def step(self, key: int) -> None:
        self.keys += 1
        self._step(key)

    def begin(self, ttyrec: str) -> None:
        """Reset, and write the terminal into this file from now on."""
        self.keys = 0
        self._low.reset(ttyrec)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._low, name)


class Game:
    """A game whose observation buffers are rows of the caller's arrays.

    Args:
        buffers: arrays without the game axis, by nle's names; at least ``BUFFERS``, and ``NAMES`` where they cannot be asked for.
        options: see ``OptionsFile``.

    Attributes:
        press: sends one key.
        over: whether nle says that the game is over.
        done: the same, as of the last ``settle``.
        asks_direction: the game waits for a direction.
        waits: the next action may mean something else than usual, even if it is one of ``MOVES``.
        corpse: what lies on top here may be eaten.
        heals: the first spell heals.
        meals: things eaten; initial_letters: what the character carried when the game began.
    """

    def __init__(self, buffers: Mapping[str, NDArray[Any]], options: OptionsFile) -> None:
        self._nle = nethack.Nethack(
            observation_keys=(),
            playername=options.player,
            ttyrec=None,
            options=[options.option],
            fix_moon_phase=True,
        )
        self._low: Any = self._nle._pynethack
        self._low.set_buffers(**buffers)
        self.press: Callable[[int], None] = self._low.step
        self.over: Callable[[], bool] = self._low.done
        self._message, self._misc = buffers["message"], buffers["misc"]
        self._letters, self._classes, self._names = buffers["inv_letters"], buffers["inv_oclasses"], buffers.get(NAMES)
        self._glyphs, self._stats = buffers["glyphs"], buffers["blstats"]
        self._priest = options.priest
        self._library: int | None = None
        self._minetown: int | None = None
        self.initial_letters: frozenset[int] = frozenset()
        self.done = True
        self.asks_direction = False
        self.waits = False
        self.meals = 0
        self.corpse = self.heals = False
        self._may_leave = False
        self._recording = ""

    def record(self, path: Path) -> KeyCounter:
        """Have the game write its terminal, and the keys that it gets, into this file during its next episode.

        ``press`` is another function from now on. Returns what counts the keys of the episode.
        """
        self._low = counter = KeyCounter(self._nle._pynethack)
        self.press = counter.step
        path.unlink(missing_ok=True)  # the game appends
        self._recording = str(path.absolute())
        return counter

    def reset(self, seed: int) -> bytes:
        """Begin a game; returns its first messages. The same seed and actions give the same game on any day."""
        core, display = (int(word) for word in np.random.SeedSequence(seed).generate_state(2, np.uint32))
        self._low.set_initial_seeds(core, display, False, None)
        if isinstance(self._low, KeyCounter):
            # A file is whole when the next one is begun. A recording holds one episode; what follows is not kept.
            self._low.begin(self._recording or os.devnull)
            self._recording = ""
        else:
            self._low.reset()
        share_code(self._nle)
        self._library = self._minetown = None
        self.done = self.asks_direction = self.waits = self._may_leave = False
        self.meals = 0
        text = self.settle([])
        # Gold is counted elsewhere and is no item to be dropped or sold.
        self.initial_letters = frozenset(self._letters[self._letters > 0].tolist()) | {ord("$")}
        books = [name for name in self._names_carried() if b"spellbook of" in name]
        self.heals = bool(books) and b"spellbook of healing" in books[0]
        return text

    def step(self, action: int) -> bytes:
        """Play one action with its macro; returns the messages seen on the way, pages joined by a space."""
        return self.settle(self.start(action))

    def start(self, action: int) -> list[bytes]:
        """Press the keys of an action with its macro; returns the messages seen on the way. ``settle`` is to follow."""
        texts: list[bytes] = []
        if self.asks_direction:
            self.asks_direction = self.waits = False
            if action < 8:
                self.press(MOVES[action])
                return texts
            self.press(_ESCAPE)
        may_leave, self._may_leave = self._may_leave, False
        if action < len(MOVES):
            self.press(MOVES[action])
        else:
            self._command(action, may_leave, texts)
        self.waits = self.asks_direction or self._may_leave
        return texts

    def travel(self, columns: int, rows: int) -> list[bytes]:
        """Have the game walk to the square so many columns right of and rows below the character; ``settle`` is to follow.

        The game walks at most 80 squares and stops early where something comes into view. While it asks where to go none of its
        flags is set, so the question is known by its words; where it is not asked, for whatever reason, nothing is done.
        """
        if self.asks_direction:
            self.press(_ESCAPE)
        self.asks_direction = self.waits = self._may_leave = False
        self.press(_TRAVEL)
        if _TRAVEL_ASKS not in self._message.tobytes():
            self.press(_ESCAPE)
            return []
        self.press(_HERE)
        for way, distance in ((1 if columns > 0 else 3, abs(columns)), (2 if rows > 0 else 0, abs(rows))):
            leaps, steps = divmod(distance, _LEAP)
            for key in (_WAYS.upper()[way],) * leaps + (_WAYS[way],) * steps:
                self.press(key)
        self.press(_CONFIRM)
        return []

    def _command(self, action: int, may_leave: bool, texts: list[bytes]) -> None:
        low, misc = self._low, self._misc
        self._message[0] = 0  # an action that presses no key leaves no message, not the last one again
        key = _SINGLE.get(action)
        if key is not None:
            low.step(key)
            if misc[0]:
                self._read(texts)
                if action == _KICK:
                    self.asks_direction = True
                elif action == _UP:  # "Beware, there will be no return!": asking twice in a row means it
                    low.step(ord("y") if may_leave else _ESCAPE)
                    self._may_leave = not may_leave
        elif action == _WAIT:
            for digit in b"25s":
                low.step(digit)
        elif action == _EAT:
            self._use(ord("e"), nethack.FOOD_CLASS, texts)
        elif action == _QUAFF:
            self._use(ord("q"), nethack.POTION_CLASS, texts)
        elif action == _DROP:
            self._drop(texts)
        elif action == _CAST:
            self._cast(texts)
        elif action == _PRAY:
            low.step(_META | ord("p"))
            self._answer(ord("y"), texts)
        elif action == _ENHANCE:
            low.step(_META | ord("e"))
            self._answer(ord("a"), texts)
        # "more": every page is turned without being asked, so that there is nothing left to do

    def _answer(self, key: int, texts: list[bytes]) -> bool:
        """Answer an open question or menu; False if there is none."""
        if not (self._misc[0] or self._misc[2]) or self._low.done():
            return False
        self._read(texts)
        self._low.step(key)
        return True

    def _use(self, command: int, item_class: int, texts: list[bytes]) -> None:
        """Eat or quaff the first carried thing of a class; what lies on the floor is declined, unless it is to be eaten."""
        where = np.flatnonzero(self._classes == item_class)
        here = self.corpse and command == ord("e")
        if not (len(where) or here):
            return
        self._low.step(command)
        for _ in range(4):
            if not self._misc[0]:
                return
            if here and b" corpse here; eat it?" in self._message.tobytes():
                self._read(texts)
                self._low.step(ord("y"))
                self.meals += 1
                return
            if self._message[:9].tobytes() == b"What do y":
                if not len(where):
                    return
                self._low.step(int(self._letters[where[0]]))
                if command == ord("e"):
                    self.meals += 1
                return
            self._read(texts)
            self._low.step(ord("n"))

    def _drop(self, texts: list[bytes]) -> None:
        """Drop the first thing that the character did not start with; in a shop, agree to sell."""
        for letter in self._letters.tolist():
            if letter and letter not in self.initial_letters:
                break
        else:
            return
        self._low.step(ord("d"))
        if not self._misc[0]:
            return
        self._low.step(letter)
        for _ in range(6):
            if self._low.done():
                return
            if self._misc[2]:  # a page to be turned before the question, although the question is already flagged
                self._read(texts)
                self._low.step(_ENTER)
            elif self._misc[0]:
                self._read(texts)
                self._low.step(ord("y"))
            else:
                return

    def _cast(self, texts: list[bytes]) -> None:
        """Cast spell "a" at a monster beside that is not known to be peaceful, or at nobody; at oneself if it heals."""
        self._low.step(ord("Z"))
        if not self._answer(ord("a"), texts):
            return
        if self._misc[0] and b"direction" in self._message.tobytes():
            self._low.step(ord(".") if self.heals else self._monster_key())

    def _monster_key(self) -> int:
        x, y = int(self._stats[0]), int(self._stats[1])
        for way in range(8):
            row, column = y + DY[way], x + DX[way]
            if 0 <= row < ROWS and 0 <= column < COLUMNS:
                glyph = self._glyphs[row, column]
                if glyph < nethack.GLYPH_PET_OFF and not FLAGS_OF[glyph] & squares.PEACEFUL:
                    return _WAYS[way]
        return _ESCAPE

    def _read(self, texts: list[bytes]) -> None:
        if self._message[0]:
            text = self._message.tobytes().split(b"\0", 1)[0]
            if not texts or texts[-1] != text:
                texts.append(text)

    def settle(self, texts: list[bytes]) -> bytes:
        """Turn pages and decline questions until the game waits for a command; returns all messages, pages joined by a space."""
        if self.asks_direction:
            return b" ".join(texts)
        low, misc = self._low, self._misc
        self._read(texts)
        for key in range(_MOST_KEYS):
            if low.done():
                self.done = True
                break
            if misc[2]:
                low.step(_ENTER if key < _MOST_KEYS // 2 else _ESCAPE)
            elif misc[0] or misc[1] or CURSOR in self._message.tobytes():
                low.step(_ESCAPE)
            else:
                break
            self._read(texts)
        return texts[0] if len(texts) == 1 else b" ".join(texts)

    def unknown_buc(self) -> int:
        """How many stacks that the character did not start with have a name that leaves open whether they are blessed or cursed.

        Priests see it in everything, so their names leave "uncursed" away.
        To be called while the game waits for a command: naming things uses memory that the game uses for messages.
        """
        if self._priest:
            return 0
        new = [letter > 0 and letter not in self.initial_letters for letter in self._letters.tolist()]
        return sum(wanted and not blessing_known(_text(name)) for wanted, name in zip(new, self._names_carried(), strict=False))

    def _names_carried(self) -> Iterable[bytes]:
        return self._carried() if self._names is None else (name.tobytes() for name in self._names)

    def _carried(self) -> Iterator[bytes]:
        """Names of what is carried, in the order of the letters, as the game's own functions give them."""
        library = loaded(self._nle.dlpath)
        name = _NAME(_ctypes.dlsym(library, "doname"))
        thing = ctypes.c_void_p.from_address(_ctypes.dlsym(library, "invent")).value
        while thing:
            yield name(thing)
            thing = ctypes.c_void_p.from_address(thing).value  # a thing begins with the address of the next one

    @property
    def escaped(self) -> bool:
        """The game is over because the character left the dungeon alive."""
        return self.done and self._low.how_done() == nethack.ESCAPED

    def oracle_level(self) -> tuple[int, int]:
        """(dungeon number, level in it) of the Oracle, read from the game's own memory; for success criteria only."""
        if self._library is None:
            self._library = _ctypes.dlsym(loaded(self._nle.dlpath), "dungeon_topology")
        number, level = ctypes.string_at(self._library, 2)
        return number, level

    def minetown_level(self) -> int:
        """Level of the Mines that is Minetown, read from the game's own list of special levels; 0 if there is none. For success
        criteria only."""
        if self._minetown is None:
            self._minetown = 0
            entry = ctypes.c_void_p.from_address(_ctypes.dlsym(loaded(self._nle.dlpath), "sp_levchn")).value
            while entry:  # the next entry's address, then dungeon number, level in it, and the name, ended by 0
                if ctypes.string_at(entry + 10) == b"minetn":
                    self._minetown = ctypes.string_at(entry + 9, 1)[0]
                entry = ctypes.c_void_p.from_address(entry).value
        return self._minetown

    def close(self) -> None:
        self._nle.close()


def _text(name: bytes) -> str:
    return name.split(b"\0", 1)[0].decode("latin-1")
