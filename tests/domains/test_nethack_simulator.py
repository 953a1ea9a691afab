"""The simulated dungeon: consistent, repeatable, and hard in the ways that programs must cope with."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.domains.contract import Facts
from maestromotif.domains.nethack.simulator import TICK_STEPS, DungeonSimulator
from maestromotif.domains.nethack.vocabulary import FACTS

SKILLS = ("discoverer", "descender", "ascender", "merchant", "worshipper", "juggler")
NAMES = [spec.name for spec in FACTS if spec.name != "message"]
GROWING = ("max_depth", "levels_visited", "turn", "steps", "kills", "gold_collected", "items_sold", "meals", "experience_level")


def values(facts: Facts) -> list[object]:
    return [getattr(facts, name) for name in NAMES]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), skills=st.lists(st.sampled_from(SKILLS), min_size=1, max_size=60), perfect=st.booleans())
def test_facts_are_consistent_whatever_is_called(seed: int, skills: list[str], perfect: bool) -> None:
    simulator, twin = DungeonSimulator(perfect), DungeonSimulator(perfect)
    before = simulator.reset(seed)
    assert values(before) == values(twin.reset(seed))
    assert before.depth == 1
    assert before.on_stairs_up
    for skill in skills:
        facts, over = simulator.step(skill)
        assert values(facts) == values(twin.step(skill)[0])
        check(before, facts, over)
        truth = simulator.truth()
        assert truth["dlevel"] == facts.branch_level
        assert (truth["dnum"] == 2) == (facts.branch == "mines")
        assert over == (truth["died"] or truth["escaped"])
        if over:
            assert not (perfect and truth["died"])
            assert values(simulator.step(skill)[0]) == values(facts), "nothing happens after the end"
            return
        before = facts


def check(before: Facts, facts: Facts, over: bool) -> None:
    for name in GROWING:
        assert getattr(facts, name) >= getattr(before, name), name
    assert facts.steps == before.steps + TICK_STEPS
    assert facts.turn > before.turn
    assert facts.max_depth >= facts.depth >= 1
    assert facts.hp <= facts.max_hp
    assert facts.hp > 0 or over
    assert facts.stairs_down_known == (facts.stairs_down_count > 0)
    assert facts.stairs_down_count <= 2
    assert not (facts.on_stairs_down and facts.on_stairs_up)
    assert facts.stairs_down_known or not facts.on_stairs_down
    assert facts.stairs_up_known or not facts.on_stairs_up
    assert facts.unknown_buc_items <= facts.new_items <= facts.items
    assert min(facts.gold, facts.unknown_buc_items, facts.new_items, facts.food_items, facts.hostiles_near) >= 0
    assert facts.altar_near or not facts.on_altar
    if facts.depth > before.depth and "trap door" not in facts.message:
        assert facts.on_stairs_up, "whoever comes by stairs stands on those that lead back"
    if abs(facts.depth - before.depth) > 1:
        pytest.fail("more than one level in a tick")


def play(skill: str, seed: int, ticks: int, perfect: bool = False) -> tuple[DungeonSimulator, Facts]:
    simulator = DungeonSimulator(perfect)
    facts, over = simulator.reset(seed), False
    for _ in range(ticks):
        if not over:
            facts, over = simulator.step(skill)
    return simulator, facts


def test_perfect_skills_do_what_they_are_for() -> None:
    for seed in range(20):
        assert play("descender", seed, 200, perfect=True)[1].depth >= 9
        assert play("discoverer", seed, 200, perfect=True)[1].max_depth == 1
        assert play("discoverer", seed, 200, perfect=True)[1].kills >= 10
        assert play("ascender", seed, 20, perfect=True)[0].truth()["escaped"]


def test_imperfect_skills_fail_and_characters_die() -> None:
    perfect = [play("descender", seed, 40, perfect=True)[1].depth for seed in range(40)]
    imperfect = [play("descender", seed, 40)[1].depth for seed in range(40)]
    assert sum(imperfect) < sum(perfect)
    assert any(play("descender", seed, 500)[0].truth()["died"] for seed in range(10))


def test_shops_buy_and_altars_tell() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        simulator = DungeonSimulator(perfect=True)
        facts = simulator.reset(seed)
        for tick in range(400):
            if facts.altar_near and facts.unknown_buc_items:
                after, over = simulator.step("worshipper")
                seen["told"] += after.unknown_buc_items < facts.unknown_buc_items
            elif facts.shopkeeper_near and facts.new_items:
                after, over = simulator.step("merchant")
                if after.items_sold > facts.items_sold:
                    seen["sold"] += 1
                    assert after.gold > facts.gold
            else:
                after, over = simulator.step("discoverer" if tick % 12 < 8 else "descender")
            facts = after
            if over:
                break
    assert seen["told"] >= 10
    assert seen["sold"] >= 10


def test_dungeons_vary_and_keep_to_the_rules() -> None:
    entrances, oracles = Counter[int](), Counter[int]()
    for seed in range(60):
        simulator = DungeonSimulator(perfect=True)
        facts = simulator.reset(seed)
        for _ in range(400):
            facts, _ = simulator.step("ascender" if facts.branch == "mines" else "descender")
            if simulator.truth()["on_oracle_level"]:
                oracles[facts.depth] += 1
                assert facts.branch == "main"
                break
        entrances[facts.mines_entrance_depth] += 1
    assert set(entrances) <= {0, 2, 3, 4}
    assert len(entrances) >= 3
    assert set(oracles) == {5, 6, 7, 8, 9}
    assert oracles.total() >= 55


def test_unknown_skills_just_pass_time() -> None:
    _, facts = play("juggler", 3, 50, perfect=True)
    assert facts.depth == 1
    assert facts.steps == 50 * TICK_STEPS
