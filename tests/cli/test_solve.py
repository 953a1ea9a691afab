"""``solve`` and ``explain`` with programs that a scripted endpoint writes: free tasks, repair by real episodes, plain English."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestromotif.agents import task_id
from maestromotif.domains import load_domain
from maestromotif.errors import ChatError
from maestromotif.project import Project
from maestromotif.stages.card import Card
from maestromotif.stages.repair import RepairPlan, repair_stage
from maestromotif.stages.stage import Work

from .conftest import environment, hashes, maestromotif, make_project, one_error
from .scripted import ScriptedCoder, coder_at

_SOURCES = Path(__file__).parents[2] / "src"
_KNOWN = load_domain("corridor").tasks["both_ends"]

_PROGRAM = """{words}

```python
class PolicyOverSkills:
    def __init__(self):
        self.left = False
        self.done = False

    def observe(self, facts):
        if facts.at_left_end:
            self.left = True
        if self.left and facts.at_right_end:
            self.done = True

    def next_skill(self, facts, finished, startable):
        wish = {wish}
        return wish if wish in startable else startable[-1]

    def interrupt(self, facts, skill):
        return {interrupt}

    def is_done(self, facts):
        return self.done
```
"""
# Turns back before the left end, and gets there only by luck.
_BAD = _PROGRAM.format(
    words="To the right.",
    wish='"go_right" if self.left or facts.position < 4 else "go_left"',
    interrupt='skill == "go_left" and facts.position < 3',
)
_GOOD = _PROGRAM.format(words="It turned back too early.", wish='"go_right" if self.left else "go_left"', interrupt="False")
_NO_BETTER = _BAD.replace("self.done = False\n\n", "self.done = False\n        self.tries = 0\n\n")


def _counting(done: str) -> str:
    """An answer whose program goes to and fro until something holds."""
    return f"""To and fro, and count.

```python
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        wish = "go_left" if finished == "go_right" else "go_right"
        return wish if wish in startable else startable[0]

    def is_done(self, facts):
        return {done}
```
"""


# Three tasks that nobody thought of when the package was written.
_FREE = {
    "See the right end twice, then stand in the middle once more.": _counting("facts.right_visits >= 2 and facts.in_middle"),
    "Visit each end of the corridor, in whatever order.": _counting("facts.left_visits >= 1 and facts.right_visits >= 1"),
    "Come back to the left end for the second time.": _counting("facts.left_visits >= 2"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project whose programs an endpoint wrote; not to be changed."""
    root = make_project(tmp_path_factory.mktemp("trained") / "project", program__scenarios=False, program__assess=False)
    with coder_at(root, ScriptedCoder("corridor")):
        for stage in ("collect", "annotate", "reward", "program", "train"):
            result = maestromotif(stage, root)
            assert result.returncode == 0, result.stderr
    return root


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "project")
    return tmp_path / "project"


def _repair(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return maestromotif("solve", root, "both_ends", "--repair", "--episodes", 16, "--held-out", 32, *more)


def _decisions(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "artifacts" / "repaired" / "both_ends" / "repair.json").read_text())
    return found


def test_free_tasks_are_programmed_and_played_and_judged_by_their_own_claim(copy: Path) -> None:
    for text in _FREE:
        assert not any(text in path.read_text(errors="ignore") for path in _SOURCES.rglob("*.*") if path.is_file())
        name = task_id(load_domain("corridor"), text)
        with coder_at(copy, ScriptedCoder("corridor", _FREE)) as coder:
            result = maestromotif("solve", copy, text, "--episodes", 6)
        assert result.returncode == 0, result.stderr
        assert len(coder.questions("task")) == 1
        assert "own claim" in result.stdout
        assert "nobody has checked" in result.stdout
        program = (copy / "artifacts" / "tasks" / name / f"{name}.py").read_text()
        assert program in _FREE[text]
        trial = json.loads((copy / "artifacts" / "tasks" / name / "trials.json").read_text())["programs"][f"{name}.py"]
        assert trial["claimed"] == 1.0
        summary = json.loads((copy / "artifacts" / "solved" / name / "tasks" / f"{name}.json").read_text())
        assert summary["free"] is True
        assert summary["judged_by"] == "the program's own claim"
        assert summary["policies"]["trained"]["claimed"]["successes"] >= 4, "the trained skills hardly ever end the task"
    assert maestromotif("report", copy).returncode == 0
    assert "have no test of their own" in (copy / "artifacts" / "report" / "index.html").read_text()


