"""A sitting in the terminal: both captions, one key for each decision; lines instead of keys where there is no terminal."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from maestromotif.feedback.human.sitting import Sitting, pace

__all__ = ["decide"]

# Narrower than this, captions are shown one below the other.
_WIDE = 100
# In place of a key: there is no more input.
_END = "end of input"


def decide(sitting: Sitting, console: Console | None = None) -> Iterator[None]:
    """Show pairs until none is left and the person goes on; yields after each decision.

    Raises:
        KeyboardInterrupt: the person quits, or there is no more input.
    """
    console = console or Console(file=sys.stdout)
    keys = console.is_terminal and sys.stdin.isatty()
    with _keys_at_once() if keys else nullcontext():
        while not sitting.over:
            if keys:
                console.clear()
            console.print(_screen(sitting, console.width, keys))
            for key in _pressed(keys):
                if key == _END and sitting.pair is None:
                    key = "enter"
                if key in ("q", _END):
                    raise KeyboardInterrupt
                if sitting.press(key):
                    yield
                elif not keys:
                    console.print(f"{key!r} is none of {', '.join(sitting.keys)}", markup=False, highlight=False)


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """The terminal hands over each key as it is typed, unseen; what is typed while the screen is drawn is not lost."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(keys: bool) -> list[str]:
    """What was typed: keys that came at once, or the first letter of a line; ``_END`` where the input has ended."""
    if not keys:
        line = sys.stdin.readline()
        return [line.strip().lower()[:1] or "enter"] if line else [_END]
    typed = os.read(sys.stdin.fileno(), 64).decode(errors="replace")
    if not typed or typed == "\x04":
        return [_END]
    # An arrow or function key is a sequence of characters that mean nothing here.
    return [] if typed.startswith("\x1b") else ["enter" if sign in "\r\n" else sign for sign in typed.lower()]


def _screen(sitting: Sitting, width: int, keys: bool) -> RenderableType:
    skill = Text.assemble((f"{sitting.skill.id}  ", "bold"), " ".join(_plain(sitting.skill.preference_text).split()))
    bar = ProgressBar(total=max(1, sitting.total), completed=sitting.done, width=min(40, width))
    legend = Text("  ".join(f"{key} {meaning}" for key, meaning in sitting.keys.items()), "dim")
    if sitting.pair is None:
        done = "All these pairs are done: u undoes the last decision, Enter goes on."
        return Group(skill, "", bar if keys else "", Text(pace(sitting)), legend, Text(done, "bold"))
    prompt = Text("Which fits the skill better?" + ("" if keys else " Type a key and Enter."), "bold")
    return Group(skill, "", _captions(sitting, width), bar if keys else "", Text(pace(sitting)), legend, prompt)


def _captions(sitting: Sitting, width: int) -> RenderableType:
    first, second = (Text(_plain(caption.text)) for caption in sitting.shown)
    panels = [Panel(text, title=str(number), title_align="left", padding=(0, 1)) for number, text in enumerate((first, second), 1)]
    captions = Table.grid(expand=True)
    if width >= _WIDE:
        captions.add_column(ratio=1)
        captions.add_column(ratio=1)
        captions.add_row(*panels)
    else:
        for panel in panels:
            captions.add_row(panel)
    return captions


def _plain(text: str) -> str:
    """Without characters that would move the cursor or colour the screen."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)
