"""The skills while they are trained: a table for terminals, one line for logs, from the tail of metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from maestromotif.watch.snapshot import WINDOW, recent_skills
from maestromotif.watch.tail import Tail

__all__ = ["TrainingFeed", "training_line", "training_table"]

_FILE = "metrics.jsonl"


class TrainingFeed:
    """Follows a growing metrics.jsonl; reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._tail = Tail(WINDOW)

    def latest(self) -> dict[str, dict[str, float | None]]:
        """See ``recent_skills``."""
        self._tail.read(self._path)
        return recent_skills([line for line in self._tail.rows if isinstance(line.get("skills"), dict)])


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
