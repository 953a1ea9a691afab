"""A throw-away process that tries many programs, each in a further process that is killed when its time is up.

``python -m tests.programs.hostile.runner HOW SECONDS`` reads ``{name: source}`` from standard input and answers with
``{name: [outcome, seconds]}``. HOW is ``plain`` (no sandbox at all: the control), ``probe`` (called as it is), ``skill`` or ``policy``
(smuggled in as what a language model was asked for). Outcomes: ``through``, ``stopped``, or how the process ended.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from maestromotif.errors import ProgramError
from maestromotif.programs import guards
from maestromotif.programs.confine import address_space
from maestromotif.programs.sandbox import ProgramFault, load
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

_AT_ONCE = 2
_MEMORY = 1 << 30
_NAMES = ("depth", "grid", "number", "note")
_SKILLS = SkillSet((Skill("first", "The first skill."), Skill("second", "The second skill.")))
_SKILL = "\ndef can_start(skill, facts):\n    return True\ndef is_over(skill, facts, start):\n    return probe(facts)\n"
_POLICY = (
    "\nclass PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n"
    "        return 'second' if probe(facts) is True else 'first'\n"
)


class Facts:
    """Mutable on purpose, with something to hide and values that facts should not have: the walls must hold without the domain's help."""

    def __init__(self) -> None:
        self.depth = 1
        self.number = np.int64(1)
        self.grid = np.arange(4)
        self._hidden = "secret"

    def note(self) -> str:
        return os.sep


def _host() -> object:
    """What programs share with their host and with one another; must be the same before and after."""
    shared = [collections.Counter, guards._Counter, guards._DefaultDict, Facts, np.ndarray]
    functions = [guards._pow, guards._range, guards._round, guards._int, Facts.note]
    return (
        [sorted(vars(kind)) + [id(value) for value in vars(kind).values()] for kind in shared],
        [vars(function) for function in functions],
        random.getstate(),
        sys.getrecursionlimit(),
        sorted(sys.modules),
    )


def _plain(source: str, facts: Facts) -> bool:
    space: dict[str, Any] = {"__name__": "plain"}
    exec(compile(source, "plain.py", "exec"), space)
    return space["probe"](facts) is True


def _probe(source: str, facts: Facts) -> bool:
    program = load(source, "hostile.py", names=_NAMES, required=["probe"])
    function = program.get("probe")
    assert function is not None
    return program.call(function, facts) is True


def _skill(source: str, facts: Facts) -> bool:
    schedule = ProgramSchedule(_SKILLS, source + _SKILL, None, _NAMES)
    schedule.begin(facts)
    return schedule.advance(facts, EndCause.CONTINUES)[0] is EndCause.OVER and not schedule.faults


def _policy(source: str, facts: Facts) -> bool:
    source = source if "class PolicyOverSkills" in source else source + _POLICY
    schedule = ProgramSchedule(_SKILLS, None, source, _NAMES)
    return schedule.begin(facts) == "second" and not schedule.faults


_HOW: dict[str, Callable[[str, Facts], bool]] = {"plain": _plain, "probe": _probe, "skill": _skill, "policy": _policy}


def _attempt(how: str, source: str) -> str:
    """In the further process: try one program."""
    facts = Facts()
    facts.grid.flags.writeable = how == "plain"
    host, before = _host(), dict(vars(facts))
    try:
        through = _HOW[how](source, facts)
    except (ProgramError, ProgramFault) as error:
        through, said = False, str(error)
        if len(said) > 2_000:
            return "through"
    except MemoryError:
        return "memory"
    except (Exception, SystemExit):
        if how != "plain":
            raise
        return "stopped"
    if how != "plain" and (_host() != host or vars(facts) != before):
        return "through"
    return "through" if through else "stopped"


def _begin(how: str, source: str, seconds: float) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 2)
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + _MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        os.write(writing, _attempt(how, source).encode())
        os._exit(0)
    except BaseException as error:
        os.write(writing, f"{type(error).__name__}: {error}"[:200].encode())
        os._exit(1)


def main() -> None:
    how, seconds = sys.argv[1], float(sys.argv[2])
    # What the host makes late is made before it is looked at.
    with contextlib.suppress(ProgramFault):
        _probe("import collections\ndef probe(facts):\n    ｘ = 1\n    return [][x]", Facts())
    left = list(json.load(sys.stdin).items())
    running: dict[int, tuple[str, int, float]] = {}
    found: dict[str, tuple[str, float]] = {}
    while left or running:
        while left and len(running) < _AT_ONCE:
            name, source = left.pop()
            pid, reading = _begin(how, source, seconds)
            running[pid] = name, reading, time.monotonic()
        pid, status, used = os.wait4(-1, 0)
        if pid not in running:
            continue
        name, reading, _ = running.pop(pid)
        said = os.read(reading, 1000).decode()
        os.close(reading)
        end = os.waitstatus_to_exitcode(status)
        found[name] = said or (f"signal {-end}" if end < 0 else f"exit {end}"), used.ru_utime + used.ru_stime
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
