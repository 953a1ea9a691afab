"""The simulated dungeon: consistent, repeatable, made by the game's rules, and hard in the ways that programs must cope with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestromotif.domains.contract import Facts
from maestromotif.domains.nethack.simulator import TICK_STEPS, DungeonSimulator
from maestromotif.domains.nethack.simulator_rates import Rates, measured, perfect, practised
from maestromotif.domains.nethack.vocabulary import FACTS

SKILLS = ("discoverer", "descender", "ascender", "merchant", "worshipper", "juggler")
NAMES = [spec.name for spec in FACTS if spec.name != "message"]
GROWING = ("max_depth", "levels_visited", "turn", "steps", "kills", "gold_collected", "items_sold", "meals", "experience_level")
RATES = (measured, practised, perfect)


def values(facts: Facts) -> list[object]:
    return [getattr(facts, name) for name in NAMES]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), skills=st.lists(st.sampled_from(SKILLS), min_size=1, max_size=60), rates=st.sampled_from(RATES))
def test_facts_are_consistent_whatever_is_called(seed: int, skills: list[str], rates: Callable[[], Rates]) -> None:
    simulator, twin = DungeonSimulator(rates()), DungeonSimulator(rates())
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
            assert not (rates is not measured and truth["died"])
            assert values(simulator.step(skill)[0]) == values(facts), "nothing happens after the end"
            return
        before = facts


def check(before: Facts, facts: Facts, over: bool) -> None:
    for name in GROWING:
        assert getattr(facts, name) >= getattr(before, name), name
    moved = (facts.depth, facts.branch) != (before.depth, before.branch)
    assert 1 <= facts.steps - before.steps <= TICK_STEPS
    assert facts.steps - before.steps == TICK_STEPS or moved or over, "a tick is whole unless something ends it"
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
    assert facts.meals_in_mines <= facts.meals
    if facts.depth > before.depth and "trap door" not in facts.message:
        assert facts.on_stairs_up, "whoever comes by stairs stands on those that lead back"
    if abs(facts.depth - before.depth) > 1:
        pytest.fail("more than one level in a tick")


def play(skill: str, seed: int, ticks: int, rates: Rates | None = None) -> tuple[DungeonSimulator, Facts]:
    simulator = DungeonSimulator(rates)
    facts, over = simulator.reset(seed), False
    for _ in range(ticks):
        if not over:
            facts, over = simulator.step(skill)
    return simulator, facts


def test_perfect_skills_do_what_they_are_for() -> None:
    for seed in range(20):
        assert play("descender", seed, 200, perfect())[1].depth >= 9
        explored = play("discoverer", seed, 200, perfect())[1]
        assert explored.max_depth == 1
        assert explored.kills >= 10
        assert play("ascender", seed, 20, perfect())[0].truth()["escaped"]


def test_practised_skills_fail_less_than_measured_ones_and_perfect_ones_not_at_all() -> None:
    depths = [sum(play("descender", seed, 15, rates())[1].depth for seed in range(60)) for rates in RATES]
    assert depths == sorted(depths)
    assert depths[0] < depths[1] - 20 < depths[2] - 40


def test_characters_die_as_measured_only() -> None:
    died = [sum(play("descender", seed, 150, rates())[0].truth()["died"] for seed in range(60)) for rates in RATES]
    assert died[0] >= 20
    assert died[1:] == [0, 0]


def test_more_die_with_few_hit_points_than_with_many() -> None:
    for skill, found in measured().skills.items():
        low, high = sum(found.death[0]), sum(found.death[-1])
        assert low > 3 * high, skill


def test_shops_buy_and_altars_tell() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        simulator = DungeonSimulator(perfect())
        facts = simulator.reset(seed)
        for tick in range(400):
            before = facts
            if facts.altar_near and facts.unknown_buc_items:
                facts, over = simulator.step("worshipper")
                told = facts.buc_identified_items - before.buc_identified_items
                assert facts.on_altar or not told
                seen["told"] += told
            elif facts.shopkeeper_near and facts.new_items > facts.food_items:
                facts, over = simulator.step("merchant")
                if facts.items_sold > before.items_sold:
                    seen["sold"] += 1
                    assert facts.gold > before.gold
            else:
                facts, over = simulator.step("discoverer" if tick % 12 < 8 else "descender")
            if over:
                break
    assert seen["told"] >= 10
    assert seen["sold"] >= 10


def walk(seed: int, choose: Callable[[Facts], str], ticks: int = 400) -> list[tuple[Facts, bool, bool]]:
    """Facts of a game, and whether it stood on the Oracle's level or in Minetown."""
    simulator = DungeonSimulator(perfect())
    facts = simulator.reset(seed)
    seen = []
    for _ in range(ticks):
        facts, _ = simulator.step(choose(facts))
        truth = simulator.truth()
        seen.append((facts, bool(truth["on_oracle_level"]), bool(truth["on_minetown_level"])))
    return seen


def test_dungeons_vary_and_keep_to_the_rules() -> None:
    """Rules of the game's dungeon.def: the Mines begin below 2-4, Minetown is their third or fourth level, the Oracle lives on 5-9."""
    forks, oracles, towns = Counter[int](), Counter[int](), Counter[tuple[int, int]]()
    for seed in range(60):
        for facts, oracle, town in walk(seed, lambda facts: "ascender" if facts.branch == "mines" else "descender"):
            if facts.branch == "mines":
                forks[facts.mines_entrance_depth] += 1
            if oracle:
                oracles[facts.depth] += 1
                assert facts.branch == "main"
            assert not town
        for facts, oracle, town in walk(seed, hunt_for_mines):
            if town:
                assert facts.branch == "mines"
                towns[facts.branch_level, facts.depth - facts.mines_entrance_depth] += 1
            assert not (oracle and facts.branch == "mines")
    assert set(forks) == {2, 3, 4}
    assert set(oracles) == {5, 6, 7, 8, 9}
    assert set(towns) == {(3, 3), (4, 4)}


def hunt_for_mines(facts: Facts) -> str:
    if facts.branch == "mines" or facts.depth == 1:
        return "descender"
    if facts.depth > 4:
        return "ascender"
    return "discoverer" if facts.on_stairs_down or facts.steps_here < 100 else "descender"


def test_unknown_skills_just_pass_time() -> None:
    _, facts = play("juggler", 3, 50, perfect())
    assert facts.depth == 1
    assert facts.steps == 50 * TICK_STEPS
