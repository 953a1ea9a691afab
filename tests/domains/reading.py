"""What a person reads off NetHack's screen: the bottom lines, the map in words, and the lists that commands show.

Nothing here uses the environment's own tables or memory. The keys are pressed in a fork of the process, so that no question can touch the
game that is asked about: even pointing at a thing on the map uses up numbers of the game's chance.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.game import Game
from tests.domains.wizard import debugging, talkative

_ESCAPE, _ENTER, _OVERVIEW, _REDRAW, _NEXT = 27, 13, 15, 18, ord(">")
_STATUS = re.compile(r"Dlvl:(\d+) +\$:(\d+) +HP:(-?\d+)\((\d+)\) .*?Xp:(\d+)/(\d+)(.*)")
_HUNGER = ("Satiated", "Hungry", "Weak", "Fainting", "Fainted", "Starved")
_TROUBLE = {"Blind", "Hallu", "Stun", "Conf"}
_PLACES = {"The Dungeons of Doom": "main", "The Gnomish Mines": "mines", "Sokoban": "sokoban"}
_BRANCH = re.compile(rf"(?:^| )({'|'.join(_PLACES)}):(?: levels? (\d+)(?: to (\d+))?)?")
_LEVEL = re.compile(r" Level (\d+):")
_THING = re.compile(r"(?:^| )([a-zA-Z$#]) - (\S.+)$")
_GROUP = re.compile(r"(?:^| )(Coins|Amulets|Weapons|Armor|Comestibles|Scrolls|Spellbooks|Potions|Rings|Wands|Tools|Gems/Stones)$")
_PAGE = re.compile(r"\((\d+) of (\d+)\)")
_TOTAL = re.compile(r"(\d+) creatures? vanquished")
_PLAIN = " .#|-+"
_LEAP = 8  # squares that the cursor moves for a capital letter
_PAGES = 15


@dataclass(frozen=True, slots=True)
class Status:
    """The bottom lines."""

    depth: int
    gold: int
    hp: int
    max_hp: int
    experience_level: int
    experience: int
    hunger: str
    senses: bool  # neither blind, hallucinating, stunned nor confused


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment.

    Attributes:
        here: what the game says of the square under the character.
        things: the inventory: letter, name, heading; with "uncursed" wherever it is known.
        levels: of ``#overview``: branch, depth, whether the character is there, and what the game notes of it.
        deepest: the greatest depth that ``#overview`` tells.
        vanquished: creatures that have died in this game, by whatever cause.
        map: the lines of the map, drawn anew.
        words: what the game calls each square of the map that is neither floor nor wall: row, column, words, character.
    """

    status: Status
    here: str
    things: list[tuple[str, str, str]]
    levels: list[tuple[str, int, bool, str]]
    deepest: int
    vanquished: int
    map: list[str]
    words: list[tuple[int, int, str, str]]


def screen(env: NetHackEnv) -> np.ndarray[Any, Any]:
    """Have the only game of an environment draw its terminal too: uint8 ``[24, 80]``, up to date after every key.

    To be called before its first reset.
    """
    tty = np.zeros((24, 80), np.uint8)
    own = {name: array[0] for name, array in env._raw.items()}
    env.games[0]._low.set_buffers(**own, tty_chars=tty, tty_colors=np.zeros((24, 80), np.int8), tty_cursor=np.zeros(2, np.uint8))
    return tty


def status(tty: np.ndarray[Any, Any]) -> Status | None:
    """None: the last two lines show something else."""
    found = _STATUS.search(" ".join(_lines(tty)[-2:]))
    if found is None:
        return None
    rest = found[7].split()
    hunger = next((word.lower() for word in _HUNGER if word in rest), "not hungry")
    depth, gold, hp, most, level, points = (int(found[place]) for place in range(1, 7))
    return Status(depth, gold, hp, most, level, points, hunger, not _TROUBLE & set(rest))


