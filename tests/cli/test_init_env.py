"""``init --env``: the adapter that is written works at once, on environments of many kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, configure, maestromotif, one_error
from tests.cli.test_check import _env

KINDS = [
    "CartPole-v1",
    "Pendulum-v1",
    "FrozenLake-v1",
    "Taxi-v3",
    "Blackjack-v1",
    "own_envs:OwnSpot-v0",
    "own_envs:OwnWalk-v0",
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("env", KINDS)
def test_what_init_writes_is_checked_and_trained(env: str, tmp_path: Path) -> None:
    root = tmp_path / "p"
    made = maestromotif("init", root, "--env", env, env=_env())
    assert made.returncode == 0, made.stderr
    checked = maestromotif("check", root, "--json", env=_env())
    failed = [check for check in json.loads(checked.stdout)["checks"] if check["outcome"] == "failed"]
    assert not failed
    configure(root, {**TINY, "train.workers": 1, "train.steps": 1024, "reward.epochs": 3})
    ran = maestromotif("run", root, env=_env(), timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (root / "artifacts" / "report" / "index.html").is_file()


def test_environments_that_do_not_work_leave_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "p"
    assert "knows no environment" in one_error(maestromotif("init", root, "--env", "NoSuch-v0"))
    assert "out of chalk" in one_error(maestromotif("init", root, "--env", "own_envs:OwnRaises-v0", env=_env()))
    assert "ended its process" in one_error(maestromotif("init", root, "--env", "own_envs:OwnCrashes-v0", env=_env()))
    assert "--env stands for --domain gym" in one_error(maestromotif("init", root, "--env", "CartPole-v1", "--domain", "corridor"))
    assert not root.exists()
