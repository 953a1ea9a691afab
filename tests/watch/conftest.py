"""A training in the corridor under way in a process of its own, and ended by hand."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maestromotif.report import ReportSources
from maestromotif.watch.follow import Follower
from tests.cli.conftest import environment, maestromotif, make_project
from tests.report.conftest import made

__all__ = ["made", "steps", "training", "until"]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which everything before the training is done, and whose training takes minutes."""
    root = make_project(tmp_path_factory.mktemp("watched") / "project", train__steps=2_000_000, program__episodes=2, annotate__pairs=50)
    for stage in ("collect", "annotate", "reward", "program"):
        done = maestromotif(stage, root)
        assert done.returncode == 0, done.stderr
    return root


@contextmanager
def training(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training, begun or resumed, once it has told an update; interrupted at the end."""
    before = time.time()
    command = [sys.executable, "-m", "maestromotif", "train", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    try:
        until(lambda: steps(root) > 0 and _metrics(root).stat().st_mtime > before and Follower(root).look().stage == "train", 120)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def steps(root: Path) -> int:
    """Of the last whole line of the training under way."""
    path = _metrics(root)
    whole = path.read_text().rpartition("\n")[0].splitlines() if path.is_file() else []
    return int(json.loads(whole[-1])["steps"]) if whole else 0


def _metrics(root: Path) -> Path:
    return root / "artifacts" / "training.part" / "metrics.jsonl"


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def made_evaluation(made: ReportSources, tmp_path: Path) -> Path:
    """A project whose evaluation has been played and not yet been put in its place."""
    shutil.copytree(made.evaluation, tmp_path / "artifacts" / "evaluation.part")
    return tmp_path
