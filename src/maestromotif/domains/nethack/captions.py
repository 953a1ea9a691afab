"""Captions: the English that stands for one transition, and the number that stands for its signs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Facts
from maestromotif.domains.nethack.vocabulary import SIGN_BITS, SIGNS

__all__ = ["caption_text", "sign_code"]

_SIZES = [len(sign.values) for sign in SIGNS]
_WEIGHTS = np.cumprod([1, *_SIZES[:-1]]).astype(np.int64)
assert int(np.prod(_SIZES)) < 1 << SIGN_BITS


def sign_code(signs_BS: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number below 2^SIGN_BITS per row of signs."""
    return signs_BS @ _WEIGHTS


def caption_text(previous: str, message: str, signs: tuple[int, ...], facts: Facts) -> str:
    """The caption that a judge reads; every sign is told in words, with the present value where there is one."""
    value = {spec.name: spec.values[index] for spec, index in zip(SIGNS, signs, strict=True)}

    def told(name: str, words: dict[str, str], now: Any) -> str:
        return f"{words.get(value[name], 'did not change')} (now {now})"

    lines = [
        f"Previous message: {previous or '(none)'}",
        f"Message: {message or '(none)'}",
        "Dungeon level: " + told("level", {"deeper": "went down", "higher": "went up", "left the dungeon": "left it"}, facts.depth),
        "Gold: " + told("gold", {"more": "went up", "less": "went down"}, facts.gold),
        "Hit points: " + told("hit_points", {"more": "went up", "less": "went down"}, f"{facts.hp} of {facts.max_hp}"),
        "Experience level: " + told("experience", {"more": "went up", "less": "went down"}, facts.experience_level),
        "Hunger: " + told("hunger", {"hungrier": "got hungrier", "less hungry": "got less hungry"}, facts.hunger),
        f"New squares seen: {value['new_squares']}",
    ]
    came = [name for name in ("stairs_down", "stairs_up", "altar", "shop") if value[name] == "came into view"]
    if came:
        names = {"stairs_down": "stairs down", "stairs_up": "stairs up", "altar": "an altar", "shop": "a shopkeeper"}
        lines.append("Came into view: " + ", ".join(names[name] for name in came))
    if value["altar"] == "stepped onto":
        lines.append("The character has stepped onto an altar.")
    if value["items"] != "same":
        lines.append(f"Inventory: something was {value['items']}")
    if value["alive"] == "died":
        lines.append("The character died.")
    return "\n".join(lines)
