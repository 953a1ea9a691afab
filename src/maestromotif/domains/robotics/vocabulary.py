"""Words of the bench: facts, signs, and what the last step did, told from a few small numbers.

An event is one number for each of ``SIGNS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from maestromotif.domains.contract import Facts, FactSpec, SignSpec, facts_class
from maestromotif.types import Caption, RewardInput

__all__ = [
    "CUBE",
    "CUBE_AT",
    "DRAWERS",
    "FACTS",
    "NEAR",
    "PLACES",
    "SIGNS",
    "SIZES",
    "BenchFacts",
    "caption",
    "make_facts",
    "message",
    "reward_input",
]

PLACES = ("cube", "button", "handle", "plate", "drawer")
CUBE_AT = ("table", "plate", "drawer", "hand")
DRAWERS = ("shut", "ajar", "open")
NEAR = ("nothing", *PLACES)

FACTS: tuple[FactSpec, ...] = (
    FactSpec("steps", "int", "steps since the episode began; 25 are a second"),
    FactSpec("cube_at", "str", "where the cube is; table means lying anywhere else on the bench", CUBE_AT),
    FactSpec("gripping", "bool", "the fingers are closed around the cube, whether it has been lifted or not"),
    FactSpec("drawer", "str", "the drawer: shut, far enough out to put something in (open), or in between (ajar)", DRAWERS),
    FactSpec("drawer_out", "int", "how far the drawer has come out, in centimetres", most=14),
    FactSpec("lamp_on", "bool", "the lamp is lit; the button lights it, and nothing puts it out"),
    FactSpec("near", "str", "what the fingertips are at, within 3 cm; handle means the gap behind the drawer's handle", NEAR),
    FactSpec("height", "int", "height of the fingertips above the bench, in centimetres", most=30),
    FactSpec("presses", "int", "how often the button has been pressed in this episode"),
    FactSpec("lifts", "int", "how often the cube has been lifted"),
    FactSpec("drops", "int", "how often the cube has fallen back onto the bench"),
    FactSpec("placed", "int", "how often the cube has come to rest on the plate"),
    FactSpec("put_away", "int", "how often the cube has come to lie in the drawer"),
    FactSpec("opened", "int", "how often the drawer has been opened"),
    FactSpec("shut", "int", "how often the drawer has been shut again"),
    FactSpec("message", "str", "what the last step did"),
)
BenchFacts = facts_class("BenchFacts", FACTS)
_TEXTS: Mapping[str, Sequence[str]] = {"cube_at": CUBE_AT, "drawer": DRAWERS, "near": NEAR}
_MAKERS: Sequence[Callable[[int], object]] = [
    _TEXTS[spec.name].__getitem__ if spec.type == "str" else bool if spec.type == "bool" else int for spec in FACTS[:-1]
]

CUBE = ("none", "gripped", "lifted", "dropped", "put on the plate", "put into the drawer")
SIGNS: tuple[SignSpec, ...] = (
    SignSpec("cube", CUBE, "what happened to the cube"),
    SignSpec("drawer", ("none", "further out", "open", "further in", "shut"), "what happened to the drawer"),
    SignSpec("button", ("none", "pressed", "pressed again"), "whether the button was pressed"),
    SignSpec("nearer", ("nothing", *PLACES), "what the hand, or the cube in it, came nearer to than it had been for some time"),
)
SIZES = tuple(len(spec.values) for spec in SIGNS)

_CUBE = (
    "",
    "The fingers close around the cube.",
    "The cube is lifted off the bench.",
    "The cube falls onto the bench.",
    "The cube comes to rest on the plate.",
    "The cube comes to lie in the drawer.",
)
_DRAWER = ("", "The drawer comes further out.", "The drawer is open now.", "The drawer goes further in.", "The drawer is shut now.")
_BUTTON = ("", "The button is pressed and the lamp lights up.", "The button is pressed again.")
_NEARER = (
    "",
    "The hand gets nearer to the cube.",
    "The hand gets nearer to the button.",
    "The hand gets nearer to the handle of the drawer.",
    "The cube in the hand gets nearer to the plate.",
    "The cube in the hand gets nearer to the open drawer.",
)
_TABLES = (_CUBE, _DRAWER, _BUTTON, _NEARER)
Event = Sequence[int]


def make_facts(numbers: Sequence[int], message: str) -> Facts:
    """Facts from one number for each of them but the message, in their order."""
    return BenchFacts(*(make(number) for make, number in zip(_MAKERS, numbers, strict=True)), message)


def message(event: Event) -> str:
    """What a step did; empty where nothing happened, by which reward models know what is worth nothing."""
    return " ".join(table[value] for table, value in zip(_TABLES, event, strict=True) if value)


def reward_input(event: Event) -> RewardInput:
    """What reward models read of an event."""
    return RewardInput(message(event), tuple(event))


def caption(event: Event) -> Caption:
    """The text for a judge: the message, and the signs that say that something happened."""
    given = reward_input(event)
    changes = [f"{spec.name}: {spec.values[sign]}" for spec, sign in zip(SIGNS, given.signs, strict=True) if sign]
    return Caption(f"Message: {given.message or 'The hand moves about.'}\nChanges: {'; '.join(changes) or 'none'}", given)
