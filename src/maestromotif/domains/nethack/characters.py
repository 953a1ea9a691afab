"""Who can play: the roles of NetHack 3.6 with the races, alignments and genders that each allows.

The game quietly replaces what a role does not allow, or asks; so what is asked of it is checked before.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ROLES", "characters", "problem"]

_ALIGNMENTS_OF_RACE: Mapping[str, tuple[str, ...]] = {
    "hum": ("law", "neu", "cha"),
    "elf": ("cha",),
    "dwa": ("law",),
    "gno": ("neu",),
    "orc": ("cha",),
}
_BOTH = ("mal", "fem")

# role -> (races, alignments, genders)
ROLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "arc": (("hum", "dwa", "gno"), ("law", "neu"), _BOTH),
    "bar": (("hum", "orc"), ("neu", "cha"), _BOTH),
    "cav": (("hum", "dwa", "gno"), ("law", "neu"), _BOTH),
    "hea": (("hum", "gno"), ("neu",), _BOTH),
    "kni": (("hum",), ("law",), _BOTH),
    "mon": (("hum",), ("law", "neu", "cha"), _BOTH),
    "pri": (("hum", "elf"), ("law", "neu", "cha"), _BOTH),
    "ran": (("hum", "elf", "gno", "orc"), ("neu", "cha"), _BOTH),
    "rog": (("hum", "orc"), ("cha",), _BOTH),
    "sam": (("hum",), ("law",), _BOTH),
    "tou": (("hum",), ("neu",), _BOTH),
    "val": (("hum", "dwa"), ("law", "neu"), ("fem",)),
    "wiz": (("hum", "elf", "gno", "orc"), ("neu", "cha"), _BOTH),
}


def _alignments(role: str, race: str) -> tuple[str, ...]:
    return tuple(alignment for alignment in ROLES[role][1] if alignment in _ALIGNMENTS_OF_RACE[race])


def characters() -> tuple[str, ...]:
    """Everyone who can play, as role-race-alignment-gender."""
    return tuple(
        f"{role}-{race}-{alignment}-{gender}"
        for role, (races, _, genders) in ROLES.items()
        for race in races
        for alignment in _alignments(role, race)
        for gender in genders
    )


def problem(character: str) -> str | None:
    """What is wrong with a character, with what would be right; None if it can play."""
    parts = character.split("-")
    if len(parts) != 4:
        return f"{character!r} must be role-race-alignment-gender, such as mon-hum-neu-mal"
    role, race, alignment, gender = parts
    if role not in ROLES:
        return f"role {role!r} must be one of {', '.join(ROLES)}"
    races, _, genders = ROLES[role]
    if race not in races:
        return f"race {race!r} must be one of {', '.join(races)} for the role {role}"
    alignments = _alignments(role, race)
    if alignment not in alignments:
        return f"alignment {alignment!r} must be one of {', '.join(alignments)} for {role}-{race}"
    if gender not in genders:
        return f"gender {gender!r} must be one of {', '.join(genders)} for the role {role}"
    return None
