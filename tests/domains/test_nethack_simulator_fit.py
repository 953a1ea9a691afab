"""Rates of the simulated dungeon: what is counted in play, what stands in where little was seen, and the file that ships."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.simulator import TICK_STEPS, DungeonSimulator
from maestromotif.domains.nethack.simulator_fit import fit_rates
from maestromotif.domains.nethack.simulator_rates import Rates, measured, practised, read_rates, write_rates
from maestromotif.domains.nethack.vocabulary import BRANCHES, FACTS, HUNGER
from maestromotif.errors import ArtifactError

NUMBERS = {"branch": BRANCHES, "hunger": HUNGER}
SKILLS = ("discoverer", "descender", "ascender")


def row(simulator_facts: Any, **more: Any) -> dict[str, Any]:
    """Facts as numbers, as an environment keeps them."""
    values = {spec.name: getattr(simulator_facts, spec.name) for spec in FACTS if spec.name != "message"}
    return more | {name: NUMBERS[name].index(value) if name in NUMBERS else int(value) for name, value in values.items()}


def play(rates: Rates, games: int) -> pa.Table:
    """Play of the simulator in the form of real play: between two ticks nothing happens, step by step."""
    rows = []
    for game in range(games):
        simulator = DungeonSimulator(rates)
        facts, over, step, call = simulator.reset(game), False, 0, 0
        rows.append(row(facts, game=game, episode=0, step=0, skill="", call=0, over=False))
        while not over and step < 1_500:
            skill = SKILLS[call % 3]
            for _ in range(10):
                before = facts
                facts, over = simulator.step(skill)
                lasted = facts.steps - before.steps
                for between in range(1, lasted + 1):
                    last = between == lasted
                    known = row(facts if last else before, game=game, episode=0, step=step + between, skill=skill, call=call)
                    rows.append({**known, "steps": step + between, "over": last and over})
                step += lasted
                if over or facts.depth != before.depth:
                    break
            call += 1
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def refitted() -> Rates:
    return fit_rates([play(measured(), 120)], {"of": "the simulator itself"})


def test_what_is_fitted_to_simulated_play_are_the_rates_that_made_it(refitted: Rates) -> None:
    """Within what 120 games can tell, for rates that many events decide."""
    for skill in SKILLS:
        old, new = measured().skills[skill], refitted.skills[skill]
        assert new.kills[0] == pytest.approx(old.kills[0], rel=0.5), skill
        assert new.turns[6] == pytest.approx(old.turns[6], rel=0.15), skill
        assert new.gained == pytest.approx(old.gained, rel=0.5), skill
    descender = refitted.skills["descender"]
    assert descender.find_down[2] == pytest.approx(measured().skills["descender"].find_down[2], rel=0.6)
    assert refitted.skills["ascender"].take_up_on == pytest.approx(measured().skills["ascender"].take_up_on, rel=0.4)
    assert refitted.card["episodes"] == 120
    assert refitted.card["of"] == "the simulator itself"


def test_characters_of_refitted_rates_live_as_long(refitted: Rates) -> None:
    def mean(rates: Rates) -> float:
        total = 0
        for seed in range(150):
            simulator = DungeonSimulator(rates)
            facts, over = simulator.reset(seed), False
            while not over and facts.steps < 1_500:
                facts, over = simulator.step("discoverer")
            total += facts.steps
        return total / 150

    assert mean(refitted) == pytest.approx(mean(measured()), rel=0.25)


def test_little_play_is_refused() -> None:
    with pytest.raises(ArtifactError, match="steps of play"):
        fit_rates([play(practised(), 1).slice(0, 500)], {})


def test_rates_survive_their_file(tmp_path: Path) -> None:
    write_rates(measured(), tmp_path / "rates.json")
    assert read_rates(tmp_path / "rates.json") == measured()


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("world"),
        lambda document: document["world"].pop("famine"),
        lambda document: document["skills"]["descender"].update(flies=1),
        lambda document: document["skills"]["descender"].update(turns=[1, 2]),
        lambda document: document["skills"]["descender"].update(death=[[0.1] * 6] * 3),
        lambda document: document["skills"]["descender"].update(fall="often"),
    ],
)
def test_damaged_files_are_named(damage: Any, tmp_path: Path) -> None:
    document = json.loads(json.dumps(measured().to_json()))
    damage(document)
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"rates\.json: no rates of the simulated dungeon: (must have|world|skills\.descender)"):
        read_rates(path)


def test_the_shipped_rates_say_where_they_come_from() -> None:
    card = measured().card
    assert card["episodes"] >= 300
    assert card["steps"] >= 300_000
    assert {"delphi", "gnomish_mines", "golden_exit", "training_policy"} <= set(card["programs"])
    assert sum(card["steps_of_skills"].values()) == card["steps"]
    assert set(measured().skills) == {"discoverer", "descender", "ascender", "merchant", "worshipper"}
    for skill, found in measured().skills.items():
        assert all(math.isclose(sum(chances), 1, abs_tol=0.001) for chances in found.hostiles), skill


def test_ticks_are_cheap() -> None:
    """A hundred episodes of 1,500 steps are less than a second of processor time; ten times that would show."""
    began, ticks = time.process_time(), 0
    for seed in range(100):
        simulator = DungeonSimulator(practised())
        facts, over = simulator.reset(seed), False
        while facts.steps < 1_500 and not over:
            facts, over = simulator.step("discoverer")
            ticks += 1
    assert ticks >= 90 * 1_500 / TICK_STEPS
    assert time.process_time() - began < 5


def test_the_domain_offers_all_three() -> None:
    domain = NetHack()
    others = domain.simulators()
    assert set(others) == {"perfect", "measured"}
    assert len({type(simulator) for simulator in (domain.simulator(), *others.values())}) == 1
