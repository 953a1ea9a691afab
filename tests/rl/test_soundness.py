"""A training that explodes stops and leaves a checkpoint from before; one that learns is never stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maestromotif.errors import TrainingError
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.soundness import Watch
from maestromotif.rl.training import METRICS

from . import worlds
from .test_learner import LEARNS, success
from .test_training import _train


def _losses(**changes: float) -> dict[str, float]:
    return {"policy": 0.01, "value": 0.5, "gradient_norm": 1.0, "entropy": 2.0, **changes}


def test_a_passing_moment_stops_nothing() -> None:
    watch = Watch()
    for update in range(1, 60):
        bad = update % Watch.PATIENCE != 0
        assert watch.look(_losses(value=1e9) if bad else _losses(), update) == ""
        assert watch.sound == (not bad)


def test_what_lasts_is_named_with_its_updates() -> None:
    watch = Watch()
    for update in range(1, 21):
        assert watch.look(_losses(), update) == ""
    for update in range(21, 25):
        assert watch.look(_losses(gradient_norm=3e6), update) == ""
    assert watch.look(_losses(gradient_norm=3e6), 25) == "exploded in update 21 and since then, until update 25: gradient_norm 3e+06"
    # The exploded updates have not become what is usual.
    assert not watch.sound
    assert watch.look(_losses(gradient_norm=3e6), 26)


def test_large_is_what_is_large_beside_the_median() -> None:
    watch = Watch()
    rng = np.random.default_rng(0)
    for update in range(1, 300):
        value = float(rng.lognormal(mean=7, sigma=2))
        assert watch.look(_losses(value=value), update) == ""
    assert watch.look(_losses(value=1e9), 300, last=True).startswith("exploded in update 300")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_a_number_stops_at_once(value: float) -> None:
    watch = Watch()
    assert watch.look(_losses(loss=value), 3) == "not a number in update 3: loss"
    assert not watch.sound


def _newest(folder: Path) -> Path:
    return sorted((folder / "checkpoints").glob("*.safetensors"))[-1]


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_an_absurd_learning_rate_is_stopped_and_costs_no_good_checkpoint(tmp_path: Path, core: str) -> None:
    _train(tmp_path, steps=1_280, checkpoint_seconds=0.0, core=core)
    good = load_file(_newest(tmp_path))
    told = r"(exploded|not a number) in update 1\d.*(value|gradient_norm).*checkpoint-000000001280\.safetensors"
    with pytest.raises(TrainingError, match=told) as raised:
        _train(tmp_path, steps=6_400, checkpoint_seconds=0.0, core=core, learning_rate=300.0)
    assert "Lower learning_rate" in raised.value.remedy
    kept = load_file(_newest(tmp_path))
    assert all(torch.equal(good[name], kept[name]) for name in good)
    # What it says of resuming is true: with the old learning rate, the training goes on.
    metrics = _train(tmp_path, steps=2_560, core=core)
    assert [line["steps"] for line in metrics] == list(range(128, 2_561, 128))


def test_an_explosion_in_the_last_update_is_not_the_result(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"exploded in update 1 .*nothing was saved before"):
        _train(tmp_path, steps=128, learning_rate=300.0)
    assert not (tmp_path / "policy.safetensors").exists()


def test_normal_training_is_never_near_it(tmp_path: Path) -> None:
    _train(tmp_path, steps=6_400)
    for line in read_metrics(tmp_path / METRICS):
        assert max(abs(line[name]) for name in ("policy", "value", "gradient_norm")) < Watch.FACTOR / 100


def test_huge_rewards_train_like_others(tmp_path: Path) -> None:
    metrics = _train(tmp_path, rewards=worlds.HUGE_REWARDS, **LEARNS)
    assert metrics[-1]["skills"]["go_left"]["return"] > 1e18
    assert success(metrics) > 0.9


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_rewards_beyond_all_numbers_stop_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not a number in update \d: .*value"):
        _train(tmp_path, rewards=worlds.ENDLESS_REWARDS)
