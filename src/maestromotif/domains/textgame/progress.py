"""What a transition does for a skill, by the truth: rewards from language are compared with these, and nothing is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from maestromotif.domains.textgame.vocabulary import SIGNS
from maestromotif.types import RewardInput

__all__ = ["caption_score"]

# One point for what a skill is for, by sign and value; nothing for what is on the way.
_AIMS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "fetch_key": {"hand": frozenset({"took key"})},
    "fetch_food": {"hand": frozenset({"took food"})},
    "fetch_treat": {"hand": frozenset({"took treat"})},
    "open_door": {"door": frozenset({"opened"})},
    "cook_food": {"food": frozenset({"cooked"})},
    "serve": {"place": frozenset({"table"})},
    "eat": {"food": frozenset({"eaten"}), "treat": frozenset({"eaten"})},
    "put_down": {"place": frozenset({"floor"})},
    "explore": {"new_place": frozenset({"room", "container"})},
}


def caption_score(skill_id: str, reward_input: RewardInput) -> float | None:
    """1 where the skill has done what it is for, else 0. None: not known for this skill."""
    aims = _AIMS.get(skill_id)
    if aims is None:
        return None
    signs = {spec.name: spec.values[sign] for spec, sign in zip(SIGNS, reward_input.signs, strict=True)}
    return float(any(signs[sign] in values for sign, values in aims.items()))
