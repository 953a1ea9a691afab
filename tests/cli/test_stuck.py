"""An environment that stops returning in the middle of a project ends the command with one line; nothing waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TINY, configure, maestromotif, one_error
from tests.cli.test_check import _env

pytestmark = pytest.mark.slow
_LINE = "own_envs.py, line "


@pytest.fixture(scope="module", params=["asleep", "compiled"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Ready for its training; its environment hangs, in a certain way, once the file ``stuck`` is there."""
    folder = tmp_path_factory.mktemp("stuck") / "p"
    assert maestromotif("init", folder, "--env", "own_envs:OwnStuck-v0", env=_env()).returncode == 0
    configure(folder, {**TINY, "collect.steps": 1000, "annotate.pairs": 50, "train.patience": 1.0, "train.restarts": 1})
    toml = folder / "maestro.toml"
    arguments = f'arguments = {{ file = "{folder / "stuck"}", how = "{request.param}" }}'
    toml.write_text(toml.read_text().replace('id = "gym"\n', f'id = "gym"\n{arguments}\n', 1))
    for phase in ("collect", "annotate", "reward", "program"):
        done = maestromotif(phase, folder, env=_env())
        assert done.returncode == 0, done.stderr
    (folder / "stuck").touch()
    return request.param, folder


def test_training_without_workers_says_where_the_environment_is(project: tuple[str, Path]) -> None:
    how, folder = project
    told = one_error(maestromotif("train", folder, env=_env(), timeout=60))
    assert "has not answered for " + {"asleep": "1 s; it was at", "compiled": "a long time; it is stuck in compiled code"}[how] in told
    assert _LINE in told
    assert "`maestromotif check` shows" in told


def test_training_with_workers_gives_up_after_some_restarts(project: tuple[str, Path]) -> None:
    how, folder = project
    if how == "compiled":
        pytest.skip("a new worker that is busy has five minutes for its first answer")
    told = one_error(maestromotif("train", folder, "--set", "train.workers=1", env=_env(), timeout=120))
    assert "has not answered for " in told
    assert "own_envs.py" in told
