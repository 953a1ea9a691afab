"""Checks in a process that watches itself: ``python -m maestromotif.domains.checks.child``; not for people.

One JSON line in: ``domain`` and ``options`` as for ``load_domain``, ``root``, ``names`` of checks (empty: all), ``seconds`` that a
call into the domain may take. JSON lines out: ``{"begin": name}`` and ``{"name", "outcome", "why"}`` for each check, and ``{"beat": 0}``
every second.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from maestromotif.domains.checks import CheckResult, Outcome, all_checks, run_check
from maestromotif.domains.checks.advice import LOADING
from maestromotif.domains.registry import load_domain
from maestromotif.errors import MaestroError

__all__ = ["main"]

_HERE = str(Path(__file__).parent)
_LOOK = 0.1


class _Line:
    """JSON lines on what was standard output; what environments print goes to standard error."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def send(self, **message: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()

    def result(self, result: CheckResult) -> None:
        self.send(name=result.name, outcome=result.outcome.value, why=result.why)


class _Watch(threading.Thread):
    """Ends the process when one call into the domain takes longer than it may.

    A call is known by its frame: the outermost one that is not of the checks themselves.
    """

    def __init__(self, line: _Line, seconds: float) -> None:
        super().__init__(daemon=True)
        self.check = LOADING
        self._line, self._seconds, self._main = line, seconds, threading.main_thread().ident

    def run(self) -> None:
        call, since, beat = None, time.monotonic(), 0.0
        while True:
            time.sleep(_LOOK)
            now = time.monotonic()
            if now - beat > 1:
                beat = now
                self._line.send(beat=0)
            frame = sys._current_frames().get(self._main or 0)
            entered = _entered(frame)
            if entered is not call:
                call, since = entered, now
            elif call is not None and now - since > self._seconds:
                place = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else "an unknown place"
                why = f"{call.f_code.co_qualname} did not return within {self._seconds:g} s; it was at {place}"
                self._line.result(CheckResult(self.check, Outcome.FAILED, why))
                os._exit(0)


def _entered(frame: FrameType | None) -> FrameType | None:
    """The frame of the call that the checks, or the loading of the domain, have made into other code."""
    call = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(_HERE):
            return call
        call, frame = frame, frame.f_back
    return None


def main() -> None:
    """Make the domain, run its checks."""
    line = _Line()
    order = json.loads(sys.stdin.readline())
    watch = _Watch(line, order["seconds"])
    watch.start()
    line.send(begin=LOADING)
    try:
        domain = load_domain(order["domain"], order["options"], Path(order["root"]))
        checks = all_checks(domain)
        # Much of a domain is made only when it is asked for.
        facts, actions = len(domain.fact_specs), len(domain.actions)
    except MaestroError as error:
        line.result(CheckResult(LOADING, Outcome.FAILED, str(error)))
        return
    except Exception as error:  # whatever a third party's domain raises is a finding
        line.result(CheckResult(LOADING, Outcome.FAILED, f"{type(error).__name__}: {error}"))
        return
    line.result(CheckResult(LOADING, Outcome.PASSED, f"{domain.title}: {facts} facts, {actions} actions"))
    for name, check in checks.items():
        if order["names"] and name not in order["names"]:
            continue
        watch.check = name
        line.send(begin=name)
        line.result(run_check(name, check, domain))


if __name__ == "__main__":
    main()
    # Threads of an environment must not keep a finished process alive.
    sys.stderr.flush()
    os._exit(0)