def read(game: Game, tty: np.ndarray[Any, Any]) -> Reading:
    """Read everything that the game shows, while it waits for a command."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            text = json.dumps(asdict(_Asker(game, tty).ask())).encode()
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(text)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    _, code = os.waitpid(child, 0)
    assert code == 0, "the game could not be read"
    found = json.loads(text)
    found["status"] = Status(**found["status"])
    return Reading(**found)


class _Asker:
    """Presses keys and reads, in a process of its own."""

    def __init__(self, game: Game, tty: np.ndarray[Any, Any]) -> None:
        self._game, self._low, self._misc, self._tty = game, game._low, game._misc, tty

    def ask(self) -> Reading:
        here = " ".join(self._pages(b":"))
        debugging(self._game, True)
        dead = self._dead()
        debugging(self._game, False)
        levels, deepest = self._levels()
        talkative(self._game)
        things = self._things()
        drawn = self._pages(bytes([_REDRAW]))[1:22]
        seen = status(self._tty)
        assert seen is not None, _lines(self._tty)
        return Reading(seen, here, things, levels, deepest, dead, drawn, list(self._words(drawn)))

    def _words(self, drawn: list[str]) -> Iterator[tuple[int, int, str, str]]:
        """Point at everything on the map that is neither floor nor wall."""
        mine = self._game._stats[:2].tolist()
        for row, line in enumerate(drawn):
            for column, character in enumerate(line):
                if character not in _PLAIN and [column, row] != mine:
                    keys = b";@" + _steps(column - mine[0], b"l", b"h") + _steps(row - mine[1], b"j", b"k") + b"."
                    yield row, column, " ".join(self._pages(keys)[:2]).strip(), character

    def _things(self) -> list[tuple[str, str, str]]:
        found, group = [], ""
        for line in self._pages(b"i"):
            thing, heading = _THING.search(line), _GROUP.search(line)
            if heading:
                group = heading[1]
            elif thing:
                found.append((thing[1], thing[2], group))
        return found

    def _levels(self) -> tuple[list[tuple[str, int, bool, str]], int]:
        levels: list[tuple[str, int, bool, str]] = []
        branch, deepest = "", 0
        for line in self._pages(bytes([_OVERVIEW])):
            if "--More--" in line or "(end)" in line:
                continue
            if heading := _BRANCH.search(line):
                branch = _PLACES[heading[1]]
                deepest = max(deepest, int(heading[3] or heading[2] or 0))
            elif numbered := _LEVEL.search(line):
                levels.append((branch, int(numbered[1]), "You are here" in line, ""))
                deepest = max(deepest, int(numbered[1]))
            elif levels and branch:
                levels[-1] = (*levels[-1][:3], f"{levels[-1][3]} {line.strip()}")
        return levels, deepest

    def _dead(self) -> int:
        lines = self._pages(b"#vanquished\r")
        if any("Sort order" in line for line in lines):
            lines = self._pages(b"#vanquished\ra")
        for line in lines:
            if total := _TOTAL.search(line):
                return int(total[1])
        if any("No creatures" in line for line in lines):
            return 0
        listed = lines[next(index for index, line in enumerate(lines) if "Vanquished creatures" in line) + 2]
        return int(re.sub(r"\D", "", listed) or 1)

    def _pages(self, keys: bytes) -> list[str]:
        """The lines of all pages that are shown for these keys; everything is closed again."""
        low, misc = self._low, self._misc
        for key in keys:
            low.step(key)
        shown = _lines(self._tty)
        for _ in range(_PAGES):
            last = "\n".join(shown[-24:])
            page = _PAGE.search(last)
            if not misc[2] or (page and page[1] == page[2]) or "(end)" in last:
                break
            low.step(_NEXT if page else _ENTER)
            shown += _lines(self._tty)
        for _ in range(_PAGES):
            if not misc.any():
                break
            low.step(_ESCAPE)
        return shown


def _lines(tty: np.ndarray[Any, Any]) -> list[str]:
    return [bytes(row).decode("latin-1").rstrip() for row in tty]


def _steps(distance: int, forth: bytes, back: bytes) -> bytes:
    way = forth if distance > 0 else back
    return way.upper() * (abs(distance) // _LEAP) + way * (abs(distance) % _LEAP)
