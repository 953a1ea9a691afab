"""What a transition does for a skill, by the truth: rewards from language are compared with these, and nothing is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from maestromotif.domains.grid.vocabulary import SIGNS
from maestromotif.types import RewardInput

__all__ = ["caption_score"]

# One point for what a skill is for, by sign and value; nothing for what is on the way.
_AIMS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "fetch_key": {"hand": frozenset({"picked up key"})},
    "fetch_ball": {"hand": frozenset({"picked up ball"})},
    "fetch_box": {"hand": frozenset({"picked up box"})},
    "open_door": {"door": frozenset({"opened"})},
    "put_down": {"hand": frozenset({"put down key", "put down ball", "put down box"})},
    "visit_goal": {"goal": frozenset({"reached"})},
}


def caption_score(skill_id: str, reward_input: RewardInput) -> float | None:
    """1 where the skill has done what it is for; ``explore``: by how much came into view. None: not known for this skill."""
    signs = {spec.name: spec.values[sign] for spec, sign in zip(SIGNS, reward_input.signs, strict=True)}
    if skill_id == "explore":
        return {"none": 0.0, "few": 1.0, "some": 2.0, "many": 3.0}[signs["new_squares"]]
    if skill_id == "bring_home":
        return float(signs["hand"].startswith("put down") and "at home" in reward_input.message)
    aims = _AIMS.get(skill_id)
    return None if aims is None else float(any(signs[sign] in values for sign, values in aims.items()))
