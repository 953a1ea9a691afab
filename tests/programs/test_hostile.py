"""The walls hold against programs written to get through them, and those programs are real: plain exec falls to most."""

from __future__ import annotations

from typing import Any

import pytest

from maestromotif.errors import ProgramError
from maestromotif.programs.check import check_source
from maestromotif.programs.sandbox import ProgramFault, load

from .hostile import REACH, RESOURCE


class Facts:
    """Mutable on purpose, and with something to hide: the walls must hold without the domain's help."""

    def __init__(self) -> None:
        self.depth = 1
        self._hidden = "secret"


class Frozen(Facts):
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "depth" and hasattr(self, "_hidden"):
            raise AttributeError("facts are read-only")
        super().__setattr__(name, value)


def _gets_through(source: str) -> bool:
    try:
        program = load(source, "hostile.py", names=["depth"], required=["probe"])
        function = program.get("probe")
        assert function is not None
        return program.call(function, Frozen()) is True
    except (ProgramError, ProgramFault):
        return False


@pytest.mark.parametrize("name", [*REACH, *RESOURCE])
def test_hostile_program_is_stopped(name: str) -> None:
    assert not _gets_through({**REACH, **RESOURCE}[name])


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


def test_control_plain_exec_falls_to_most() -> None:
    through = 0
    for source in [*REACH.values(), *RESOURCE.values()]:
        space: dict[str, Any] = {}
        try:
            exec(compile(source, "hostile.py", "exec"), space)
            through += space["probe"](Facts()) is True
        except (Exception, SystemExit):
            continue
    assert through >= 0.85 * (len(REACH) + len(RESOURCE))
