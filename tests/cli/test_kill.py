"""kill -9 at random moments of a run: going on completes it, repeats no stage from its start, and leaves nothing half-written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import configure, environment, hashes, maestromotif, make_project

_STAGES = {
    "interactions": "collect",
    "preferences": "annotate",
    "rewards": "reward",
    "programs": "program",
    "training": "train",
    "tasks/both_ends": "task:both_ends",
    "tasks/three_crossings": "task:three_crossings",
    "evaluation": "evaluate",
    "report": "report",
}
_KILLS = 10
_TRAIN_STEPS = 24_576


def _start(root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "maestromotif", "run", str(root)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True)


def _begun(root: Path) -> dict[str, str]:
    """When the present work on each stage was begun: a stage that starts from nothing again gets a new time."""
    found = {}
    for folder in _STAGES:
        for place in (root / "artifacts" / folder, root / "artifacts" / f"{folder}.part"):
            if (place / "card.json").exists():
                found[folder] = json.loads((place / "card.json").read_text())["started"]
    return found


def _steps(root: Path) -> int:
    """Steps in the newest checkpoint."""
    found = [path.stem for path in (root / "artifacts").glob("training*/checkpoints/checkpoint-*.json")]
    return max((int(name.rpartition("-")[2]) for name in found), default=0)


def _settle(root: Path) -> None:
    """Wait until orphans of the killed run are gone; they must end by themselves."""
    deadline = time.monotonic() + 10
    while _orphans(root):
        assert time.monotonic() < deadline, f"still alive: {_orphans(root)}"
        time.sleep(0.05)


def _orphans(root: Path) -> list[int]:
    """Processes that hold a file of the project open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()).startswith(str(root)):
                found.append(int(entry.parts[2]))
        except OSError:
            continue
    return sorted({pid for pid in found if pid != os.getpid()})


@pytest.mark.timeout(540)
def test_kill_at_ten_random_moments_then_go_on(tmp_path: Path) -> None:
    # Other moments in every run; the seed is shown when a test fails.
    seed = time.time_ns()
    print(f"seed {seed}")
    rng = random.Random(seed)
    root = make_project(tmp_path / "project")
    # Enough training that several kills meet it, in small updates with a checkpoint after each.
    configure(root, {"train.steps": _TRAIN_STEPS, "train.rollout": 16})
    begun: dict[str, str] = {}
    steps = 0
    met: list[str] = []
    kills = 0
    while kills < _KILLS:
        run = _start(root)
        # Until something new was begun or trained, then a random moment longer: an early kill may repeat, but not for ever.
        floor = time.monotonic() + 60
        before = (len(begun), steps)
        while run.poll() is None and time.monotonic() < floor and (len(_begun(root)), _steps(root)) == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        if run.poll() is not None:
            break
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        kills += 1
        _settle(root)
        now = _begun(root)
        for folder, time_begun in begun.items():
            assert now.get(folder) == time_begun, f"{folder} was begun anew"
        assert _steps(root) >= steps, "training went back"
        met.append(next((folder for folder in _STAGES if (root / "artifacts" / f"{folder}.part").exists()), "between stages"))
        begun, steps = now, _steps(root)
    assert kills == _KILLS, f"the run ended after {kills} kills ({met}); make the configuration larger"
    assert len(set(met)) >= 3, f"the kills met too few stages: {met}"

    result = maestromotif("run", root)
    assert result.returncode == 0, result.stderr
    _check_complete(root, begun)
    # What was killed so often has come to the same as training at one go.
    training = root / "artifacts" / "training"
    killed = _trained(training)
    assert maestromotif("train", root, "--again").returncode == 0
    assert _trained(training) == killed


def _trained(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """Weights, and metrics without times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "policy.safetensors").read_bytes(), [{key: value for key, value in line.items() if key != "time"} for line in lines]


def _check_complete(root: Path, begun: dict[str, str]) -> None:
    for folder, stage in _STAGES.items():
        card = json.loads((root / "artifacts" / folder / "card.json").read_text())
        assert (card["stage"], card["status"]) == (stage, "done")
        if folder in begun:
            assert card["started"] == begun[folder], f"{folder} was begun anew"
        for name, (size, _) in card["files"].items():
            assert (root / "artifacts" / folder / name).stat().st_size == size
    lines = [json.loads(line) for line in (root / "artifacts" / "training" / "metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == list(range(1, 1 + len(lines)))
    assert lines[-1]["steps"] == _TRAIN_STEPS
    debris = [path for path in root.rglob("*") if path.name.startswith(".") or path.name.endswith((".part", ".partial", ".tmp"))]
    assert not debris
    before = hashes(root)
    assert "done in" not in maestromotif("run", root).stdout
    assert hashes(root) == before


def _hear_ctrl_c() -> None:
    """Tests may have been started in the background, where a shell has Ctrl-C ignored, by all children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.timeout(240)
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    configure(root, {"train.steps": 1_000_000})
    command = [sys.executable, "-m", "maestromotif", "run", str(root)]
    run = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=_hear_ctrl_c,
    )
    deadline = time.monotonic() + 120
    while not _steps(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert told.strip().splitlines()[-1].endswith(f"Go on with: maestromotif run {root}")
    assert "Traceback" not in told
    reached = _steps(root)
    assert reached > 0
    assert not (root / ".lock").exists()
    configure(root, {"train.steps": reached + 512})
    result = maestromotif("train", root)
    assert result.returncode == 0, result.stderr
    assert "interrupted; goes on" in result.stdout


@pytest.mark.timeout(240)
def test_two_commands_do_not_work_in_one_folder(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    run = _start(root)
    try:
        deadline = time.monotonic() + 60
        while not (root / "artifacts").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        result = maestromotif("collect", root)
        assert result.returncode == 2
        assert f"process {run.pid}" in result.stderr
    finally:
        run.kill()
        run.wait()
        _settle(root)
