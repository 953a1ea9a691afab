"""What a transition does for a skill, by the truth: rewards from language are compared with these, and nothing is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from maestromotif.domains.robotics.vocabulary import SIGNS
from maestromotif.types import RewardInput

__all__ = ["caption_score"]

# What each skill is for, what leads there, and what undoes it: points by (sign, value).
_POINTS: Mapping[str, Mapping[tuple[str, str], float]] = {
    "press_button": {("button", "pressed"): 10, ("nearer", "button"): 1},
    "open_drawer": {("drawer", "open"): 10, ("drawer", "further out"): 2, ("nearer", "handle"): 1},
    "close_drawer": {("drawer", "shut"): 10, ("drawer", "further in"): 2, ("nearer", "handle"): 1},
    "lift_cube": {("cube", "lifted"): 10, ("cube", "gripped"): 4, ("nearer", "cube"): 1},
    "place_on_plate": {("cube", "put on the plate"): 10, ("nearer", "plate"): 1, ("cube", "dropped"): -5},
    "put_in_drawer": {("cube", "put into the drawer"): 10, ("nearer", "drawer"): 1, ("cube", "dropped"): -5},
}


def caption_score(skill_id: str, reward_input: RewardInput) -> float | None:
    """Points for what a skill is for, some for what leads there; None: not known for this skill."""
    points = _POINTS.get(skill_id)
    if points is None:
        return None
    signs = [(spec.name, spec.values[sign]) for spec, sign in zip(SIGNS, reward_input.signs, strict=True)]
    return float(sum(points.get(sign, 0.0) for sign in signs))
