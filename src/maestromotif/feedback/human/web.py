"""A sitting on a page in the browser, served on this machine alone to whoever knows a random address."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from maestromotif.errors import ConfigError
from maestromotif.feedback.human.sitting import Sitting, pace
from maestromotif.loopback import LocalHandler, LocalServer

__all__ = ["Desk"]

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
        self._changed = threading.Condition()
        self._sitting: Sitting | None = None
        self._state = "wait"
        self._failure: Exception | None = None
        self._last_seen: float | None = None
        self._told_end = threading.Event()
        try:
            self._server = LocalServer(type("Handler", (_Handler,), {"desk": self}), port)
        except OSError as error:
            raise ConfigError(
                f"[annotate.options] port: {port} cannot be used ({error.strerror})", "Choose another one, or 0 for one that is free"
            ) from error

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return self._server.url

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
        self._server.stop()

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


class _Handler(LocalHandler):
    desk: Desk

    def get(self, place: str) -> None:
        if place == "":
            nonce = secrets.token_urlsafe(12)
            page = (files(__package__) / "page.html").read_text(encoding="utf-8").replace("{{nonce}}", nonce)
            policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
            policy += "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            self.send(200, page.encode(), "text/html; charset=utf-8", policy)
        elif place == "state":
            self._send_state()
        else:
            self.refuse(404)

    def post(self, place: str) -> None:
        if place != "press":
            self.refuse(404)
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _LONGEST_BODY:
                raise ValueError(f"{length} bytes")
            pressed = json.loads(self.rfile.read(length))
            key, pair = str(pressed["key"]), str(pressed["pair"])
        except (ValueError, KeyError, TypeError):
            self.close_connection = True
            self.send(400, b"not a key of this page\n", "text/plain")
            return
        try:
            self.desk.press(key, pair)
        except OSError as error:
            self.send(500, f"the verdict could not be kept: {error}\n".encode(), "text/plain")
            return
        self._send_state()

    def _send_state(self) -> None:
        self.send(200, json.dumps(self.desk.state()).encode(), "application/json")
