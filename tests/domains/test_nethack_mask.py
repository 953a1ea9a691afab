"""What masks forbid, in the real game brought into the situation by NetHack's debugging mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from maestromotif.domains.nethack import features, levels, masks, paths, squares
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.glyphs import FLAGS_OF
from maestromotif.domains.nethack.layout import TARGETS
from maestromotif.domains.nethack.vocabulary import ACTIONS

from .wizard import Wizard, masked

A = {name: index for index, name in enumerate(ACTIONS)}


@pytest.fixture
def wizard() -> Iterator[Wizard]:
    with masked(5, masks.MASK_HARM) as own:
        yield own


def _beside(wizard: Wizard, flag: int) -> list[int]:
    """Ways to squares beside the character whose glyph has this flag."""
    x, y = (int(wizard.game._stats[index]) for index in (0, 1))
    glyphs = wizard.env._raw["glyphs"][0]
    return [way for way in range(8) if FLAGS_OF[glyphs[y + levels.DY[way], x + levels.DX[way]]] & flag]


@pytest.mark.parametrize("monster", ["floating eye", "blue jelly", "cockatrice", "gas spore"])
def test_nobody_is_let_strike_what_must_not_be_struck(wizard: Wizard, monster: str) -> None:
    wizard.create(monster)
    (way,) = _beside(wizard, squares.FORBIDDEN)
    assert ACTIONS[way] not in wizard.allowed()
    assert len({*ACTIONS[:8]} & wizard.allowed()) == 7
    assert way not in [int(wizard.env._memory.ways[0, target]) for target in range(len(TARGETS))]  # no path leads through it


def test_others_may_be_struck(wizard: Wizard) -> None:
    for monster in ("lichen", "newt", "acid blob"):
        wizard.create(monster)
    assert not _beside(wizard, squares.FORBIDDEN)
    assert _beside(wizard, squares.MONSTER)
    assert {*ACTIONS[:8]} <= wizard.allowed()


def test_waiting_is_for_wounds_with_nobody_about(wizard: Wizard) -> None:
    assert "wait" not in wizard.allowed()  # whole, and there is more to explore
    wizard.status(BL_HP=9)
    assert "wait" in wizard.allowed()
    wizard.create("newt")
    wizard.status(BL_HP=9)
    assert "wait" not in wizard.allowed()


def test_waiting_also_searches_where_nothing_is_left_to_explore() -> None:
    own = Wizard(5)
    own.env._mask = masks.MASK_HARM
    rng, waited = np.random.default_rng(1), 0
    for _ in range(1500):
        ways = own.env._memory.ways[0]
        allowed = own.env.observation["action_mask"][0]
        if ways[paths.T_UNEXPLORED] == levels.HERE + 1 and ways[paths.T_SPOT] == levels.HERE:
            assert allowed[A["wait"]] == (own.facts.hostiles_near == 0)
            waited += 1
            own.act("wait")
            continue
        way = int(ways[paths.T_UNEXPLORED if ways[paths.T_UNEXPLORED] < 8 else paths.T_SPOT])
        moves = np.flatnonzero(allowed[:8])
        own.act(ACTIONS[way] if way < 8 and rng.random() < 0.9 else ACTIONS[int(rng.choice(moves))])
        if own.env.terminated_B[0]:
            own.begin(6)
        if waited > 3:
            break
    own.close()
    assert waited > 3


def test_reflexes_leave_the_remedy_only(wizard: Wizard) -> None:
    wizard.env._mask = masks.MASK_ALL
    wizard.status(BL_HP=2)
    assert "pray" not in wizard.allowed()  # gods hear nobody who has just begun
    wizard.env._inputs.prayed[0] -= 300
    wizard.status(BL_HP=2)
    assert wizard.allowed() == {"pray"}
    wizard.act("pray")
    assert len(wizard.allowed()) > 8
    wizard.status(BL_HP=2)  # a second prayer would not be heard so soon, and whoever has struck may be about
    assert len(wizard.allowed()) > 8
    wizard.status(BL_HP=2)  # nobody has: there is time
    assert wizard.allowed() == {"wait"}
    wizard.create("newt")
    wizard.status(BL_HP=2)
    assert wizard.allowed() == {"quaff"}  # a potion that heals, which monks begin with
    wizard.status(BL_HP=6)
    assert wizard.allowed() == {"cast"}
    wizard.env._inputs.actions[0] = A["cast"]
    wizard.status(BL_HP=6)
    assert "wait" not in wizard.allowed()
    assert len(wizard.allowed()) > 8


def test_hungry_characters_eat_if_they_can(wizard: Wizard) -> None:
    wizard.env._mask = masks.MASK_ALL
    inputs = wizard.env._inputs
    inputs.stats[0, features.BL_HUNGER] = masks.HUNGRY
    wizard.env._refresh(np.array([0]))
    assert wizard.facts.food_items > 0
    assert wizard.allowed() == {"eat"}
    inputs.actions[0] = A["eat"]  # it has just tried in vain, and is still hungry
    wizard.env._refresh(np.array([0]))
    assert "search" in wizard.allowed()
    assert "eat" not in wizard.allowed()


def test_reflexes_are_an_option_that_leaves_others_as_they_were() -> None:
    assert "reflexes" not in NetHack().options
    domain: Any = NetHack({"reflexes": True, "actions": "travel"})
    env = domain.make_env(1)
    env.reset([0], [5])
    env._inputs.stats[0, features.BL_HUNGER] = masks.HUNGRY
    env._refresh(np.array([0]))
    assert np.flatnonzero(env.observation["action_mask"][0]).tolist() == [A["eat"]]  # no trip either
    env.close()


def _ways(wizard: Wizard, terrain: int) -> list[int]:
    """Ways to squares of this terrain beside the character."""
    env, (x, y) = wizard.env, wizard.env._memory.position[0, :2].tolist()
    return [way for way in range(8) if env._memory.terrain[0, env._memory.slot[0], y + levels.DY[way], x + levels.DX[way]] == terrain]


def test_nobody_walks_into_rock_or_walls(wizard: Wizard) -> None:
    walls = 0
    wizard.act("search")
    for _ in range(60):
        closed = set(_ways(wizard, squares.SOLID))
        walls += len(closed)
        assert not {ACTIONS[way + far] for way in closed for far in (0, 8)} & wizard.allowed()
        free = [way for way in range(8) if ACTIONS[way] in wizard.allowed()]
        before = wizard.env._memory.position[0, :2].tolist()
        wizard.act(ACTIONS[free[walls % len(free)]])
        if wizard.env._memory.position[0, :2].tolist() == before:  # somebody was struck, or a door was opened
            continue
    assert walls > 20


def test_stairs_are_taken_where_they_are(wizard: Wizard) -> None:
    assert {"up"} == {"up", "down"} & wizard.allowed()  # every game begins on a staircase up
    (way, *_) = [way for way in range(8) if ACTIONS[way] in wizard.allowed()]
    wizard.act(ACTIONS[way])
    assert not {"up", "down"} & wizard.allowed()


def test_what_did_nothing_is_not_offered_again_until_something_changes(wizard: Wizard) -> None:
    wizard.create("peaceful acid blob")
    (way,) = _beside(wizard, squares.MONSTER)
    assert ACTIONS[way] in wizard.allowed()
    wizard.act(ACTIONS[way])
    assert "Really attack" in wizard.facts.message
    assert ACTIONS[way] not in wizard.allowed()
    wizard.act("search")
    assert wizard.facts.turn > 1
    if _beside(wizard, squares.MONSTER) == [way]:
        assert ACTIONS[way] in wizard.allowed()


def test_a_kick_is_for_monsters_and_locked_doors(wizard: Wizard) -> None:
    assert "kick" not in wizard.allowed()
    wizard.create("lichen")
    (way,) = _beside(wizard, squares.MONSTER)
    assert "kick" in wizard.allowed()
    wizard.act("kick")
    assert "kick" not in wizard.allowed()  # it asks where
    assert ACTIONS[way] in wizard.allowed()
    wizard.act("search")  # takes it back
    assert not wizard.env.prompt_open(0)


def test_shops_are_known_by_their_keepers(wizard: Wizard) -> None:
    """A shopkeeper stands in the room: its floor is a shop's, but for the squares at the doors."""
    wizard.keys(bytes([7]) + b"shopkeeper\ry")  # the game would rather not
    env, memory = wizard.env, wizard.env._memory
    terrain = memory.terrain[0, memory.slot[0]]
    shop = np.argwhere(terrain == squares.SHOP_FLOOR)
    assert len(shop) > 8
    assert len(shop) == memory.counts[0, memory.slot[0], 7]
    for y, x in shop:
        around = terrain[y - 1 : y + 2, x - 1 : x + 2]
        assert not np.isin(around, [squares.DOORWAY, squares.OPEN_DOOR, squares.CLOSED_DOOR, squares.LOCKED_DOOR]).any()
    assert env.path_length(0, "shop") in (0, 1)
    wizard.level(3)
    assert env.path_direction(0, "shop") < 0
