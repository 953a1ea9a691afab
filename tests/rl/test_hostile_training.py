"""Generated programs that hang, crash, fault or starve: the training goes on, says so, and its workers hold nothing worth having."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from maestromotif.errors import ProgramError
from maestromotif.programs.check import check_source
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.rollout import play
from maestromotif.rl.training import METRICS, POLICY, train
from tests.programs.hostile.endless import IN_ONE_OPERATION, WITHOUT_END

from . import looking, worlds

_CONFIG: dict[str, Any] = {
    "steps": 640,
    "games": 8,
    "workers": 1,
    "groups": 1,
    "rollout": 16,
    "chunk": 8,
    "minibatch": 64,
    "features": 16,
    "hidden": 16,
    "episode_steps": 40,
    "tensorboard": False,
    "checkpoint_seconds": 1e9,
}
_AS_POLICY = """
class PolicyOverSkills:
    def observe(self, facts):
        self.late = facts.steps > 2

    def next_skill(self, facts, finished, startable):
        if self.late:
            probe(facts)
        return startable[0]
"""
_AS_SKILL = """
def can_start(skill, facts):
    return not (facts.at_left_end if skill == "go_left" else facts.at_right_end)


def is_over(skill, facts, start):
    return probe(facts) is None if facts.steps > 2 else facts.at_right_end
"""
_CRASH = """
kept = [(1,)]


class PolicyOverSkills:
    def observe(self, facts):
        deep = kept[0]
        for i in range(15_000):
            deep = (deep,)
        kept[0] = deep
        if facts.steps > 30:
            {deep}

    def next_skill(self, facts, finished, startable):
        return startable[0]
"""
_FAULTS = """
def probe(facts):
    a = frozenset([1])
    for i in range(60):
        a = frozenset([a, frozenset([a, i])])
    raise KeyError(a)
"""


def _train(out: Path, policy: str, skill_program: str = worlds.SKILL_PROGRAM, **changes: Any) -> list[dict[str, Any]]:
    domain, skills = worlds.corridor(length=7)
    sources = ScheduleSources(policy=policy, skill_program=skill_program)
    train(domain, skills, sources, Path(), TrainConfig(**{**_CONFIG, **changes}), out, 1, reward_maker=worlds.REWARDS)
    metrics = read_metrics(out / METRICS)
    assert [line["steps"] for line in metrics] == list(range(128, 641, 128))
    assert (out / POLICY).exists()
    return metrics


def _aside(faults: dict[str, int], file: str) -> list[str]:
    return [fault for fault in faults if fault.startswith(f"{file} is set aside in workers that start from now on")]


def test_a_policy_that_hangs_is_set_aside(tmp_path: Path) -> None:
    # More often than workers may be replaced for other reasons.
    began = time.monotonic()
    metrics = _train(tmp_path, IN_ONE_OPERATION["comparison"] + _AS_POLICY, restarts=0)
    faults = metrics[-1]["faults"]
    assert sum(line["restarts"] for line in metrics) == 3
    assert faults["hung in policy.py, line 5"] == 3
    assert _aside(faults, "policy.py")
    # Far less than the minute after which a worker that is silent counts as hanging.
    assert time.monotonic() - began < 40


def test_faults_whose_text_would_take_for_ever_are_counted(tmp_path: Path) -> None:
    metrics = _train(tmp_path, _FAULTS + _AS_POLICY)
    assert sum(line["restarts"] for line in metrics) == 0
    assert sum(metrics[-1]["faults"].values()) >= 8
    assert all(fault.startswith("next_skill: KeyError") for fault in metrics[-1]["faults"])


@pytest.mark.slow
def test_a_policy_that_crashes_the_interpreter_is_set_aside(tmp_path: Path) -> None:
    faults = _train(tmp_path, _CRASH, restarts=0)[-1]["faults"]
    assert faults["was killed by signal 11 in policy.py, line 12"] == 3
    assert _aside(faults, "policy.py")


@pytest.mark.slow
def test_a_skill_program_that_hangs_is_set_aside(tmp_path: Path) -> None:
    program = IN_ONE_OPERATION["hash"] + _AS_SKILL
    faults = _train(tmp_path, worlds.TRAINING_POLICY, program, restarts=0)[-1]["faults"]
    assert faults["hung in skills.py, line 5"] == 3
    assert _aside(faults, "skills.py")


@pytest.mark.slow
def test_all_workers_lose_a_program_that_hangs(tmp_path: Path) -> None:
    faults = _train(tmp_path, IN_ONE_OPERATION["order"] + _AS_POLICY, restarts=0, workers=2, acting="trainer", groups=2)[-1]["faults"]
    assert 3 <= faults["hung in policy.py, line 5"] <= 4
    assert _aside(faults, "policy.py")


@pytest.mark.slow
def test_an_evaluation_of_a_policy_that_hangs_ends_with_failures() -> None:
    domain, skills = worlds.corridor(length=7)
    policy = IN_ONE_OPERATION["comparison"] + _AS_POLICY + "\n    def is_done(self, facts):\n        return False\n"
    results = play(domain, skills, "random", worlds.sources(policy), episodes=6, max_steps=40, seed=3, task="both_ends", workers=1)
    given_up = [result for result in results if result.faults]
    assert len(results) == 6
    assert given_up
    assert all(not any(result.success.values()) for result in given_up)
    assert all("hung in policy.py, line 5, twice" in next(iter(result.faults)) for result in given_up)


def _loads(source: str) -> bool:
    try:
        check_source(source, ("steps",))
    except ProgramError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, source in {**IN_ONE_OPERATION, **WITHOUT_END}.items() if _loads(source)])
def test_a_training_survives(tmp_path: Path, name: str) -> None:
    metrics = _train(tmp_path, {**IN_ONE_OPERATION, **WITHOUT_END}[name] + _AS_POLICY, restarts=0)
    lost = sum(line["restarts"] for line in metrics)
    assert bool(_aside(metrics[-1]["faults"], "policy.py")) == (lost > 0)
    # What fuel can see faults, or has become harmless by the rewriting; no worker is lost for it.
    assert (lost > 0) == (name in IN_ONE_OPERATION)


def test_a_worker_holds_next_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, secret = tmp_path / "own", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("secret")
    monkeypatch.setenv(looking.FOLDER, str(folder))
    monkeypatch.setenv("SOME_API_KEY", "hidden")
    monkeypatch.setenv("SOME_SETTING", "of mine")
    monkeypatch.setenv("WANTED_SETTING", "yes")
    monkeypatch.setenv("MAESTROMOTIF_PASS", "WANTED_SETTING, SOME_API_KEY")
    domain, skills = looking.looking()
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        play(domain, skills, "random", worlds.sources(worlds.BOTH_ENDS), episodes=1, max_steps=5, seed=3, num_games=1, workers=1)
    seen = json.loads((folder / looking.REPORT).read_text())
    assert seen["parent"] == os.getpid()
    targets = list(seen["descriptors"].values())
    # The null device twice, its error file, the line to the trainer, the memory that they share, and the list itself.
    assert sum(target.startswith("socket:") for target in targets) == 1
    assert str(secret) not in targets
    assert len(targets) <= 8, targets
    own = {name for name in seen["environment"] if not name.startswith(("LC_", "NUMBA_", "MAESTROMOTIF_"))}
    threads = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    assert own <= {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHASHSEED", "PYTHONPATH", "WANTED_SETTING"} | threads
    assert "WANTED_SETTING" in own
