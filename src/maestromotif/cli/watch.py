"""``watch``: a command at work in a project, seen from another terminal or on a local page."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from maestromotif.cli.code import console, plain
from maestromotif.cli.common import ProjectArgument
from maestromotif.cli.display import duration
from maestromotif.cli.training import training_line, training_table
from maestromotif.config import CONFIG_FILE
from maestromotif.errors import ProjectError

if TYPE_CHECKING:
    from maestromotif.watch.follow import Follower
    from maestromotif.watch.snapshot import Played, Snapshot

__all__ = ["register"]

_INTERVAL = 2.0  # seconds between two looks
_LINES = 10.0  # the same where there is no terminal
_COLOURS = ("blue", "yellow", "green", "magenta", "cyan", "red", "bright_blue", "bright_yellow")
_BARS = "▁▂▃▄▅▆▇█"
_ROWS = 24  # of what was played; the page shows all


def watch(
    folder: ProjectArgument,
    web: Annotated[
        bool, typer.Option("--web", help="Serve a page on this machine, with the report's learning curves as they grow.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: one that is free.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="Print what is known now, and end; also where nothing runs.")] = False,
) -> None:
    """Watch a training, an evaluation or a bench that runs in another terminal: steps, time left, skills, success so far.

    On a terminal, a few games of a training are shown side by side. What is watched is not slowed down: nearly all is read, at the lowest
    priority, from files that it writes anyway. Ends with the command, or by
    q or Ctrl-C, which end the watching alone.
    """
    from maestromotif.watch.follow import Follower

    if not (folder / CONFIG_FILE).is_file():
        raise ProjectError(f"{folder}: no {CONFIG_FILE} there, so not a project", f"Make one with `maestromotif init {folder}`")
    os.nice(19)
    with closing(Follower(folder)) as follower:
        _watch(folder, follower, web, port, once)


def _watch(folder: Path, follower: Follower, web: bool, port: int, once: bool) -> None:
    snapshot = follower.look()
    if once and (snapshot.command or snapshot.training or snapshot.played):
        console().print(_frame(snapshot))
        return
    if not snapshot.command:
        known = f" (last: {headline(snapshot)})" if snapshot.training else ""
        remedy = f"Start one, for example `maestromotif train {folder}`, and watch from another terminal; --once shows what is there"
        raise ProjectError(f"{folder}: no command is at work there{known}", remedy)
    try:
        if web:
            _serve(folder, port)
        else:
            _show(follower)
    except KeyboardInterrupt:
        typer.echo("no longer watched; the command goes on")


def headline(snapshot: Snapshot) -> str:
    """``train: step 8,192 of 100,000 (8 %), 950 steps/s, 1 min 37 s left``."""
    parts = []
    now = snapshot.training
    if now is not None:
        share = f" of {now.goal:,} ({100 * now.steps / now.goal:.0f} %)" if now.goal else ""
        parts.append(f"step {now.steps:,}{share}")
        if not now.finished:
            parts.append(f"{now.rate:,.0f} steps/s")
            if now.left is not None and snapshot.stage == "train":
                parts.append(f"about {duration(now.left)} left")
        parts.append(f"{duration(now.elapsed)} of training")
    what = snapshot.stage or (plain(snapshot.command) if snapshot.command else "nothing is at work")
    return f"{what}: {', '.join(parts)}" if parts else what


def _show(follower: Follower) -> None:
    """On a terminal in place, else a line now and then, until the command ends."""
    screen = console()
    if not screen.is_terminal:
        for snapshot in _looks(follower, _LINES, time.sleep):
            skills = training_line(snapshot.training.skills) if snapshot.training else ""
            screen.print(" · ".join(part for part in (headline(snapshot), skills) if part), markup=False, soft_wrap=True)
        return
    with _keys() as quit_or_wait, Live(console=screen, auto_refresh=False, transient=True) as live:
        last: RenderableType = ""
        for snapshot in _looks(follower, _INTERVAL, quit_or_wait):
            last = _frame(snapshot)
            live.update(last, refresh=True)
    screen.print(last)
    screen.print("the command has ended", style="dim")


def _looks(follower: Follower, interval: float, wait: Callable[[float], None]) -> Iterator[Snapshot]:
    """A snapshot now and then; the last one once nothing is at work any more."""
    while True:
        snapshot = follower.look()
        yield snapshot
        if not snapshot.command:
            return
        wait(interval)


def _serve(folder: Path, port: int) -> None:
    from maestromotif.skills import SkillSet
    from maestromotif.stages.lock import lock_holder
    from maestromotif.watch.page import LivePage

    page = LivePage(folder, SkillSet.load(folder / "skills.toml"), headline, port)
    try:
        typer.echo(f"open {page.url} in a browser on this machine; Ctrl-C ends the watching")
        with _keys() as wait:
            while lock_holder(folder) is not None:
                wait(_INTERVAL)
        typer.echo("the command has ended")
    finally:
        page.close()


@contextmanager
def _keys() -> Iterator[Callable[[float], None]]:
    """A wait that q ends as Ctrl-C does, where somebody can press it."""
    if not sys.stdin.isatty():
        yield time.sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def wait(seconds: float) -> None:
        if select.select([descriptor], [], [], seconds)[0] and b"q" in os.read(descriptor, 64).lower():
            raise KeyboardInterrupt

    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _frame(snapshot: Snapshot) -> RenderableType:
    parts: list[RenderableType] = [Text(headline(snapshot), "bold")]
    if snapshot.training is not None:
        parts += [Text(f"warning: {plain(text)}", "yellow") for text in snapshot.training.warnings]
        parts.append(training_table(snapshot.training.skills))
    if snapshot.games:
        parts.append(_games(snapshot))
    if snapshot.played:
        parts.append(_played(snapshot.played))
    parts += [Text(plain(text), "dim") for text in snapshot.recent]
    return Group(*parts)


def _games(snapshot: Snapshot) -> Table:
    """A row for each game; each step of its last rollout as a bar as high as its reward, in the colour of its skill."""
    skills = list(snapshot.training.skills) if snapshot.training else []
    colours = {skill: _COLOURS[number % len(_COLOURS)] for number, skill in enumerate(skills)}
    most = max((reward for game in snapshot.games for reward in game.rewards), default=0.0)
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("game", "skill"):
        table.add_column(name)
    for name in ("episode", "step", "reward"):
        table.add_column(name, justify="right")
    table.add_column(f"its last {len(snapshot.games[0].rewards)} steps", no_wrap=True, overflow="crop")
    for number, game in enumerate(snapshot.games, 1):
        lane = Text()
        for skill, reward in zip(game.skills, game.rewards, strict=True):
            height = round(max(0.0, reward) / most * (len(_BARS) - 1)) if most > 0 else 0
            lane.append(_BARS[height], colours.get(skill, ""))
        active = Text(plain(game.skill), colours.get(game.skill, ""))
        table.add_row(str(number), active, f"{game.episode:,}", f"{game.step:,}", f"{sum(game.rewards):.3g}", lane)
    return table


def _played(played: tuple[Played, ...]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("played for", "skill or task", "policy"):
        table.add_column(name)
    for name in ("success", "of"):
        table.add_column(name, justify="right")
    for one in played[-_ROWS:]:
        rate = f"{100 * one.successes / one.trials:.0f} %" if one.trials else "-"
        table.add_row(one.source, plain(one.name), plain(one.policy), rate, f"{one.trials:,}")
    return table


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif watch my-dungeon --web")(watch)
