"""What a network is shown of a game: words of the scene and of what is carried, a few marks, and the words of every command.

Words are hashed. A command is told together with where it leads, as far as the player has seen the house: that stands for memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import COMMANDS, Bag, ObservationSpec
from maestromotif.domains.textgame.house import THINGS
from maestromotif.domains.textgame.play import HAND, HERE, NOWHERE, TARGETS, Play
from maestromotif.domains.textgame.vocabulary import AT, DOORS, EATEN, FOODS

__all__ = ["OBSERVATION", "SLOTS", "Rows", "command_text", "door_state", "observe", "places", "scene_words"]

SLOTS = 32
_WORDS = 512
# Where each mark of the status bag begins: free hands, state of the door, state of the food, places, whether things lie on the table, ways.
_STATUS = np.cumsum([1, 3, len(DOORS), len(FOODS), *[len(AT)] * len(THINGS), 2, 2, *[3] * len(TARGETS)])

OBSERVATION = ObservationSpec(
    bags={"scene": Bag(_WORDS, 40), "carried": Bag(_WORDS, 8), "status": Bag(int(_STATUS[-1]), len(_STATUS) - 1)},
    dense=0,
    actions=SLOTS,
    commands=Bag(_WORDS, 12),
)
_TABLE = "table"


@dataclass(frozen=True, slots=True)
class Rows:
    """One game's rows of the observation arrays, by name; the mask is as long as there are slots."""

    arrays: dict[str, NDArray[np.int16]]
    mask: NDArray[np.uint8]


@cache
def _index(word: str) -> int:
    """Of a word, in ``[1, _WORDS)``."""
    return 1 + crc32(word.encode()) % (_WORDS - 1)


@cache
def _indices(phrase: str) -> tuple[int, ...]:
    """Of the words of a phrase."""
    return tuple(_index(word) for word in phrase.split())


def command_text(play: Play, command: str) -> str:
    """What is typed in this house."""
    return command.format(**play.house.names)


def door_state(play: Play) -> int:
    """Index in ``DOORS`` of what is known of the cellar's door."""
    if not play.view.door:
        return 0
    return 1 if play.scene.locked else 2 if "locked_door" in play.scene.shut else 3


def places(play: Play) -> list[int]:
    """For each of ``THINGS``, the index in ``AT`` of where it is known to be."""
    return [_where(play, place) if known else 0 for place, known in zip(play.scene.places, play.view.known, strict=True)]


def _where(play: Play, place: str) -> int:
    if place == HAND:
        return 1
    room = play.place_room(place)
    if not room:
        return EATEN
    name = play.house.names[room]
    return AT.index(name) if name in AT else AT.index("elsewhere")


def scene_words(play: Play) -> list[str]:
    """What can be seen in the room, and the ways out, in phrases of a few words."""
    scene, house = play.scene, play.house
    names = house.names
    found = [names[scene.room]]
    here = house.furniture[scene.room]
    for one in here:
        found.append(f"{names[one]} {'closed' if one in scene.shut else 'open'}" if one in ("fridge", "chest") else names[one])
    for thing, place in zip(THINGS, scene.places, strict=True):
        if place == scene.room:
            found.append(_described(play, thing))
        elif place in here and place not in scene.shut:
            found.append(f"{_described(play, thing)} {names[place]}")
    for direction, way in house.exits[scene.room].items():
        found.append(f"{direction} {names[way.door]} {'closed' if way.door in scene.shut else 'open'}" if way.door else direction)
    return found


def _described(play: Play, thing: str) -> str:
    name = play.house.names[thing]
    return f"{FOODS[play.scene.food]} {name}" if thing == "food" else name


def observe(play: Play) -> Rows:
    """Everything that is shown of the present state."""
    scene, view = play.scene, play.view
    carried = [_described(play, thing) for thing, place in zip(THINGS, scene.places, strict=True) if place == HAND]
    where = places(play)
    marks = [2 - len(carried), door_state(play), scene.food, *where]
    marks += [int(place == _TABLE) for place in scene.places[1:3]]
    marks += [0 if way == NOWHERE else 1 if way == HERE else 2 for way in view.ways]
    arrays = {
        "scene": _row(scene_words(play), OBSERVATION.bags["scene"].length),
        "carried": _row(carried, OBSERVATION.bags["carried"].length),
        "status": (_STATUS[:-1] + np.array(marks)).astype(np.int16),
        COMMANDS: np.zeros((SLOTS, _length()), np.int16),
    }
    if len(scene.deeds) > SLOTS:
        raise ValueError(f"{len(scene.deeds)} commands, more than the {SLOTS} slots")
    rows = arrays[COMMANDS]
    for slot, deed in enumerate(scene.deeds):
        words = _indices(command_text(play, deed.command))
        leads = [_index(f"towards-{target}") for target, way in zip(TARGETS, view.ways, strict=True) if way == deed.command]
        rows[slot, : len(words) + len(leads)] = (*words, *leads)
    mask = np.zeros(SLOTS, np.uint8)
    mask[: len(scene.deeds)] = 1
    return Rows(arrays, mask)


def _length() -> int:
    assert OBSERVATION.commands is not None
    return OBSERVATION.commands.length


def _row(phrases: Iterable[str], length: int) -> NDArray[np.int16]:
    row = np.zeros(length, np.int16)
    found = [index for phrase in phrases for index in _indices(phrase)][:length]
    row[: len(found)] = found
    return row
