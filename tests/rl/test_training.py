"""Training learns, repeats itself bit for bit, and survives kills, broken files and bad numbers."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maestromotif.errors import ArtifactError, ConfigError, TrainingError
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.metrics import failure_signs, read_metrics
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.rollout import play
from maestromotif.rl.training import METRICS, POLICY, UNTRAINED, train

from . import worlds

TINY: dict[str, Any] = {
    "steps": 2_000,
    "games": 8,
    "workers": 0,
    "rollout": 16,
    "chunk": 8,
    "minibatch": 64,
    "features": 16,
    "hidden": 16,
    "episode_steps": 100,
    "tensorboard": False,
}


def _train(out: Path, seed: int = 1, rewards: str = worlds.REWARDS, **changes: Any) -> list[dict[str, Any]]:
    domain, skills = worlds.corridor(length=7)
    config = TrainConfig(**{**TINY, **changes})
    train(domain, skills, worlds.sources(), Path(), config, out, seed, reward_maker=rewards)
    return read_metrics(out / METRICS)


def _without_time(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "time"} for line in metrics]


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("core", ["gru", "ff"])
def test_same_seed_same_weights_and_metrics_bit_for_bit(tmp_path: Path, overlap: bool, core: str) -> None:
    runs = [_train(tmp_path / str(run), overlap=overlap, core=core) for run in range(2)]
    assert _without_time(runs[0]) == _without_time(runs[1])
    assert (tmp_path / "0" / POLICY).read_bytes() == (tmp_path / "1" / POLICY).read_bytes()
    other = _train(tmp_path / "other", seed=2, overlap=overlap, core=core)
    assert _without_time(runs[0]) != _without_time(other)


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    serial = _train(tmp_path / "serial", groups=2)
    parallel = _train(tmp_path / "parallel", groups=2, workers=2)
    assert [line["loss"] for line in serial] == [line["loss"] for line in parallel]
    assert (tmp_path / "serial" / POLICY).read_bytes() == (tmp_path / "parallel" / POLICY).read_bytes()


def test_skills_are_learned_and_strung_together_zero_shot(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "steps": 64_000,
        "games": 32,
        "rollout": 32,
        "minibatch": 256,
        "features": 32,
        "hidden": 32,
        "advantage_floor": 0.01,
    }
    metrics = _train(tmp_path, **settings)
    for skill in ("go_left", "go_right"):
        rates = [line["skills"][skill]["success"] for line in metrics[-6:]]
        assert np.mean([rate for rate in rates if rate is not None]) > 0.95
    assert sum(values["share"] for values in metrics[-1]["skills"].values()) == pytest.approx(1)
    domain, skills = worlds.corridor(length=7)
    results = {
        name: [
            result.success["landmark"]
            for result in play(
                domain,
                skills,
                SkillPolicy.load(tmp_path / name),
                worlds.sources(worlds.BOTH_ENDS),
                episodes=40,
                max_steps=40,
                seed=1,
                task="both_ends",
                workers=0,
            )
        ]
        for name in (POLICY, UNTRAINED)
    }
    assert np.mean(results[POLICY]) >= 0.95
    assert _permutation_p(results[POLICY], results[UNTRAINED]) < 0.01


def test_a_reward_for_every_step_is_no_reason_never_to_arrive(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 24_000, "games": 32, "rollout": 32, "minibatch": 256, "features": 32, "hidden": 32}
    rates = {}
    for returns in ("cut", "renew"):
        metrics = _train(tmp_path / returns, rewards=worlds.STEP_REWARDS, returns=returns, **settings)
        found = [line["skills"]["go_left"]["success"] for line in metrics[-6:]]
        rates[returns] = np.mean([rate for rate in found if rate is not None])
    assert rates["renew"] > 0.95
    # What the other way does with the same reward: the agent paces up and down before the end.
    assert rates["cut"] < 0.6


def _permutation_p(first: list[bool], second: list[bool]) -> float:
    both, count = np.array(first + second, float), len(first)
    observed = both[:count].mean() - both[count:].mean()
    rng = np.random.default_rng(0)
    draws = [rng.permutation(both) for _ in range(2_000)]
    return float(np.mean([draw[:count].mean() - draw[count:].mean() >= observed for draw in draws]))


_SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from tests.rl import test_training
test_training._train(Path(sys.argv[1]), workers=1, checkpoint_seconds=0.0, steps=6_400)
"""


