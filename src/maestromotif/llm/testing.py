"""For tests, here and in packages that bring domains: a scripted model, and a real HTTP server on loopback.

The server speaks chat-completions and can be told to refuse, stall or talk nonsense.
"""

from __future__ import annotations

import json
import subprocess  # of this very package, with the same interpreter
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from maestromotif.llm.chat import ChatReply, ChatRequest

__all__ = ["Answer", "ChatServer", "LoadServer", "ScriptedChat", "completion"]


_PAUSE = 0.02  # seconds between the bytes of an endless answer


class ScriptedChat:
    """A ``ChatModel`` that answers by a function of the call's number and the request, and keeps all requests."""

    def __init__(self, answer: Callable[[int, ChatRequest], str], model_id: str = "scripted", source: str = "endpoint") -> None:
        self.id = model_id
        self.requests: list[ChatRequest] = []
        self._answer = answer
        self._source = source
        self._lock = threading.Lock()

    def complete(self, request: ChatRequest) -> ChatReply:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        return ChatReply(self._answer(number, request), prompt_tokens=10, completion_tokens=5, model=self.id, source=self._source)


@dataclass
class Answer:
    """What the server does with one request; with ``endless``, blanks follow the body until the client goes away."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    endless: bool = False


def completion(text: str, finish_reason: str = "stop") -> Answer:
    """A well-formed answer."""
    document = {
        "id": "x",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return Answer(body=json.dumps(document).encode())


class ChatServer:
    """Use as a context manager. ``requests`` keeps (path, headers, body) of all calls."""

    def __init__(self, behave: Callable[[int, dict[str, Any]], Answer]) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append((self.path, dict(self.headers), body))
                answer = behave(number, body)
                time.sleep(answer.delay)
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    # A body without a length ends with its connection.
                    self.send_header(*(("Connection", "close") if answer.endless else ("Content-Length", str(len(answer.body)))))
                    self.end_headers()
                    self.wfile.write(answer.body)
                    while answer.endless:
                        self.wfile.write(b" ")
                        time.sleep(_PAUSE)
                except OSError:
                    pass  # the client has given up

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class LoadServer:
    """``llm.loadserver`` in a process of its own. Use as a context manager."""

    def __init__(self, slots: int = 32, latency: float = 0.05, faults: float = 0.0, seed: int = 1) -> None:
        options = {"slots": slots, "latency": latency, "faults": faults, "seed": seed}
        self._command = [sys.executable, "-m", "maestromotif.llm.loadserver"]
        self._command += [word for name, value in options.items() for word in (f"--{name}", str(value))]

    def __enter__(self) -> LoadServer:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._root = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.url = f"{self._root}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def stats(self) -> dict[str, Any]:
        """``questions`` and ``requests`` that came, questions ``answered``, ``most_answers`` to one of them, and ``faults`` by kind."""
        return dict(urllib3.request("GET", f"{self._root}/stats").json())
