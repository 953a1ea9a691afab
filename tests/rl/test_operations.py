"""Trainings go on over workers that die or hang, and over interruptions at any moment as if there had been none."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from maestromotif.domains.contract import Domain
from maestromotif.domains.registry import load_domain
from maestromotif.errors import TrainingError
from maestromotif.rl import process
from maestromotif.rl.acting import RolloutArrays, cut_rollout
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.calibrate import CALIBRATION, settle
from maestromotif.rl.config import SettledConfig, TrainConfig
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.rollout import play
from maestromotif.rl.training import METRICS, POLICY, train
from maestromotif.rl.vector import ParallelGames
from maestromotif.rl.worker import RareGarbage
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

from . import breaking, worlds

TINY: dict[str, Any] = {
    "steps": 1_280,
    "games": 8,
    "workers": 0,
    "groups": 1,
    "rollout": 16,
    "chunk": 8,
    "minibatch": 64,
    "features": 16,
    "hidden": 16,
    "episode_steps": 70,
    "tensorboard": False,
}


class Stop(Exception):
    """What a test stops a training with: nothing more is saved, as after kill -9."""


def _train(
    out: Path, stop_after: int = 0, world: tuple[Domain, SkillSet] | None = None, policy: str = worlds.TRAINING_POLICY, **changes: Any
) -> list[dict[str, Any]]:
    domain, skills = world or worlds.corridor(length=7)

    def watch(metrics: dict[str, Any]) -> None:
        if metrics["update"] == stop_after:
            raise Stop

    config = TrainConfig(**{**TINY, **changes})
    train(domain, skills, worlds.sources(policy), Path(), config, out, 1, on_update=watch, reward_maker=worlds.REWARDS)
    return read_metrics(out / METRICS)


def _without_time(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "time"} for line in metrics]


def _interrupted(out: Path, stops: list[int], resumed: dict[str, Any] | None = None, **changes: Any) -> list[dict[str, Any]]:
    for stop in stops:
        with pytest.raises(Stop):
            _train(out, stop, checkpoint_seconds=0.0, **changes)
    return _train(out, **{**changes, **(resumed or {})})


# A program whose faults are counted, also for episodes that are replayed.
FAULTY = worlds.TRAINING_POLICY.replace("return", "if facts.steps % 9 == 8:\n            startable[9]\n        return")


@pytest.mark.parametrize("overlap", [True, False])
def test_an_interrupted_run_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path, overlap: bool) -> None:
    whole = _train(tmp_path / "whole", overlap=overlap, policy=FAULTY)
    # An update's checkpoint is written after its callback: the run goes back by one update each time.
    parts = _interrupted(tmp_path / "parts", [2, 3, 8], overlap=overlap, policy=FAULTY)
    assert whole[-1]["faults"]
    assert _without_time(parts) == _without_time(whole)
    assert (tmp_path / "parts" / POLICY).read_bytes() == (tmp_path / "whole" / POLICY).read_bytes()


@pytest.mark.parametrize(
    ("first", "resumed"),
    [
        ({"workers": 2}, {}),
        ({"workers": 2, "acting": "trainer", "groups": 2}, {}),
        ({"workers": 2}, {"workers": 0}),
        ({"workers": 0}, {"workers": 1, "acting": "trainer", "groups": 2}),
    ],
)
def test_it_makes_no_difference_who_plays_before_and_after(tmp_path: Path, first: dict[str, Any], resumed: dict[str, Any]) -> None:
    whole = _train(tmp_path / "whole")
    parts = _interrupted(tmp_path / "parts", [5], resumed, **first)
    assert _without_time(parts) == _without_time(whole)
    assert (tmp_path / "parts" / POLICY).read_bytes() == (tmp_path / "whole" / POLICY).read_bytes()


def test_games_that_went_another_way_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _train(tmp_path, steps=640)
    newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
    tensors = load_file(newest)
    tensors["games/fingerprints"][[1, 5]] += 1
    save_file(tensors, newest)
    with caplog.at_level(logging.WARNING):
        metrics = _train(tmp_path)
    assert "2 of 8 games did not go the way" in caplog.text
    assert [line["update"] for line in metrics] == list(range(1, 11))


def test_without_games_in_the_checkpoint_all_begin_their_next_episodes(tmp_path: Path) -> None:
    _train(tmp_path, steps=640)
    newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
    tensors = load_file(newest)
    save_file({name: tensor for name, tensor in tensors.items() if not name.startswith("games/")}, newest)
    _train(tmp_path)
    after = load_file(max((tmp_path / "checkpoints").glob("*.safetensors")))
    assert (after["games/episode"] > tensors["games/episode"]).all()


@pytest.mark.parametrize("how", ["exit", "signal", "hang", "error"])
@pytest.mark.parametrize("acting", [{"acting": "trainer", "groups": 2}, {"acting": "workers"}])
def test_a_lost_worker_is_replaced_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str, acting: dict[str, Any]
) -> None:
    for name, value in breaking.plan(tmp_path, how, step=41).items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        metrics = _train(tmp_path / "out", world=breaking.breaking(), workers=2, patience=1.0, **acting)
    assert [line["steps"] for line in metrics] == list(range(128, 1_281, 128))
    assert sum(line["restarts"] for line in metrics) == 1
    words = {
        "exit": "ended with exit code 7",
        "signal": "was killed by signal 11; its last words: File",
        "hang": "has not answered for 1 s; its last words: File",
        "error": "ended with ValueError: these games are broken",
    }
    (told,) = [record.message for record in caplog.records if "worker" in record.message]
    assert words[how] in told
    assert "in the environment, game" in told
    assert told.endswith("its games begin their next episodes")


def test_games_that_are_busy_for_ever_before_their_first_answer_end_the_training_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "START", 12.0)
    for name, value in breaking.plan(tmp_path, "hang", step=0, times=9).items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(TrainingError, match=r"has not answered for 2\d s; its last words: .*, and had been at work all the time"):
        _train(tmp_path / "out", world=breaking.breaking(), workers=1, patience=1.0)
    assert time.monotonic() - began < 45


@pytest.mark.parametrize("how", ["exit", "error"])
def test_a_lost_step_is_the_cut_of_call_and_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    for name, value in breaking.plan(tmp_path, how, step=10).items():
        monkeypatch.setenv(name, value)
    domain, skills = breaking.breaking()
    spec = _spec(domain, skills)
    games = ParallelGames(spec, domain, num_groups=2, workers=2)
    arrays = games.arrays
    lost = np.zeros(spec.num_games, bool)
    seen: dict[int, Any] = {}

    def send(group: int) -> None:
        rows = games.groups[group]
        seen[group] = {name: array[rows].copy() for name, array in arrays.observation.items()}, arrays.episode[rows].copy()
        games.send(group)

    try:
        games.reset()
        send(0)
        for _ in range(24):
            for group, rows in enumerate(games.groups):
                send(1 - group)
                before, episodes = seen[group]
                games.wait(group)
                cut = arrays.cause[rows] == EndCause.CUT
                lost[rows] |= cut
                assert (arrays.fresh[rows] == cut).all()
                assert (arrays.episode[rows] == episodes + cut).all()
                assert (arrays.time[rows][cut] == 0).all()
                assert (arrays.reward[rows][cut] == 0).all()
                if cut.any():
                    for name, array in arrays.last.items():
                        np.testing.assert_array_equal(array[rows][cut], before[name][cut])
        # The games of one worker in both groups, and no others.
        assert games.restarts == 1
        assert lost.sum() == spec.num_games // 2
    finally:
        games.close()


def _spec(domain: Domain, skills: SkillSet) -> GamesSpec:
    return GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=worlds.sources(),
        rewards=".",
        reward_maker=worlds.REWARDS,
        num_games=8,
        seed=4,
        first_episodes=(0,) * 8,
        episode_steps=1_000,
    )


def test_a_rollout_that_is_cut_in_the_middle() -> None:
    shape = (3, 5)
    cause = np.zeros(shape, np.int8)
    cause[0, 1], cause[1, 2], cause[2, 4] = EndCause.TIMED_OUT, EndCause.OVER, EndCause.CUT
    value: NDArray[np.float32] = np.arange(15, dtype=np.float32).reshape(shape)
    out = RolloutArrays(
        observation={},
        skill=np.zeros(shape, np.int64),
        action=np.zeros(shape, np.int64),
        log_prob=np.zeros(shape, np.float32),
        value=value,
        reward=np.ones(shape, np.float32),
        boot=np.full(shape, -1, np.float32),
        cause=cause,
        keep=np.ones(shape, np.float32),
        memory=np.zeros((3, 1, 2), np.float32),
        last_value=np.zeros(3, np.float32),
    )
    cut_rollout(out, 3)
    assert out.reward[:, 3].tolist() == [0, 0, 0]
    assert (out.cause[:, 3] == EndCause.CUT).all()
    # Calls that were not over bootstrap from the value before; what lies after the cut is still to be played.
    assert out.boot.tolist() == [[-1, 1, -1, 3, -1], [-1, -1, -1, 8, -1], [-1, -1, -1, 13, -1]]


def test_too_many_restarts_end_a_training_with_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in breaking.plan(tmp_path, "exit", step=50, times=9).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"ended with exit code 7 .*, after 2 restarts of workers"):
        _train(tmp_path / "out", world=breaking.breaking(), workers=1, restarts=2, checkpoint_seconds=1e9)
    saved = [path.stem for path in (tmp_path / "out" / "checkpoints").glob("*.json")]
    assert saved == [f"checkpoint-{read_metrics(tmp_path / 'out' / METRICS)[-1]['steps']:012d}"]
    metrics = _train(tmp_path / "out", world=breaking.breaking(), workers=0)
    assert [line["steps"] for line in metrics] == list(range(128, 1_281, 128))


def test_a_worker_that_cannot_play_a_step_ends_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in breaking.plan(tmp_path, "exit", step=1, times=9).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="3 times running before it had finished a step"):
        _train(tmp_path / "out", world=breaking.breaking(), workers=1)


def _play(workers: int) -> list[EpisodeResult]:
    domain, skills = breaking.breaking()
    return play(
        domain,
        skills,
        "random",
        worlds.sources(worlds.BOTH_ENDS),
        episodes=11,
        max_steps=80,
        seed=3,
        task="both_ends",
        num_games=6,
        workers=workers,
    )


def test_an_evaluation_plays_lost_episodes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    expected = _play(0)
    for name, value in breaking.plan(tmp_path, "signal", step=30).items():
        monkeypatch.setenv(name, value)
    assert _play(2) == expected
    assert "its episodes begin again" in caplog.text


def test_an_episode_that_kills_its_worker_twice_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _play(0)
    victim = episode_seed(3, 4)
    for name, value in breaking.plan(tmp_path, "exit", step=5, times=99, seed=victim).items():
        monkeypatch.setenv(name, value)
    found = _play(2)
    assert [result for result in found if result.index != 4] == [result for result in expected if result.index != 4]
    assert found[4].success == {"landmark": False, "proxy": False}
    assert list(found[4].faults) == [f"episode 4 (seed {victim}) was given up: its worker ended with exit code 7, twice"]


def test_ctrl_c_with_a_worker_that_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in breaking.plan(tmp_path, "exit", step=20).items():
        monkeypatch.setenv(name, value)
    domain, skills = breaking.breaking()
    config = TrainConfig(**{**TINY, "steps": 100_000, "workers": 2, "checkpoint_seconds": 1e9})

    def interrupt(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(domain, skills, worlds.sources(), Path(), config, tmp_path, 1, on_update=interrupt, reward_maker=worlds.REWARDS)
    lines = read_metrics(tmp_path / METRICS)
    assert [line["steps"] for line in lines] == [128, 256, 384]
    assert sum(line["restarts"] for line in lines) == 1
    assert (tmp_path / "checkpoints" / "checkpoint-000000000384.json").exists()


class _Ring:
    """Garbage that only the cyclic collector can free."""

    def __init__(self) -> None:
        self.me = self


def test_cyclic_garbage_is_freed_between_orders_and_never_within() -> None:
    assert gc.isenabled()
    collections = sum(one["collections"] for one in gc.get_stats())
    try:
        garbage = RareGarbage(every=10)
        alive: list[weakref.ref[_Ring]] = []
        most = 0
        before = sum(one["collections"] for one in gc.get_stats())
        for _ in range(1_000):
            alive = [ref for ref in alive if ref() is not None]
            most = max(most, len(alive))
            alive += [weakref.ref(_Ring()) for _ in range(100)]
            garbage()
        assert most <= 10 * 100
        assert sum(one["collections"] for one in gc.get_stats()) - before == 100
        assert before > collections
    finally:
        gc.enable()
        gc.unfreeze()


def _settle(
    tmp_path: Path, speeds: dict[tuple[int, int, int], float], told: list[str] | None = None, **settings: Any
) -> tuple[tuple[int, int, int], list[tuple[int, int, int]]]:
    """What was chosen, and what was tried."""
    tried: list[tuple[int, int, int]] = []

    def measure(config: SettledConfig) -> float:
        tried.append((config.workers, config.games, config.groups))
        return speeds[tried[-1]]

    found = settle(TrainConfig(**settings), tmp_path, measure, (told if told is not None else []).append)
    return (found.workers, found.games, found.groups), tried


def test_calibration_takes_what_is_clearly_fastest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maestromotif.rl.calibrate.cores", lambda: 4)
    told: list[str] = []
    # Three workers are faster than two, but by too little to be told from chance; so are two groups.
    speeds = {(1, 64, 1): 100.0, (2, 64, 1): 180.0, (3, 64, 1): 185.0, (4, 64, 1): 150.0}
    speeds |= {(2, 128, 1): 200.0, (2, 256, 1): 190.0, (2, 128, 2): 205.0}
    asked: dict[str, Any] = {"games": "auto", "acting": "trainer"}
    chosen, tried = _settle(tmp_path, speeds, told, **asked)
    assert chosen == (2, 128, 1)
    assert tried == list(speeds)
    assert told[-1] == "2 workers x 128 games: 200 steps/s, of 7 combinations tried"
    table = json.loads((tmp_path / CALIBRATION).read_text())
    assert (table["cores"], table["choice"]) == (4, {"workers": 2, "games": 128, "groups": 1})
    assert [row["steps_per_second"] for row in table["tried"]] == list(speeds.values())
    # A resumed run does not measure again ...
    assert _settle(tmp_path, {}, **asked) == ((2, 128, 1), [])
    # ... but with other cores, which change everything except the games that go on.
    monkeypatch.setattr("maestromotif.rl.calibrate.cores", lambda: 2)
    chosen, tried = _settle(tmp_path, {(1, 128, 1): 90.0, (2, 128, 1): 80.0, (1, 128, 2): 100.0}, **asked)
    assert chosen == (1, 128, 2)
    (tmp_path / CALIBRATION).write_text("{")
    assert _settle(tmp_path, {(1, 64, 1): 2.0, (2, 64, 1): 1.0}, games=64)[0] == (1, 64, 1)


def test_what_is_given_is_not_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maestromotif.rl.calibrate.cores", lambda: 4)
    assert _settle(tmp_path, {}, workers=0, games="auto") == ((0, 64, 1), [])
    assert _settle(tmp_path, {}, workers=3) == ((3, 64, 1), [])
    # As a command line gives it.
    assert _settle(tmp_path, {}, workers="3", games="32") == ((3, 32, 1), [])
    assert _settle(tmp_path, {}, workers=3, games=9, groups=2) == ((3, 9, 2), [])
    assert not (tmp_path / CALIBRATION).exists()
    # No more workers than there are games.
    assert _settle(tmp_path, {(1, 2, 1): 1.0, (2, 2, 1): 3.0}, games=2) == ((2, 2, 1), [(1, 2, 1), (2, 2, 1)])


def test_calibration_really_trains_and_leaves_only_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maestromotif.rl.calibrate.cores", lambda: 2)
    metrics = _train(tmp_path / "auto", workers="auto", steps=256)
    table = json.loads((tmp_path / "auto" / CALIBRATION).read_text())
    assert [row["workers"] for row in table["tried"]] == [1, 2]
    assert all(row["steps_per_second"] > 0 for row in table["tried"])
    assert _without_time(metrics) == _without_time(_train(tmp_path / "given", steps=256))


@pytest.mark.parametrize(
    ("key", "value"), [("workers", -1), ("workers", "many"), ("games", 0), ("groups", 3), ("groups", 1.5), ("games", True)]
)
def test_numbers_that_cannot_be(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match='must be "auto"'):
        TrainConfig(**{key: value})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nethack_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("nle")
    domain = load_domain("nethack")
    skills = SkillSet.parse(domain.skills_toml)
    policy = worlds.TRAINING_POLICY.replace("facts.position + facts.steps", "facts.steps")
    settings = {**TINY, "steps": 16 * 32 * 24, "games": 16, "rollout": 32, "minibatch": 256, "episode_steps": 400}

    def run(out: Path, stop_after: int = 0, **changes: Any) -> list[dict[str, Any]]:
        def watch(metrics: dict[str, Any]) -> None:
            if metrics["update"] == stop_after:
                raise Stop

        config = TrainConfig(**{**settings, **changes})
        train(domain, skills, ScheduleSources(policy), None, config, out, 1, on_update=watch)
        return read_metrics(out / METRICS)

    whole = run(tmp_path / "whole")
    assert sum(line["episodes"] for line in whole) > 20
    for stop, workers in ((9, 2), (20, 0)):
        with pytest.raises(Stop):
            run(tmp_path / "parts", stop, workers=workers, checkpoint_seconds=0.0)
    assert _without_time(run(tmp_path / "parts", workers=2)) == _without_time(whole)
    assert (tmp_path / "parts" / POLICY).read_bytes() == (tmp_path / "whole" / POLICY).read_bytes()


def test_workers_play_without_a_cache_of_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Workers may not write there once programs are loaded; what they compile later is compiled all the same.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    metrics = _train(tmp_path / "out", steps=2048, workers=2)
    assert all(not line["restarts"] for line in metrics)
