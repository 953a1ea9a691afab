"""Environments that do not return: an error with the place where they are, instead of a command that waits for ever."""

from __future__ import annotations

import faulthandler
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from maestromotif.errors import DomainError

__all__ = ["STUCK", "answering", "end_when_stuck", "stuck"]

STUCK = signal.SIGVTALRM
"""What ends a process whose compiled code does not return, see ``end_when_stuck``."""
_LONGER = 4  # times the patience, in processor time of all threads: by then Python has had its chance to tell
_LEAST = 1e-3  # seconds, since 0 would stop a timer
_PLACE = re.compile(r'File "(.*)", line (\d+) in ')
_REMEDY = "`maestromotif check` shows which call does not return"
_ending = threading.Event()


def end_when_stuck() -> None:
    """Have ``answering`` end this process where only compiled code runs, so that Python cannot raise anything.

    The place goes to standard error, for ``stuck``. For processes that somebody waits for, and that hold nothing to be saved.
    """
    faulthandler.register(STUCK, file=2, all_threads=False, chain=True)
    _ending.set()


def stuck(said: str) -> DomainError:
    """What to tell of a process that ``STUCK`` has ended, given what it wrote to standard error."""
    places = _PLACE.findall(said)
    place = "{}, line {}".format(*places[0]) if places else "an unknown place"
    return DomainError(f"the environment has not answered for a long time; it is stuck in compiled code, called at {place}", _REMEDY)


@contextmanager
def answering(seconds: float, progress: Callable[[], object] | None = None) -> Iterator[Callable[[], None]]:
    """Within the block, the function that is given has to be called at least every so many seconds.

    It works in a process's main thread and for Python that still runs; elsewhere nothing is watched, but see ``end_when_stuck``.

    Args:
        progress: asked when the time is up; if its answer has changed, there is as much time again.

    Raises:
        DomainError: it was not called.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield lambda: None
        return
    seen = progress() if progress else None

    def tell(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        now = progress() if progress else seen
        if now != seen:
            seen = now
            alive()
            return
        place = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else "an unknown place"
        raise DomainError(f"the environment has not answered for {seconds:g} s; it was at {place}", _REMEDY)

    def alive() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if _ending.is_set():
            signal.setitimer(signal.ITIMER_VIRTUAL, _LONGER * seconds)

    before, began = signal.signal(signal.SIGALRM, tell), time.monotonic()
    left, interval = signal.getitimer(signal.ITIMER_REAL)  # of whoever else watches, such as a test's own limit
    try:
        alive()
        yield alive
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(_LEAST, left - (time.monotonic() - began)), interval)
