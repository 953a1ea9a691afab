"""How many calls may be under way at one server: fewer after it says "too many", slowly more again."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Gate", "Passage"]

# Beyond the pause that the server asks for, as a part of it, so that threads do not come back at the same moment.
_SPREAD = 0.1


class Gate:
    """Lets threads through one by one. Additive increase, multiplicative decrease, as in TCP's congestion control.

    There is no limit until the server refuses a call for there being too many. Then half of those under way may be; each success adds one
    over the number allowed, so that about one more is let through after each round. Refusals of calls sent at the same time count once.

    Args:
        sleep, clock: for tests; seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = math.inf
        self._sleep = sleep
        self._clock = clock
        self._free = threading.Condition()
        self._running = 0
        self._shrunk = -math.inf
        self._closed_until = -math.inf
        self._jitter = random.Random()  # noqa: S311 - spreads calls in time, nothing else

    @contextmanager
    def passage(self) -> Iterator[Passage]:
        """Wait until one more call may be made; hold its place to the end of the block."""
        passage = Passage(self, self._enter())
        try:
            yield passage
        finally:
            with self._free:
                self._running -= 1
                self._free.notify()

    def _enter(self) -> float:
        while True:
            with self._free:
                self._free.wait_for(lambda: self._running < self.limit)
                now = self._clock()
                if now >= self._closed_until:
                    self._running += 1
                    return now
                pause = self._closed_until - now
            self._sleep(pause * (1 + _SPREAD * self._jitter.random()))

    def _shrink(self, sent: float, pause: float) -> None:
        with self._free:
            now = self._clock()
            self._closed_until = max(self._closed_until, now + pause)
            if sent >= self._shrunk:
                self.limit = max(1.0, min(self.limit, self._running) / 2)
                self._shrunk = now

    def _grow(self) -> None:
        with self._free:
            self.limit += 1 / self.limit
            self._free.notify()


class Passage:
    """One call's place; tells the gate how it went."""

    def __init__(self, gate: Gate, sent: float) -> None:
        self._gate = gate
        self._sent = sent

    def succeeded(self) -> None:
        self._gate._grow()

    def refused(self, pause: float) -> None:
        """The server takes no more calls at present; none is made for ``pause`` seconds, by any thread."""
        self._gate._shrink(self._sent, pause)
