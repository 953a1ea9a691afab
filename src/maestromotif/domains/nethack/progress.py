"""NetHack's own measure of how much a transition does for a skill: for ablations, never for training as it is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from maestromotif.domains.nethack.messages import KILL, SOLD
from maestromotif.domains.nethack.vocabulary import SIGNS
from maestromotif.types import RewardInput

__all__ = ["caption_score"]

_PRICED = re.compile(r" offers .* for your |Sell (?:it|them)\?")
_DROPPED_ON_ALTAR = re.compile(r"\blands? on the altar|flash as .* hits? the altar")

Changes = Mapping[str, str]


def _down(message: str, changes: Changes) -> float:
    return {"deeper": 1.0, "higher": -1.0, "left the dungeon": -1.0}.get(changes["level"], 0.0)


def _up(message: str, changes: Changes) -> float:
    # The way up ends outside, where the game is over: progress all the same.
    return {"higher": 1.0, "left the dungeon": 1.0, "deeper": -1.0}.get(changes["level"], 0.0)


def _discovery(message: str, changes: Changes) -> float:
    if changes["level"] != "same":
        return -1.0
    squares = {"none": 0.0, "few": 0.25, "some": 0.5, "many": 1.0}[changes["new_squares"]]
    found = (changes["gold"] == "more") + (changes["items"] == "gained")
    return squares + found + 2.0 * len(KILL.findall(message))


def _trade(message: str, changes: Changes) -> float:
    if SOLD.search(message) or (changes["gold"] == "more" and changes["items"] == "lost"):
        return 1.0
    return 0.5 if _PRICED.search(message) else 0.0


def _worship(message: str, changes: Changes) -> float:
    if _DROPPED_ON_ALTAR.search(message):
        return 1.0
    return 0.25 if "There is an altar" in message or changes["altar"] == "stepped onto" else 0.0


_MEASURES: Mapping[str, Callable[[str, Changes], float]] = {
    "discoverer": _discovery,
    "descender": _down,
    "ascender": _up,
    "merchant": _trade,
    "worshipper": _worship,
}


def caption_score(skill_id: str, given: RewardInput) -> float | None:
    """Progress of a transition for one of the package's own skills; None for any other.

    Arriving a level further in the right direction, a sale, or an item on an altar is 1, a kill 2; death is worse than all else.
    """
    measure = _MEASURES.get(skill_id)
    if measure is None:
        return None
    changes = {spec.name: spec.values[index] for spec, index in zip(SIGNS, given.signs, strict=True)}
    if changes["alive"] == "died":
        return -2.0
    return measure(given.message, changes)