def test_a_version_that_wins_on_fresh_episodes_takes_the_place_of_the_old_one(copy: Path) -> None:
    with coder_at(copy, ScriptedCoder("corridor", {_KNOWN.description: _BAD}, [_GOOD])) as coder:
        result = _repair(copy, "--rounds", "2")
        assert result.returncode == 0, result.stderr
        (question,) = coder.questions("repair")
        assert "go_left was interrupted before it was over" in question
        assert "position 2" in question, "the facts at the moment of failure are missing"
        assert "A typical failed episode" in question
        again = _repair(copy, "--rounds", "2")
        assert again.returncode == 0
        assert len(coder.questions("repair")) == 1
        assert "repair:both_ends up to date" in again.stdout
    first, second = _decisions(copy)["rounds"]
    assert first["outcome"] == "accepted"
    assert second["outcome"] == "nothing to mend"
    found = first["held_out"]
    assert found["new"]["successes"] - found["old"]["successes"] == found["only_second"] - found["only_first"] > 0
    assert found["p_value"] <= 0.05
    assert found["interval"]["low"] > 0
    folder = copy / "artifacts" / "repaired" / "both_ends"
    assert (folder / "round-1" / "before.py").read_text() in _BAD
    assert (folder / "both_ends.py").read_text() == (folder / "round-1" / "after.py").read_text()
    assert (folder / "both_ends.py").read_text() in _GOOD
    assert "-> accepted" in result.stdout
    assert '+        wish = "go_right" if self.left else "go_left"' in result.stdout
    solved = json.loads((copy / "artifacts" / "solved" / "both_ends" / "tasks" / "both_ends.json").read_text())
    assert solved["repaired"] is True
    assert "program: " in result.stdout
    assert "repaired/both_ends/both_ends.py" in result.stdout
    assert maestromotif("report", copy).returncode == 0
    page = (copy / "artifacts" / "report" / "index.html").read_text()
    assert "repaired, so not zero-shot" in page
    assert "round 1: accepted" in page


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(_NO_BETTER, "kept the old one"), (_BAD, "same program"), ("I would rather not.", "refused")],
    ids=["no better", "same", "no program"],
)
def test_otherwise_the_old_program_stays(copy: Path, answer: str, outcome: str) -> None:
    with coder_at(copy, ScriptedCoder("corridor", {_KNOWN.description: _BAD}, [answer])):
        result = _repair(copy, "--rounds", "1")
    assert result.returncode == 0, result.stderr
    (entry,) = _decisions(copy)["rounds"]
    assert entry["outcome"] == outcome
    assert f"-> {outcome}" in result.stdout
    assert (copy / "artifacts" / "repaired" / "both_ends" / "both_ends.py").read_text() in _BAD
    solved = json.loads((copy / "artifacts" / "solved" / "both_ends" / "tasks" / "both_ends.json").read_text())
    assert solved["repaired"] is False
    assert "tasks/both_ends/both_ends.py" in result.stdout


def test_a_claim_at_once_does_not_win_where_only_claims_can_judge(copy: Path) -> None:
    text = "Reach the left end eleven times."  # more than most episodes have time for
    honest, liar = _counting("facts.left_visits >= 11"), _counting("True")
    with coder_at(copy, ScriptedCoder("corridor", {text: honest}, [liar])):
        result = maestromotif("solve", copy, text, "--repair", "--episodes", 8, "--held-out", 16, "--rounds", 1)
    assert result.returncode == 0, result.stderr
    name = task_id(load_domain("corridor"), text)
    document = json.loads((copy / "artifacts" / "repaired" / name / "repair.json").read_text())
    assert document["judged_by"] == "is_done of the task's first program"
    (entry,) = document["rounds"]
    assert entry["accomplished"] < 8
    assert entry["outcome"] == "kept the old one", entry
    assert entry["held_out"]["new"]["rate"] < 1, "the new program's own word was taken"


@pytest.mark.slow
def test_more_rounds_go_on_and_tell_what_was_tried(copy: Path) -> None:
    with coder_at(copy, ScriptedCoder("corridor", {_KNOWN.description: _BAD}, [_NO_BETTER, _GOOD])) as coder:
        assert _repair(copy, "--rounds", "1").returncode == 0
        result = _repair(copy, "--rounds", "2")
        assert result.returncode == 0, result.stderr
        assert "rounds raised from 1 to 2" in result.stdout
        first, second = coder.questions("repair")
    assert "was tried already" not in first
    assert "This version was tried already" in second
    assert "self.tries = 0" in second
    assert [entry["outcome"] for entry in _decisions(copy)["rounds"]] == ["kept the old one", "accepted"]


@pytest.mark.slow
def test_an_interrupted_repair_goes_on_where_it_was(copy: Path) -> None:
    command = [sys.executable, "-m", "maestromotif", "solve", str(copy), "both_ends", "--repair", "--rounds", "1"]
    command += ["--episodes", "16", "--held-out", "32"]
    with coder_at(copy, ScriptedCoder("corridor", {_KNOWN.description: _BAD}, [_GOOD], delay=3.0)) as coder:
        run = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        deadline = time.monotonic() + 60
        while not coder.questions("repair"):
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stderr.read() if run.stderr else ""
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, complaint = run.communicate(timeout=60)
        assert run.returncode == 130
        assert "Go on with" in complaint
        assert not (copy / "artifacts" / "repaired" / "both_ends").exists()
        played = hashes(copy / "artifacts" / "repaired" / "both_ends.part" / "round-1" / "failures")
        assert len(played) == 3
        result = _repair(copy, "--rounds", "1")
    assert result.returncode == 0, result.stderr
    assert "interrupted; goes on (attempt 2" in result.stdout
    folder = copy / "artifacts" / "repaired" / "both_ends"
    assert hashes(folder / "round-1" / "failures") == played
    card = Card.read(folder)
    assert card is not None
    assert card.attempts == 2
    assert card.facts["accepted"] == 1


