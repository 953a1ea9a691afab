"""Words of the text house: facts, signs, and what the last command led to, told from an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from maestromotif.domains.contract import Facts, FactSpec, SignSpec, facts_class
from maestromotif.domains.textgame.house import ROOM_NAMES, THINGS
from maestromotif.types import Caption, RewardInput

__all__ = ["AT", "DOORS", "EATEN", "FACTS", "FOODS", "LOOK", "SIGNS", "Event", "TextFacts", "Told", "make_facts", "tell"]

AT = ("unseen", "hand", "kitchen", "cellar", "elsewhere", "eaten")
DOORS = ("unseen", "locked", "closed", "open")
FOODS = ("raw", "cooked", "burned", "eaten")
EATEN = AT.index("eaten")

FACTS: tuple[FactSpec, ...] = (
    FactSpec("steps", "int", "commands given since the episode began"),
    FactSpec("room", "str", "the room that the player is in", ROOM_NAMES),
    FactSpec("free_hands", "int", "how many of the two hands are empty", most=2),
    FactSpec("rooms_seen", "int", "rooms that the player has been in", least=1, most=6),
    FactSpec("more_to_see", "bool", "a room can be reached that was never entered, or a container that was never looked into"),
    FactSpec("door", "str", "the locked door of the cellar; unseen until the player has been in a room with it", DOORS),
    FactSpec("key_at", "str", "where the key is, as far as the player has seen; elsewhere is any room but kitchen and cellar", AT[:-1]),
    FactSpec("food_at", "str", "the same of the food that has to be cooked", AT),
    FactSpec("treat_at", "str", "the same of the sweet treat", AT),
    FactSpec("knife_at", "str", "the same of the knife", AT[:-1]),
    FactSpec("food", "str", "the state of the food; raw until it has been cooked", FOODS),
    FactSpec("food_on_table", "bool", "the food lies on the kitchen table"),
    FactSpec("treat_on_table", "bool", "the treat lies on the kitchen table"),
    FactSpec("taken", "int", "how often something has been taken in this episode"),
    FactSpec("put_away", "int", "how often something has left the hands, other than by being eaten, in this episode"),
    FactSpec("put_on_table", "int", "how often something has been put on the kitchen table in this episode"),
    FactSpec("meals", "int", "how often something has been eaten in this episode", most=2),
    FactSpec("message", "str", "what the last command led to"),
)
TextFacts = facts_class("TextFacts", FACTS)
_MAKERS: Sequence[Callable[[int], object]] = [
    spec.values.__getitem__ if spec.type == "str" else bool if spec.type == "bool" else int for spec in FACTS[:-1]
]

SIGNS: tuple[SignSpec, ...] = (
    SignSpec("hand", ("nothing", *(f"{verb} {thing}" for verb in ("took", "put away") for thing in THINGS)), "what was taken or put away"),
    SignSpec("place", ("none", "floor", "table", "elsewhere"), "where it was put; table is the kitchen table"),
    SignSpec("food", ("unchanged", "cooked", "burned", "cut", "eaten"), "what happened to the food that has to be cooked"),
    SignSpec("treat", ("unchanged", "cut", "eaten"), "what happened to the treat"),
    SignSpec("door", ("unchanged", "unlocked", "opened", "closed", "locked"), "what happened to the locked door of the cellar"),
    SignSpec("new_place", ("none", "room", "container"), "a room that was entered, or a container looked into, for the first time"),
    SignSpec("new_thing", ("none", *THINGS, "several"), "what was seen for the first time"),
)

LOOK = "look"


class Event(NamedTuple):
    """What a command led to.

    Attributes:
        rule: TextWorld's name of the rule that was used; ``LOOK`` at the beginning.
        things: ids that the command names.
        names: their names.
        room: name of the room entered; empty: none.
        new_room, new_inside: a room was entered, a container was looked into, for the first time.
        seen: ids of the things seen for the first time; and their names.
    """

    rule: str
    things: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    room: str = ""
    new_room: bool = False
    new_inside: bool = False
    seen: tuple[str, ...] = ()
    seen_names: tuple[str, ...] = ()


class Told(NamedTuple):
    """An event in words, for reward models, and by a 64-bit number."""

    caption: Caption
    key: int


# What was done, by rule or the first part of its name.
_SENTENCES: Mapping[str, str] = {
    LOOK: "You look around.",
    "nothing": "Nothing happens.",
    "go": "You go {direction}.",
    "open": "You open the {0}.",
    "close": "You close the {0}.",
    "unlock": "You unlock the {0} with the {1}.",
    "lock": "You lock the {0} with the {1}.",
    "take": "You take the {0}.",
    "take/c": "You take the {0} out of the {1}.",
    "take/s": "You take the {0} from the {1}.",
    "drop": "You put the {0} on the floor.",
    "insert": "You put the {0} into the {1}.",
    "put": "You put the {0} on the {1}.",
    "eat": "You eat the {0}.",
    "slice": "You slice the {0} with the {1}.",
    "dice": "You dice the {0} with the {1}.",
    "chop": "You chop the {0} with the {1}.",
    "cook": "You cook the {0} on the {1}.",
    "cook/stove/burned": "You burn the {0} on the {1}.",
}
_CUTS = frozenset({"slice", "dice", "chop"})
_DOOR_DEEDS: Mapping[str, str] = {"unlock/d": "unlocked", "open/d": "opened", "close/d": "closed", "lock/d": "locked"}


def make_facts(numbers: Sequence[int], message: str) -> Facts:
    """Facts from one number for each of them but the message, in their order."""
    return TextFacts(*(make(number) for make, number in zip(_MAKERS, numbers, strict=True)), message)


@lru_cache(maxsize=100_000)
def tell(event: Event) -> Told:
    """The event in words."""
    kind, _, detail = event.rule.partition("/")
    sentence = _SENTENCES.get(event.rule) or _SENTENCES[kind]
    parts = [sentence.format(*event.names, direction=detail)]
    if event.room:
        parts.append(f"You enter the {event.room}{' for the first time' if event.new_room else ''}.")
    if event.new_inside:
        parts.append("You see what is in it.")
    parts += [f"You see the {name}." for name in event.seen_names]
    message = " ".join(parts)
    signs = _signs(event, kind)
    changes = [f"{spec.name.replace('_', ' ')}: {spec.values[sign]}" for spec, sign in zip(SIGNS, signs, strict=True) if sign]
    text = f"Message: {message}\nChanges: {'; '.join(changes) or 'none'}"
    key = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 or 1
    return Told(Caption(text, RewardInput(message, signs)), key)


def _signs(event: Event, kind: str) -> tuple[int, ...]:
    first = event.things[0] if event.things else ""
    values = dict.fromkeys((spec.name for spec in SIGNS), "")
    if kind == "take":
        values["hand"] = f"took {first}"
    elif kind in ("drop", "insert", "put"):
        values["hand"] = f"put away {first}"
        values["place"] = "floor" if kind == "drop" else "table" if event.things[1] == "table" else "elsewhere"
    elif first in ("food", "treat"):
        values[first] = "cut" if kind in _CUTS else "eaten" if kind == "eat" else "burned" if event.rule.endswith("burned") else "cooked"
    elif first == "locked_door":
        values["door"] = _DOOR_DEEDS[event.rule]
    if event.new_room or event.new_inside:
        values["new_place"] = "room" if event.new_room else "container"
    if event.seen:
        values["new_thing"] = event.seen[0] if len(event.seen) == 1 else "several"
    return tuple(spec.values.index(values[spec.name]) if values[spec.name] else 0 for spec in SIGNS)
