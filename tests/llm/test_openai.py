"""The client against a real server on loopback."""

from __future__ import annotations

import email.utils
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from maestromotif.errors import CallError, ChatError
from maestromotif.llm import ChatRequest, Message, OpenAIChat, Token, transport
from maestromotif.llm.testing import Answer, ChatServer, completion

REQUEST = ChatRequest("t/judge/s", (Message("system", "Be brief."), Message("user", "Hello?")), subject="s", seed=5)


def script(*answers: Answer) -> ChatServer:
    """A server that gives these answers in order, the last one for ever."""
    return ChatServer(lambda number, _: answers[min(number, len(answers) - 1)])


def client(url: str, **options: Any) -> tuple[OpenAIChat, list[float]]:
    """A client that does not really sleep, and how long it would have slept each time."""
    naps: list[float] = []
    defaults: dict[str, Any] = {"api_key_env": "TEST_CHAT_VARIABLE", "timeout": 5.0, "sleep": naps.append, "clock": lambda: sum(naps)}
    return OpenAIChat(url, "m", **{**defaults, **options}), naps


def test_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CHAT_VARIABLE", "k-123")
    with script(completion("Hi.")) as server:
        chat, naps = client(server.url, extra_body={"top_k": 3}, omit=("top_p",))
        reply = chat.complete(REQUEST)
    assert (reply.text, reply.finish_reason, reply.model, reply.source) == ("Hi.", "stop", "served-model", "endpoint")
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 7)
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer k-123"
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "stream": False,
        "temperature": 0.1,
        "max_tokens": 4096,
        "seed": 5,
        "top_k": 3,
    }
    assert naps == []


def test_local_servers_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_CHAT_VARIABLE", raising=False)
    with script(completion("Hi.")) as server:
        assert client(server.url)[0].complete(REQUEST).text == "Hi."
    assert "Authorization" not in server.requests[0][1]


def test_429_waits_as_long_as_asked() -> None:
    with script(Answer(429, b"slow down", {"Retry-After": "7"}), completion("Hi.")) as server:
        chat, naps = client(server.url)
        assert chat.complete(REQUEST).text == "Hi."
    assert len(naps) == 1
    assert 7.0 <= naps[0] <= 7.7


def test_429_with_a_date_and_a_limit() -> None:
    soon = email.utils.formatdate(time.time() + 3600, usegmt=True)
    with script(Answer(429, b"", {"Retry-After": soon}), Answer(429, b"", {"Retry-After": "gibberish"}), completion("Hi.")) as server:
        chat, naps = client(server.url, max_backoff=9.0, backoff=1.0)
        assert chat.complete(REQUEST).text == "Hi."
    assert 9.0 <= naps[0] <= 9.9
    assert 1.0 <= naps[1] <= 2.0


def test_backoff_doubles_with_jitter() -> None:
    with script(Answer(500), Answer(503), Answer(502), completion("Hi.")) as server:
        chat, naps = client(server.url, backoff=2.0)
        assert chat.complete(REQUEST).text == "Hi."
    assert all(low <= nap <= 2 * low for nap, low in zip(naps, (1.0, 2.0, 4.0), strict=True))


@pytest.mark.parametrize("status", [429, 500])
def test_gives_up_in_the_end(status: int) -> None:
    with script(Answer(status, b'{"error": "no"}')) as server:
        chat, naps = client(server.url, max_retries=2)
        with pytest.raises(ChatError, match=rf"chat/completions answered {status} \(3 tries\).*no"):
            chat.complete(REQUEST)
    assert len(server.requests) == 3
    assert len(naps) == 2


def test_a_wrong_key_is_not_retried_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CHAT_VARIABLE", "k-very-secret")
    with script(Answer(401, b"invalid key k-very-secret")) as server:
        chat, naps = client(server.url)
        with pytest.raises(ChatError, match="answered 401") as caught:
            chat.complete(REQUEST)
    assert "k-very-secret" not in str(caught.value)
    assert "TEST_CHAT_VARIABLE" in caught.value.remedy
    assert naps == []


