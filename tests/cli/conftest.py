"""The command line as people meet it: real processes, on projects in the corridor."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

# Small enough for seconds, large enough that every stage has something to do.
TINY: Mapping[str, Any] = {
    "collect.steps": 4000,
    "collect.num_games": 8,
    "collect.shard_steps": 1000,
    "annotate.pairs": 200,
    "reward.epochs": 10,
    "program.episodes": 8,
    "train.steps": 4096,
    "train.games": 8,
    "train.rollout": 32,
    "train.minibatch": 128,
    "train.features": 16,
    "train.hidden": 16,
    "train.workers": 0,
    "train.checkpoint_seconds": 0.0,
    "train.tensorboard": False,
    "evaluate.skill_episodes": 8,
    "evaluate.task_episodes": 8,
    "evaluate.games": 8,
    "evaluate.workers": 0,
    "evaluate.permutations": 99,
}


def environment(**more: str) -> dict[str, str]:
    """Of the test's own, without what would make commands slow or colourful."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **more}


def maestromotif(
    *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 240, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "maestromotif", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=dict(env or environment()), cwd=cwd, check=False)


def configure(root: Path, settings: Mapping[str, Any]) -> None:
    """Change values in a maestro.toml, by ``section.key``."""
    path = root / "maestro.toml"
    text = path.read_text()
    for name, value in settings.items():
        section, key = name.split(".")
        shown = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value).replace("'", '"')
        text, count = re.subn(rf"(\[{section}\]\n(?:(?!\n\[)[\s\S])*?\n)(?:# )?{key} = .*", rf"\g<1>{key} = {shown}", text, count=1)
        assert count == 1, f"no {name} in {path}"
    path.write_text(text)


def hashes(root: Path) -> dict[str, str]:
    """Digest of every file of a folder."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def one_error(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error that a person can mend."""
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def make_project(folder: Path, **settings: Any) -> Path:
    assert maestromotif("init", folder, "--domain", "corridor").returncode == 0
    configure(folder, {**TINY, **{name.replace("__", "."): value for name, value in settings.items()}})
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A new tiny project."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose captions are there; not to be changed."""
    root = make_project(tmp_path_factory.mktemp("collected") / "project")
    assert maestromotif("collect", root).returncode == 0
    return root
