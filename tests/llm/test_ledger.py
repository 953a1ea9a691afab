"""The ledger, and the budgets that reckon with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import BudgetError, ChatError
from maestromotif.llm import Budget, BudgetedChat, CallStore, ChatConfig, ChatReply, ChatRequest, Ledger, Message, StoredChat, make_chat
from maestromotif.llm.ledger import Entry, Totals, total
from maestromotif.llm.testing import Answer, ChatServer, ScriptedChat, completion


def question(number: int) -> ChatRequest:
    return ChatRequest("w/x", (Message("user", f"Question {number}?"),))


def test_each_call_is_a_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    chat = StoredChat(ScriptedChat(lambda number, _: "yes"), CallStore(tmp_path), ledger, "annotator")
    for number in (0, 1, 0):
        chat.complete(question(number))
    first, second, third = ledger.entries()
    assert (first.table, first.purpose, first.model, first.outcome, first.cached) == ("annotator", "w/x", "scripted", "stop", False)
    assert (second.prompt_tokens, second.completion_tokens, second.estimated) == (10, 5, False)
    assert third.cached
    assert first.time <= third.time
    assert total(ledger.entries(), lambda entry: entry.table) == {"annotator": Totals(2, 1, 0, 20, 10, first.seconds + second.seconds)}


def test_failures_and_uncounted_tokens_are_noted(tmp_path: Path) -> None:
    class Mute:
        id = "mute"

        def complete(self, request: ChatRequest) -> ChatReply:
            if "1" in request.messages[0].content:
                raise ChatError("gone")
            return ChatReply("yes, yes")

    ledger = Ledger(tmp_path / "ledger.jsonl")
    chat = StoredChat(Mute(), CallStore(tmp_path), ledger)
    chat.complete(question(0))
    with pytest.raises(ChatError):
        chat.complete(question(1))
    answered, failed = ledger.entries()
    assert (answered.prompt_tokens, answered.completion_tokens, answered.estimated) == (2, 2, True)
    assert failed.outcome == "failed"


def test_a_torn_line_is_passed_over_also_after_more_was_added(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).add(Entry("a", "p", "m", "stop"))
    Ledger(path).add(Entry("b", "p", "m", "stop"))
    path.write_bytes(path.read_bytes()[:-9])
    assert [entry.table for entry in Ledger(path).entries()] == ["a"]
    Ledger(path).add(Entry("c", "p", "m", "stop"))
    assert [entry.table for entry in Ledger(path).entries()] == ["a", "c"]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def add(table: str) -> None:
        for _ in range(50):
            ledger.add(Entry(table, "p", "m", "stop"))

    threads = [threading.Thread(target=add, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: sums.calls for name, sums in total(ledger.entries(), lambda entry: entry.table).items()} == {
        str(number): 50 for number in range(8)
    }


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget(max_calls=4), "max_calls = 4"),
        (Budget(max_total_tokens=60), "max_total_tokens = 60"),
        (Budget(max_cost=0.08, prompt_price=1000.0, completion_price=2000.0), "max_cost = 0.08"),
    ],
)
def test_a_limit_stops_after_four_calls_earlier_runs_counted(budget: Budget, name: str) -> None:
    # Each call has 10 tokens of question and 5 of answer.
    for spent, left in ((Totals(), 4), (Totals(calls=3, prompt_tokens=30, completion_tokens=15), 1)):
        inner = ScriptedChat(lambda number, _: "yes")
        chat = BudgetedChat(inner, budget, spent)
        for number in range(left):
            chat.complete(question(number))
        with pytest.raises(BudgetError, match=name):
            chat.complete(question(99))
        assert len(inner.requests) == left


def test_many_at_once_do_not_pass_a_limit_together() -> None:
    release = threading.Event()

    def answer(number: int, _: ChatRequest) -> str:
        if number >= 2:
            release.wait(10)
        return "yes"

    inner = ScriptedChat(answer)
    chat = BudgetedChat(inner, Budget(max_total_tokens=75))
    refused: list[BudgetError] = []

    def ask(number: int) -> None:
        try:
            chat.complete(question(number))
        except BudgetError as error:
            refused.append(error)

    ask(0)
    ask(1)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2, 12)]
    for thread in threads:
        thread.start()
    while len(refused) < 7:
        release.wait(0.01)
    release.set()
    for thread in threads:
        thread.join()
    assert len(inner.requests) == 5
    assert len(refused) == 7


def test_a_budget_holds_over_processes_and_tables(tmp_path: Path) -> None:
    with ChatServer(lambda number, body: completion("yes") if number < 100 else Answer(500)) as server:
        config = ChatConfig(kind="openai", base_url=server.url, model="m", max_calls=3)

        def ask(table: str, *numbers: int) -> None:
            # A new model each time, as another process would make one.
            chat = make_chat(config, Corridor(), tmp_path, table)
            for number in numbers:
                chat.complete(question(number))

        ask("annotator", 0, 1)
        ask("annotator", 0, 1, 2)
        with pytest.raises(BudgetError, match="max_calls = 3"):
            ask("annotator", 0, 1, 2, 3)
        ask("coder", 4)
        assert len(server.requests) == 4


def test_a_project_answered_from_its_store_makes_no_connection(tmp_path: Path) -> None:
    with ChatServer(lambda number, body: completion("yes")) as server:
        config = ChatConfig(kind="openai", base_url=server.url, model="m", max_retries=0)
        make_chat(config, Corridor(), tmp_path).complete(question(0))
    again = make_chat(config, Corridor(), tmp_path)
    assert again.complete(question(0)).text == "yes"
    with pytest.raises(ChatError, match="cannot be reached"):
        again.complete(question(1))


def test_what_was_added_is_there_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    code = (
        "import os, pathlib, signal, sys\n"
        "from maestromotif.llm.ledger import Entry, Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\n"
        "for number in range(3): ledger.add(Entry('t', str(number), 'm', 'stop'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    assert [entry.purpose for entry in Ledger(path).entries()] == ["0", "1", "2"]
