"""Food, draughts, spells and prayer of who is in need, and ways out of where nobody seems to get out: in the real game."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from nle import nethack

from maestromotif.domains.nethack import features, levels, masks, memory, squares
from maestromotif.domains.nethack.glyphs import FLAGS_OF
from maestromotif.domains.nethack.vocabulary import ACTIONS, SIGNS

from .test_nethack_landmarks import MINETOWN, SEED
from .wizard import Wizard, masked

A = {name: index for index, name in enumerate(ACTIONS)}
ALTAR = [sign.name for sign in SIGNS].index("altar")


@pytest.fixture
def wizard() -> Iterator[Wizard]:
    with masked(5, masks.MASK_ALL) as own:
        yield own


def _beside(wizard: Wizard) -> list[int]:
    beside = int(wizard.env._memory.beside[0])
    return [way for way in range(8) if beside >> way & 1]


def _body(monster: str) -> int:
    return int(nethack.GLYPH_BODY_OFF) + next(index for index in range(nethack.NUMMONS) if nethack.permonst(index).mname == monster)


def _corpse(wizard: Wizard, monster: str, of: str, tries: int = 60) -> int:
    """Kill monsters until one leaves its corpse beside the character; returns the way to it."""
    wizard.env._mask = masks.MASK_NONE
    for _ in range(tries):
        if not _beside(wizard):
            wizard.create(monster)
        ways = _beside(wizard)
        if ways:
            wizard.act(ACTIONS[ways[0]])
        x, y = (int(wizard.game._stats[index]) for index in (0, 1))
        glyphs = wizard.env._raw["glyphs"][0]
        found = [way for way in range(8) if glyphs[y + levels.DY[way], x + levels.DX[way]] == _body(of)]
        if found and not _beside(wizard):
            wizard.env._mask = masks.MASK_ALL
            wizard.env._inputs.actions[0] = A["search"]  # looking twice is not striking twice
            wizard.env._refresh(np.array([0]))
            return found[0]
    raise AssertionError(f"no {monster} left a corpse")


def test_a_fresh_corpse_is_gone_to_and_eaten(wizard: Wizard) -> None:
    wizard.experience(8)
    way = _corpse(wizard, "newt", "newt")
    wizard.status(BL_HP=60, BL_HPMAX=60)
    assert wizard.facts.hunger == "not hungry"
    assert wizard.allowed() == {ACTIONS[way]}
    wizard.status(BL_HP=60, BL_HPMAX=60, BL_HUNGER=masks.SATIATED)
    assert len(wizard.allowed()) > 3
    wizard.act(ACTIONS[way])
    wizard.status(BL_HP=60, BL_HPMAX=60)
    assert wizard.allowed() == {"eat"}
    carried, meals = wizard.facts.food_items, wizard.facts.meals
    wizard.act("eat")
    assert "newt corpse" in wizard.facts.message
    assert (wizard.facts.food_items, wizard.facts.meals) == (carried, meals + 1)
    assert "eat" not in wizard.allowed()


@pytest.mark.parametrize(("monster", "of"), [("gnome zombie", "gnome"), ("kobold", "kobold")])
def test_what_would_make_ill_is_left(wizard: Wizard, monster: str, of: str) -> None:
    """A zombie's corpse is old, a kobold's poisonous."""
    wizard.experience(8)
    way = _corpse(wizard, monster, of)
    assert int(wizard.env._memory.meal[0]) == memory.NO_WAY
    wizard.act(ACTIONS[way])
    wizard.act("eat")  # an apple
    assert f"{of} corpse." not in wizard.facts.message.replace("You see here a", "")


def test_a_corpse_of_unknown_age_is_left(wizard: Wizard) -> None:
    wizard.wish("gnome corpse")
    wizard.keys(b"d" + bytes([wizard.letters()[0]]))
    (way, *_) = [way for way in range(8) if ACTIONS[way] in wizard.allowed()]
    wizard.act(ACTIONS[way])
    assert int(wizard.env._memory.meal[0]) == memory.NO_WAY


def test_corpses_grow_old(wizard: Wizard) -> None:
    wizard.experience(8)
    _corpse(wizard, "newt", "newt")
    assert int(wizard.env._memory.meal[0]) < memory.NO_WAY
    turn = int(wizard.env._inputs.stats[0, features.BL_TURN])
    wizard.status(BL_TURN=turn + levels.FRESH + 1)
    assert int(wizard.env._memory.meal[0]) == memory.NO_WAY


def test_who_is_ill_or_nearly_dead_prays(wizard: Wizard) -> None:
    wizard.env._inputs.prayed[0] -= masks.PRAYERS_APART
    wizard.status()
    assert "pray" not in wizard.allowed()
    for illness in (8, 16):
        wizard.status(CONDITIONS=illness)
        assert wizard.allowed() == {"pray"}
    for level, most, prays in ((1, 8, True), (1, 9, False), (6, 6, True), (6, 7, False), (14, 5, True)):
        wizard.status(BL_XL=level, BL_HP=most, BL_HPMAX=40)
        assert ("pray" in wizard.allowed()) == prays, (level, most)


def test_spells_are_for_whoever_is_wounded_beside_a_monster(wizard: Wizard) -> None:
    wizard.create("newt")
    wizard.status(BL_HP=19, BL_HPMAX=30, BL_POWER=5)
    assert wizard.allowed() == {"cast"}
    wizard.env._inputs.actions[0] = A["cast"]
    wizard.status(BL_HP=19, BL_HPMAX=30, BL_POWER=5)
    assert len(wizard.allowed()) > 8
    wizard.env._inputs.actions[0] = A["search"]
    wizard.status(BL_HP=19, BL_HPMAX=30, BL_POWER=4)
    assert len(wizard.allowed()) > 8


def _keys_of(own: Wizard, action: str) -> bytes:
    """What an action presses."""
    pressed: list[int] = []
    low, step = own.game._low, own.game._low.step

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(low, name)

        def step(self, key: int) -> None:
            pressed.append(key)
            step(key)

    own.game._low = Spy()
    own.act(action)
    own.game._low = low
    return bytes(pressed)


def test_a_spell_that_heals_is_cast_at_oneself() -> None:
    own = Wizard(6)
    assert own.game.heals
    own.create("newt")
    assert _keys_of(own, "cast").startswith(b"Za.")
    own.close()


@pytest.mark.parametrize("monster", ["newt", "peaceful watchman"])
def test_other_spells_are_cast_at_monsters_and_never_at_the_watch(monster: str, wizard: Wizard) -> None:
    assert not wizard.game.heals
    wizard.create(monster)
    (way,) = (way for way in range(8) if _flags(wizard)[way] & squares.MONSTER)
    expected = b"\x1b" if _flags(wizard)[way] & squares.PEACEFUL else b"kljhunby"[way : way + 1]
    assert _keys_of(wizard, "cast").startswith(b"Za" + expected)


def _flags(wizard: Wizard) -> list[int]:
    """Of what stands on the eight squares beside the character."""
    x, y = (int(wizard.game._stats[index]) for index in (0, 1))
    glyphs = wizard.env._raw["glyphs"][0]
    return [int(FLAGS_OF[glyphs[y + levels.DY[way], x + levels.DX[way]]]) for way in range(8)]


@pytest.mark.parametrize("town", [False, True])
def test_doors_are_kicked_in_but_not_under_the_eyes_of_a_watch(town: bool) -> None:
    with masked(SEED, masks.MASK_HARM) as own:
        if town:
            own.special(MINETOWN)
            own.act("search")
        env = own.env
        slot, (x, y) = env._memory.slot[0], env._memory.position[0, :2].tolist()
        terrain = env._memory.terrain[0, slot]
        way = next(way for way in range(4) if terrain[y + levels.DY[way], x + levels.DX[way]] == squares.FLOOR)
        terrain[y + levels.DY[way], x + levels.DX[way]] = squares.CLOSED_DOOR
        env._inputs.bumps[0] = way
        env._refresh(np.array([0]))
        assert terrain[y + levels.DY[way], x + levels.DX[way]] == (squares.SOLID if town else squares.LOCKED_DOOR)
        assert ("kick" in own.allowed()) == (not town)


def test_things_are_put_down_on_altars_and_in_shops_only(wizard: Wizard) -> None:
    wizard.wish("scroll of light")
    wizard.env._refresh(np.array([0]))
    assert wizard.facts.new_items == 1
    assert "drop" not in wizard.allowed()
    slot = wizard.env._memory.slot[0]
    x, y = wizard.env._memory.position[0, :2].tolist()
    for place in (squares.ALTAR, squares.SHOP_FLOOR):
        wizard.env._memory.terrain[0, slot, y, x] = place
        wizard.env._refresh(np.array([0]))
        assert "drop" in wizard.allowed()


def test_nothing_is_picked_up_where_it_would_have_to_be_paid() -> None:
    own = Wizard(5)
    own.keys(bytes([7]) + b"shopkeeper\ry")
    own.act("search")
    env = own.env
    shop = {(int(x), int(y)) for y, x in np.argwhere(env._memory.terrain[0, env._memory.slot[0]] == squares.SHOP_FLOOR)}
    own.act("search")
    assert env._minding[0] == env._memory.shop[0]
    target = sorted(shop)[len(shop) // 2]
    own.square(*target)
    own.wish("3 scrolls of light")
    own.keys(b"d" + bytes([own.letters()[0]]))
    held = own.facts.items
    assert env._memory.shop[0]
    for way in ("west", "east"):
        own.act(way)
    assert own.facts.items == held
    own.level(3)
    own.act("search")
    assert not env._minding[0]
    own.close()


def test_whoever_is_shut_in_may_strike_what_else_must_not_be_struck() -> None:
    own = Wizard(5)
    own.env._mask = masks.MASK_HARM
    own.square(*own.env._memory.position[0, :2].tolist())
    for _ in range(30):
        x, y = own.env._memory.position[0, :2].tolist()
        glyphs = own.env._raw["glyphs"][0]
        around = [FLAGS_OF[glyphs[y + levels.DY[way], x + levels.DX[way]]] for way in range(8)]
        terrain = own.env._memory.terrain[0, own.env._memory.slot[0]]
        free = [way for way in range(8) if terrain[y + levels.DY[way], x + levels.DX[way]] >= squares.FLOOR]
        if all(around[way] & squares.FORBIDDEN for way in free):
            break
        assert not {ACTIONS[way] for way in free if around[way] & squares.FORBIDDEN} & own.allowed()
        own.create("floating eye")
    assert {ACTIONS[way] for way in free} <= own.allowed()  # they do no more than paralyse
    assert not {f"far {ACTIONS[way]}" for way in free} & own.allowed()
    own.close()


def test_who_sits_on_stairs_is_in_the_way(wizard: Wizard) -> None:
    wizard.env._mask = masks.MASK_HARM
    wizard.create("brown mold")
    (way,) = _beside(wizard)
    x, y = wizard.env._memory.position[0, :2].tolist()
    wizard.status(BL_HP=60)
    assert ACTIONS[way] not in wizard.allowed()
    slot = wizard.env._memory.slot[0]
    wizard.env._memory.terrain[0, slot, y + levels.DY[way], x + levels.DX[way]] = squares.STAIRS_DOWN
    wizard.env._memory.counts[0, slot, 3] = 1
    wizard.act("search")
    wizard.status(BL_HP=60)
    assert ACTIONS[way] in wizard.allowed()
    assert wizard.env.path_direction(0, "stairs_down") == way
    wizard.status(BL_HP=masks.BLOW_HURTS)
    assert ACTIONS[way] not in wizard.allowed()


def test_who_has_stood_beside_rock_or_run_past_it_knows_it() -> None:
    """Frontiers of what is known are squares that border on what nobody has looked at, and no others."""
    own = Wizard(5)
    rng, runs, felt = np.random.default_rng(2), 0, 0
    env = own.env
    for _ in range(400):
        before = env._memory.position[0, :3].tolist()
        way = int(rng.integers(8))
        far = bool(rng.integers(2))
        own.act(ACTIONS[way + 8 * far])
        if env.terminated_B[0]:
            own.begin(6)
            continue
        x, y, level = env._memory.position[0, :3].tolist()
        slot = env._memory.slot[0]
        terrain, marks = env._memory.terrain[0, slot], env._memory.marks[0, slot]
        if not int(env._raw["blstats"][0, 25]) & features.BLIND:
            around = terrain[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            assert not (around == squares.UNKNOWN).any()
            felt += int((around == squares.ROCK).any())
        length = max(abs(x - before[0]), abs(y - before[1]))
        straight = (before[0] + length * levels.DX[way], before[1] + length * levels.DY[way]) == (x, y)
        if far and level == before[2] and length > 2 and straight:
            runs += 1
            for step in range(1, length):
                assert marks[before[1] + step * levels.DY[way], before[0] + step * levels.DX[way]] & levels.VISITED
    own.close()
    assert runs > 10
    assert felt > 10


def test_stepping_onto_an_altar_is_told(wizard: Wizard) -> None:
    env, slot = wizard.env, wizard.env._memory.slot[0]
    free = [way for way in range(8) if ACTIONS[way] in wizard.allowed()]
    x, y = env._memory.position[0, :2].tolist()
    env._memory.terrain[0, slot, y + levels.DY[free[0]], x + levels.DX[free[0]]] = squares.ALTAR
    wizard.act(ACTIONS[free[0]])
    assert SIGNS[ALTAR].values[env.reward_input(0).signs[ALTAR]] == "stepped onto"
    assert "stepped onto an altar" in env.caption(0).text
    assert env.discount_key(0) == env.discount_keys()[0] > 0  # going to and fro does not pay
    wizard.act("search")
    assert env.discount_key(0) == env.discount_keys()[0] == env._messages[0].key
    assert env.reward_input(0).signs[ALTAR] == 0


def test_whoever_hallucinates_is_not_held_by_what_does_nothing(wizard: Wizard) -> None:
    """Things look different at each step then, which is no change that would make a vain action worth another try."""
    wizard.env._mask = masks.MASK_HARM
    wizard.create("peaceful acid blob")
    (way,) = _beside(wizard)
    for hallucinating, forbidden in ((False, False), (True, True)):
        wizard.act(ACTIONS[way])
        assert ACTIONS[way] not in wizard.allowed()
        wizard.env._memory.glyphs[0, 1, 1] += 1  # something far away has changed
        stats = wizard.env._inputs.stats
        stats[0, features.CONDITIONS] |= features.HALLUCINATING * hallucinating
        wizard.env._refresh(np.array([0]))
        assert (ACTIONS[way] not in wizard.allowed()) == forbidden
