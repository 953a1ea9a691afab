"""Two processes under torchrun learn what one learns, end with the same weights, and end together."""

from __future__ import annotations

import json
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

from maestromotif.errors import TrainingError
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.distributed import Ranks
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.training import METRICS, POLICY, UNTRAINED

from .ranked import run
from .test_training import TINY

_ROOT = Path(__file__).parents[2]
# One minibatch in an epoch: otherwise ranks shuffle within their own shares, and a minibatch holds other chunks than a single process's.
_SETTINGS: dict[str, Any] = {**TINY, "steps": 1_280, "minibatch": 128, "checkpoint_seconds": 1e9}


def _torchrun(folder: Path, settings: list[dict[str, Any]], *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.rl.ranked"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(
        [*command, str(folder), json.dumps(settings), *more], cwd=folder.parent, env=environment, stderr=subprocess.PIPE, text=True
    )


def test_two_ranks_learn_what_one_process_learns(tmp_path: Path) -> None:
    # One torchrun for both, since most of the time goes into starting it.
    settings = [
        {**_SETTINGS, "core": "gru", "overlap": True},
        {**_SETTINGS, "core": "ff", "overlap": False, "groups": 2, "balance": 0.5, "vtrace": "on"},
    ]
    process = _torchrun(tmp_path / "two", settings)
    for number, values in enumerate(settings):
        run(tmp_path / "one" / str(number), TrainConfig(**values), Ranks())
    told = process.communicate(timeout=120)[1]
    assert process.returncode == 0, told
    for number in range(len(settings)):
        _compare(tmp_path / "one" / str(number), tmp_path / "two" / str(number))


def _compare(first: Path, second: Path) -> None:
    """``first``: of one process, ``second``: of two ranks."""
    one, two = load_file(first / POLICY), load_file(second / POLICY)
    start = load_file(first / UNTRAINED)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5)
    assert max(float((one[name] - start[name]).abs().max()) for name in one) > 1e-3
    ranks = [(second / f"rank-{rank}.safetensors").read_bytes() for rank in range(2)]
    assert ranks[0] == ranks[1]
    for line, other in zip(read_metrics(first / METRICS), read_metrics(second / METRICS), strict=True):
        assert other["skills"] == line["skills"]
        for name in ("steps", "episodes", "loss", "policy", "value", "entropy", "gradient_norm", "explained_variance"):
            assert other[name] == pytest.approx(line[name], rel=1e-3, abs=1e-4), name
    counters = [json.loads(sorted((folder / "checkpoints").glob("*.json"))[-1].read_text()) for folder in (first, second)]
    assert counters[0]["first_episodes"] == counters[1]["first_episodes"]
    assert len(counters[1]["first_episodes"]) == _SETTINGS["games"]


def test_a_rank_that_dies_ends_the_others_and_the_training_can_go_on(tmp_path: Path) -> None:
    process = _torchrun(tmp_path, [{**_SETTINGS, "steps": 1_000_000}], "4")
    told = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    assert "rank 0: another process of this training has ended or hangs" in told or "exitcode  : 7" in told
    done = len(read_metrics(tmp_path / "0" / METRICS))
    assert 4 <= done <= 6
    run(tmp_path / "0", TrainConfig(**{**_SETTINGS, "steps": 1_280}), Ranks())
    assert [line["update"] for line in read_metrics(tmp_path / "0" / METRICS)] == list(range(1, 11))


def test_ctrl_c_stops_all_ranks_after_the_same_update(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    process = _torchrun(tmp_path, [{**_SETTINGS, "steps": 1_000_000}])
    deadline = time.monotonic() + 60
    while not (folder / METRICS).exists() or len(read_metrics(folder / METRICS)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    saved = json.loads(sorted((folder / "checkpoints").glob("*.json"))[-1].read_text())
    assert saved["steps"] == read_metrics(folder / METRICS)[-1]["steps"]


def test_shares_are_even_or_refused() -> None:
    assert [Ranks(rank, 4).share(12, "games") for rank in range(4)] == [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)]
    with pytest.raises(TrainingError, match=r"games \(10\) cannot be divided evenly among 4 processes.* multiple of 4"):
        Ranks(0, 4).share(10, "games")
    with pytest.raises(TrainingError, match=r"Set train.minibatch to a multiple of 32"):
        Ranks(0, 4).share(48, "minibatch", 8)


def test_one_rank_gives_everything_back() -> None:
    ranks, array, tensor = Ranks(), np.arange(3.0), torch.ones(2)
    assert ranks.total(array) is array
    assert ranks.join(array) is array
    assert ranks.gather({"a": 1}) == [{"a": 1}]
    assert ranks.any(True)
    assert not ranks.any(False)
    ranks.average([tensor])
    assert tensor.tolist() == [1, 1]
    assert ranks.device("cuda") == "cuda"
