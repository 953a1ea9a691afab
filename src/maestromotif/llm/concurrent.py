"""Many calls at the same time, with a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["map_concurrently"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(function: Callable[[Item], Result], items: Iterable[Item], limit: int) -> Iterator[tuple[Item, Result]]:
    """Call ``function`` on all items from at most ``limit`` threads and yield (item, result) as they become ready.

    Items are drawn only as threads become free. The first exception ends it: calls under way are waited for and
    dropped, no further item is begun.

    Raises:
        whatever ``function`` raises.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    source = iter(items)
    pool = ThreadPoolExecutor(max_workers=limit, thread_name_prefix="chat")
    running: dict[Future[Result], Item] = {}
    try:
        for item in source:
            running[pool.submit(function, item)] = item
            if len(running) >= limit:
                yield from _ready(running)
        while running:
            yield from _ready(running)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ready(running: dict[Future[Result], Item]) -> Iterator[tuple[Item, Result]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    # Submission order among the ready ones, so that a limit of 1 is fully deterministic.
    for future in [future for future in running if future in done]:
        item = running.pop(future)
        yield item, future.result()
