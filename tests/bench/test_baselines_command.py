"""``baselines`` as people meet it: real processes, in the corridor; one small table in NetHack."""

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

from maestromotif.bench.baselines import METHODS, PER_TASK
from maestromotif.llm.ledger import LEDGER_FILE, Entry, Ledger
from maestromotif.llm.recorded import RecordedChat
from maestromotif.llm.testing import ChatServer, completion
from maestromotif.project import Project
from maestromotif.stages.baselines import BaselinePlan, Baselines, baseline_project, baseline_stages

from ..cli.conftest import environment, hashes, maestromotif, make_project, one_error

_STEPS, _EPISODES = 2_048, 5
_TASK = ("--tasks", "both_ends", "--episodes", _EPISODES)
_LLM = ("llm-actions", "llm-skills")
_SMALL = ("--methods", "random,explorer,task-reward,llm-actions,llm-skills", *_TASK)


def _run(root: Path, *arguments: object, steps: int = _STEPS) -> subprocess.CompletedProcess[str]:
    result = maestromotif("baselines", root, "--steps", steps, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def _rows(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "artifacts" / "baselines" / "episodes.jsonl").read_text().splitlines()]


def _results(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "artifacts" / "baselines" / "results.json").read_text())
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A new tiny project."""
    return make_project(tmp_path / "corridor")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project with the rows that take no captions, from nothing and with one command; and what was printed. Not to be changed."""
    root = make_project(tmp_path_factory.mktemp("small") / "corridor")
    return root, _run(root, *_SMALL).stdout


def test_one_command_makes_the_table_and_says_what_it_cannot_have_without_a_key(small: tuple[Path, str]) -> None:
    root, shown = small
    found = _results(root)
    assert list(found["methods"]) == ["random", "explorer", "task-reward", *_LLM]
    for name, one in found["methods"].items():
        if name in _LLM:
            assert one["missing"] == ['needs an endpoint: set kind = "openai" with base_url and model under [chat] in maestro.toml']
            assert f"{name}: needs an endpoint" in shown
            continue
        assert not one["missing"]
        assert found["tasks"]["both_ends"]["criteria"]["landmark"]["policies"][name]["episodes"] == _EPISODES
        assert (one["networks"], one["steps"]) == ((1, _STEPS) if name == "task-reward" else (0, 0))
        assert (one["seconds"] > 0) == (name == "task-reward")
        assert (one["tokens"], one["money"]) == (0, 0.0)
    table = (root / "artifacts" / "baselines" / "table.md").read_text()
    assert all(f"\n| {name} | " in table for name in found["methods"])
    with (root / "artifacts" / "baselines" / "table.csv").open() as file:
        assert {row["policy"] for row in csv.DictReader(file)} == set(found["methods"])


def test_all_methods_play_the_same_episodes_in_full_and_without_skills_each_is_one_call(small: tuple[Path, str]) -> None:
    rows = _rows(small[0])
    assert len(rows) == 3 * _EPISODES
    assert set(Counter((row["episode"], row["episode_seed"]) for row in rows).values()) == {3}
    assert len({row["cell"] for row in rows}) == 3
    for row in rows:
        assert row["steps"] == 120 or all(row["success"].values())
        assert [call[1:3] for call in row["calls"]] == [[0, row["steps"]]]


