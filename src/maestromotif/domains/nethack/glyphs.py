"""Tables over NetHack's 5,976 glyphs: what stands on a square, and which crop token shows it to the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from nle import nethack
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares

__all__ = ["CROP_TOKENS", "FLAGS_OF", "TERRAIN_OF", "TOKEN_OF", "TOWN_OF"]


_CMAP_TERRAIN = {
    **dict.fromkeys(range(1, 12), squares.SOLID),
    12: squares.DOORWAY,
    13: squares.OPEN_DOOR,
    14: squares.OPEN_DOOR,
    15: squares.CLOSED_DOOR,
    16: squares.CLOSED_DOOR,
    17: squares.SOLID,
    18: squares.SOLID,
    **dict.fromkeys(range(19, 23), squares.FLOOR),
    23: squares.STAIRS_UP,
    24: squares.STAIRS_DOWN,
    25: squares.STAIRS_UP,
    26: squares.STAIRS_DOWN,
    27: squares.ALTAR,
    **dict.fromkeys(range(28, 32), squares.FURNITURE),
    32: squares.SOLID,
    33: squares.FLOOR,
    34: squares.SOLID,
    35: squares.FLOOR,
    36: squares.FLOOR,
    **dict.fromkeys(range(37, 39), squares.SOLID),
    39: squares.FLOOR,
    40: squares.FLOOR,
    41: squares.SOLID,
    **dict.fromkeys(range(42, 65), squares.TRAP),
    54: squares.FALL,
    55: squares.FALL,
}
_PICKED_UP = {"COIN_CLASS", "SCROLL_CLASS", "POTION_CLASS", "WAND_CLASS", "FOOD_CLASS"}
_ALTAR, _FOUNTAIN = 27, 31  # of the symbols of the map
# Whoever strikes these with bare hands is paralysed, frozen, burnt, stung, dissolved, turned to stone or blown up. All but the last
# three never move.
_NOT_TO_BE_STRUCK = {
    "floating eye",
    "blue jelly",
    "spotted jelly",
    "brown mold",
    "yellow mold",
    "green mold",
    "red mold",
    "gelatinous cube",
    "chickatrice",
    "cockatrice",
    "gas spore",
}
# Whoever eats these is stunned, stuck, turned into something or to stone, loses abilities, or is hated for it.
_NOT_TO_BE_EATEN = {
    *("cockatrice", "chickatrice", "Medusa", "green slime", "Death", "Pestilence", "Famine", "disenchanter", "stalker"),
    *("bat", "giant bat", "vampire bat", "chameleon", "doppelganger", "sandestin", "small mimic", "large mimic", "giant mimic"),
    *("little dog", "dog", "large dog", "kitten", "housecat", "large cat", "tengu", "leprechaun"),
}
_ACID, _POISON, _WERE, _HUMAN, _ELF = 0x08000000, 0x10000000, 0x4, 0x8, 0x10  # of a monster's flags
_DEADLY = {"chickatrice", "cockatrice"}
_TOWNSPEOPLE = {"shopkeeper", "aligned priest", "watchman", "watch captain"}
_TAME_OR_PEACEFUL = {"shopkeeper", "aligned priest", "high priest", "guard", "watchman", "watch captain", "Oracle"}


def _monster_flags(name: str) -> int:
    flags = squares.MONSTER
    if name == "shopkeeper":
        flags |= squares.KEEPER
    if name in _TAME_OR_PEACEFUL:
        flags |= squares.PEACEFUL
    if name == "Oracle":
        flags |= squares.ORACLE
    if name in _NOT_TO_BE_STRUCK:
        flags |= squares.FORBIDDEN
    if name in _DEADLY:
        flags |= squares.DEADLY
    if name == "floating eye":
        flags |= squares.PARALYSING
    return flags


def _edible(monster: Any) -> bool:
    unwholesome = monster.mflags1 & (_ACID | _POISON) or monster.mflags2 & (_WERE | _HUMAN | _ELF)
    return not unwholesome and monster.cnutrit > 0 and monster.mname not in _NOT_TO_BE_EATEN


def _town() -> NDArray[np.bool_]:
    """Glyphs that among the upper levels of the Mines only Minetown has: its people, an altar, a fountain."""
    found = np.zeros(nethack.MAX_GLYPH, np.bool_)
    found[[nethack.GLYPH_CMAP_OFF + symbol for symbol in (_ALTAR, _FOUNTAIN)]] = True
    for monster in range(nethack.NUMMONS):
        found[nethack.GLYPH_MON_OFF + monster] = nethack.permonst(monster).mname in _TOWNSPEOPLE
    return found


def _build() -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.int16], int]:
    count = nethack.MAX_GLYPH
    terrain, flags, tokens = np.zeros(count, np.uint8), np.zeros(count, np.uint16), np.zeros(count, np.int16)
    names: dict[Any, int] = {}

    def token(key: Any) -> int:
        return names.setdefault(key, len(names) + 1)  # 0 stays "nothing known"

    picked = {getattr(nethack, name) for name in _PICKED_UP}
    for glyph in range(count):
        if nethack.glyph_is_monster(glyph):
            monster = nethack.permonst(nethack.glyph_to_mon(glyph))
            flags[glyph] = _monster_flags(monster.mname)
            tame = nethack.glyph_is_pet(glyph)
            peaceful = flags[glyph] & squares.PEACEFUL
            tokens[glyph] = token("pet" if tame else ("peaceful", monster.mname == "shopkeeper") if peaceful else ("monster", monster.mlet))
        elif nethack.glyph_is_cmap(glyph):
            cmap = nethack.glyph_to_cmap(glyph)
            terrain[glyph] = _CMAP_TERRAIN.get(cmap, squares.UNKNOWN)
            if terrain[glyph]:
                tokens[glyph] = token(("terrain", int(terrain[glyph])))
            elif cmap:
                tokens[glyph] = token("effect")
        elif nethack.glyph_is_statue(glyph):
            tokens[glyph] = token("statue")
            flags[glyph] = squares.OBJECT
            if "centaur" in nethack.permonst(glyph - nethack.GLYPH_STATUE_OFF).mname:
                flags[glyph] |= squares.ORACLE
        elif nethack.glyph_is_body(glyph):
            tokens[glyph] = token("corpse")
            flags[glyph] = squares.OBJECT | (squares.EDIBLE if _edible(nethack.permonst(glyph - nethack.GLYPH_BODY_OFF)) else 0)
        elif nethack.glyph_is_object(glyph):
            kind = nethack.objclass(nethack.glyph_to_obj(glyph))
            flags[glyph] = squares.OBJECT | (squares.ITEM if ord(kind.oc_class) in picked else 0)
            if nethack.OBJ_NAME(kind) == "boulder":
                terrain[glyph] = squares.BOULDER
                tokens[glyph] = token("boulder")
            else:
                tokens[glyph] = token(("object", kind.oc_class))
        else:
            tokens[glyph] = token("other")
    tokens[nethack.GLYPH_INVISIBLE] = token(("monster", "remembered"))
    flags[nethack.GLYPH_INVISIBLE] = squares.MONSTER
    return terrain, flags, tokens, len(names) + 1


TOWN_OF = _town()
TERRAIN_OF, FLAGS_OF, TOKEN_OF, CROP_TOKENS = _build()