def test_what_a_kill_left_half_written_is_swept(tmp_path: Path) -> None:
    _train(tmp_path, steps=1_280)
    checkpoints = tmp_path / "checkpoints"
    halves = [tmp_path / ".policy.safetensors.1-2.tmp", checkpoints / ".checkpoint-000000000640.safetensors.1-2.tmp"]
    halves.append(checkpoints / "checkpoint-000000000700.safetensors")  # its JSON file was never written
    for half in halves:
        half.write_bytes(b"half")
    _train(tmp_path, steps=1_536)
    assert not any(half.exists() for half in halves)


@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_kill_9_at_any_moment_then_resume_as_if_nothing_had_been(tmp_path: Path) -> None:
    script = _SCRIPT.format(tests=str(Path(__file__).parents[2]))
    command = [sys.executable, "-c", script, str(tmp_path)]
    rng = np.random.default_rng(int(time.time()))
    reached = 0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for_progress(tmp_path, reached, process)
        time.sleep(float(rng.random()) * 0.3)
        process.kill()
        process.wait()
        reached = _steps(tmp_path)
        assert reached > 0
    metrics = _train(tmp_path, steps=6_400)
    assert [line["update"] for line in metrics] == list(range(1, 51))
    assert [line["steps"] for line in metrics] == list(range(128, 6_401, 128))
    assert SkillPolicy.load(tmp_path / POLICY).skills == ("go_left", "go_right")
    whole = tmp_path / "whole"
    assert _without_time(metrics) == _without_time(_train(whole, steps=6_400))
    assert (tmp_path / POLICY).read_bytes() == (whole / POLICY).read_bytes()
    assert not list(tmp_path.rglob(".*.tmp"))
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 2


def _steps(folder: Path) -> int:
    found = sorted((folder / "checkpoints").glob("checkpoint-*.json"))
    return int(found[-1].stem.split("-")[1]) if found else 0


def _wait_for_progress(folder: Path, reached: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while _steps(folder) <= reached and process.poll() is None:
        assert time.monotonic() < deadline, "the training makes no progress"
        time.sleep(0.02)


def test_resume_goes_on_where_it_stopped(tmp_path: Path) -> None:
    _train(tmp_path, steps=640, checkpoint_seconds=0.0)
    before = read_metrics(tmp_path / METRICS)
    metrics = _train(tmp_path, steps=1_280)
    assert metrics[: len(before)] == before
    assert [line["steps"] for line in metrics] == list(range(128, 1_281, 128))
    times = [line["time"]["elapsed"] for line in metrics]
    assert times == sorted(times)
    # Finished already: nothing is played, nothing changes.
    assert _train(tmp_path, steps=1_280) == metrics


def test_a_truncated_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _train(tmp_path, steps=640, checkpoint_seconds=0.0)
    newest = sorted((tmp_path / "checkpoints").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-50])
    with caplog.at_level(logging.WARNING):
        metrics = _train(tmp_path, steps=768)
    assert "checkpoint-000000000640 cannot be read" in caplog.text
    assert [line["steps"] for line in metrics] == list(range(128, 769, 128))
    for path in (tmp_path / "checkpoints").glob("*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(ArtifactError, match="none of the 2 checkpoints can be read"):
        _train(tmp_path, steps=2_000)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    _train(tmp_path, steps=128)
    with pytest.raises(ArtifactError, match="made for another network"):
        _train(tmp_path, steps=512, hidden=17)
    with pytest.raises(ArtifactError, match="another seed"):
        _train(tmp_path, steps=512, seed=9)


def test_a_training_begins_with_the_weights_of_another_one(tmp_path: Path) -> None:
    _train(tmp_path / "first", steps=1_024)
    (tmp_path / "second").mkdir()
    (tmp_path / "given.safetensors").write_bytes((tmp_path / "first" / POLICY).read_bytes())
    domain, skills = worlds.corridor(length=7)

    def begin(out: str, initial: str, **changes: Any) -> None:
        config = TrainConfig(**{**TINY, "steps": 128, "initial": initial, **changes})
        train(domain, skills, worlds.sources(), Path(), config, tmp_path / out, 1, reward_maker=worlds.REWARDS, home=tmp_path)

    begin("second", "given.safetensors", learning_rate=1e-12)
    first, second, untrained = (load_file(tmp_path / path) for path in (f"first/{POLICY}", f"second/{POLICY}", f"second/{UNTRAINED}"))
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first if not name.startswith("value_"))
    assert not torch.allclose(first["head"], untrained["head"], atol=1e-3)
    assert second["value_seen"].sum() > first["value_seen"].sum()
    with pytest.raises(ConfigError, match=r"initial = 'given.safetensors': .* another size or kind of network"):
        begin("third", "given.safetensors", hidden=17)
    with pytest.raises(ConfigError, match="another skills and another observation or actions"):
        begin("fourth", "nethack")
    with pytest.raises(ArtifactError, match="not a complete skill policy"):
        begin("fifth", "missing.safetensors")


