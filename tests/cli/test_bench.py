"""``bench`` on a trained corridor: full episodes, once each, whatever happens in between, and tables that say how sure they are."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .conftest import environment, hashes, maestromotif, make_project, one_error

_SMALL = ("--tasks", "both_ends", "--episodes", "6")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny project; not to be changed: rows go elsewhere."""
    root = make_project(tmp_path_factory.mktemp("trained") / "corridor")
    result = maestromotif("run", root)
    assert result.returncode == 0, result.stderr
    return root


def _bench(root: Path, out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    result = maestromotif("bench", root, "--out", out, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def _rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]


def test_every_policy_plays_the_same_episodes_and_tables_agree(trained: Path, tmp_path: Path) -> None:
    result = _bench(trained, tmp_path, "--episodes", 6)
    # Paths may be as long as they are.
    shown = [line for line in result.stdout.splitlines()[-20:] if str(tmp_path) not in line]
    assert max(map(len, shown)) <= 80
    assert "in full, up to 120 steps" in result.stdout
    rows = _rows(tmp_path)
    assert Counter((row["task"], row["policy"]) for row in rows) == {
        (task, policy): 6 for task in ("both_ends", "three_crossings") for policy in ("trained", "untrained", "random")
    }
    seeds = {(row["task"], row["episode"], row["episode_seed"]) for row in rows}
    assert len(seeds) == len({seed for _, _, seed in seeds}) == 2 * 6
    for row in rows:
        assert row["calls"][0][1] == 0
        assert row["calls"][-1][2] == row["steps"] <= (120 if row["task"] == "both_ends" else 200)
        assert (row["broke"] is None) == row["success"]["landmark"]
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["complete"]
    won = sum(row["success"]["landmark"] for row in rows if (row["task"], row["policy"]) == ("both_ends", "trained"))
    one = found["tasks"]["both_ends"]["criteria"]["landmark"]["policies"]["trained"]
    assert (one["successes"], one["episodes"]) == (won, 6)
    assert one["low"] <= one["rate"] <= one["high"]
    assert found["tasks"]["both_ends"]["paired"].keys() == {"untrained", "random"}
    with (tmp_path / "table.csv").open() as file:
        table = {(row["task"], row["measure"], row["policy"]): row for row in csv.DictReader(file)}
    assert float(table["both_ends", "landmark", "trained"]["value"]) == pytest.approx(won / 6)
    assert table["both_ends", "landmark", "trained"]["cut"] == "False"
    assert ("all tasks (IQM)", "landmark", "random") in table
    assert "| both_ends | landmark |" in (tmp_path / "table.md").read_text()


def test_nothing_is_played_twice_and_more_episodes_are_added(trained: Path, tmp_path: Path) -> None:
    _bench(trained, tmp_path, *_SMALL)
    before = (tmp_path / "episodes.jsonl").read_bytes()
    again = json.loads(_bench(trained, tmp_path, *_SMALL, "--json").stdout)
    assert (tmp_path / "episodes.jsonl").read_bytes() == before
    assert again == json.loads((tmp_path / "results.json").read_text())
    _bench(trained, tmp_path, "--tasks", "both_ends", "--episodes", 7, "--seeds", 2, "--policies", "random")
    after = (tmp_path / "episodes.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(_rows(tmp_path)) == 18 + 1 + 7
    # Workers and games change nothing but the order of the lines.
    other = tmp_path / "other"
    _bench(trained, other, *_SMALL, "--set", "evaluate.workers=2", "--set", "evaluate.games=4")
    assert sorted(map(str, _rows(other))) == sorted(map(str, _rows(tmp_path)[:18]))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_bench_goes_on(trained: Path, tmp_path: Path, how: signal.Signals) -> None:
    arguments = ["bench", str(trained), "--out", str(tmp_path), "--tasks", "three_crossings", "--episodes", "400", "--policies", "random"]
    command = [sys.executable, "-m", "maestromotif", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), start_new_session=True)
    try:
        path, deadline = tmp_path / "episodes.jsonl", time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 20_000:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, how)
        assert process.wait(30) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    finally:
        process.kill()
    before = path.read_bytes().rpartition(b"\n")[0]
    assert before.count(b"\n") + 1 < 400
    assert maestromotif(*arguments).returncode == 0
    assert path.read_bytes().startswith(before + b"\n")
    assert sorted(row["episode"] for row in _rows(tmp_path)) == list(range(400))


def test_cut_episodes_are_marked_everywhere(trained: Path, tmp_path: Path) -> None:
    result = _bench(trained, tmp_path, *_SMALL, "--max-steps", 20)
    assert "CUT at 20 of 120 steps" in result.stdout
    assert all(row["steps"] <= 20 for row in _rows(tmp_path))
    assert "cut at 20 steps" in (tmp_path / "table.md").read_text()
    # Full episodes are others than those.
    assert "CUT" not in _bench(trained, tmp_path, *_SMALL).stdout
    assert len(_rows(tmp_path)) == 36


def test_a_dry_run_writes_nothing_and_knows_what_is_left(trained: Path, tmp_path: Path) -> None:
    before = hashes(trained)
    out = tmp_path / "out"
    shown = maestromotif("bench", trained, "--out", out, *_SMALL, "--dry-run").stdout
    assert "both_ends, trained, seed 1: 6 episodes, at most 720 steps" in shown
    assert "as measured now" in shown
    assert not out.exists()
    assert hashes(trained) == before
    _bench(trained, out, *_SMALL)
    assert "nothing is left to play" in maestromotif("bench", trained, "--out", out, *_SMALL, "--dry-run").stdout
    more = maestromotif("bench", trained, "--out", out, "--tasks", "both_ends", "--episodes", 8, "--dry-run").stdout
    assert "both_ends, trained, seed 1: 2 episodes, about" in more
    assert "as measured before" in more


