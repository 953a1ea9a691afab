"""``check``: sound domains pass, and every way of being broken is told in words, hangs and crashes included."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from maestromotif.domains.checks import CHECKS
from maestromotif.domains.checks.advice import ADVICE
from tests.cli.conftest import TINY, configure, environment, maestromotif, one_error

DOMAINS = Path(__file__).parents[1] / "domains"
ADAPTER = """
from maestromotif.domains.gym import Adapter, FactSpec

class Own(Adapter):
    fact_specs = (FactSpec("place", "int", "the place", least=-5, most={most}),)
    borders = {{"place": (-3, 0, 3)}}

    def facts(self, observation, info):
        return {{"place": {place}}}
{more}
"""
PLACE = "int(observation['place'])"


def _env() -> dict[str, str]:
    """With the environments of the tests, as an installed package would be."""
    return environment(PYTHONPATH=os.pathsep.join([str(DOMAINS), os.environ.get("PYTHONPATH", "")]))


def _check(*arguments: object, seconds: float = 3) -> subprocess.CompletedProcess[str]:
    return maestromotif("check", *arguments, "--seconds", seconds, env=_env())


def _project(root: Path, env: str, adapter: str = "", **tiny: object) -> Path:
    root.mkdir()
    assert maestromotif("init", root / "p", "--domain", "gym", env=_env()).returncode == 0
    folder = root / "p"
    configure(folder, {**TINY, **tiny, "domain.env": f"own_envs:{env}"} if tiny else {**TINY, "domain.env": f"own_envs:{env}"})
    if adapter:
        (folder / "adapter.py").write_text(adapter)
        text = (folder / "maestro.toml").read_text()
        (folder / "maestro.toml").write_text(text.replace('id = "gym"\n', 'id = "gym"\nadapter = "adapter.py"\n', 1))
    return folder


SEVEN = "    def caption(self, before, after, action):\n        return 7\n"
EMPTY = "    def caption(self, before, after, action):\n        return ''\n"
UP = "    def signs(self, before, after, action):\n        return {'place': 'up'}\n"
COUNT = "    n = 0\n    def caption(self, before, after, action):\n        Own.n += 1\n        return f'Step {Own.n}.'\n"


def _adapter(place: str = PLACE, most: int = 5, more: str = "") -> str:
    return ADAPTER.format(place=place, most=most, more=more)


def test_every_check_has_advice() -> None:
    assert set(CHECKS) <= set(ADVICE)
    assert all(advice.why.endswith(".") and advice.remedy.endswith(".") for advice in ADVICE.values())


def test_a_sound_domain_passes() -> None:
    result = maestromotif("check", "corridor")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok      facts: 11 facts keep to their documentation" in result.stdout
    assert "0 failed" in result.stdout.splitlines()[-1]


def test_the_project_that_init_makes_passes(tmp_path: Path) -> None:
    made = maestromotif("init", tmp_path / "p", "--env", "CartPole-v1")
    assert made.returncode == 0, made.stderr
    result = maestromotif("check", tmp_path / "p", "--json")
    report = json.loads(result.stdout)
    assert (result.returncode, report["ok"]) == (0, True), result.stdout
    assert {check["name"] for check in report["checks"]} == {"loading", "spaces", *CHECKS}


@pytest.mark.parametrize(
    ("env", "check", "told"),
    [
        ("OwnUnseeded-v0", "same seed, same game", "differs between two runs of the same seeds"),
        ("OwnOldReset-v0", "spaces", "reset returned a dict, it must be (observation, info)"),
        ("OwnRaises-v0", "observations", "RuntimeError: out of chalk (seed 11, step 6)"),
        ("OwnWrongShape-v0", "spaces", "observation['speed'] has the shape (3,), its space says (1,)"),
        ("OwnOutOfItsSpace-v0", "observations", "observation['place'] is 77, which is outside its space"),
        ("OwnLiesAboutBounds-v0", "spaces", "observation['pair'][1][0, 0] is 30, outside 0 to 9"),
        ("OwnNoNumber-v0", "observations", "observation['speed'] holds a value that is no number"),
        ("OwnNoKey-v0", "observations", "observation['word'] is not there, though the observation space has it"),
        ("OwnMasked-v0", "observations", "allows 0 of 2 actions"),
        ("OwnHangs-v0", "observations", "GymEnv.step did not return within 1 s; it was at"),
        ("OwnCrashes-v0", "observations", "was killed by signal 6 (SIGABRT) in the middle of this check"),
        ("NoSuch-v0", "loading", "knows no environment"),
    ],
)
def test_a_broken_environment_is_diagnosed(env: str, check: str, told: str, tmp_path: Path) -> None:
    project = _project(tmp_path / "x", env)
    result = _check(project, "--only", check, seconds=1)
    assert result.returncode == 1, result.stdout + result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("FAILED"))
    assert told in line
    assert "why it matters: " in result.stdout
    assert "what to do: " in result.stdout


@pytest.mark.parametrize(
    ("adapter", "check", "told"),
    [
        (_adapter("1 // 0"), "facts", "adapter.py, line 9: facts() failed: ZeroDivisionError"),
        (_adapter("observation['place'] + 0.5"), "facts", "the fact place is a float, fact_specs says int"),
        (_adapter(most=1), "facts", "outside -5 to 1"),
        (_adapter(more=SEVEN), "captions", "caption() returned a int"),
        (_adapter(more=EMPTY), "captions", "returned an empty text"),
        (_adapter(more=UP), "signs", "signs() failed: ValueError"),
        (_adapter(more=COUNT), "captions", "have a reward input of their own"),
        ("import nothing_like_it\n", "loading", "adapter.py, line 1: ModuleNotFoundError"),
    ],
)
def test_a_broken_adapter_is_diagnosed(adapter: str, check: str, told: str, tmp_path: Path) -> None:
    project = _project(tmp_path / "x", "OwnWalk-v0", adapter)
    result = _check(project, "--only", check)
    assert told in result.stdout, result.stdout
    assert result.returncode == 1


def test_after_a_hang_the_rest_is_not_run_and_what_is_allowed_may_fail(tmp_path: Path) -> None:
    result = _check(_project(tmp_path / "x", "OwnHangs-v0"), "--json", seconds=1)
    assert [check["outcome"] for check in json.loads(result.stdout)["checks"]] == ["passed", "failed"]
    cliff = _project(tmp_path / "y", "OwnWalk-v0", _adapter(more=SEVEN))
    assert _check(cliff, "--only", "captions", "--allow", "captions").returncode == 0


def test_what_cannot_be_checked_is_told(tmp_path: Path) -> None:
    assert "no check is named 'fact'" in one_error(maestromotif("check", "corridor", "--only", "fact"))
    assert "no maestro.toml there" in one_error(maestromotif("check", tmp_path))
    assert "unknown domain 'nowhere'" in maestromotif("check", "nowhere").stdout


@pytest.mark.parametrize(
    ("env", "adapter", "told"),
    [
        ("OwnRaises-v0", "", "out of chalk"),
        ("OwnWalk-v0", _adapter("1 // 0"), "facts() failed: ZeroDivisionError"),
        ("OwnWalk-v0", _adapter(more=SEVEN), "caption() returned a int"),
        ("OwnMasked-v0", "", "allows 0 of 2 actions"),
    ],
)
def test_a_run_in_a_broken_domain_ends_with_one_line(env: str, adapter: str, told: str, tmp_path: Path) -> None:
    project = _project(tmp_path / "x", env, adapter)
    assert told in one_error(maestromotif("run", project, env=_env(), timeout=60))


@pytest.mark.slow
def test_an_environment_that_hangs_in_training_ends_it(tmp_path: Path) -> None:
    made = maestromotif("init", tmp_path / "p", "--env", "own_envs:OwnWalk-v0", env=_env())
    assert made.returncode == 0, made.stderr
    late = {**TINY, "domain.env": "own_envs:OwnHangsLate-v0", "train.steps": 60_000, "train.workers": 1}
    configure(tmp_path / "p", {**late, "train.patience": 3.0, "train.restarts": 1})
    error = one_error(maestromotif("run", tmp_path / "p", env=_env(), timeout=280))
    assert "has not answered for 3 s" in error
    assert "own_envs.py" in error
