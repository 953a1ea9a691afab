"""Checks in another process, so that a domain that hangs or crashes is diagnosed like any other."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from maestromotif.domains.checks import CheckResult, Outcome
from maestromotif.domains.checks.advice import LOADING

__all__ = ["check_apart"]

_GRACE = 10.0  # seconds, beyond those of a call, without a sign of life
_START = 60.0  # the same while Python starts


def check_apart(
    domain: str,
    options: Mapping[str, Any],
    root: Path,
    environment: Mapping[str, str],
    names: Collection[str] = (),
    seconds: float = 20.0,
) -> Iterator[CheckResult]:
    """Run the checks, one result after the other. After a crash or a call that never returns, no further ones follow.

    Args:
        domain, options, root: as for ``load_domain``.
        environment: of the process.
        names: only these checks; empty: all. Loading always comes first.
        seconds: longest time of one call into the domain.
    """
    order = {"domain": domain, "options": dict(options), "root": str(root.resolve()), "names": sorted(names), "seconds": seconds}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "maestromotif.domains.checks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.close()
            yield from _listen(child, seconds, said)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _listen(child: subprocess.Popen[bytes], seconds: float, said: IO[bytes]) -> Iterator[CheckResult]:
    running = LOADING
    for line in _lines(child, seconds + _GRACE):
        if line is None:
            why = f"the process gave no sign of life for {seconds + _GRACE:g} s: it is stuck in compiled code"
            yield CheckResult(running, Outcome.FAILED, why)
            return
        message = json.loads(line)
        if "begin" in message:
            running = message["begin"]
        elif "name" in message:
            running = ""
            yield CheckResult(message["name"], Outcome(message["outcome"]), message["why"])
    if running:
        code = child.wait()
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        yield CheckResult(running, Outcome.FAILED, f"the process {how} in the middle of this check{_last_words(said)}")


def _lines(child: subprocess.Popen[bytes], patience: float) -> Iterator[bytes | None]:
    """Whole lines; None once nothing has come for too long."""
    assert child.stdout is not None
    data = b""
    deadline = time.monotonic() + max(_START, patience)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                yield None
                return
            more = os.read(child.stdout.fileno(), 65_536)
            if not more:
                return
            deadline = time.monotonic() + patience
            *lines, data = (data + more).split(b"\n")
            yield from lines


def _last_words(said: IO[bytes]) -> str:
    size = os.fstat(said.fileno()).st_size
    lines = os.pread(said.fileno(), min(size, 8_000), max(0, size - 8_000)).decode(errors="replace").strip().splitlines()
    return f"; its last words: {lines[-1].strip()[:300]}" if lines else ""