def test_the_same_again_does_nothing_and_more_steps_and_episodes_go_on(small: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "corridor"
    shutil.copytree(small[0], root)
    before = hashes(root)
    assert "nothing is left to do" in _run(root, *_SMALL, "--dry-run").stdout
    assert hashes(root) == before
    more = _run(root, *_SMALL, "--dry-run", steps=3 * _STEPS).stdout
    assert f"task-reward: 1 network of {3 * _STEPS:,} steps; {2 * _STEPS:,} steps to train, about " in more
    assert f"{_EPISODES} episodes to play, at most {_EPISODES * 120} steps" in more
    assert "random: done" in more
    _run(root, *_SMALL)
    assert hashes(root) == before
    folder = root / "artifacts" / "baselines"
    lines = (folder / "episodes.jsonl").read_text()
    metrics = folder / "task-reward" / "both_ends" / "artifacts" / "training" / "metrics.jsonl"
    first = metrics.read_text()
    _run(root, "--methods", "task-reward", "--tasks", "both_ends", "--episodes", _EPISODES + 1, steps=2 * _STEPS)
    assert metrics.read_text().startswith(first)
    assert _results(root)["methods"]["task-reward"]["steps"] == 2 * _STEPS
    # It is another network now: its episodes are new, and those of the old one stay.
    assert len((folder / "episodes.jsonl").read_text().removeprefix(lines).splitlines()) == _EPISODES + 1


def test_a_tasks_network_is_trained_as_the_project_is_on_one_skill_that_is_the_task(root: Path) -> None:
    project = Project.open(root)
    plan = BaselinePlan(PER_TASK, ("both_ends",), 777, 1, (1,))
    for method in PER_TASK:
        own = baseline_project(project, method, "both_ends", plan.steps)
        assert own.config.train == project.config.train.model_copy(update={"steps": 777})
        assert (own.domain, own.seed) == (project.domain, project.seed)
        (skill,) = own.skills
        assert (skill.id, skill.preference_text) == ("both_ends", project.domain.tasks["both_ends"].description)
        assert skill.max_steps >= max(120, project.config.train.episode_steps)  # one call for a whole episode
        assert skill.threshold_quantile == 0.5
        assert own.config.annotate.annotator == ("embedding" if method == "embedding" else "judge")
        steps = [stage.id for stage in baseline_stages(plan, own, method, project)]
        assert steps == (
            ["program", "reward", "train"] if method == "task-reward" else ["collect", "annotate", "reward", "program", "train"]
        )
    assert RecordedChat(project.domain.recorded_answers).find("corridor/judge/both_ends", skill.preference_text) is not None


def test_after_kill_9_the_table_says_what_is_missing_and_the_same_command_goes_on(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    command = [sys.executable, "-m", "maestromotif", "baselines", str(root), *map(str, ("--methods", "random,task-reward", *_TASK))]
    process = subprocess.Popen([*command, "--steps", "100000"], env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    own = root / "artifacts" / "baselines" / "task-reward" / "both_ends" / "artifacts"
    deadline = time.monotonic() + 120
    try:
        while not list((own / "training.part" / "checkpoints").glob("*.json")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = _results(root)
    (missing,) = left["methods"]["task-reward"]["missing"]
    assert re.fullmatch(r"both_ends: trained for [0-9,]+ of 100,000 steps", missing)
    assert left["methods"]["random"]["missing"] == []
    assert f"* task-reward: {missing}" in (root / "artifacts" / "baselines" / "table.md").read_text()
    done = json.loads((own / "training.part" / "metrics.jsonl").read_text().splitlines()[0])
    shown = _run(root, "--methods", "random,task-reward", *_TASK, steps=done["steps"] * 4).stdout
    assert "interrupted; goes on (attempt 2" in shown
    found = _results(root)
    assert found["complete"]
    assert found["methods"]["task-reward"]["steps"] >= done["steps"] * 4
    lines = (own / "training" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["update"] for line in lines] == list(range(1, len(lines) + 1))


def test_with_an_endpoint_a_language_model_plays_its_row_and_the_row_says_what_it_cost(small: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "corridor"
    shutil.copytree(small[0], root)
    rows = ("--methods", "random,llm-actions", "--tasks", "both_ends", "--episodes", _EPISODES)
    with ChatServer(lambda number, body: completion("ACTION: left")) as server:
        chat = {"kind": "openai", "base_url": server.url, "model": "x", "price_per_million_prompt": 2.0}
        settings = [word for key, value in chat.items() for word in ("--set", f"chat.{key}={value}")]
        told = _run(root, *rows, *settings, "--dry-run").stdout
        assert "both_ends, llm-actions, seed 1: 5 episodes, at most 600 steps, at most about " in told
        assert not server.requests
        _run(root, *rows, *settings)
        calls = len(server.requests)
        _run(root, *rows, *settings)
        assert len(server.requests) == calls > 0
    one = _results(root)["methods"]["llm-actions"]
    assert one["missing"] == []
    assert (one["networks"], one["tokens"]) == (0, calls * (11 + 7))
    assert one["money"] == pytest.approx(calls * 11 * 2.0 / 1e6)
    assert _results(root)["methods"]["random"]["tokens"] == 0


def test_limits_on_money_hold_for_all_tasks_together_and_each_row_has_its_own_share(root: Path) -> None:
    chat = ("chat.kind=openai", "chat.base_url=http://127.0.0.1:1/v1", "chat.model=x", "chat.price_per_million_prompt=10")
    project = Project.open(root, [*chat, "evaluate.tasks=['both_ends']"])
    plan = BaselinePlan(("zero-shot", "motif"), ("both_ends", "three_crossings"), 777, 1, (1,))
    work = Baselines(project, plan, root / "tables")
    assert {own.calls for _, _, own in work.networks()} == {project.calls}
    ledger = Ledger(project.calls / LEDGER_FILE)
    asked = [("annotator", "compare/go_left", 1), ("annotator", "judge/both_ends", 20), ("annotator", "judge/three_crossings", 300)]
    for table, purpose, tokens in [*asked, ("coder", "task/both_ends", 4_000), ("chat", "llm-actions/both_ends", 50_000)]:
        ledger.add(Entry(table, f"corridor/{purpose}", "x", "stop", prompt_tokens=tokens))
    found = work.results()["methods"]
    assert (found["zero-shot"]["tokens"], found["motif"]["tokens"]) == (4_001, 320)
    assert found["motif"]["money"] == pytest.approx(320 * 10 / 1e6)
    assert found["motif"]["missing"] == ["both_ends: trained for 0 of 777 steps", "three_crossings: trained for 0 of 777 steps"]
    assert found["zero-shot"]["missing"] == ["both_ends: no program yet", "three_crossings: no program yet"]


def test_a_dry_run_says_steps_and_time_of_each_row_and_writes_nothing(root: Path) -> None:
    before = hashes(root)
    shown = _run(root, "--dry-run", "--episodes", 3, steps=8_192).stdout
    assert "motif: 2 networks of 8,192 steps; 16,384 steps to train, about " in shown
    assert "random: 6 episodes to play, at most 960 steps, " in shown
    assert "llm-skills: needs an endpoint" in shown
    assert "as measured now, in a moment of training" in shown
    assert hashes(root) == before


def test_rows_and_tasks_that_are_not_there_are_refused(root: Path) -> None:
    assert "--methods: unknown method 'magic'" in one_error(maestromotif("baselines", root, "--methods", "magic"))
    assert "--tasks: unknown task 'nowhere'" in one_error(maestromotif("baselines", root, "--tasks", "nowhere"))
    assert "--seeds: 'x'" in one_error(maestromotif("baselines", root, "--seeds", "x"))
    wrong = ("--set", "annotate.compare_options={embedding={modle='x'}}")
    assert "[annotate.compare_options.embedding]" in one_error(maestromotif("baselines", root, *wrong))
    assert not (root / "artifacts").exists()


@pytest.mark.slow
def test_the_whole_table_from_nothing(tmp_path: Path) -> None:
    root = make_project(tmp_path / "corridor", train__steps=4096)
    _run(root, *_TASK)
    found = _results(root)
    assert list(found["methods"]) == list(METHODS)
    costs = {name: (one["networks"], one["steps"]) for name, one in found["methods"].items()}
    assert costs == {**dict.fromkeys(METHODS, (0, 0)), "zero-shot": (1, 4096), **dict.fromkeys(PER_TASK, (1, _STEPS))}
    assert {name for name, one in found["methods"].items() if one["missing"]} == set(_LLM)
    assert set(Counter(row["episode_seed"] for row in _rows(root)).values()) == {len(METHODS) - len(_LLM)}


@pytest.mark.slow
def test_a_small_table_in_nethack(tmp_path: Path) -> None:
    root = tmp_path / "nethack"
    assert maestromotif("init", root, "--pretrained").returncode == 0
    small = ("train.games=16", "train.workers=1", "train.rollout=32", "train.minibatch=256", "collect.steps=2000", "annotate.pairs=300")
    settings = [text for value in small for text in ("--set", value)]
    chosen = ("--methods", "random,explorer,motif,task-reward", "--tasks", "buc_identification", "--episodes", 2, "--max-steps", 200)
    result = maestromotif("baselines", root, *chosen, "--steps", 1024, *settings, timeout=290)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no scoring program is recorded" not in result.stdout
    found = _results(root)
    assert found["complete"]
    assert [one["networks"] for one in found["methods"].values()] == [0, 0, 1, 1]
    task = found["tasks"]["buc_identification"]
    assert task["cut"]
    assert "landmark count" in task["counts"]
    assert "(paper: 0.05)" in (root / "artifacts" / "baselines" / "table.md").read_text()
