"""A project's own rates of the simulated dungeon: fitted by a command, named in maestro.toml, and refused where they are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nle")

from maestromotif.domains import load_domain
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.simulator_rates import measured, write_rates
from maestromotif.errors import DomainError
from tests.cli.conftest import maestromotif, one_error


def harmless(document: dict[str, Any]) -> None:
    """Nobody dies, and whoever descends never arrives."""
    for rates in document["skills"].values():
        rates["death"] = [[0.0] * 6] * 4
        rates.update(fall=0.0, take_down=[0.0] * 4, take_down_on=0.0)


def written(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    document = json.loads(json.dumps(measured().to_json()))
    change(document)
    path = folder / "own.json"
    path.write_text(json.dumps(document))
    return path


def deepest(domain: NetHack, simulator: str) -> int:
    game = domain.simulators()[simulator]
    game.reset(3)
    for _ in range(200):
        facts, over = game.step("descender")
        if over:
            break
    return int(facts.max_depth)


def test_the_named_rates_are_used_by_every_simulator(tmp_path: Path) -> None:
    written(tmp_path, harmless)
    own, shipped = load_domain("nethack", {"simulator": "own.json"}, tmp_path), NetHack()
    assert isinstance(own, NetHack)
    assert deepest(own, "measured") == 1 < deepest(shipped, "measured")
    assert deepest(own, "perfect") > 1, "skills that never fail do what they are for all the same"


def test_what_was_made_without_it_stays_up_to_date_but_for_tasks(tmp_path: Path) -> None:
    path = written(tmp_path, harmless)
    own = NetHack({"simulator": str(path)})
    assert own.identity == NetHack().identity
    before = own.simulator_identity
    assert before != NetHack().simulator_identity == ""
    write_rates(measured(), path)
    assert NetHack({"simulator": str(path)}).simulator_identity != before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda document: document.pop("world"), "must have just card, other, skills, world"),
        (lambda document: document["world"].pop("famine"), "world lacks or has too much: famine"),
        (lambda document: document["skills"]["descender"].update(flies=1), "skills.descender lacks or has too much: flies"),
        (lambda document: document["skills"]["descender"].update(turns=[1, 2]), r"skills.descender.turns must have the shape \(13,\)"),
        (lambda document: document["other"].update(fall="often"), "other.fall: not a number: 'often'"),
        (lambda document: document["other"].update(fall=-0.1), "other.fall: less than 0: -0.1"),
        (lambda document: document["other"].update(hostiles=[[0.5] * 4] * 4), "other.hostiles: each row must sum to 1"),
    ],
)
def test_damaged_rates_are_refused_by_field(change: Callable[[dict[str, Any]], object], told: str, tmp_path: Path) -> None:
    path = written(tmp_path, change)
    with pytest.raises(DomainError, match=rf"maestro\.toml \[domain\] simulator: .*own\.json: .*{told}.*fit-simulator.*remove the line"):
        NetHack({"simulator": str(path)})


def test_what_is_no_json_is_refused_by_line_and_what_is_missing_by_name(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    with pytest.raises(DomainError, match=r"own\.json: cannot be read \(No such file"):
        NetHack({"simulator": str(path)})
    path.write_text('{\n "card": {},\n oops\n}')
    with pytest.raises(DomainError, match=r"own\.json:3: no JSON"):
        NetHack({"simulator": str(path)})


@pytest.mark.slow
def test_a_project_fits_its_own_and_tries_its_task_programs_anew(tmp_path: Path) -> None:
    root = tmp_path / "project"
    short = ("--episodes", 1, "--set", "evaluate.max_steps=20", "--set", "program.episodes=5")
    assert maestromotif("init", root, "--pretrained").returncode == 0
    assert maestromotif("solve", root, "delphi", *short).returncode == 0
    trials = root / "artifacts" / "tasks" / "delphi" / "trials.json"
    before = trials.read_text()
    result = maestromotif("fit-simulator", root, "--steps", 2_000)
    assert result.returncode == 0, result.stderr
    line = 'simulator = "artifacts/simulator/rates.json"'
    assert line in result.stdout
    rates = root / "artifacts" / "simulator" / "rates.json"
    assert set(json.loads(rates.read_text())["card"]["programs"]) == {"training_policy", "delphi"}
    config = root / "maestro.toml"
    config.write_text(config.read_text().replace("[domain]\n", f"[domain]\n{line}\n", 1))
    result = maestromotif("solve", root, "delphi", *short)
    assert result.returncode == 0, result.stderr
    assert "simulator changed" in result.stdout
    assert trials.read_text() != before
    again = maestromotif("solve", root, "delphi", *short)
    assert "done in" not in again.stdout
    rates.write_text("nothing")
    assert "rates.json:1: no JSON" in one_error(maestromotif("solve", root, "delphi"))


def test_a_domain_without_a_fitted_simulator_says_so(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--domain", "corridor").returncode == 0
    assert "simulator of the domain corridor is not fitted to play" in one_error(maestromotif("fit-simulator", root))
