"""Words of the grid house: facts, signs, and what the last step felt like, told from a few numbers.

An event is five numbers, in the order of ``EVENT``: what was done, which place was entered, how much came into view, which
things came into view (bits), and what came to lie before the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from maestromotif.domains.contract import Facts, FactSpec, SignSpec, facts_class
from maestromotif.types import Caption, RewardInput

__all__ = [
    "ACTIONS",
    "AMOUNTS",
    "AT",
    "BEFORE",
    "BLOCKED",
    "DEEDS",
    "DONE",
    "DOORS",
    "ENTERED_GOAL",
    "FACINGS",
    "FACTS",
    "HANDS",
    "LOOK",
    "OPENED",
    "PICKED",
    "PUT",
    "ROOMS",
    "SIGHTS",
    "SIGNS",
    "SIZES",
    "THINGS",
    "TURNED",
    "WALKED",
    "GridFacts",
    "caption",
    "make_facts",
    "message",
    "reward_input",
]

ACTIONS = ("turn left", "turn right", "go forward", "pick up", "put down", "open")
ROOMS = ("home", "hall", "vault")
FACINGS = ("east", "south", "west", "north")
HANDS = ("nothing", "key", "ball", "box")
AT = ("unseen", *ROOMS, "hand")
DOORS = ("unseen", "locked", "open")
BEFORE = ("floor", "wall", "locked door", "open door", "key", "ball", "box", "goal", "floor")  # by code of the square
SIGHTS = ("none", "few", "some", "many")
THINGS = ("key", "door", "ball", "box", "goal")  # by bit

FACTS: tuple[FactSpec, ...] = (
    FactSpec("steps", "int", "steps since the episode began"),
    FactSpec("x", "int", "column of the square stood on, counted from 0 in the west", least=1, most=30),
    FactSpec("y", "int", "row of the square stood on, counted from 0 in the north", least=1, most=10),
    FactSpec("facing", "str", "the direction looked in", FACINGS),
    FactSpec("room", "str", "the room stood in; a gap in a wall belongs to the room west of it, as does the door", ROOMS),
    FactSpec("before", "str", "what is on the next square ahead", tuple(dict.fromkeys(BEFORE))),
    FactSpec("carrying", "str", "what is in the hand", HANDS),
    FactSpec("squares_seen", "int", "squares that have been in view in this episode, walls included", least=1, most=400),
    FactSpec("more_to_see", "bool", "a square can be walked to beside which something has never been in view"),
    FactSpec("door", "str", "the vault's door; unseen until it has been in view", DOORS),
    FactSpec("key_at", "str", "the room where the key lies; unseen until it has been in view", AT),
    FactSpec("ball_at", "str", "the same of the ball", AT),
    FactSpec("box_at", "str", "the same of the box", AT),
    FactSpec("goal_seen", "bool", "the green goal has been in view"),
    FactSpec("on_goal", "bool", "the square stood on is the green goal"),
    FactSpec("goal_visits", "int", "how often the green goal has been stepped on in this episode"),
    FactSpec("picked_up", "int", "how often something has been picked up in this episode"),
    FactSpec("put_down", "int", "how often something has been put down in this episode"),
    FactSpec("put_down_at_home", "int", "how often something has been put down at home in this episode"),
    FactSpec("message", "str", "what the last step felt like"),
)
GridFacts = facts_class("GridFacts", FACTS)
_TEXTS: Mapping[str, Sequence[str]] = {
    "facing": FACINGS,
    "room": ROOMS,
    "before": BEFORE,
    "carrying": HANDS,
    "door": DOORS,
    **dict.fromkeys(("key_at", "ball_at", "box_at"), AT),
}
# How each fact is made of its number.
_MAKERS: Sequence[Callable[[int], object]] = [
    _TEXTS[spec.name].__getitem__ if spec.type == "str" else bool if spec.type == "bool" else int for spec in FACTS[:-1]
]

SIGNS: tuple[SignSpec, ...] = (
    SignSpec(
        "hand",
        ("nothing", *(f"{verb} {thing}" for verb in ("picked up", "put down") for thing in HANDS[1:])),
        "what was picked up or put down",
    ),
    SignSpec("door", ("unchanged", "opened"), "whether the vault's door was opened"),
    SignSpec("entered", ("none", *ROOMS), "the room that was entered"),
    SignSpec("goal", ("none", "reached"), "whether the green goal was stepped on"),
    SignSpec("new_squares", SIGHTS, "how many squares came into view for the first time"),
    SignSpec("new_thing", ("none", *THINGS, "several"), "what came into view for the first time"),
    SignSpec("before", ("none", *HANDS[1:], "locked door"), "a thing that came to lie on the next square ahead"),
)

# What was done: these, then things picked up, then things put down by room.
LOOK, TURNED, BLOCKED, WALKED, OPENED, PICKED = 0, 1, 3, 4, 5, 6
PUT = PICKED + len(HANDS) - 1
DONE = (
    "You look around.",
    "You turn left.",
    "You turn right.",
    "Nothing happens.",
    "You step forward.",
    "You unlock and open the door of the vault.",
    *(f"You pick up the {thing}." for thing in HANDS[1:]),
    *(f"You put the {thing} down {place}." for thing in HANDS[1:] for place in ("at home", "in the hall", "in the vault")),
)
DEEDS = len(DONE)
ENTERED_GOAL = len(ROOMS) + 1
AMOUNTS = (0, 3, 8)  # most squares of each of SIGHTS but the last
_ENTERED = ("", " You come home.", " You enter the hall.", " You enter the vault.", " You stand on the green goal.")
_SIGHTS = (
    "",
    " A little more of the house comes into view.",
    " More of the house comes into view.",
    " Much more of the house comes into view.",
)
_THING_TEXTS = tuple(f" You see the {name}." for name in ("key", "locked door", "ball", "box", "green goal"))
_BEFORE = ("", *(f" The {thing} lies right before you." for thing in HANDS[1:]), " The locked door is right before you.")
SIZES = (len(DONE), len(_ENTERED), len(_SIGHTS), 1 << len(THINGS), len(_BEFORE))
Event = Sequence[int]


def make_facts(numbers: Sequence[int], message: str) -> Facts:
    """Facts from one number for each of them but the message, in their order."""
    return GridFacts(*(make(number) for make, number in zip(_MAKERS, numbers, strict=True)), message)


def message(event: Event) -> str:
    """What a step felt like."""
    done, entered, sight, things, before = event
    seen = "".join(text for bit, text in enumerate(_THING_TEXTS) if things >> bit & 1)
    return DONE[done] + _ENTERED[entered] + _SIGHTS[sight] + seen + _BEFORE[before]


def reward_input(event: Event) -> RewardInput:
    """What reward models read of an event."""
    done, entered, sight, things, before = event
    kinds = len(HANDS) - 1
    hand = 0 if done < PICKED else done - PICKED + 1 if done < PUT else 1 + kinds + (done - PUT) // len(ROOMS)
    goal = entered == ENTERED_GOAL
    several = things & (things - 1) != 0
    thing = len(THINGS) + 1 if several else things.bit_length()
    return RewardInput(message(event), (hand, int(done == OPENED), 0 if goal else entered, int(goal), sight, thing, before))


def caption(event: Event) -> Caption:
    """The text for a judge: the message, and the signs that say that something happened."""
    given = reward_input(event)
    changes = [f"{spec.name.replace('_', ' ')}: {spec.values[sign]}" for spec, sign in zip(SIGNS, given.signs, strict=True) if sign]
    return Caption(f"Message: {given.message}\nChanges: {'; '.join(changes) or 'none'}", given)
