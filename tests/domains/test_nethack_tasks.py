"""Success criteria, on made-up moments and on real games."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from maestromotif.domains.contract import Criterion
from maestromotif.domains.nethack.tasks import CALL_MEASURES, TASKS, GoldenExit
from maestromotif.domains.nethack.vocabulary import ACTIONS, FACTS

PLAIN = {"int": 0, "bool": False, "str": "", "float": 0.0}
NOWHERE = {"dnum": 0, "dlevel": 1, "on_oracle_level": False, "escaped": False, "died": False}


def facts(**given: Any) -> Any:
    return SimpleNamespace(**{**{spec.name: PLAIN[spec.type] for spec in FACTS}, "branch": "main", "depth": 1, **given})


def criteria(task: str) -> tuple[Criterion, Criterion]:
    return TASKS[task].criteria["proxy"](), TASKS[task].criteria["landmark"]()


def test_the_mines_are_recognised_and_remembered() -> None:
    for criterion in criteria("gnomish_mines"):
        assert criterion.update(facts(depth=3), {**NOWHERE, "dlevel": 3}) is False
        assert criterion.update(facts(depth=4, branch="sokoban"), {**NOWHERE, "dnum": 4}) is False
        assert criterion.update(facts(depth=3, branch="mines"), {**NOWHERE, "dnum": 2}) is True
        assert criterion.update(facts(depth=2), NOWHERE) is True


def test_delphi_proxy_is_depth_seven_and_landmark_is_the_oracles_level() -> None:
    proxy, landmark = criteria("delphi")
    there = {**NOWHERE, "dlevel": 5, "on_oracle_level": True}
    assert (proxy.update(facts(depth=5), there), landmark.update(facts(depth=5), there)) == (False, True)
    assert proxy.update(facts(depth=7, branch="mines"), {**NOWHERE, "dnum": 2, "dlevel": 4}) is False
    assert (proxy.update(facts(depth=7), NOWHERE), landmark.update(facts(depth=7), NOWHERE)) == (True, True)
    proxy, landmark = criteria("delphi")
    assert (proxy.update(facts(depth=7), NOWHERE), landmark.update(facts(depth=7), NOWHERE)) == (True, False)


def golden(landmark: bool, levels: tuple[int, ...], rich: bool, killer: bool, end: str) -> bool:
    criterion = criteria("golden_exit")[landmark]
    for level in levels:
        assert criterion.update(facts(depth=level), {**NOWHERE, "dlevel": level}) is False
    loaded = facts(gold=20 if rich else 19, kills=25 if killer else 24)
    assert criterion.update(loaded, NOWHERE) is False
    criterion.update(facts(gold=0, kills=25), NOWHERE)  # the gold was spent; it was enough at one moment
    return criterion.update(facts(), {**NOWHERE, end: True})


def test_golden_exit_needs_gold_kills_and_a_way_out_alive() -> None:
    assert golden(False, (1,), True, True, "escaped")
    assert not golden(False, (1,), False, True, "escaped")
    assert not golden(False, (1,), True, False, "escaped")
    assert not golden(False, (1,), True, True, "died")


def test_golden_exit_landmark_needs_the_first_three_levels() -> None:
    assert golden(True, (1, 2, 3, 2, 1), True, True, "escaped")
    assert golden(True, (1, 2, 3, 4, 3), True, True, "escaped")
    assert not golden(True, (1, 2), True, True, "escaped")


def test_leaving_first_and_counting_later_does_not_count() -> None:
    criterion = GoldenExit()
    assert criterion.update(facts(gold=20, kills=25), {**NOWHERE, "escaped": True}) is False


def test_measures_tell_calls_apart() -> None:
    start = facts(depth=2, kills=1, unknown_buc_items=2)
    ends = {
        "deeper": facts(depth=3, kills=1, unknown_buc_items=2),
        "shallower": facts(depth=1, kills=1, unknown_buc_items=2),
        "explored": facts(depth=2, kills=1, unknown_buc_items=2, squares_seen_here=40),
        "killed_something": facts(depth=2, kills=2, unknown_buc_items=2),
        "found_gold": facts(depth=2, kills=1, unknown_buc_items=2, gold_collected=1),
        "gained_items": facts(depth=2, kills=1, unknown_buc_items=2, new_items=1),
        "sold_something": facts(depth=2, kills=1, unknown_buc_items=2, items_sold=1),
        "dropped_on_altar": facts(depth=2, kills=1, unknown_buc_items=1, on_altar=True),
    }
    assert set(ends) == set(CALL_MEASURES)
    for name, end in ends.items():
        assert [other for other, measure in CALL_MEASURES.items() if measure(start, end)] == [name]
        assert CALL_MEASURES[name](start, start) is False
    elsewhere = facts(depth=2, kills=1, unknown_buc_items=1)
    assert not CALL_MEASURES["dropped_on_altar"](start, elsewhere), "dropped, but not on an altar"


@pytest.fixture(scope="module")
def real() -> Iterator[Any]:
    pytest.importorskip("nle")
    from maestromotif.domains.nethack.env import NetHackEnv

    env = NetHackEnv(16)
    yield env
    env.close()


def test_a_real_exit_is_told_from_a_death(real: Any) -> None:
    """The character begins on the staircase up: asking twice in a row leaves the dungeon."""
    real.reset(range(16), range(16))
    rich = GoldenExit(gold=0, kills=0)
    plain = TASKS["golden_exit"].criteria["proxy"]()
    for criterion in (rich, plain):
        assert criterion.update(real.facts(0), real.truth(0)) is False
    up = np.full(16, ACTIONS.index("up"), np.int64)
    real.step(up)
    assert not real.truth(0)["escaped"]
    real.step(up)
    assert real.terminated_B.all()
    truth = real.truth(0)
    assert (truth["escaped"], truth["died"]) == (True, False)
    assert rich.update(real.facts(0), truth) is True
    assert plain.update(real.facts(0), truth) is False


def test_real_games_reach_what_the_criteria_watch(real: Any) -> None:
    """Played by the explorer: descents, climbs, kills, deaths and the Mines occur, and facts agree with the truth."""
    from maestromotif.domains.nethack.explorer import NetHackExplorer

    explorer, seen = NetHackExplorer(1), Counter[str]()
    real.reset(range(16), range(100, 116))
    mines = [criteria("gnomish_mines") for _ in range(16)]
    before = [real.facts(game) for game in range(16)]
    for step in range(1500):
        real.step(explorer.act(real))
        for game in range(16):
            now, truth = real.facts(game), real.truth(game)
            assert truth["dlevel"] == now.branch_level
            assert mines[game][0].update(now, truth) == mines[game][1].update(now, truth)
            if truth["on_oracle_level"]:
                assert now.branch == "main"
                assert 5 <= now.depth <= 9
            seen.update(name for name, measure in CALL_MEASURES.items() if measure(before[game], now))
            seen["mines"] += now.branch == "mines"
            seen["oracle"] += truth["on_oracle_level"]
            before[game] = now
            if real.terminated_B[game]:
                assert truth["died"] or truth["escaped"]
                seen["died"] += truth["died"]
                real.reset([game], [1000 + 16 * step + game])
                mines[game] = criteria("gnomish_mines")
                before[game] = real.facts(game)
    for name in ("deeper", "shallower", "killed_something", "found_gold", "gained_items", "mines", "died"):
        assert seen[name] > 0, (name, seen)
    assert seen["deeper"] >= 40
    assert seen["shallower"] >= 15
