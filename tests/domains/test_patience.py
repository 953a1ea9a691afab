"""An environment that does not return ends what waits for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from maestromotif.domains.corridor import Corridor, CorridorEnv
from maestromotif.domains.patience import answering
from maestromotif.errors import DomainError
from maestromotif.feedback import interactions
from maestromotif.feedback.config import CollectConfig


class _Slow(CorridorEnv):
    def step(self, actions_B: object) -> None:
        time.sleep(60)


class _SlowDomain(Corridor):
    def make_env(self, num_games: int) -> CorridorEnv:
        return _Slow(num_games)


def test_collecting_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_PATIENCE", 0.3)
    began = time.monotonic()
    with pytest.raises(DomainError, match=r"has not answered for 0.3 s; it was at .*test_patience.py, line 19"):
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
