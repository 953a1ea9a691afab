"""Export to asciicast, version 2 (https://docs.asciinema.org/manual/asciicast/v2/)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from maestromotif.domains.screens import TextScreen, changed_runs
from maestromotif.errors import ArtifactError
from maestromotif.files import open_atomically
from maestromotif.recordings.moments import Moment

__all__ = ["write_cast"]

_LINES = 2  # below the screen


def write_cast(moments: Iterable[Moment], path: Path, title: str, speed: float) -> int:
    """Write one event for each step; returns how many.

    Args:
        speed: steps a second.

    Raises:
        ArtifactError: the game shows pictures, which no terminal can.
    """
    count = 0
    before: TextScreen | None = None
    with open_atomically(path) as file:
        for count, moment in enumerate(moments, 1):
            screen = moment.screen
            if not isinstance(screen, TextScreen):
                raise ArtifactError("a terminal cannot show pictures", "Export to gif or mp4")
            rows, columns = screen.chars_HW.shape
            if before is None:
                head = {"version": 2, "width": columns, "height": rows + _LINES, "title": title}
                file.write(json.dumps(head).encode() + b"\n")
            text = ("\x1b[0m\x1b[2J" if before is None else "") + "".join(_changes(before, screen)) + _below(moment, rows, columns)
            row, column = screen.cursor
            event = [round((count - 1) / speed, 4), "o", f"{text}\x1b[{row + 1};{column + 1}H"]
            file.write(json.dumps(event).encode() + b"\n")
            before = screen
    return count


def _changes(before: TextScreen | None, after: TextScreen) -> Iterator[str]:
    """What a terminal has to get to show the second screen in place of the first."""
    columns = after.chars_HW.shape[1]
    chars, colours = after.chars_HW.ravel(), after.colours_HW.ravel()
    for start, end in changed_runs(before, after):
        for place in range(start, end):
            row, column = divmod(place, columns)
            if place == start or not column:
                yield f"\x1b[{row + 1};{column + 1}H"
            if place == start or not column or colours[place] != colours[place - 1]:
                yield f"\x1b[{_sgr(int(colours[place]))}m"
            yield _letter(int(chars[place]))
    yield "\x1b[0m"


def _sgr(colour: int) -> int:
    return 30 + colour if colour < 8 else 82 + colour


def _letter(code: int) -> str:
    """What takes one column in every terminal; anything else is empty."""
    letter = chr(code)
    return letter if letter.isprintable() else " "


def _below(moment: Moment, rows: int, columns: int) -> str:
    bold, dim = (line[:columns] for line in moment.lines)
    return f"\x1b[{rows + 1};1H\x1b[0;1m{bold}\x1b[K\x1b[{rows + 2};1H\x1b[0;2m{dim}\x1b[K\x1b[0m"
