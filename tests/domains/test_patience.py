"""An environment that does not return ends what waits for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maestromotif.domains.corridor import Corridor, CorridorEnv
from maestromotif.domains.patience import STUCK, answering, stuck
from maestromotif.errors import DomainError
from maestromotif.feedback import interactions
from maestromotif.feedback.config import CollectConfig
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.training import train
from maestromotif.skills import SkillSet
from tests.rl import worlds

_STUCK = """
from maestromotif.domains.patience import answering, end_when_stuck
end_when_stuck()
with answering(0.2):
    sum([[0]] * 10**6, [])
"""


class _Slow(CorridorEnv):
    def step(self, actions_B: object) -> None:
        time.sleep(60)


class _SlowDomain(Corridor):
    def make_env(self, num_games: int) -> CorridorEnv:
        return _Slow(num_games)


def test_collecting_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_PATIENCE", 0.3)
    began = time.monotonic()
    with pytest.raises(DomainError, match=r"has not answered for 0.3 s; it was at .*test_patience.py, line \d+"):
        interactions.collect(_SlowDomain(), CollectConfig(steps=100, num_games=2, shard_steps=100), tmp_path, 1)
    assert time.monotonic() - began < 30


def test_who_answers_in_time_is_left_alone() -> None:
    with answering(0.3) as alive:
        answers = 0
        while answers < 6:
            time.sleep(0.1)
            alive()
            answers += 1
    time.sleep(0.4)  # the watch has ended too: nothing interrupts this
    assert answers == 6


def test_training_in_this_process_does_not_wait_for_ever(tmp_path: Path) -> None:
    domain = _SlowDomain({"length": 7})
    skills = SkillSet.parse(domain.skills_toml)
    config = TrainConfig(steps=640, games=8, workers=0, rollout=16, chunk=8, minibatch=64, features=16, hidden=16, patience=0.3)
    began = time.monotonic()
    with pytest.raises(DomainError, match=r"has not answered for 0.3 s; it was at .*test_patience.py"):
        train(domain, skills, worlds.sources(), Path(), config, tmp_path, 1, reward_maker=worlds.REWARDS)
    assert time.monotonic() - began < 30


def test_progress_is_as_good_as_an_answer() -> None:
    began = time.monotonic()
    with pytest.raises(DomainError), answering(0.2, lambda: min(time.monotonic() - began, 0.7)):
        time.sleep(60)
    assert 0.7 < time.monotonic() - began < 30


def test_who_else_watches_goes_on_watching() -> None:
    before, left = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]  # of the test's own limit
    with answering(5.0):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 5
    assert signal.getsignal(signal.SIGALRM) == before
    assert left - 5 < signal.getitimer(signal.ITIMER_REAL)[0] <= left


def test_compiled_code_that_does_not_return_ends_its_process_and_says_where_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", _STUCK], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -STUCK
    assert "stuck in compiled code, called at <string>, line 5. `maestromotif check`" in str(stuck(done.stderr))
