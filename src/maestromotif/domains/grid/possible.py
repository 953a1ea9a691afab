"""Which facts of the grid house can occur together, and after which others: what facts drawn at random are mended by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maestromotif.domains.grid import vocabulary as words

__all__ = ["possible_facts"]

_OF_THE_EPISODE = ("steps", "squares_seen", "goal_seen", "goal_visits", "picked_up", "put_down", "put_down_at_home")  # these never fall
_THINGS = words.HANDS[1:]
# Rooms in which a thing may lie although nobody has carried it.
_UNTOUCHED: Mapping[str, tuple[str, ...]] = {"key": ("home", "hall"), "ball": ("hall",), "box": ("vault",)}
_NO_MESSAGE = "Nothing happens."


def possible_facts(values: Mapping[str, Any], before: Mapping[str, Any] | None, room: int) -> dict[str, Any]:
    """See ``Domain.possible_facts``. Facts that have occurred stay as they are.

    Args:
        room: the option of the domain.
    """
    facts = dict(values)
    if before:
        facts.update({name: max(facts[name], before[name]) for name in _OF_THE_EPISODE})
        facts["door"] = max(facts["door"], before["door"], key=words.DOORS.index)
    _things(facts, before)
    _place(facts, room)
    _counts(facts)
    if not facts["message"].startswith(words.DONE):
        facts["message"] = before["message"] if before else _NO_MESSAGE
    return facts


def _things(facts: dict[str, Any], before: Mapping[str, Any] | None) -> None:
    """What is carried is in the hand; what has been seen stays known; what is or was in the vault takes an open door."""
    if facts["carrying"] == "box":
        facts["door"] = "open"
    for thing in _THINGS:
        name = f"{thing}_at"
        if facts["carrying"] == thing:
            facts[name] = "hand"
        elif facts[name] == "hand":
            facts[name] = _UNTOUCHED[thing][-1]
        if facts[name] == "unseen" and before and before[name] != "unseen":
            facts[name] = _UNTOUCHED[thing][-1] if before[name] == "hand" else before[name]
    if facts["door"] == "open" and facts["key_at"] == "unseen":
        facts["key_at"] = "hall"
    if facts["door"] != "open":
        facts["box_at"] = "unseen"
        for name in ("key_at", "ball_at"):
            if facts[name] == "vault":
                facts[name] = "hall"


def _place(facts: dict[str, Any], room: int) -> None:
    """Column and room agree, as far as the walls are known; the vault is open to whoever is in it; what lies ahead has been seen."""
    if facts["on_goal"] or (facts["room"] == "vault" and facts["door"] != "open"):
        facts["room"] = "hall"
    first, last = {"home": (1, room + 2), "hall": (room + 1, 2 * room + 3), "vault": (2 * room + 2, 3 * room + 2)}[facts["room"]]
    facts["x"] = max(first, min(last, facts["x"]))
    facts["y"] = min(room, facts["y"])
    facts["squares_seen"] = min(facts["squares_seen"], (3 * room + 4) * (room + 2))
    facts["goal_seen"] = facts["goal_seen"] or facts["on_goal"] or facts["goal_visits"] > 0
    ahead = facts["before"]
    fits = {
        "locked door": facts["door"] == "locked" and facts["room"] == "hall",
        "open door": facts["door"] == "open" and facts["room"] != "home",
        "goal": facts["goal_seen"] and not facts["on_goal"] and facts["room"] == "hall",
        **{thing: facts[f"{thing}_at"] == facts["room"] for thing in _THINGS},
    }
    if not fits.get(ahead, True):
        facts["before"] = "floor"


def _counts(facts: dict[str, Any]) -> None:
    """Whatever was picked up was put down, or is in the hand; the door opens to the key; each of these takes a step."""
    carried = {thing for thing in _THINGS if facts[f"{thing}_at"] not in ("unseen", *_UNTOUCHED[thing])}
    if facts["door"] == "open":
        carried.add("key")
    full = int(facts["carrying"] != "nothing")
    brought = sum(facts[f"{thing}_at"] == "home" for thing in ("ball", "box"))
    facts["put_down_at_home"] = max(facts["put_down_at_home"], brought)
    facts["put_down"] = max(facts["put_down"], facts["picked_up"] - full, len(carried) - full, facts["put_down_at_home"])
    facts["picked_up"] = facts["put_down"] + full
    facts["goal_visits"] = max(facts["goal_visits"], int(facts["on_goal"]))
    opened = int(facts["door"] == "open")
    facts["steps"] = max(facts["steps"], facts["picked_up"] + facts["put_down"] + facts["goal_visits"] + opened)
