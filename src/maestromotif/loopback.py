"""Pages served on this machine alone, to whoever knows a random address: who is let in, and with what headers everything leaves."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["LocalHandler", "LocalServer"]

_HOST = "127.0.0.1"


class LocalServer(ThreadingHTTPServer):
    """Serves from the moment it is made until ``stop``; every address begins with a token that only its own ``url`` tells.

    Args:
        handler: answers the requests.
        port: on this machine; 0: one that is free.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, handler: type[LocalHandler], port: int = 0) -> None:
        super().__init__((_HOST, port), handler)
        self._token = secrets.token_urlsafe(18)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}/{self._token}/"

    def allows(self, token: str, host: str, origin: str | None) -> bool:
        """Whether a request knows the address and comes from this page, not from one of another site."""
        own = {f"{name}:{self.port}" for name in (_HOST, "localhost")}
        known = hmac.compare_digest(token.encode(), self._token.encode())
        return known and host in own and (origin is None or origin.removeprefix("http://") in own)

    def stop(self) -> None:
        """Answer nobody any more."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class LocalHandler(BaseHTTPRequestHandler):
    """One request to a ``LocalServer``: ``get`` and, where something may be written, ``post`` are asked about what follows the token."""

    server: LocalServer
    protocol_version = "HTTP/1.1"
    # A client that sends half a request must not hold a thread for ever.
    timeout = 30

    def get(self, place: str) -> None:
        """Answer a request that changes nothing."""
        self.refuse(404)

    def post(self, place: str) -> None:
        """Answer a request that changes something."""
        self.refuse(405)

    def do_GET(self) -> None:
        self._let_in(self.get)

    def do_POST(self) -> None:
        self._let_in(self.post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the token."""

    def refuse(self, status: int) -> None:
        """Say no, and hang up, since the rest of the request is not read."""
        self.close_connection = True
        self.send(status, b"no such page\n", "text/plain")

    def send(self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'") -> None:
        """The whole answer.

        Args:
            kind: its media type.
            policy: its content-security policy.
        """
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _let_in(self, answer: Callable[[str], None]) -> None:
        parts = self.path.partition("?")[0].split("/")
        if len(parts) == 3 and self.server.allows(parts[1], self.headers.get("Host", ""), self.headers.get("Origin")):
            answer(parts[2])
        else:
            self.refuse(403)
