"""HTTP against real servers on loopback: connections, proxies, certificates, sizes."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from maestromotif.errors import ChatError
from maestromotif.llm import transport
from maestromotif.llm.testing import Answer, ChatServer
from maestromotif.llm.transport import TimedOut, Transport, Unreachable, read_url

HEADERS = {"Content-Type": "application/json"}
# A host that nobody can find (RFC 2606): only a proxy can answer for it.
NOWHERE = "http://server.invalid/v1"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def raw_server(*answers: bytes) -> Iterator[tuple[str, list[bytes], list[int]]]:
    """Gives these bytes in answer to requests without a body; yields its URL, the requests, and a number for each connection.

    A connection is kept as long as the client keeps it; an empty answer closes it.
    """
    heads: list[bytes] = []
    connections: list[int] = []
    left = list(answers)

    def serve() -> None:
        while left:
            connection, _ = listening.accept()
            connections.append(len(connections))
            # A client that has read enough resets the connection.
            with connection, suppress(ConnectionError):
                head = b""
                while left:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    head += piece
                    if head.endswith(b"\r\n\r\n"):
                        heads.append(head)
                        head, answer = b"", left.pop(0)
                        connection.sendall(answer)
                        if not answer:
                            break

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", heads, connections
        thread.join(10)


def response(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_connection_is_used_again() -> None:
    with raw_server(*(response(b"answer %d" % number) for number in range(5))) as (url, heads, connections):
        sender = Transport(url, 5.0)
        assert [sender.post(b"", HEADERS).content for _ in range(5)] == [b"answer %d" % number for number in range(5)]
    assert len(connections) == 1
    assert heads[0].startswith(b"POST /v1 HTTP/1.1\r\n")


def test_a_connection_that_the_server_closed_is_opened_anew() -> None:
    with raw_server(response(b"a"), b"", response(b"b")) as (url, _, connections):
        sender = Transport(url, 5.0)
        assert sender.post(b"", HEADERS).content == b"a"
        with pytest.raises(Unreachable, match="closed connection"):
            sender.post(b"", HEADERS)
        assert sender.post(b"", HEADERS).content == b"b"
    assert len(connections) == 2


def test_compressed_bodies_are_unpacked() -> None:
    with raw_server(response(gzip.compress(b"hello"), b"Content-Encoding: gzip\r\n")) as (url, _, _):
        answer = Transport(url, 5.0).post(b"", HEADERS)
    assert (answer.content, answer.whole) == (b"hello", True)


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_no_more_of_a_body_is_read_than_is_sensible(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(transport, "_MOST", 1000)
    body, head = (gzip.compress(bytes(10**6)), b"Content-Encoding: gzip\r\n") if encoding else (bytes(10**6), b"")
    with raw_server(response(body, head), response(b"next")) as (url, _, _):
        sender = Transport(url, 5.0)
        answer = sender.post(b"", HEADERS)
        assert (len(answer.content), answer.whole) == (1000, False)
        assert sender.post(b"", HEADERS).content == b"next"


def test_a_body_that_ends_too_early_is_a_lost_connection() -> None:
    # The server ends after its last answer.
    with raw_server(response(b"0123456789")[:-4]) as (url, _, _), pytest.raises(Unreachable, match="4 more expected"):
        Transport(url, 5.0).post(b"", HEADERS)


def test_a_server_that_says_nothing_is_timed_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimedOut):
        Transport(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", 0.1).post(b"", HEADERS)


def test_what_no_server_answers_says_why_in_plain_words() -> None:
    with pytest.raises(Unreachable) as caught:
        Transport(NOWHERE, 5.0).post(b"", HEADERS)
    assert "object at 0x" not in str(caught.value)
    assert "HTTPConnection" not in str(caught.value)


def test_a_proxy_of_the_environment_gets_the_whole_address_and_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(response(b"from the proxy")) as (url, heads, _):
        monkeypatch.setenv("http_proxy", url.replace("http://", "http://me:p%40ss@").removesuffix("/v1"))
        assert Transport(NOWHERE, 5.0).post(b"", HEADERS).content == b"from the proxy"
    assert heads[0].startswith(b"POST http://server.invalid/v1 HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization: Basic bWU6cEBzcw==\r\n" in heads[0]


def test_the_way_to_an_https_server_leads_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as (url, heads, _):
        monkeypatch.setenv("all_proxy", url.removeprefix("http://").removesuffix("/v1"))
        with pytest.raises(Unreachable, match="its proxy: Tunnel connection failed: 403"):
            Transport("https://server.invalid/v1", 5.0).post(b"", {**HEADERS, "Authorization": "Bearer k-very-secret"})
    assert heads[0].startswith(b"CONNECT server.invalid:443")
    assert b"k-very-secret" not in heads[0]


def test_loopback_and_excepted_hosts_need_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "server.invalid")
    with ChatServer(lambda *_: Answer(body=b"{}")) as server:
        assert Transport(f"{server.url}/x", 5.0).post(b"{}", HEADERS).content == b"{}"
    with pytest.raises(Unreachable) as caught:
        Transport(NOWHERE, 5.0).post(b"", HEADERS)
    assert "proxy" not in str(caught.value)


def test_a_proxy_that_cannot_be_used_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://me:hidden@127.0.0.1:1")
    with pytest.raises(ChatError, match="proxy") as caught:
        Transport(NOWHERE, 5.0)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "host", "http://", "http://a b/v1", "http://host:99999/v1", "http://host/v1\n", "http://[::1/v1", "file:///x"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|parse"):
        read_url(url)


def test_addresses_of_all_kinds_are_urls() -> None:
    assert read_url("https://[::1]:8000/v1").port == 8000
    assert read_url("http://192.168.0.1/v1").host == "192.168.0.1"


def test_an_answer_that_trickles_for_ever_is_given_up() -> None:
    ended = threading.Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not ended.wait(0.02):
                connection.sendall(b"1\r\n \r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening,), daemon=True)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(TimedOut):
                Transport(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", 0.5).post(b"", HEADERS)
        finally:
            ended.set()
        assert time.monotonic() - began < 5
        thread.join(10)
