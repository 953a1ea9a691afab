"""The client against a real server on loopback."""

from __future__ import annotations

import email.utils
import json
import socket
import time
from typing import Any

import pytest

from maestromotif.errors import ChatError
from maestromotif.llm import ChatRequest, Message, OpenAIChat
from maestromotif.llm.testing import Answer, ChatServer, completion

REQUEST = ChatRequest("t/judge/s", (Message("system", "Be brief."), Message("user", "Hello?")), subject="s", seed=5)


def script(*answers: Answer) -> ChatServer:
    """A server that gives these answers in order, the last one for ever."""
    return ChatServer(lambda number, _: answers[min(number, len(answers) - 1)])


def client(url: str, **options: Any) -> tuple[OpenAIChat, list[float]]:
    naps: list[float] = []
    defaults: dict[str, Any] = {"api_key_env": "TEST_CHAT_VARIABLE", "timeout": 5.0, "sleep": naps.append}
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
    assert naps == [7.0]


def test_429_with_a_date_and_a_limit() -> None:
    soon = email.utils.formatdate(time.time() + 3600, usegmt=True)
    with script(Answer(429, b"", {"Retry-After": soon}), Answer(429, b"", {"Retry-After": "gibberish"}), completion("Hi.")) as server:
        chat, naps = client(server.url, max_backoff=9.0, backoff=1.0)
        assert chat.complete(REQUEST).text == "Hi."
    assert naps[0] == 9.0
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
def test_nonsense_bodies(body: bytes) -> None:
    with script(Answer(body=body)) as server, pytest.raises(ChatError, match="answered 200 with") as caught:
        client(server.url)[0].complete(REQUEST)
    assert "\n" not in str(caught.value)


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
