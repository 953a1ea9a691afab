"""The walls hold against programs written to get through them, and those programs are real: plain exec falls to nearly all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from maestromotif.errors import ProgramError
from maestromotif.programs.check import MAX_SOURCE, check_source
from maestromotif.programs.sandbox import bare_environment

from .hostile import ALL, FAMILIES
from .hostile.endless import IN_ONE_OPERATION
from .hostile.first import REACH

_ROOT = Path(__file__).resolve().parents[2]
# What no fuel can see is stopped by the end of its process, as the watchdog of workers and the limits of trials do.
_SECONDS = 1.5
_KILLED = "signal 27"
_HANGS = {f"endless and exponential: {name}" for name in IN_ONE_OPERATION}
_SAMPLE = [name for place, name in enumerate(ALL) if place % 7 == 0]


def _try(how: str, names: list[str], seconds: float = _SECONDS) -> Mapping[str, tuple[str, float]]:
    """Outcome and processor seconds of each program, in a throw-away process of its own; see ``hostile.runner``."""
    environment = bare_environment() | {"PYTHONPATH": f"{_ROOT}/src:{_ROOT}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-P", "-m", "tests.programs.hostile.runner", how, str(seconds)],
        input=json.dumps({name: ALL[name] for name in names}),
        capture_output=True,
        text=True,
        env=environment,
        timeout=280,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return {name: (outcome, used) for name, (outcome, used) in json.loads(child.stdout).items()}


def _assert_all_stopped(found: Mapping[str, tuple[str, float]]) -> None:
    allowed = {name: {"stopped"} | ({_KILLED} if name in _HANGS else set()) for name in found}
    assert {name: outcome for name, outcome in found.items() if outcome[0] not in allowed[name]} == {}
    assert max(used for _, used in found.values()) < 3.0


def test_the_corpus_is_large() -> None:
    assert len(ALL) >= 400
    assert len(FAMILIES) >= 16


def test_every_hostile_program_is_stopped() -> None:
    names = [name for name in ALL if name not in _HANGS]
    found = _try("probe", names)
    assert len(found) == len(names)
    # Killing is for those alone that nothing else stops.
    assert {name: outcome for name, outcome in found.items() if outcome[0] != "stopped"} == {}
    assert max(used for _, used in found.values()) < 3.0


@pytest.mark.parametrize("how", ["skill", "policy"])
def test_a_sample_is_stopped_as_what_a_language_model_was_asked_for(how: str) -> None:
    _assert_all_stopped(_try(how, [name for name in _SAMPLE if name not in _HANGS]))


def test_what_hangs_in_one_operation_is_killed() -> None:
    found = _try("probe", sorted(_HANGS)[:2])
    assert {outcome for outcome, _ in found.values()} == {_KILLED}
    assert max(used for _, used in found.values()) < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["probe", "skill", "policy"])
def test_the_whole_corpus_is_stopped_within_three_seconds(how: str) -> None:
    found = _try(how, list(ALL))
    _assert_all_stopped(found)
    longest = max(found, key=lambda name: found[name][1])
    print(f"{how}: {len(found)} programs, the longest {found[longest][1]:.2f} s ({longest})")


def _falls(names: list[str]) -> float:
    """Share of programs that get through, hang or crash where there is no sandbox."""
    found = _try("plain", names, seconds=0.5)
    return sum(outcome != "stopped" for outcome, _ in found.values()) / len(names)


def test_control_plain_exec_falls_to_nearly_all_of_a_sample() -> None:
    assert _falls([name for name in _SAMPLE if name not in _HANGS and "nested" not in name]) >= 0.9


@pytest.mark.slow
def test_control_plain_exec_falls_to_nearly_all() -> None:
    share = _falls(list(ALL))
    print(f"plain: {share:.1%} of {len(ALL)} programs")
    assert share >= 0.9


def _refusal(source: str) -> str:
    try:
        check_source(source, ["depth"])
    except ProgramError as error:
        return error.problem
    return ""


def test_most_attempts_to_reach_out_are_refused_before_they_run() -> None:
    refusals = [refusal for source in REACH.values() if (refusal := _refusal(source))]
    assert all(refusal.startswith("<program>:") for refusal in refusals)
    assert len(refusals) >= 0.85 * len(REACH)


@pytest.mark.parametrize(
    "source",
    [
        "\n".join(f"v{number:05d} = w{number:05d}" for number in range(4_000)),
        f"{'a' * 30_000} = 1\nx = {'a' * 29_999}b\n",
        "\n".join("import math" for _ in range(5_000)),
        "x = " + "[" * 150 + "a b",
        "x = " + "f(" * 80 + "a b",
        "x = [" + "1, " * 20_000 + "]",
        "x = " + " and ".join(["y"] * 10_000),
        "match x:\n" + "    case 1:\n        pass\n" * 2_500,
    ],
    ids=["unknown names", "long names", "imports", "brackets", "calls", "long list", "long condition", "many cases"],
)
def test_no_source_keeps_the_checker_busy(source: str) -> None:
    """It runs where the keys are, and without a clock."""
    assert len(source) <= MAX_SOURCE
    began = time.process_time()
    _refusal(source)
    assert time.process_time() - began < 3.0
