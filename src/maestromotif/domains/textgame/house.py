"""Houses: for every seed another map, other names, and things in other places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from maestromotif.domains.textgame.rules import CELLAR, CONTAINERS, DIRECTIONS, KITCHEN, ROOM_COUNT, Fact

__all__ = ["NAMES", "OPPOSITE", "ROOMS", "ROOM_NAMES", "THINGS", "Exit", "House", "make_house"]

ROOMS = tuple(f"r{number}" for number in range(ROOM_COUNT))
THINGS = ("key", "food", "treat", "knife")
OPPOSITE: Mapping[str, str] = {"north": "south", "south": "north", "east": "west", "west": "east"}
# Names that differ from house to house, by what they name.
NAMES: Mapping[str, Sequence[str]] = {
    "locked_door": ("iron door", "heavy door", "oak door"),
    "plain_door": ("glass door", "sliding door", "wooden gate"),
    "chest": ("chest", "trunk", "suitcase", "wardrobe"),
    "shelf": ("shelf", "bench", "desk", "dresser"),
    "key": ("brass key", "rusty key", "silver key", "small key"),
    "food": ("potato", "carrot", "egg", "mushroom", "onion", "fish", "pumpkin", "steak"),
    "treat": ("cookie", "cake", "chocolate bar", "muffin", "candy", "waffle"),
    "knife": ("knife", "cleaver"),
}
_FIXED = {"r0": "kitchen", CELLAR: "cellar", "fridge": "fridge", "stove": "stove", "table": "table", "rack": "rack"}
_OTHER_ROOMS = ("living room", "bedroom", "bathroom", "hallway", "study", "garden", "attic")
ROOM_NAMES = ("kitchen", "cellar", *_OTHER_ROOMS)


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a room: where it leads, and the id of the door in it; empty: there is none."""

    room: str
    door: str


@dataclass(frozen=True, slots=True)
class House:
    """A house before anybody has moved in it.

    Attributes:
        names: of everything, by id.
        facts: what holds at the beginning, in TextWorld's words.
        exits: by room and direction.
        furniture: by room, ids of the containers and supporters that stand there.
    """

    names: Mapping[str, str]
    facts: frozenset[Fact]
    exits: Mapping[str, Mapping[str, Exit]]
    furniture: Mapping[str, Sequence[str]]


def make_house(seed: int) -> House:
    """The house of a seed.

    Six rooms that form a tree. The cellar is a leaf, behind the locked door, and holds the treat. Another door is closed but not locked.
    """
    rng = Random(seed)  # noqa: S311 - houses, not secrets
    names = {**_FIXED, **{kind: rng.choice(choices) for kind, choices in NAMES.items()}}
    names.update(zip(ROOMS[1:-1], rng.sample(_OTHER_ROOMS, ROOM_COUNT - 2), strict=True))
    exits = _map(rng)
    others = ROOMS[1:-1]
    rooms = {
        "fridge": KITCHEN,
        "stove": KITCHEN,
        "table": KITCHEN,
        "rack": CELLAR,
        "chest": rng.choice(others),
        "shelf": rng.choice(others),
    }
    furniture = {room: tuple(one for one, where in rooms.items() if where == room) for room in ROOMS}
    facts: set[Fact] = {("at", one, room) for one, room in rooms.items()}
    for room, ways in exits.items():
        for direction, way in ways.items():
            if direction in ("north", "west"):
                facts.add((f"{direction}_of", way.room, room))
            if way.door:
                facts.add(("link", room, way.door, way.room))
            else:
                facts.add(("free", room, way.room))
    facts |= {("locked", "locked_door"), ("match", "key", "locked_door"), ("closed", "plain_door")}
    facts |= {("closed" if rng.random() < 0.7 else "open", one) for one in CONTAINERS}
    places = [("at", room) for room in ROOMS[:-1]] + [("in", one) for one in CONTAINERS] + [("on", "table"), ("on", "shelf")]
    for thing in ("key", "food", "knife"):
        how, where = rng.choice(places)
        facts.add((how, thing, where))
    how, where = rng.choice((("at", CELLAR), ("on", "rack")))
    facts.add((how, "treat", where))
    facts |= {
        ("needs_cooking", "food"),
        ("inedible", "food"),
        ("uncut", "food"),
        ("edible", "treat"),
        ("uncut", "treat"),
        ("sharp", "knife"),
    }
    facts |= {("free", "hand1"), ("free", "hand2"), ("at", "P", rng.choice(ROOMS[:-1]))}
    return House(names, frozenset(facts), exits, furniture)


def _map(rng: Random) -> dict[str, dict[str, Exit]]:
    """A tree of rooms on a square grid; the last room is a leaf behind the locked door."""
    squares = {(0, 0): ROOMS[0]}
    exits: dict[str, dict[str, Exit]] = {room: {} for room in ROOMS}
    shut = rng.randrange(1, ROOM_COUNT - 1)
    for number, room in enumerate(ROOMS[1:], 1):
        free = [
            (square, direction)
            for square in squares
            for direction, (x, y) in DIRECTIONS.items()
            if (square[0] + x, square[1] + y) not in squares
        ]
        square, direction = rng.choice(free)
        beside = squares[square]
        x, y = DIRECTIONS[direction]
        squares[square[0] + x, square[1] + y] = room
        door = "locked_door" if room == CELLAR else "plain_door" if number == shut else ""
        exits[beside][direction] = Exit(room, door)
        exits[room][OPPOSITE[direction]] = Exit(beside, door)
    return exits
