"""An episode in one line: coloured stretches for the skills, in the order of their calls, and a mark where the chain broke."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from maestromotif.cli.code import plain

__all__ = ["episode_line", "legend"]

# Colours that terminals have in light and in dark; skills beyond share them, and letters tell which one is meant.
_COLOURS = ("blue", "yellow", "green", "magenta", "cyan", "red", "bright_blue", "bright_black")
_BREAK = "×"


def _letters(skills: Sequence[str]) -> dict[str, str]:
    """One letter for each skill: the first of its name that is still free."""
    found: dict[str, str] = {}
    for skill in skills:
        free = [letter for letter in skill.upper() + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter.isalnum() and letter not in found.values()]
        found[skill] = free[0] if free else "?"
    return found


def _style(skills: Sequence[str], skill: str) -> str:
    return _COLOURS[skills.index(skill) % len(_COLOURS)] if skill in skills else "default"


def legend(skills: Sequence[str]) -> Text:
    """Which letter and colour is which skill."""
    parts: list[str | tuple[str, str]] = []
    for skill, letter in _letters(skills).items():
        parts += [(f" {letter} ", f"reverse {_style(skills, skill)}"), f" {plain(skill)}  "]
    return Text.assemble(*parts, (_BREAK, "bold red"), " where the chain broke")


def episode_line(row: Mapping[str, Any], skills: Sequence[str], width: int) -> Text:
    """The calls of an episode, each as long as its share of the steps; of calls that share a column, the longest shows.

    Args:
        row: of a bench's log.
        width: columns.
    """
    letters, steps = _letters(skills), max(int(row["steps"]), 1)
    columns: list[tuple[str, str]] = []
    broke = None if row["broke"] is None else row["calls"][row["broke"]][1] * width // steps
    for column in range(width):
        low, high = column * steps / width, (column + 1) * steps / width
        skill = _longest(row["calls"], low, high)
        fresh = not columns or columns[-1][0] != skill
        columns.append((skill, letters.get(skill, "?") if fresh and skill else " "))
    line = Text()
    for column, (skill, letter) in enumerate(columns):
        if column == broke:
            line.append(_BREAK, "bold white on red")
        else:
            line.append(letter, f"reverse {_style(skills, skill)}" if skill else "")
    return line


def _longest(calls: Iterable[Sequence[Any]], low: float, high: float) -> str:
    """The skill that was at work for the longest part of an interval of steps."""
    best, found = 0.0, ""
    for skill, start, end, *_ in calls:
        shared = min(end, high) - max(start, low)
        if shared > best:
            best, found = shared, skill
    return found