def test_a_dry_run_shows_the_questions_and_asks_nothing(copy: Path) -> None:
    with coder_at(copy, ScriptedCoder("corridor", {_KNOWN.description: _BAD}, [_NO_BETTER])) as coder:
        before = hashes(copy)
        result = maestromotif("solve", copy, "both_ends", "--repair", "--dry-run", "--rounds", 2)
        assert result.returncode == 0, result.stderr
        assert not coder.asked
        assert hashes(copy) == before
        assert "1 program for both_ends: at most 3 questions to scripted at http" in result.stdout
        assert "at most 2 new versions" in result.stdout
        assert "nothing was played yet" in result.stdout
        assert "--- system ---" in result.stdout
        assert _repair(copy, "--rounds", "1").returncode == 0
        known = maestromotif("solve", copy, "both_ends", "--repair", "--dry-run", "--rounds", 2)
        assert "nothing was played yet" not in known.stdout
        assert "go_left was interrupted before it was over" in known.stdout
        assert len(coder.questions("repair")) == 1


def test_without_an_endpoint_a_repair_ends_before_it_plays(root: Path) -> None:
    project = Project.open(root)
    stage = repair_stage(RepairPlan("both_ends", _KNOWN.description, episodes=16, held_out=32, rounds=1))
    out = root / "artifacts" / "repaired" / "both_ends.part"
    with pytest.raises(ChatError, match=r"no answer is recorded for 'corridor/reality/both_ends'.*endpoint"):
        stage.work(Work(project, out, lambda fraction, text: None, lambda text: None))
    assert not out.exists()


def test_a_task_may_be_called_by_its_name(root: Path) -> None:
    result = maestromotif("solve", root, "Go to both ends.", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert f"understood as both_ends: {' '.join(_KNOWN.description.split())}" in result.stdout
    assert maestromotif("program", root).returncode == 0
    other = maestromotif("explain", root, "Touch the ceiling.")
    assert other.returncode != 0
    assert "Recorded are" in other.stderr
    assert "both_ends" in other.stderr


def test_explain_needs_no_training_and_no_endpoint(root: Path) -> None:
    assert maestromotif("program", root).returncode == 0
    result = maestromotif("explain", root, "both_ends")
    assert result.returncode == 0, result.stderr
    assert "class PolicyOverSkills" in result.stdout
    assert "success (landmark)" in result.stdout
    assert "In simulation it accomplishes the task in 8 of 8 episodes." in result.stdout
    assert "It stops when this holds: done, which is set when left and at_right_end." in result.stdout
    assert "go_left > go_right" in result.stdout
    found = json.loads(maestromotif("explain", root, "both_ends", "--json").stdout)
    assert found["simulated"]["accomplished"] == found["simulated"]["episodes"] == 8
    assert found["free"] is False
    assert found["trial"]["verdict"] == "good"
    second = json.loads(maestromotif("explain", root, "both_ends", "--generation", 2, "--json").stdout)
    assert second["program"].endswith("generations/2/both_ends/both_ends.py")
    assert second["source"] != found["source"]
    assert second["trial"]["verdict"] == "good"
    assert "Leave --generation out" in one_error(maestromotif("explain", root, "Hop twice.", "--generation", 2))


def test_explain_asks_the_model_and_keeps_the_terminal_safe(copy: Path) -> None:
    text = "Come back to the left end for the second time."
    said = "First right, then left.\nIt stops at the second visit. \x1b[2J"
    with coder_at(copy, ScriptedCoder("corridor", _FREE, explanation=said)) as coder:
        result = maestromotif("explain", copy, text)
        assert result.returncode == 0, result.stderr
        (question,) = coder.questions("explanation")
        assert "facts.left_visits >= 2" in question
        assert "In simulation it accomplishes the task in 8 of 8 episodes." in question
        assert "First right, then left." in result.stdout
        assert "\x1b" not in result.stdout
        assert "nobody has checked" in result.stdout
        # Asked once; then it lies in the store.
        assert maestromotif("explain", copy, text).returncode == 0
        assert len(coder.questions("explanation")) == 1
    offline = maestromotif("explain", copy, text, "--offline")
    assert "It stops when this holds: left_visits >= 2." in offline.stdout


def test_explain_goes_without_a_model_that_fails(copy: Path) -> None:
    text = "Come back to the left end for the second time."
    with coder_at(copy, ScriptedCoder("corridor", _FREE, explanation="")):
        result = maestromotif("explain", copy, text)
    assert result.returncode == 0
    assert "warning: " in result.stderr
    assert "It stops when this holds: left_visits >= 2." in result.stdout
