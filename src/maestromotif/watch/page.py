"""The live view as a page on loopback: numbers at every look, and the report's learning curves now and then."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from markupsafe import Markup

from maestromotif.errors import ConfigError, MaestroError
from maestromotif.loopback import LocalHandler, LocalServer
from maestromotif.report.charts import Chart
from maestromotif.report.palette import skill_slots
from maestromotif.report.render import environment, render_whole
from maestromotif.report.training import learning_curves
from maestromotif.skills import SkillSet
from maestromotif.watch.follow import Follower
from maestromotif.watch.snapshot import WINDOW, GameNow, Snapshot

__all__ = ["LivePage"]

INTERVAL = 2
"""Seconds between two looks of a page."""
# Share of one processor that drawing may take.
_DRAWING = 0.01
# So long a page may take to hear that all is over before the server goes away.
_FAREWELL = 2.0 * INTERVAL


class LivePage:
    """Serves the page until it is closed.

    Args:
        headline: a snapshot in one line.
        port: on this machine; 0: one that is free.
        drawing: share of one processor that may go into pictures; the last one, when all is over, is drawn in any case.

    Raises:
        ConfigError: the port is taken, or skills.toml is wrong.
    """

    def __init__(self, root: Path, skills: SkillSet, headline: Callable[[Snapshot], str], port: int = 0, drawing: float = _DRAWING) -> None:
        self._title, self._skills, self._headline, self._drawing = root.resolve().name, skills, headline, drawing
        self._slots = skill_slots(skills.ids)
        self._follower, self._made = Follower(root), environment()
        self._looking = threading.Lock()
        self._charts: list[Chart] = []
        self._drawn, self._next = 0, 0.0
        self._asked: float | None = None
        self._told_end = threading.Event()
        try:
            self._server = LocalServer(type("Handler", (_Handler,), {"page": self}), port)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--port: {port} cannot be used ({error})", "Choose another one, or 0 for one that is free") from error

    @property
    def url(self) -> str:
        return self._server.url

    def close(self) -> None:
        """Let an open page hear that all is over, and end."""
        if self._asked is not None and time.monotonic() - self._asked < 10 * INTERVAL:
            self._told_end.wait(_FAREWELL)
        self._server.stop()
        self._follower.close()

    def whole(self) -> str:
        """The page as it is opened."""
        body, _ = self._body()
        facts = [f"{len(self._skills)} skills"]
        sections = (("now", "Now"), ("training", "Training so far"))
        return render_whole(
            self._made,
            "live.html.j2",
            ("live.js",),
            asks_home=True,
            title=self._title,
            over="live view",
            facts=facts,
            headline="",
            sections=sections,
            body=Markup(body),  # noqa: S704 - the template escapes
            interval=INTERVAL,
        )

    def state(self, seen: str) -> dict[str, Any]:
        """What is new.

        Args:
            seen: what the last answer was marked with; its text is not sent twice.
        """
        body, over = self._body()
        self._asked = time.monotonic()
        if over:
            self._told_end.set()
        mark = hashlib.sha256(body.encode()).hexdigest()[:16]
        return {"html": None if mark == seen else body, "seen": mark, "over": over, "interval": INTERVAL}

    def _body(self) -> tuple[str, bool]:
        """What changes, and whether nothing will any more."""
        with self._looking:
            snapshot = self._follower.look()
            training = snapshot.training
            if training is not None:
                self._draw(training.steps, not snapshot.command)
            rows = [
                {"skill": skill, "slot": self._slots.get(skill, 0), **now, "reward": now["return"]}
                for skill, now in (training.skills.items() if training else ())
            ]
            body = self._made.get_template("live_body.html.j2").render(
                headline=self._headline(snapshot),
                done=min(1.0, training.steps / training.goal) if training is not None and training.goal else None,
                warnings=training.warnings if training else (),
                rows=rows,
                window=WINDOW,
                games=[_lane(game) for game in snapshot.games],
                played=snapshot.played,
                recent=snapshot.recent,
                charts=self._charts,
                drawn=self._drawn,
                slots=self._slots,
            )
            return body, not snapshot.command

    def _draw(self, steps: int, over: bool) -> None:
        """Draw the charts if there is something new and it is time."""
        if steps == self._drawn or (time.monotonic() < self._next and not over):
            return
        import matplotlib.figure  # noqa: F401 - a second that is spent once and should not count

        began = time.thread_time()
        self._charts = learning_curves(self._follower.metrics, self._skills, self._slots)
        self._drawn = steps
        self._next = time.monotonic() + (time.thread_time() - began) / self._drawing


def _lane(game: GameNow) -> dict[str, Any]:
    """A game as the template draws it: its steps as stretches ``(first, length)`` of one skill, and as rewards relative to the highest."""
    most = max([*game.rewards, 0.0]) or 1.0
    stretches: list[tuple[str, int, int]] = []
    for place, skill in enumerate(game.skills):
        if stretches and stretches[-1][0] == skill:
            stretches[-1] = skill, stretches[-1][1], stretches[-1][2] + 1
        else:
            stretches.append((skill, place, 1))
    bars = [(place, round(reward / most, 3)) for place, reward in enumerate(game.rewards) if reward > 0]
    told = {"skill": game.skill, "episode": game.episode, "step": game.step, "reward": sum(game.rewards), "steps": len(game.rewards)}
    return {**told, "stretches": stretches, "bars": bars, "screen": game.screen}


class _Handler(LocalHandler):
    page: LivePage

    def get(self, place: str) -> None:
        try:
            if place == "":
                content, kind = self.page.whole(), "text/html; charset=utf-8"
                # What may run in it and whom it may ask, the page says itself.
                self.send(200, content.encode(), kind, "frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
            elif place == "state":
                seen = parse_qs(urlsplit(self.path).query).get("seen", [""])[0]
                self.send(200, json.dumps(self.page.state(seen)).encode(), "application/json")
            else:
                self.refuse(404)
        except MaestroError as error:
            self.send(500, f"{error}\n".encode(), "text/plain; charset=utf-8")