def test_trainings_and_programs_give_means_with_errors(trained: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(trained, second)
    own = second / "artifacts" / "training"
    shutil.copyfile(own / "untrained.safetensors", own / "policy.safetensors")
    lazy = tmp_path / "lazy.py"
    lazy.write_text("class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return startable[0]\n")
    out = tmp_path / "out"
    result = maestromotif("bench", trained, second, "--out", out, *_SMALL, "--program", f"both_ends={lazy}", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["tasks"]["both_ends"]["criteria"]["landmark"]["policies"]
    each = found["trained"]["each"]
    assert [(run["training"], run["program"]) for run in each] == [
        *(("corridor", program) for program in ("own", "lazy")),
        *(("second", program) for program in ("own", "lazy")),
    ]
    rates = [run["mean"] for run in each]
    assert found["trained"]["mean_of_runs"] == pytest.approx(sum(rates) / 4)
    assert found["trained"]["standard_error"] is not None
    assert found["trained"]["low"] is None
    # Chance, and the second training as it began, are the same episodes: they are played and counted once.
    assert found["random"]["runs"] == 2
    assert Counter(row["policy"] for row in _rows(out)) == {"trained": 24, "untrained": 12, "random": 12}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--policies", "best"], "unknown policy 'best'"),
        (["--seeds", "some"], "--seeds: 'some'"),
        (["--tasks", "fly"], "'fly' is none of the domain's tasks"),
        (["--program", "fly=x.py"], "not TASK=FILE"),
        (["--program", "both_ends=/missing.py"], "/missing.py: cannot be read"),
    ],
)
def test_wrong_arguments_are_one_line(trained: Path, tmp_path: Path, arguments: list[str], told: str) -> None:
    assert told in one_error(maestromotif("bench", trained, "--out", tmp_path, *arguments))


def test_a_project_that_was_not_trained_says_what_to_do(root: Path, tmp_path: Path) -> None:
    assert "Run `maestromotif evaluate" in one_error(maestromotif("bench", root, "--out", tmp_path))


_GENERATIONS = ("--tasks", "both_ends", "--episodes", "4", "--policies", "trained,random", "--generations")


@pytest.fixture
def mine(trained: Path, tmp_path: Path) -> Path:
    """A finished project that may be changed."""
    return Path(shutil.copytree(trained, tmp_path / "mine"))


def test_bench_has_missing_generations_written_and_counts_each(mine: Path, tmp_path: Path) -> None:
    before = hashes(mine)
    dry = maestromotif("bench", mine, "--out", tmp_path / "out", *_GENERATIONS, "2", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "both_ends, program generation-2: not written yet" in dry.stdout
    assert "both_ends, trained, program generation-1, seed 1: 4 episodes" in dry.stdout
    assert hashes(mine) == before
    result = maestromotif("bench", mine, "--out", tmp_path / "out", *_GENERATIONS, "2", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["tasks"]["both_ends"]["criteria"]["landmark"]["policies"]["trained"]
    assert [run["program"] for run in found["each"]] == ["generation-1", "generation-2"]
    assert found["standard_error"] is not None
    # The artifact is one like any other: tried, with a card, its calls in the ledger.
    folder = mine / "artifacts" / "generations" / "2" / "both_ends"
    assert "self.ends" in (folder / "both_ends.py").read_text()
    assert json.loads((folder / "card.json").read_text())["inputs"]["program"]["generation"] == 2
    assert json.loads((folder / "trials.json").read_text())["programs"]["both_ends.py"]["verdict"] == "good"
    assert {line["name"] for line in map(json.loads, (folder / "transcript.jsonl").read_text().splitlines())} == {"corridor/task/both_ends"}
    written = hashes(mine / "artifacts" / "generations")
    again = maestromotif("bench", mine, "--out", tmp_path / "out", *_GENERATIONS, "1,2")
    assert again.returncode == 0, again.stderr
    assert "generation:2/both_ends" in again.stdout + again.stderr
    assert re.search(r"landmark of each, trained: generation-1 [0-9.]+%, generation-2", again.stdout)
    assert "done in" not in again.stdout
    assert hashes(mine / "artifacts" / "generations") == written
    assert len((tmp_path / "out" / "episodes.jsonl").read_text().splitlines()) == 4 * 2 * 2


def test_a_generation_that_nobody_recorded_is_one_line_and_changes_nothing(mine: Path, tmp_path: Path) -> None:
    before = hashes(mine / "artifacts")
    for command in (
        ["bench", mine, "--out", tmp_path / "out", *_GENERATIONS, "1,7"],
        ["program", mine, "--set", "program.generation=7"],
    ):
        line = one_error(maestromotif(*command))
        assert "[program] generation = 7: no such generation of answers is recorded. Choose one of 1, 2" in line
    assert "--generations: 'few' is neither a number of generations" in one_error(
        maestromotif("bench", mine, "--out", tmp_path / "out", "--generations", "few")
    )
    after = hashes(mine / "artifacts")
    assert {name: digest for name, digest in after.items() if "generations/" not in name and "llm/" not in name} == {
        name: digest for name, digest in before.items() if "generations/" not in name and "llm/" not in name
    }
