"""Which NetHack facts can occur together, and after which others: what facts drawn at random are mended by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["possible_facts"]

# Of each branch: how many levels it has, and the least and the greatest depth that its first level can have. The planes, which lie
# above the surface, are left out: whoever is there has all but won.
_BRANCHES: Mapping[str, tuple[int, int, int]] = {
    "main": (29, 1, 1),
    "gehennom": (20, 26, 30),
    "mines": (8, 3, 5),
    "quest": (5, 12, 17),
    "sokoban": (4, 3, 6),
    "ludios": (1, 19, 30),
    "vlad": (3, 36, 42),
}
_OF_THE_GAME = (  # these never fall
    *("max_depth", "levels_visited", "turn", "steps", "gold_collected", "kills", "items_sold", "meals"),
    *("minetown_seen", "meals_in_mines", "priced_items", "buc_identified_items"),
)
_OF_THE_LEVEL = ("kills_here", "steps_here", "squares_seen_here", "stairs_down_count")


def possible_facts(values: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """See ``Domain.possible_facts``. Facts that have occurred stay as they are."""
    facts = dict(values)
    if before:
        facts.update({name: max(facts[name], before[name]) for name in _OF_THE_GAME})
        facts["mines_entrance_depth"] = before["mines_entrance_depth"] or facts["mines_entrance_depth"]
    _place(facts)
    if before and (facts["branch"], facts["branch_level"]) == (before["branch"], before["branch_level"]):
        facts["depth"] = before["depth"]
        facts.update({name: max(facts[name], before[name]) for name in _OF_THE_LEVEL})
    facts["max_depth"] = max(facts["max_depth"], facts["depth"])
    if before and facts["experience_level"] == before["experience_level"]:
        facts["experience_depth"] = before["experience_depth"]
    facts["experience_depth"] = min(facts["experience_depth"], facts["max_depth"])
    facts["steps"] = max(facts["steps"], facts["levels_visited"] - 1)
    facts["steps_here"] = min(facts["steps_here"], facts["steps"] + 1)
    facts["meals_in_mines"] = min(facts["meals_in_mines"], facts["meals"])
    facts["kills_here"] = min(facts["kills_here"], facts["kills"])
    facts["hp"] = min(facts["hp"], facts["max_hp"])
    _inventory(facts)
    _underfoot(facts)
    return facts


def _place(facts: dict[str, Any]) -> None:
    """Branch, level and depth agree; the Mines begin on one of the levels 2 to 4, and the Oracle lives on one of the levels 5 to 9."""
    if facts["branch"] not in _BRANCHES:
        facts["branch"] = "main"
    facts["oracle_near"] = facts["oracle_near"] and facts["branch"] == "main"
    if facts["oracle_near"]:
        facts["branch_level"] = max(5, min(9, facts["branch_level"]))
    levels, shallowest, deepest = _BRANCHES[facts["branch"]]
    level = facts["branch_level"] = min(facts["branch_level"], levels)
    entrance = facts["mines_entrance_depth"]
    if entrance:
        entrance = facts["mines_entrance_depth"] = max(2, entrance)
    if facts["branch"] == "mines" and entrance:
        shallowest = deepest = entrance + 1
    facts["depth"] = max(shallowest, min(deepest, facts["depth"] - level + 1)) + level - 1
    if facts["branch"] == "mines":
        facts["mines_entrance_depth"] = facts["depth"] - level


def _inventory(facts: dict[str, Any]) -> None:
    facts["new_items"] = min(facts["new_items"], facts["items"])
    facts["food_items"] = min(facts["food_items"], facts["items"])
    facts["unknown_buc_items"] = min(facts["unknown_buc_items"], facts["new_items"])


def _underfoot(facts: dict[str, Any]) -> None:
    """Nobody stands on two things, and what one stands on is known; a hole counts as a way down, not as a staircase."""
    facts["on_stairs_up"] = facts["on_stairs_up"] and not facts["on_stairs_down"]
    facts["on_altar"] = facts["on_altar"] and not facts["on_stairs_down"] and not facts["on_stairs_up"]
    facts["altar_near"] = facts["altar_near"] or facts["on_altar"]
    facts["stairs_up_known"] = facts["stairs_up_known"] or facts["on_stairs_up"]
    facts["stairs_down_known"] = facts["stairs_down_count"] > 0
