"""Which actions are allowed: what only harms or does nothing is not; in need, nothing but the remedy.

Compiled like ``features``, whose results it reads; ways are numbered as in ``levels``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.compiling import compiled
from maestromotif.domains.nethack.features import (
    BL_HP,
    BL_HPMAX,
    BL_HUNGER,
    BL_POWER,
    BL_TURN,
    BL_XL,
    BLIND,
    CONDITIONS,
    EAT_ACTION,
    F_FOOD,
    F_HOSTILES,
    F_NEW_ITEMS,
    G_HP,
    KICK_ACTION,
)
from maestromotif.domains.nethack.glyphs import FLAGS_OF, TERRAIN_OF
from maestromotif.domains.nethack.levels import BLANK, DOWN_ACTION, DX, DY, HERE, UP_ACTION, WAIT_ACTION, is_door
from maestromotif.domains.nethack.memory import COLUMNS, ROWS, Inputs, Memory, Outputs
from maestromotif.domains.nethack.paths import T_SPOT
from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["MASK_ALL", "MASK_HARM", "MASK_NONE", "PRAYERS_APART", "allow"]

MASK_NONE, MASK_HARM, MASK_ALL = 0, 1, 2  # what is forbidden: nothing, what only harms, and in need all but the remedy

PRAY_ACTION, CAST_ACTION, QUAFF_ACTION, DROP_ACTION, MORE_ACTION, ENHANCE_ACTION = (
    ACTIONS.index(name) for name in ("pray", "cast", "quaff", "drop", "more", "enhance")
)
POTION = 8  # a class of objects
SATIATED, HUNGRY, WEAK = 0, 2, 3
FATAL = 0x1F  # of the conditions: turning to stone or slime, strangled, poisoned by food, ill
SPELL_POWER = 5  # of a first-level spell
PRAYERS_APART = 500  # turns; seven of eight prayers are heard so soon, and who waits longer mostly dies
KICK_HURTS = 5  # hit points at most
BLOW_HURTS = 24  # what striking a monster that is not to be struck costs, at most and but for the deadly ones


@compiled
def allow(games: NDArray[np.int64], inputs: Inputs, memory: Memory, outputs: Outputs, mask: int) -> None:
    """Masks of the given games, after ``features.update``.

    Args:
        games: which games, int64.
        mask: ``MASK_HARM`` or ``MASK_ALL``.
    """
    for game in games:
        allowed, stats, facts, glyphs = outputs.mask[game], inputs.stats[game], outputs.facts[game], inputs.glyphs[game]
        me_x, me_y, terrain = stats[0], stats[1], memory.terrain[game, memory.slot[game]]
        here, asked, beside, meal = terrain[me_y, me_x], inputs.prompts[game] > 0, memory.beside[game] > 0, memory.meal[game]
        hit_points, blind = stats[BL_HP], stats[CONDITIONS] & BLIND > 0
        classes, idle = inputs.classes[game], memory.idle[game]
        searching = memory.ways[game, T_SPOT] == HERE
        _forbid_harm(allowed, stats, facts, classes, here, inputs.prayed[game], inputs.confident[game] > 0, searching, meal == HERE)
        _forbid_idle_moves(allowed, glyphs, terrain, here, me_y, me_x, blind, beside, asked, hit_points > KICK_HURTS)
        if beside:
            _spare(allowed, glyphs, terrain, me_y, me_x, hit_points > BLOW_HURTS)
        for index in range(8 if asked else 0, len(idle)):
            allowed[index] &= 1 - idle[index]
        if mask == MASK_ALL and not asked:
            draught = _has_draught(classes, inputs.letters[game], inputs.started[game])
            _heed_needs(allowed, stats, facts, inputs.actions[game], outputs.signs[game, G_HP] == 2, meal, draught, beside)


@compiled
def _in_need(stats: Any) -> bool:
    """Whether gods would call it major trouble; of whoever is inexperienced they call more wounds so (pray.c of NetHack 3.6)."""
    few = 5 if stats[BL_XL] < 6 else 6 if stats[BL_XL] < 14 else 7
    return bool(stats[BL_HUNGER] >= WEAK or stats[BL_HP] * few <= stats[BL_HPMAX] or stats[BL_HP] < 6 or stats[CONDITIONS] & FATAL)


@compiled
def _forbid_harm(
    allowed: Any, stats: Any, facts: Any, classes: Any, here: int, prayed: int, confident: bool, searching: bool, meal: bool
) -> None:
    """Forbid what only harms or does nothing.

    To eat unless hungry with food, or on a fresh corpse and not satiated; to pray unless in need and heard; to cast without power; to
    quaff without potions; to drop with nothing new, or where nobody buys and no altar is; "more" always; to enhance unless the game has
    offered it; to wait unless nobody is in view and there are wounds to heal without hunger, or hidden things to be found here.
    """
    hunger = stats[BL_HUNGER]
    allowed[:] = 1
    resting = hunger < HUNGRY and stats[BL_HP] < stats[BL_HPMAX]
    allowed[WAIT_ACTION] = facts[F_HOSTILES] == 0 and (resting or searching)
    potions = 0
    for item in classes:
        potions += item == POTION
    allowed[EAT_ACTION] = (hunger >= HUNGRY and facts[F_FOOD] > 0) or (meal and hunger > SATIATED)
    allowed[PRAY_ACTION] = _in_need(stats) and stats[BL_TURN] - prayed > PRAYERS_APART
    allowed[CAST_ACTION] = stats[BL_POWER] >= SPELL_POWER
    allowed[QUAFF_ACTION] = potions > 0
    allowed[DROP_ACTION] = facts[F_NEW_ITEMS] > 0 and here in (squares.ALTAR, squares.SHOP_FLOOR)
    allowed[MORE_ACTION] = 0
    allowed[ENHANCE_ACTION] = confident


@compiled
def _forbid_idle_moves(
    allowed: Any, glyphs: Any, terrain: Any, here: int, me_y: int, me_x: int, blind: bool, beside: bool, asked: bool, hardy: bool
) -> None:
    """Forbid taking stairs where there are none, kicking where there is neither a monster nor a locked door, and going where
    nobody can go; and to kick without being ``hardy``, since a kick that hits something hard hurts.

    Whoever sees, sees what is beside: rock (blank), or walls and the like. Doors are not crossed diagonally, but who stands in one
    can be struck. With "which way?" asked, the ways are ways to kick.
    """
    locked = False
    for way in range(8):
        ny, nx = me_y + DY[way], me_x + DX[way]
        if not (0 < nx < COLUMNS and 0 <= ny < ROWS):
            allowed[way] = allowed[way + 8] = 0
            continue
        there, glyph = terrain[ny, nx], glyphs[ny, nx]
        locked |= way < 4 and there == squares.LOCKED_DOOR
        closed = TERRAIN_OF[glyph] == squares.SOLID or (glyph == BLANK and not blind)
        closed |= way >= 4 and not asked and FLAGS_OF[glyph] & squares.MONSTER == 0 and (is_door(here) or is_door(there))
        if closed:
            allowed[way] = allowed[way + 8] = 0
    allowed[DOWN_ACTION] = here in (squares.STAIRS_DOWN, squares.USED_STAIRS_DOWN, squares.FALL)
    allowed[UP_ACTION] = here == squares.STAIRS_UP
    allowed[KICK_ACTION] = (locked or beside) and not asked and hardy


@compiled
def _spare(allowed: Any, glyphs: Any, terrain: Any, me_y: int, me_x: int, hardy: bool) -> None:
    """Forbid steps, and with them kicks, into monsters that are not to be struck, and runs, which end before them.

    Whoever is ``hardy`` may strike one that sits on stairs, or any where no other way is left, unless its touch kills; those that do no
    more than paralyse may be struck there by all.
    """
    free = 0
    for way in range(8):
        ny, nx = me_y + DY[way], me_x + DX[way]
        if 0 <= nx < COLUMNS and 0 <= ny < ROWS and FLAGS_OF[glyphs[ny, nx]] & squares.FORBIDDEN:
            allowed[way + 8] = 0
            on_stairs = terrain[ny, nx] in (squares.STAIRS_DOWN, squares.USED_STAIRS_DOWN, squares.STAIRS_UP)
            if not (on_stairs and hardy) or FLAGS_OF[glyphs[ny, nx]] & squares.DEADLY:
                allowed[way] = 0
        free += allowed[way]
    if free == 0:
        for way in range(8):
            ny, nx = me_y + DY[way], me_x + DX[way]
            if 0 <= nx < COLUMNS and 0 <= ny < ROWS:
                creature = FLAGS_OF[glyphs[ny, nx]]
                harmful = creature & squares.DEADLY or not (hardy or creature & squares.PARALYSING)
                allowed[way] = creature & squares.FORBIDDEN > 0 and not harmful


@compiled
def _has_draught(classes: Any, letters: Any, started: Any) -> bool:
    """Whether the first potion, which is the one that is drunk, is one that the character began with: those are known, and heal."""
    for index in range(len(classes)):
        if classes[index] == POTION:
            return bool(started[letters[index]])
    return False


@compiled
def _heed_needs(allowed: Any, stats: Any, facts: Any, action: int, bleeding: bool, meal: int, draught: bool, beside: bool) -> None:
    """In need, allow the remedy only. The first of these that applies:

    * in major trouble: prayer, if it will be heard;
    * with two thirds of the hit points lost and somebody in view: the draught that heals, if there is one;
    * with a third lost and somebody beside: a spell, but not twice in a row, since most spells last;
    * with nobody in view: food when hungry, and a fresh corpse always, but not twice in a row, since there is food that cannot be eaten;
      the step to such a corpse; with a fifth of the hit points lost and no fresh wound, to wait until they are back.
    """
    if allowed[PRAY_ACTION]:
        allowed[:] = 0
        allowed[PRAY_ACTION] = 1
    elif draught and facts[F_HOSTILES] > 0 and stats[BL_HP] * 3 < stats[BL_HPMAX]:
        allowed[:] = 0
        allowed[QUAFF_ACTION] = 1
    elif allowed[CAST_ACTION] and beside and stats[BL_HP] * 3 < stats[BL_HPMAX] * 2 and action != CAST_ACTION:
        allowed[:] = 0
        allowed[CAST_ACTION] = 1
    elif allowed[EAT_ACTION] and facts[F_HOSTILES] == 0 and action != EAT_ACTION:
        allowed[:] = 0
        allowed[EAT_ACTION] = 1
    elif meal < HERE and stats[BL_HUNGER] > SATIATED and facts[F_HOSTILES] == 0 and allowed[meal]:
        allowed[:] = 0
        allowed[meal] = 1
    elif allowed[WAIT_ACTION] and stats[BL_HP] * 5 < stats[BL_HPMAX] * 4 and not bleeding:
        allowed[:] = 0
        allowed[WAIT_ACTION] = 1
