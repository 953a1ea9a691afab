"""What a person sees while stages run: a live view on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from maestromotif.cli.training import TrainingFeed, training_line, training_table

if TYPE_CHECKING:
    from maestromotif.stages.stage import Stage

__all__ = ["LiveDisplay", "PlainDisplay", "duration", "make_display"]

_PLAIN_INTERVAL = 10.0


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class _Clock:
    """Progress of one attempt: fraction, and the time left judged by this attempt's own pace."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.first: float | None = None
        self.fraction = 0.0
        self.text = ""

    def update(self, fraction: float, text: str) -> None:
        # An attempt that goes on from partial work begins above zero; its pace counts from there.
        if self.first is None:
            self.first, self.began = fraction, time.monotonic()
        self.fraction, self.text = min(1.0, max(self.fraction, fraction)), text

    @property
    def left(self) -> str:
        done = self.fraction - (self.first or 0.0)
        elapsed = time.monotonic() - self.began
        # Training tells its own time left, from its rate of steps.
        if done <= 0.005 or elapsed < 2 or self.fraction >= 1 or self.text.endswith(" left"):
            return ""
        return f"about {duration(elapsed / done * (1 - self.fraction))} left"


class PlainDisplay:
    """One line when something begins or ends, and every ten seconds between; for logs and pipes."""

    def __init__(self, console: Console, interval: float = _PLAIN_INTERVAL) -> None:
        self._console = console
        self._interval = interval
        self._clock = _Clock()
        self._feed: TrainingFeed | None = None
        self._shown = 0.0
        self._quiet = False

    def skipped(self, stage: Stage) -> None:
        self._line(stage, "up to date")

    def started(self, stage: Stage, folder: Path, why: str) -> None:
        self._clock = _Clock()
        self._shown = time.monotonic()
        self._feed = TrainingFeed(folder) if stage.id == "train" else None
        self._line(stage, stage.does + (f" ({why})" if why else ""))

    def progress(self, stage: Stage, fraction: float, text: str) -> None:
        self._clock.update(fraction, text)
        if self._quiet or time.monotonic() - self._shown < self._interval:
            return
        self._shown = time.monotonic()
        parts = [f"{100 * self._clock.fraction:3.0f} %", text, self._clock.left]
        if self._feed is not None:
            parts.append(training_line(self._feed.latest()))
        self._line(stage, " · ".join(part for part in parts if part))

    def warned(self, stage: Stage, text: str) -> None:
        self._line(stage, f"warning: {text}")

    def finished(self, stage: Stage, seconds: float) -> None:
        self._line(stage, f"done in {duration(seconds)}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _line(self, stage: Stage, text: str) -> None:
        self._console.print(f"{stage.id:<9} {text}", markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A bar with text, rate and time left, redrawn in place; while training, a table of the skills below it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage: Stage | None = None
        self._clock = _Clock()
        self._feed: TrainingFeed | None = None
        # Last, since it draws at once.
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def open(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def skipped(self, stage: Stage) -> None:
        self._say(stage, "up to date", "dim")

    def started(self, stage: Stage, folder: Path, why: str) -> None:
        self._stage, self._clock = stage, _Clock()
        self._feed = TrainingFeed(folder) if stage.id == "train" else None
        if why:
            self._say(stage, why, "dim")

    def progress(self, stage: Stage, fraction: float, text: str) -> None:
        self._clock.update(fraction, text)

    def warned(self, stage: Stage, text: str) -> None:
        self._say(stage, f"warning: {text}", "yellow")

    def finished(self, stage: Stage, seconds: float) -> None:
        self._stage = None
        self._say(stage, f"done in {duration(seconds)}", "green")

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.close()
        try:
            yield
        finally:
            self.open()

    def _say(self, stage: Stage, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{stage.id:<9} ", "bold"), (text, style)), soft_wrap=True)

    def _draw(self) -> RenderableType:
        # Copies, since this runs in the thread that refreshes the screen.
        stage, clock, feed = self._stage, self._clock, self._feed
        if stage is None:
            return Text("")
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=1.0, completed=clock.fraction, width=28, pulse=clock.first is None)
        row.add_row(Text(f"{stage.id:<9}", "bold"), bar, f"{100 * clock.fraction:3.0f} %", clock.text or stage.does, clock.left)
        if feed is None:
            return row
        return Group(row, training_table(feed.latest()))


@contextmanager
def make_display(aside: bool = False) -> Iterator[PlainDisplay | LiveDisplay]:
    """The display that suits standard output; with ``aside``, plain lines on standard error, since something else is printed there."""
    if aside:
        yield PlainDisplay(Console(file=sys.stderr, width=200, color_system=None))
        return
    if not sys.stdout.isatty():
        # Lines of a log are not cut to the width of a terminal that is not there.
        yield PlainDisplay(Console(file=sys.stdout, width=200, color_system=None))
        return
    display = LiveDisplay(Console(file=sys.stdout))
    display.open()
    try:
        yield display
    finally:
        display.close()
