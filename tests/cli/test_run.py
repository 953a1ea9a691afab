"""A whole run in the corridor: it completes, is skipped the second time, goes on with more steps, and refuses what is wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import configure, environment, hashes, maestromotif, make_project, one_error

_TASKS = ("tasks/both_ends", "tasks/three_crossings")
_STAGES = ("interactions", "preferences", "rewards", "programs", "training", *_TASKS, "evaluation", "report")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was run to its end; not to be changed."""
    root = make_project(tmp_path_factory.mktemp("finished") / "project")
    result = maestromotif("run", root, env=environment(SOME_API_KEY="not for programs"))
    assert result.returncode == 0, result.stdout + result.stderr
    (root.parent / "output.txt").write_text(result.stdout)
    return root


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished project that a test may change."""
    shutil.copytree(finished, tmp_path / "project")
    return tmp_path / "project"


def _card(root: Path, folder: str) -> dict[str, object]:
    card: dict[str, object] = json.loads((root / "artifacts" / folder / "card.json").read_text())
    return card


def test_everything_is_made_and_told(finished: Path) -> None:
    for folder in _STAGES:
        card = _card(finished, folder)
        assert card["status"] == "done"
        assert card["attempts"] == 1
        assert card["versions"]
    output = (finished.parent / "output.txt").read_text()
    assert str(finished / "artifacts" / "report" / "index.html") in output
    assert "three_crossings" in output
    assert "trained" in output
    assert (finished / "artifacts" / "report" / "index.html").read_text().lower().startswith("<!doctype html>")


def test_nothing_half_written_stays(finished: Path) -> None:
    assert not [path for path in finished.rglob("*") if path.name.startswith(".") or path.name.endswith((".part", ".partial", ".tmp"))]


def test_a_second_run_does_nothing(finished: Path) -> None:
    before = hashes(finished)
    result = maestromotif("run", finished)
    assert result.returncode == 0
    assert "done in" not in result.stdout
    assert result.stdout.count("up to date") == len(_STAGES)
    assert hashes(finished) == before


def test_how_fast_a_model_is_asked_changes_no_answer(finished: Path) -> None:
    result = maestromotif("annotate", finished, "--set", "annotate.concurrency=3")
    assert result.returncode == 0, result.stderr
    assert "up to date" in result.stdout


def test_more_steps_go_on_and_only_what_follows_is_done_again(copy: Path) -> None:
    done = (copy / "artifacts" / "training" / "metrics.jsonl").read_text().splitlines()
    result = maestromotif("run", copy, "--steps", 5120)
    assert result.returncode == 0, result.stderr
    assert "steps raised from 4,096 to 5,120" in result.stdout
    for stage in ("collect", "annotate", "reward", "program"):
        assert re.search(rf"{stage} +up to date", result.stdout)
    assert re.search(r"evaluate +.*\(train changed\)", result.stdout)
    now = (copy / "artifacts" / "training" / "metrics.jsonl").read_text().splitlines()
    assert now[: len(done)] == done
    assert json.loads(now[-1])["steps"] == 5120


def test_torchrun_trains_with_two_processes(copy: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    torchrun += ["-m", "maestromotif", "train", str(copy)]
    env = environment(SOME_API_KEY="not for programs")
    result = subprocess.run([*torchrun, "--steps", "5120"], capture_output=True, text=True, timeout=120, env=env, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "steps raised from 4,096 to 5,120" in result.stdout
    lines = [json.loads(line) for line in (copy / "artifacts" / "training" / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == list(range(256, 5_121, 256))
    # Nothing to train: nobody waits for a training.
    assert subprocess.run(torchrun, capture_output=True, timeout=120, env=env, check=False).returncode == 0


def test_a_changed_setting_names_itself(copy: Path) -> None:
    configure(copy, {"report.captions": 3})
    result = maestromotif("run", copy)
    assert result.returncode == 0, result.stderr
    assert "[report] captions changed from 8 to 3" in result.stdout
    assert result.stdout.count("done in") == 1


def test_a_third_skill_in_the_file_is_all_it_takes(copy: Path) -> None:
    path = copy / "skills.toml"
    text = path.read_text()
    commented = text[text.index("# [[skill]]") :]
    path.write_text(text.replace(commented, commented.replace("# ", "")))
    result = maestromotif("run", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "skill 'wait_middle' is new" in result.stdout
    assert re.search(r"collect +up to date", result.stdout)
    assert (copy / "artifacts" / "rewards" / "reward-wait_middle.safetensors").exists()
    last = json.loads((copy / "artifacts" / "training" / "metrics.jsonl").read_text().splitlines()[-1])
    assert set(last["skills"]) == {"go_left", "go_right", "wait_middle"}
    assert "wait_middle" in json.loads((copy / "artifacts" / "evaluation" / "skills.json").read_text())["skills"]


def test_a_skill_that_nobody_recorded_works_too_and_is_told(copy: Path) -> None:
    with (copy / "skills.toml").open("a") as stream:
        stream.write('\n[[skill]]\nid = "dither"\ndescription = "Bump into a wall, again and again."\nmax_steps = 20\n')
    result = maestromotif("run", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"warning: .*'?dither", result.stdout)
    assert "dither" in json.loads((copy / "artifacts" / "evaluation" / "skills.json").read_text())["skills"]


def test_a_good_edit_is_checked_marked_and_trained_with(copy: Path) -> None:
    path = copy / "artifacts" / "programs" / "training_policy.py"
    path.write_text(path.read_text() + "\n# a person was here\n")
    result = maestromotif("run", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "training_policy.py edited by hand" in result.stdout
    assert re.search(r"train +.*\(program changed\)", result.stdout)
    assert _card(copy, "programs")["edited"] == ["training_policy.py"]
    again = maestromotif("run", copy)
    assert "done in" not in again.stdout


_BAD_EDITS = {
    "unknown skill": ("training_policy.py", lambda text: re.sub(r"return .*", 'return "fly"', text), ("fly",)),
    "forbidden construct": ("training_policy.py", lambda text: "import os\n" + text, ("training_policy.py:1", "os")),
    "endless loop": (
        "skills.py",
        lambda text: text + "\n\ndef is_over(skill, facts, start):\n    while True:\n        pass\n",
        ("skills.py", "OutOfFuel"),
    ),
    "no Python": ("skills.py", lambda text: text + "\ndef (\n", ("skills.py:",)),
    "task program": ("../tasks/both_ends/both_ends.py", lambda text: "import socket\n" + text, ("both_ends.py", "socket")),
}


@pytest.mark.parametrize("name", _BAD_EDITS)
def test_a_bad_edit_is_one_line_and_changes_nothing(copy: Path, name: str) -> None:
    file, change, told = _BAD_EDITS[name]
    _edit(copy / "artifacts" / "programs" / file, change)
    before = hashes(copy)
    line = one_error(maestromotif("run", copy))
    for part in (Path(file).name, *told):
        assert part in line
    assert hashes(copy) == before


def _edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


@pytest.mark.parametrize(
    "name",
    [
        "interactions/captions.parquet",
        "preferences/preferences-go_left.parquet",
        "rewards/reward-go_right.safetensors",
        "training/policy.safetensors",
        "evaluation/skills/trained.calls.parquet",
    ],
)
def test_a_truncated_artifact_is_one_line_and_changes_nothing(copy: Path, name: str) -> None:
    path = copy / "artifacts" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = hashes(copy)
    line = one_error(maestromotif("run", copy))
    assert str(path) in line
    assert "files" in line
    assert hashes(copy) == before


def test_solve_a_known_task(copy: Path) -> None:
    result = maestromotif("solve", copy, "both_ends", "--episodes", 8)
    assert result.returncode == 0, result.stderr
    assert "both_ends" in result.stdout
    assert (copy / "artifacts" / "solved" / "both_ends" / "tasks" / "both_ends.json").exists()
    # More training makes what was solved stale; it must not be shown as if it were current.
    result = maestromotif("run", copy, "--steps", 4352)
    assert result.returncode == 0, result.stderr
    assert "set aside" in result.stdout
    assert not (copy / "artifacts" / "solved" / "both_ends").exists()


def test_a_task_without_answer_or_endpoint_says_how_to_configure_one(copy: Path) -> None:
    ledger = "artifacts/llm/ledger.jsonl"  # which says that somebody asked
    before = {**hashes(copy), ledger: ""}
    line = one_error(maestromotif("solve", copy, "Sing a song."))
    assert "[coder]" in line
    assert "base_url" in line
    assert "maestro.toml" in line
    assert {**hashes(copy), ledger: ""} == before
