"""Environments that do not return: an error with the place where they are, instead of a command that waits for ever."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from maestromotif.errors import DomainError

__all__ = ["answering"]


@contextmanager
def answering(seconds: float) -> Iterator[Callable[[], None]]:
    """Within the block, the function that is given has to be called at least every so many seconds.

    It works in a process's main thread and for Python that still runs; elsewhere nothing is watched.

    Raises:
        DomainError: it was not called.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield lambda: None
        return

    def tell(number: int, frame: FrameType | None) -> None:
        place = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else "an unknown place"
        remedy = "`maestromotif check` shows which call does not return"
        raise DomainError(f"the environment has not answered for {seconds:g} s; it was at {place}", remedy)

    def alive() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, tell)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield alive
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
