"""The skills while they are trained: a table for terminals, one line for logs, from the tail of metrics.jsonl."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

__all__ = ["TrainingFeed", "training_line", "training_table"]

# Single updates hold few calls of rare skills; this many together give readable rates.
_WINDOW = 20
_FILE = "metrics.jsonl"


class TrainingFeed:
    """Follows a growing metrics.jsonl; reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._offset = 0
        self._inode = 0
        self._rest = b""
        self._lines: deque[dict[str, Any]] = deque(maxlen=_WINDOW)

    def latest(self) -> dict[str, dict[str, float | None]]:
        """Per skill id: ``share`` of steps, and over the last updates ``calls``, mean ``return`` and ``success`` rate."""
        self._read()
        found: dict[str, dict[str, float | None]] = {}
        for skill in self._lines[-1]["skills"] if self._lines else ():
            rows = [line["skills"][skill] for line in self._lines if skill in line["skills"]]
            found[skill] = {
                "share": sum(row["share"] for row in rows) / len(rows),
                "calls": sum(row["calls"] for row in rows),
                "return": _mean(rows, "return"),
                "success": _mean(rows, "success"),
            }
        return found

    def _read(self) -> None:
        try:
            with self._path.open("rb") as stream:
                # A resumed training writes a shortened file anew.
                inode = os.fstat(stream.fileno()).st_ino
                if inode != self._inode:
                    self._inode, self._offset, self._rest = inode, 0, b""
                    self._lines.clear()
                stream.seek(self._offset)
                fresh = stream.read()
        except OSError:
            return
        self._offset += len(fresh)
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        for line in whole[-_WINDOW:]:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and isinstance(value.get("skills"), dict):
                self._lines.append(value)


def _mean(rows: list[Mapping[str, Any]], name: str) -> float | None:
    """Mean per call over several updates; None where no call ended."""
    told = [(row[name], row["calls"]) for row in rows if row[name] is not None and row["calls"]]
    calls = sum(count for _, count in told)
    return sum(value * count for value, count in told) / calls if calls else None


def training_table(skills: Mapping[str, Mapping[str, float | None]]) -> Table | Text:
    """The skills, one row each."""
    if not skills:
        return Text("")
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("skill")
    for name in ("share of steps", "calls", "return per call", "success"):
        table.add_column(name, justify="right")
    for skill, values in skills.items():
        table.add_row(skill, _percent(values["share"]), f"{values['calls']:,.0f}", _number(values["return"]), _percent(values["success"]))
    return table


def training_line(skills: Mapping[str, Mapping[str, float | None]]) -> str:
    """``descender 31 %, ascender 20 %``: success where a skill has a measure, else its return."""
    parts = []
    for skill, values in skills.items():
        if values["success"] is not None:
            parts.append(f"{skill} {_percent(values['success'])}")
        elif values["return"] is not None:
            parts.append(f"{skill} return {_number(values['return'])}")
    return ", ".join(parts)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
