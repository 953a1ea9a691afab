"""A sitting on a page in the browser, served on this machine alone to whoever knows a random address."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from maestromotif.errors import ConfigError
from maestromotif.feedback.human.sitting import Sitting, pace

__all__ = ["Desk"]

_HOST = "127.0.0.1"
_LONGEST_BODY = 1_000
# So long a page may take to hear that all is over before the server goes away.
_FAREWELL = 3.0


class Desk:
    """Serves one sitting after another at the same address. Close it when there will be no more.

    Args:
        port: on this machine; 0: one that is free.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._token = secrets.token_urlsafe(18)
        self._changed = threading.Condition()
        self._sitting: Sitting | None = None
        self._state = "wait"
        self._failure: Exception | None = None
        self._last_seen: float | None = None
        self._told_end = threading.Event()
        try:
            self._server = ThreadingHTTPServer((_HOST, port), type("Handler", (_Handler,), {"desk": self}))
        except OSError as error:
            raise ConfigError(
                f"[annotate.options] port: {port} cannot be used ({error.strerror})", "Choose another one, or 0 for one that is free"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}/{self._token}/"

    def decide(self, sitting: Sitting) -> Iterator[None]:
        """Put a sitting on the page until all its pairs are done and the person goes on; yields after each decision.

        Raises:
            KeyboardInterrupt: the person stops on the page.
            OSError: a decision could not be kept.
        """
        with self._changed:
            self._sitting, self._state = sitting, "ask"
        try:
            while True:
                with self._changed:
                    # Short waits, so that Ctrl-C is heard.
                    self._changed.wait(0.2)
                    if self._failure is not None:
                        raise self._failure
                    stopped, over = self._state == "stopped", sitting.over
                yield
                if stopped:
                    raise KeyboardInterrupt
                if over:
                    return
        finally:
            with self._changed:
                self._sitting = None
                self._state = "stopped" if self._state == "stopped" else "wait"

    def close(self, finished: bool) -> None:
        """Tell the page that it is over, and end."""
        with self._changed:
            self._state = "finished" if finished else "stopped"
            watched = self._last_seen is not None and time.monotonic() - self._last_seen < 60
        if watched:
            self._told_end.wait(_FAREWELL)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def allows(self, path: str, host: str, origin: str | None) -> bool:
        """Whether a request knows the address and comes from this page, not from one of another site."""
        own = {f"{name}:{self.port}" for name in (_HOST, "localhost")}
        known = hmac.compare_digest(path.encode(), self._token.encode())
        return known and host in own and (origin is None or origin.removeprefix("http://") in own)

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        with self._changed:
            self._last_seen = time.monotonic()
            sitting = self._sitting
            if self._state in ("finished", "stopped"):
                self._told_end.set()
            if self._state != "ask" or sitting is None or sitting.over:
                return {"state": "wait" if self._state == "ask" else self._state}
            return {
                "state": "ask" if sitting.pair else "done",
                "skill": sitting.skill.id,
                "text": " ".join(sitting.skill.preference_text.split()),
                "pair": _shown(sitting),
                "captions": [caption.text for caption in sitting.shown] if sitting.pair else [],
                "done": sitting.done,
                "total": sitting.total,
                "pace": pace(sitting),
                "keys": list(sitting.keys),
            }

    def press(self, key: str, pair: str) -> None:
        """A key on the page, about the pair that it shows, "" where all are done; about another pair it came too late and does nothing."""
        with self._changed:
            sitting = self._sitting
            if sitting is None or sitting.over or _shown(sitting) != pair or self._state != "ask":
                return
            if key == "q":
                self._state = "stopped"
            else:
                try:
                    sitting.press(key)
                except OSError as error:
                    self._failure = error
                    raise
            self._changed.notify_all()


def _shown(sitting: Sitting) -> str:
    """Id of the pair on the page; "" where all are done."""
    return sitting.pair.id if sitting.pair else ""


class _Handler(BaseHTTPRequestHandler):
    desk: Desk
    protocol_version = "HTTP/1.1"
    # A client that sends half a request must not hold a thread for ever.
    timeout = 30

    def do_GET(self) -> None:
        place = self._place()
        if place == "":
            nonce = secrets.token_urlsafe(12)
            page = (files(__package__) / "page.html").read_text(encoding="utf-8").replace("{{nonce}}", nonce)
            policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
            policy += "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            self._send(200, page.encode(), "text/html; charset=utf-8", policy)
        elif place == "state":
            self._send_state()
        else:
            self._refuse(place)

    def do_POST(self) -> None:
        place = self._place()
        if place != "press":
            self._refuse(place)
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _LONGEST_BODY:
                raise ValueError(f"{length} bytes")
            pressed = json.loads(self.rfile.read(length))
            key, pair = str(pressed["key"]), str(pressed["pair"])
        except (ValueError, KeyError, TypeError):
            self.close_connection = True
            self._send(400, b"not a key of this page\n", "text/plain")
            return
        try:
            self.desk.press(key, pair)
        except OSError as error:
            self._send(500, f"the verdict could not be kept: {error}\n".encode(), "text/plain")
            return
        self._send_state()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the token."""

    def _place(self) -> str | None:
        """What follows the token; None if the request is refused."""
        parts = self.path.partition("?")[0].split("/")
        allowed = len(parts) == 3 and self.desk.allows(parts[1], self.headers.get("Host", ""), self.headers.get("Origin"))
        return parts[2] if allowed else None

    def _refuse(self, place: str | None) -> None:
        self.close_connection = True
        self._send(403 if place is None else 404, b"no such page\n", "text/plain")

    def _send_state(self) -> None:
        self._send(200, json.dumps(self.desk.state()).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'") -> None:
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
