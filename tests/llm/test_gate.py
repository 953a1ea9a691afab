"""How many calls are let through: fewer after a refusal, slowly more again."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from maestromotif.llm.gate import Gate


def test_without_a_refusal_there_is_no_limit() -> None:
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(gate.passage())
    assert gate.limit > 300


def test_refusals_of_one_moment_halve_once_and_successes_add_one_each_round() -> None:
    now = [0.0]
    gate = Gate(clock=lambda: now[0])
    with ExitStack() as stack:
        passages = [stack.enter_context(gate.passage()) for _ in range(16)]
        now[0] = 1.0
        for passage in passages:
            passage.refused(0.0)
        assert gate.limit == 8
    for expected in (9, 10, 11):
        for _ in range(expected - 1):
            with gate.passage() as passage:
                passage.succeeded()
        assert expected - 0.2 <= gate.limit <= expected
    now[0] = 2.0
    with gate.passage() as passage:
        passage.refused(0.0)
    assert gate.limit == 1


def test_no_more_than_the_limit_are_under_way() -> None:
    gate = Gate()
    with gate.passage() as one, gate.passage():
        one.refused(0.0)
    assert gate.limit == 1
    lock = threading.Lock()
    running, most = 0, 0

    def call() -> None:
        nonlocal running, most
        with gate.passage():
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.002)
            with lock:
                running -= 1

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 1


def test_a_pause_holds_for_all_who_come_and_is_spread() -> None:
    naps: list[float] = []
    gate = Gate(sleep=naps.append, clock=lambda: sum(naps))
    with gate.passage() as passage:
        passage.refused(10.0)
    with gate.passage():
        pass
    with gate.passage():
        pass
    assert len(naps) == 1
    assert 10.0 <= naps[0] <= 11.0