@pytest.mark.parametrize(("status", "remedy"), [(404, "ends in /v1"), (400, "omit"), (302, "final address")])
def test_other_refusals(status: int, remedy: str) -> None:
    headers = {"Location": "http://127.0.0.1:9/x"} if status == 302 else {}
    with script(Answer(status, b"no", headers)) as server, pytest.raises(ChatError, match=f"answered {status}") as caught:
        client(server.url)[0].complete(REQUEST)
    assert remedy in caught.value.remedy
    assert len(server.requests) == 1


def test_refused_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chat, naps = client(f"http://127.0.0.1:{port}/v1", max_retries=2)
    with pytest.raises(ChatError, match=rf"127.0.0.1:{port}.*cannot be reached.*3 tries"):
        chat.complete(REQUEST)
    assert len(naps) == 2


def test_timeout() -> None:
    with script(Answer(delay=0.6, body=b"{}")) as server:
        chat, naps = client(server.url, timeout=0.1, max_retries=1)
        with pytest.raises(ChatError, match=r"no answer within 0.1 s \(2 tries\)"):
            chat.complete(REQUEST)
    assert len(naps) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"\xff\xfe\x00",
        b"{}",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": [7]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": {"0": 1}}',
    ],
)
def test_nonsense_is_asked_for_again_and_then_told(body: bytes) -> None:
    with script(Answer(body=body)) as server, pytest.raises(CallError, match="answered 200 with") as caught:
        client(server.url, max_retries=2)[0].complete(REQUEST)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 3
    with script(Answer(body=body), completion("Hi.")) as server:
        assert client(server.url)[0].complete(REQUEST).text == "Hi."


@pytest.mark.parametrize(("content", "text"), [(None, ""), ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab")])
def test_empty_and_partwise_contents(content: Any, text: str) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "length"}], "usage": {"prompt_tokens": "many"}})
    with script(Answer(body=body.encode())) as server:
        reply = client(server.url)[0].complete(REQUEST)
    assert (reply.text, reply.finish_reason, reply.prompt_tokens) == (text, "length", 0)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://user:pw@host/v1", "http://host/v1?key=abc"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(ChatError) as caught:
        OpenAIChat(url, "m")
    assert "pw" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_key_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CHAT_VARIABLE", "kéy\nx")
    with script(completion("Hi.")) as server, pytest.raises(ChatError, match="TEST_CHAT_VARIABLE") as caught:
        client(server.url)[0].complete(REQUEST)
    assert "kéy" not in str(caught.value)


def test_ids_tell_apart_what_decides_answers() -> None:
    ids = {
        OpenAIChat("http://a/v1", "m").id,
        OpenAIChat("http://a/v1", "n").id,
        OpenAIChat("http://b/v1", "m").id,
        OpenAIChat("http://a/v1", "m", omit=("seed",)).id,
        OpenAIChat("http://a/v1", "m", extra_body={"x": 1}).id,
    }
    assert len(ids) == 5
    assert OpenAIChat("http://a/v1/", "m").id == OpenAIChat("http://a/v1", "m", timeout=1).id


SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["1", "2"]}}, "required": ["verdict"], "additionalProperties": False}


_FATAL = [(401, True), (403, True), (404, True), (302, True), (400, False), (429, False), (500, False)]


@pytest.mark.parametrize(("status", "fatal"), _FATAL)
def test_errors_tell_a_lost_call_from_a_lost_cause(status: int, fatal: bool) -> None:
    with script(Answer(status, b"no")) as server, pytest.raises(ChatError) as caught:
        client(server.url, max_retries=1)[0].complete(REQUEST)
    assert isinstance(caught.value, CallError) is not fatal


