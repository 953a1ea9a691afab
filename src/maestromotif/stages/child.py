"""The child's side of ``apart``: ``python -m maestromotif.stages.child``."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from maestromotif.errors import MaestroError

__all__ = ["main"]

_INTERVAL = 0.1  # seconds between progress messages


class _Channel:
    """JSON lines to the parent on what was standard output; libraries that print write to standard error instead."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._last = 0.0

    def send(self, **message: Any) -> None:
        with self._lock:
            try:
                self._stream.write(json.dumps(message) + "\n")
                self._stream.flush()
            except BrokenPipeError:
                _die()

    def warn(self, text: str) -> None:
        self.send(warning=text)

    def progress(self, fraction: float, text: str) -> None:
        if fraction >= 1 or time.monotonic() - self._last >= _INTERVAL:
            self._last = time.monotonic()
            self.send(progress=[float(fraction), text])


class _Forward(logging.Handler):
    """Passes warnings of this package on to the person."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__(logging.WARNING)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.send(warning=record.getMessage())


def _die() -> None:
    """End this process and its workers as kill -9 would, but let the resource tracker free their shared memory."""
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(137)


def _watch_parent() -> None:
    # The descriptor itself, since a buffered reader's lock would hang or abort the interpreter's end.
    while os.read(0, 4096):
        pass
    _die()


def main() -> int:
    """Read the order, do the work, answer; returns the exit code."""
    channel = _Channel()
    with os.fdopen(os.dup(0), "rb", buffering=0) as stream:
        order = json.loads(stream.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()
    logging.getLogger("maestromotif").addHandler(_Forward(channel))
    warnings.showwarning = lambda message, *rest, **named: (
        channel.send(warning=str(message)) if isinstance(message, UserWarning) and "maestromotif" in str(rest[1]) else None
    )
    # Imported here, so that a child that is told to stop while it starts does so at once.
    from maestromotif.domains.patience import end_when_stuck
    from maestromotif.project import Project
    from maestromotif.stages.catalogue import stage_by_id
    from maestromotif.stages.ranks import announce
    from maestromotif.stages.stage import Work

    end_when_stuck()
    try:
        if order["stage"] == "train":
            announce(json.dumps(order))
        project = Project.restore(Path(order["root"]), order["config"], order["skills"])
        work = Work(project, Path(order["out"]), channel.progress, channel.warn)
        facts = stage_by_id(project, order["stage"], order["options"]).work(work)
    except MaestroError as error:
        channel.send(error=[type(error).__name__, error.problem, error.remedy])
        return 2
    channel.send(facts=dict(facts))
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    # Threads of libraries must not keep a finished child alive; all files are written and closed by now.
    os._exit(code)
