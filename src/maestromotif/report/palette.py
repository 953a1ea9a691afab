"""Colours: one per skill everywhere on the page, told apart by colour-blind readers, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SLOTS", "css_variables", "skill_slots"]

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), yellow and black left out since they vanish on one of the
# two grounds, each hue darkened for white paper and lightened for a dark screen until text-sized lines stand out.
_LIGHT = ("#0b6fb3", "#cc5500", "#00855f", "#b1568a", "#b27b00", "#2f9bd6", "#6b5bb5", "#7a6a53")
_DARK = ("#5fb3ec", "#f28e4b", "#3ccf9f", "#e59ac6", "#efb944", "#9ad6f7", "#ad9ff0", "#c3b196")

SLOTS = len(_LIGHT)


def css_variables() -> tuple[str, str]:
    """The declarations ``--s0 ... --s7`` for light and for dark."""
    light, dark = ("".join(f"--s{slot}:{colour};" for slot, colour in enumerate(side)) for side in (_LIGHT, _DARK))
    return light, dark


def skill_slots(skill_ids: Iterable[str]) -> dict[str, int]:
    """The colour slot of each skill, in the order of skills.toml; more skills than slots share colours."""
    return {skill: number % SLOTS for number, skill in enumerate(skill_ids)}