def test_not_a_number_stops_and_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not a number in update 1: .*nothing was saved before"):
        _train(tmp_path / "new", rewards=worlds.BROKEN_REWARDS)
    _train(tmp_path, steps=256)
    good = load_file(sorted((tmp_path / "checkpoints").glob("*.safetensors"))[-1])
    with pytest.raises(TrainingError, match=r"starts from .*checkpoint-000000000256\.safetensors"):
        _train(tmp_path, steps=512, rewards=worlds.BROKEN_REWARDS)
    kept = load_file(sorted((tmp_path / "checkpoints").glob("*.safetensors"))[-1])
    assert all(torch.equal(good[name], kept[name]) for name in good)


def test_a_dead_worker_costs_no_finished_update(tmp_path: Path) -> None:
    domain, skills = worlds.corridor(length=7)
    config = TrainConfig(**{**TINY, "workers": 1, "restarts": 0, "steps": 100_000, "checkpoint_seconds": 1e9})
    seen: list[int] = []

    def kill(metrics: dict[str, Any]) -> None:
        seen.append(metrics["steps"])
        if metrics["update"] == 3:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(TrainingError, match="worker 0 was killed by signal 9"):
        train(domain, skills, worlds.sources(), Path(), config, tmp_path, 1, on_update=kill, reward_maker=worlds.REWARDS)
    assert _steps(tmp_path) == seen[-1]


def _children() -> list[int]:
    listing = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listing.stdout.splitlines() if "maestromotif.rl.worker" in line]


def test_ctrl_c_finishes_the_update_and_saves(tmp_path: Path) -> None:
    domain, skills = worlds.corridor(length=7)
    config = TrainConfig(**{**TINY, "steps": 100_000, "checkpoint_seconds": 1e9})
    before = signal.getsignal(signal.SIGINT)

    def interrupt(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(domain, skills, worlds.sources(), Path(), config, tmp_path, 1, on_update=interrupt, reward_maker=worlds.REWARDS)
    assert signal.getsignal(signal.SIGINT) is before
    assert _steps(tmp_path) == 256
    assert [line["steps"] for line in read_metrics(tmp_path / METRICS)] == [128, 256]


def test_event_files_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = _train(tmp_path, tensorboard=True, steps=512)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("entropy")] == [line["steps"] for line in metrics]
    assert "skills/go_left/share" in events.Tags()["scalars"]


def test_torn_lines_of_metrics_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"steps": 1}\n{"steps": 2}\n{"ste', encoding="utf-8")
    assert read_metrics(path) == [{"steps": 1}, {"steps": 2}]


def test_signs_of_failure_are_told_apart() -> None:
    def signs(
        entropy: float = 1.0, calls: int = 10, steps: int = 100, counted: float = 50.0, rewarded: float = 1.0, progress: float = 0.5
    ) -> set[str]:
        metrics = {"entropy": entropy, "skills": {"a": {"calls": calls, "steps": steps}}}
        return {sign["sign"] for sign in failure_signs(metrics, progress, {"a": counted}, {"a": rewarded}, 0.04)}

    assert signs() == set()
    assert signs(entropy=0.01) == {"entropy collapsed"}
    assert signs(calls=60) == {"excessive switching"}
    assert signs(rewarded=0.0) == {"never rewarded"}
    assert signs(calls=0, steps=0, counted=0.0) == {"never started"}
    assert signs(calls=0, steps=0, counted=0.0, progress=0.01) == set()


def test_configuration_refuses_what_cannot_work() -> None:
    for wrong in ({"chunk": 7}, {"minibatch": 100}, {"games": 1, "workers": 2}, {"learning_rates": 1}, {"returns": "other"}):
        with pytest.raises(ValueError, match=r".+"):
            TrainConfig(**wrong)
    assert json.loads(TrainConfig().model_dump_json())["returns"] == "cut"


def test_a_device_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    for device in ("cuda:99", "nonsense"):
        with pytest.raises(ConfigError, match=rf"device = '{device}' cannot be used here \(.+\)") as caught:
            _train(tmp_path, device=device)
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())
