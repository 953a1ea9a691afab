"""With the simulator alone: tasks that nobody thought of are answered by hand, pass the whole loop, and drive real NetHack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maestromotif.agents import task_id
from maestromotif.domains import load_domain

from .conftest import TINY, configure, maestromotif
from .nethack_tasks import TASKS
from .scripted import ScriptedCoder, coder_at

pytest.importorskip("nle")

_SOURCES = Path(__file__).parents[2] / "src"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_tasks_in_english_drive_real_nethack(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert maestromotif("init", root).returncode == 0
    small = {
        **TINY,
        "collect.steps": 8_000,
        "collect.shard_steps": 8_000,
        "program.episodes": 40,
        "program.scenarios": False,
        "program.assess": False,
        "evaluate.games": 2,
        "evaluate.max_steps": 400,
    }
    configure(root, small)
    with coder_at(root, ScriptedCoder("nethack", TASKS)) as coder:
        for stage in ("collect", "annotate", "reward", "program", "train"):
            result = maestromotif(stage, root, timeout=600)
            assert result.returncode == 0, result.stderr
        for text, answer in TASKS.items():
            _solve(root, text, answer)
        assert len(coder.questions("task")) == len(TASKS)
        assert all("stairs_down_known (bool)" in body["messages"][0]["content"] for body in coder.bodies)


def _solve(root: Path, text: str, answer: str) -> None:
    assert not any(text in path.read_text(errors="ignore") for path in _SOURCES.rglob("*.*") if path.is_file())
    name = task_id(load_domain("nethack"), text)
    result = maestromotif("solve", root, text, "--episodes", 3, timeout=600)
    assert result.returncode == 0, result.stderr
    assert "nobody has checked" in result.stdout
    folder = root / "artifacts" / "tasks" / name
    assert (folder / f"{name}.py").read_text() in answer
    trial = json.loads((folder / "trials.json").read_text())["programs"][f"{name}.py"]
    assert trial["verdict"] == "good", trial
    assert trial["claimed"] > 0.4
    summary = json.loads((root / "artifacts" / "solved" / name / "tasks" / f"{name}.json").read_text())
    played = summary["policies"]["trained"]
    assert summary["judged_by"] == "the program's own claim"
    assert played["episodes"] == 3
    assert played["steps"]["mean"] > 50
    assert not played["faults"]
    called = {skill for skill, time in played["time"].items() if time["calls"]}
    assert called & {"discoverer", "descender", "ascender"}
    explained = json.loads(maestromotif("explain", root, text, "--offline", "--json").stdout)
    assert explained["simulated"]["accomplished"] == explained["simulated"]["claimed"] > 0
    assert "A typical episode that succeeds" in explained["summary"]["text"]
