"""Many calls at the same time, with a limit."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["map_concurrently"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# After a failure, calls under way may still finish and be kept; nobody waits longer than this (seconds).
_GRACE = 10.0


def map_concurrently(function: Callable[[Item], Result], items: Iterable[Item], limit: int) -> Iterator[tuple[Item, Result]]:
    """Call ``function`` on all items from at most ``limit`` threads and yield (item, result) as they become ready.

    Items are drawn only as threads become free. The first exception ends it: no further item is begun. The threads are
    daemons, so that Ctrl-C ends the process at once, whatever the calls under way wait for.

    Raises:
        whatever ``function`` raises.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    source = iter(items)
    todo: queue.SimpleQueue[tuple[Item] | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Item, Result | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while (job := todo.get()) is not None:
            try:
                done.put((job[0], function(job[0]), None))
            except BaseException as error:  # handed to the caller's thread, which raises it
                done.put((job[0], None, error))

    threads: list[threading.Thread] = []
    running = 0
    grace = 0.0
    try:
        for item in source:
            if len(threads) < limit:
                threads.append(threading.Thread(target=work, name=f"chat-{len(threads)}", daemon=True))
                threads[-1].start()
            todo.put((item,))
            running += 1
            if running >= limit:
                yield _next(done)
                running -= 1
        while running:
            yield _next(done)
            running -= 1
    except Exception:
        grace = _GRACE
        raise
    finally:
        for _ in threads:
            todo.put(None)
        until = time.monotonic() + grace
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def _next(done: queue.SimpleQueue[tuple[Item, Result | None, BaseException | None]]) -> tuple[Item, Result]:
    item, result, error = done.get()
    if error is not None:
        raise error
    return item, result  # type: ignore[return-value]
