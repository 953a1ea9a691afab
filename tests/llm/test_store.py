"""The store, concurrency, and the configuration that puts them together."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError, BudgetError, ChatError
from maestromotif.llm import (
    Call,
    CallStore,
    ChatConfig,
    ChatReply,
    ChatRequest,
    Message,
    StoredChat,
    Token,
    make_chat,
    map_concurrently,
)
from maestromotif.llm.prompts import Prompt
from maestromotif.llm.testing import ScriptedChat

REQUEST = ChatRequest("w/x", (Message("user", "Hellö?"),), subject="s", variables={"a": "b"})


def scripted() -> ScriptedChat:
    return ScriptedChat(lambda number, _: f"answer {number + 1}")


def test_a_stored_call_is_not_made_again(tmp_path: Path) -> None:
    inner = scripted()
    first = StoredChat(inner, CallStore(tmp_path)).complete(REQUEST)
    assert StoredChat(inner, CallStore(tmp_path)).complete(REQUEST) == first
    assert len(inner.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, temperature=0.2),
        replace(REQUEST, seed=1),
        replace(REQUEST, subject="t"),
        replace(REQUEST, messages=(Message("user", "Hello?"),)),
        replace(REQUEST, variables={}),
        replace(REQUEST, name="w/y"),
    ],
)
def test_whatever_can_change_an_answer_is_another_call(tmp_path: Path, other: ChatRequest) -> None:
    inner = scripted()
    chat = StoredChat(inner, CallStore(tmp_path))
    assert chat.complete(REQUEST).text != chat.complete(other).text


def test_stored_calls_can_be_read_by_people_and_checked(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    StoredChat(scripted(), store).complete(REQUEST)
    path = store.path(Call("scripted", REQUEST))
    document = json.loads(path.read_text())
    assert document["request"]["messages"][0]["content"] == "Hellö?"
    assert document["reply"]["text"] == "answer 1"
    assert list(store.calls()) == [("scripted", REQUEST, ChatReply("answer 1", prompt_tokens=10, completion_tokens=5, model="scripted"))]
    assert store.verify() == []
    path.write_text(path.read_text().replace("Hellö", "Good-bye"))
    assert len(store.verify()) == 1
    assert str(path) in store.verify()[0]


def test_what_few_calls_have_is_stored_too_and_what_they_lack_is_left_out(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    request = replace(REQUEST, schema={"type": "object"}, top_logprobs=5)
    reply = ChatReply("1", dropped=("logprobs",), tail=(Token("1", {"1": -0.1, "2": -2.0}),))
    store.put(Call("m", request), reply)
    assert store.get(Call("m", request)) == reply
    assert store.verify() == []
    plain = json.loads(store.put(Call("m", REQUEST), ChatReply("1")).read_text())
    assert not {"schema", "top_logprobs"} & set(plain["request"])
    assert not {"dropped", "tail"} & set(plain["reply"])


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b'{\n"format": 1,\n"model": "scri', b'{"a": "\xc3'])
def test_a_file_that_is_cut_short_counts_as_none(tmp_path: Path, content: bytes) -> None:
    store = CallStore(tmp_path)
    chat = StoredChat(scripted(), store)
    chat.complete(REQUEST)
    path = store.path(Call("scripted", REQUEST))
    path.write_bytes(content)
    assert len(store.verify()) == 1
    assert chat.complete(REQUEST).text == "answer 2"
    assert store.verify() == []
    assert chat.complete(REQUEST).text == "answer 2"


def test_a_file_that_is_no_call_is_named(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    chat = StoredChat(scripted(), store)
    chat.complete(REQUEST)
    path = store.path(Call("scripted", REQUEST))
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ArtifactError, match=path.name):
        chat.complete(REQUEST)
    assert len(store.verify()) == 1


def test_make_chat_serves_recorded_answers_through_the_store(tmp_path: Path) -> None:
    chat = make_chat(ChatConfig(), Corridor(), tmp_path)
    request = ChatRequest("corridor/judge/new", (Message("user", "?"),), subject="new", variables={"words": "left", "skill": "new"})
    assert chat.complete(request).is_fallback
    assert len(list(CallStore(tmp_path).calls())) == 1


def test_make_chat_for_an_endpoint(tmp_path: Path) -> None:
    config = ChatConfig(kind="openai", base_url="http://localhost:1/v1", model="m", max_calls=0)
    with pytest.raises(BudgetError):
        make_chat(config, Corridor(), tmp_path).complete(REQUEST)
    with pytest.raises(ChatError, match="not an http"):
        make_chat(ChatConfig(kind="openai", base_url="nowhere", model="m"), Corridor(), None)


def test_configuration_is_checked() -> None:
    with pytest.raises(ValidationError, match="base_url and model"):
        ChatConfig(kind="openai")
    with pytest.raises(ValidationError, match="price_per_million"):
        ChatConfig(max_cost=1.0)
    with pytest.raises(ValidationError, match="modle"):
        ChatConfig.model_validate({"modle": "x"})


def test_concurrency_has_a_limit_and_keeps_all_results() -> None:
    lock = threading.Lock()
    running, most = 0, 0

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return item * item

    assert dict(map_concurrently(work, range(40), 4)) == {item: item * item for item in range(40)}
    assert 2 <= most <= 4


def test_concurrency_stops_at_the_first_failure() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ChatError("no")
        return item

    with pytest.raises(ChatError):
        list(map_concurrently(work, range(1000), 2))
    assert len(begun) < 20


def test_prompts_want_exactly_their_variables() -> None:
    prompt = Prompt("p", "{{one}} and {{ two }}, {{One}}")
    assert prompt.render(one="{{two}}", two="2") == "{{two}} and 2, {{One}}"
    with pytest.raises(KeyError, match="two"):
        prompt.render(one="1")
    with pytest.raises(KeyError, match="three"):
        prompt.render(one="1", two="2", three="3")


def test_leaving_early_does_not_wait_for_calls_under_way() -> None:
    slow = threading.Event()
    calls = map_concurrently(lambda item: item if item == 0 else slow.wait(30), range(3), 2)
    assert next(calls) == (0, 0)
    before = time.monotonic()
    calls.close()  # type: ignore[attr-defined]
    assert time.monotonic() - before < 5
    slow.set()
