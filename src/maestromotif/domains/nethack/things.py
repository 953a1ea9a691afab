"""What the game's names of things say about what the character knows: whether the kind is known, and whether the blessing is.

The game names a thing by what the character knows of it: "an orange potion" is of unknown kind, "a potion of sickness" is not;
"a blessed potion" is of known blessing. A name says all that the game's memory holds of it (``bknown``, ``oc_name_known``).
"""

from __future__ import annotations

import re

from nle import nethack

__all__ = ["blessing_known", "unknown_kind"]

_PHRASES = {
    nethack.POTION_CLASS: "{} potion",
    nethack.SCROLL_CLASS: "{} scroll",
    nethack.WAND_CLASS: "{} wand",
    nethack.RING_CLASS: "{} ring",
    nethack.AMULET_CLASS: "{} amulet",
    nethack.SPBOOK_CLASS: "{} spellbook",
}
_KEEP_NAMES = (nethack.WEAPON_CLASS, nethack.ARMOR_CLASS, nethack.TOOL_CLASS, nethack.GEM_CLASS)
_TAIL = re.compile(r" (?:named |called |\().*$")
_BLESSING = re.compile(r"\b(?:blessed|uncursed|cursed|(?:un)?holy water)\b")
_CHARGES = re.compile(r"\(-?\d+:-?\d+\)")
_ENCHANTED = re.compile(r"(?<!\S)[+-]\d+ ")


def _tables() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Appearances of things of unknown kind; real names; what weapons are called either way."""
    appearances, names, weapons = set[str](), set[str](), set[str]()
    for index in range(nethack.NUM_OBJECTS):
        kind = nethack.objclass(index)
        group, name, looks = ord(kind.oc_class), nethack.OBJ_NAME(kind), nethack.OBJ_DESCR(kind)
        if name is None:
            continue
        if group in _KEEP_NAMES:
            names.add(name)
        if group == nethack.WEAPON_CLASS:
            weapons.update((name, looks or name))
        if not looks:
            continue
        if group == nethack.SCROLL_CLASS and looks.isupper():
            appearances.add(f"scroll labeled {looks}")
        elif group == nethack.GEM_CLASS:
            appearances.update((f"{looks} gem", f"{looks} stone"))
        else:
            appearances.add(_PHRASES.get(group, "{}").format(looks))
    return frozenset(appearances), frozenset(names), frozenset(weapons)


_APPEARANCES, _NAMES, _WEAPONS = _tables()


def _endings(name: str) -> list[str]:
    """What a name ends in, longest first, without remarks in brackets; in the plural, the singular too."""
    words = _TAIL.sub("", name).replace("scrolls labeled", "scroll labeled").split()
    endings = []
    for first in range(len(words)):
        phrase = " ".join(words[first:])
        endings += [phrase, phrase.removesuffix("s")]
    return endings


def unknown_kind(name: str) -> str | None:
    """The appearance of a thing of unknown kind, in the singular ("orange potion"); None where the name tells the kind, or nothing.

    Args:
        name: as the game says it, e.g. "2 cursed orange potions".
    """
    for ending in _endings(name):
        if ending in _NAMES:
            return None
        if ending in _APPEARANCES:
            return ending
    return None


def blessing_known(name: str) -> bool:
    """Whether the name shows that the character knows if the thing is blessed, uncursed or cursed.

    Gold counts as known. Where charges, or a weapon's enchantment, are known, the game leaves "uncursed" away.
    """
    if _BLESSING.search(name) or _CHARGES.search(name) or name.endswith(("gold piece", "gold pieces")):
        return True
    return _ENCHANTED.search(name) is not None and any(ending in _WEAPONS for ending in _endings(name))