def test_a_schema_is_sent_in_the_form_of_the_protocol() -> None:
    with script(completion('{"verdict": "1"}')) as server:
        reply = client(server.url)[0].complete(replace(REQUEST, schema=SCHEMA))
    assert reply.dropped == ()
    sent = server.requests[0][2]["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


def test_optional_parts_that_are_refused_are_left_out_from_then_on() -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return Answer(400, b'{"error": "unknown field"}') if "response_format" in body else completion("Hi.")

    with ChatServer(behave) as server:
        chat, naps = client(server.url)
        replies = [chat.complete(replace(REQUEST, schema=SCHEMA, seed=seed)) for seed in range(3)]
        sent = ["response_format" in body for _, _, body in server.requests]
    assert [reply.dropped for reply in replies] == [("response_format",)] * 3
    assert sent == [True, False, False, False]
    assert naps == []


def test_a_request_that_is_refused_anyway_says_nothing_about_its_parts() -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return Answer(400, b"too long") if "long" in body["messages"][1]["content"] else completion("Hi.")

    long = replace(REQUEST, messages=(Message("system", ""), Message("user", "long")), schema=SCHEMA)
    with ChatServer(behave) as server:
        chat, _ = client(server.url)
        with pytest.raises(CallError, match="too long"):
            chat.complete(long)
        assert chat.complete(replace(REQUEST, schema=SCHEMA)).dropped == ()


def test_the_part_that_the_server_names_is_left_out_first() -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return Answer(400, b"logprobs are not supported") if "logprobs" in body else completion("Hi.")

    with ChatServer(behave) as server:
        reply = client(server.url)[0].complete(replace(REQUEST, schema=SCHEMA, top_logprobs=5))
    assert reply.dropped == ("logprobs",)
    assert "response_format" in server.requests[1][2]


def test_the_last_tokens_come_with_their_alternatives() -> None:
    words = [f"w{number}" for number in range(30)]
    content = [{"token": word, "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -1.5}]} for word in words]
    choice = {"message": {"content": " ".join(words)}, "finish_reason": "stop", "logprobs": {"content": content}}
    with script(Answer(body=json.dumps({"choices": [choice]}).encode())) as server:
        chat, _ = client(server.url)
        tail = chat.complete(replace(REQUEST, top_logprobs=5)).tail
        assert chat.complete(REQUEST).tail == ()
    assert tail[-1] == Token("w29", {"x": -1.5, "w29": -0.5})
    assert len(tail) == 16
    assert server.requests[0][2]["top_logprobs"] == 5


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion("", finish_reason="content_filter"), "content_filter"),
        (Answer(400, b'{"error": {"code": "content_filter", "message": "..."}}'), "content_filter"),
        (Answer(body=b'{"choices": [{"message": {"content": null, "refusal": "I will not."}, "finish_reason": "stop"}]}'), "refusal"),
    ],
)
def test_filters_and_refusals_are_answers(answer: Answer, reason: str) -> None:
    with script(answer) as server:
        assert client(server.url)[0].complete(REQUEST).finish_reason == reason
    assert len(server.requests) == 1


def test_all_threads_keep_the_pause_that_one_was_told_of() -> None:
    told = threading.Event()
    times: list[float] = []

    def behave(number: int, _: dict[str, Any]) -> Answer:
        times.append(time.monotonic())
        if number == 0:
            told.set()
            return Answer(429, b"", {"Retry-After": "0.5"})
        return completion("Hi.")

    with ChatServer(behave) as server:
        chat = OpenAIChat(server.url, "m")
        first = threading.Thread(target=chat.complete, args=(REQUEST,))
        first.start()
        told.wait(5)
        time.sleep(0.1)
        others = [threading.Thread(target=chat.complete, args=(replace(REQUEST, seed=seed),)) for seed in range(4)]
        for thread in others:
            thread.start()
        for thread in (first, *others):
            thread.join(10)
    assert len(times) == 6
    assert min(times[1:]) - times[0] >= 0.45


def test_an_answer_without_end_is_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MOST", 1000)
    with script(Answer(body=b" " * 5000), completion("Hi.")) as server:
        chat, naps = client(server.url)
        assert chat.complete(REQUEST).text == "Hi."
    assert len(naps) == 1
    with script(Answer(body=b" " * 5000)) as server, pytest.raises(CallError, match="answered 200 with more than 1,000 bytes"):
        client(server.url, max_retries=0)[0].complete(REQUEST)
