"""Skills that ship trained: they are whole, they fit the package, and tasks can be given to them at once."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from maestromotif.pretrained import locate, names, read_card

from .conftest import hashes, maestromotif, one_error

pytest.importorskip("nle")


@pytest.mark.parametrize("name", names())
def test_every_file_is_the_one_on_the_card(name: str) -> None:
    root = locate(name)
    found = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.name != "card.json" and "__pycache__" not in path.parts
    }
    assert found == read_card(name)["files"]
    assert sum(path.stat().st_size for path in root.rglob("*")) < 20e6


def test_a_task_alone_is_enough(tmp_path: Path) -> None:
    result = maestromotif("solve", "--pretrained", "nethack", "delphi", "--episodes", 2, "--set", "evaluate.max_steps=60", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    root = tmp_path / "pretrained-nethack"
    assert "delphi" in result.stdout
    assert (root / "artifacts" / "solved" / "delphi").is_dir()
    before = hashes(root)
    again = maestromotif("solve", root, "delphi", "--episodes", 2, "--set", "evaluate.max_steps=60", cwd=tmp_path)
    assert again.returncode == 0
    assert "done in" not in again.stdout
    assert hashes(root) == before
    error = one_error(maestromotif("collect", root, cwd=tmp_path))
    assert "nothing to collect" in error


@pytest.mark.parametrize("command", ["evaluate", "bench"])
def test_a_new_project_is_played_by_whatever_command_comes_first(command: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--pretrained").returncode == 0
    evaluate = {"max_steps": 40, "task_episodes": 2, "skill_episodes": 2, "games": 2, "tasks": ["delphi"]}
    settings = [word for key, value in evaluate.items() for word in ("--set", f"evaluate.{key}={json.dumps(value)}")]
    more = ["--episodes", 2, "--max-steps", 40, "--policies", "trained"] if command == "bench" else []
    result = maestromotif(command, root, *more, *settings)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "delphi" in result.stdout
    assert {path.name for path in (root / "artifacts").iterdir()} >= {"rewards", "programs", "training", "tasks"}


def test_skills_that_were_not_trained_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--pretrained").returncode == 0
    skills = root / "skills.toml"
    text = skills.read_text()
    skills.write_text(text + '\n[[skill]]\nid = "miner"\ndescription = "Dig."\nmax_steps = 10\n')
    assert "skill 'miner' is not as it was trained" in one_error(maestromotif("solve", root, "delphi"))
    skills.write_text(text)
    config = root / "maestro.toml"
    config.write_text(config.read_text().replace('pretrained = "nethack"', 'pretrained = "chess"'))
    assert "no trained skills are named 'chess'" in one_error(maestromotif("solve", root, "delphi"))


def test_skills_of_another_action_set_are_taken_by_name(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--pretrained-name", "nethack-travel").returncode == 0
    written = tomllib.loads((root / "maestro.toml").read_text())
    assert written["project"]["pretrained"] == "nethack-travel"
    assert written["domain"] == {"id": "nethack", "actions": "travel", "reflexes": True}
    result = maestromotif("solve", root, "delphi", "--episodes", 2, "--set", "evaluate.max_steps=60")
    assert result.returncode == 0, result.stdout + result.stderr
    error = one_error(maestromotif("init", tmp_path / "other", "--domain", "grid", "--pretrained-name", "nethack-travel"))
    assert "of the domain nethack, not grid" in error
    assert "no trained skills are named 'chess'" in one_error(maestromotif("init", tmp_path / "other", "--pretrained-name", "chess"))


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_they_can_do_what_their_card_says(name: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--pretrained-name", name).returncode == 0
    stated = read_card(name)["evaluation"]
    for task in ("gnomish_mines", "delphi"):
        result = maestromotif("solve", root, task, "--episodes", stated["episodes"], timeout=900)
        assert result.returncode == 0, result.stderr
        import pyarrow.parquet as pq

        episodes = pq.read_table(next((root / "artifacts" / "solved" / task).rglob("trained.episodes.parquet")))
        reached = sum(episodes["success.landmark"].to_pylist())
        assert reached / episodes.num_rows >= stated["tasks"][task]["trained"]["landmark"]["low"]
    assert json.loads((locate(name) / "card.json").read_text())["training"]["steps"] > 15e6


@pytest.mark.slow
def test_simulated_and_real_success_of_every_generation(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root, "--pretrained").returncode == 0
    how = ("--tasks", "delphi", "--generations", "2,3", "--episodes", 3, "--max-steps", 80, "--policies", "trained")
    result = maestromotif("bench", root, *how, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["tasks"]["delphi"]["criteria"]["landmark"]["policies"]["trained"]["each"]
    assert [run["program"] for run in found] == ["generation-2", "generation-3"]
    for run in found:
        told = maestromotif("explain", root, "delphi", "--generation", run["program"][-1], "--json")
        assert told.returncode == 0, told.stderr
        row = next(row for row in json.loads(told.stdout)["simulated_and_real"] if row["criterion"] == "landmark")
        assert row["max_steps"] == 80
        assert row["simulated"].keys() == {"perfect", "measured"}
        assert (row["real"]["trials"], row["real"]["rate"]) == (3, run["mean"])
    # A generation that was not benched has simulated figures alone.
    first = json.loads(maestromotif("explain", root, "minetown", "--generation", 3, "--json").stdout)["simulated_and_real"]
    assert first[0]["simulated"]["perfect"] >= 0.9
    assert first[0]["real"] is None
