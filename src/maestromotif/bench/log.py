"""Played episodes as JSON Lines: one row each, appended as soon as the episode has ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maestromotif.agents.records import call_success, cause_name
from maestromotif.errors import ArtifactError
from maestromotif.files import whole_lines
from maestromotif.programs.story import Story, StoryCall
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.skills import SkillSet

__all__ = ["EPISODES_FILE", "EpisodeLog", "broken_call", "episode_row", "row_story"]

EPISODES_FILE = "episodes.jsonl"
Row = dict[str, Any]


def episode_row(result: EpisodeResult, skills: SkillSet, main: str, **where: Any) -> Row:
    """A row.

    ``calls`` is the timeline: skill, first step, step after the last one, how it ended, why in words, and whether it did what the
    skill is for. ``broke`` is None where the task was accomplished, else the place of the call at which the chain broke: the first
    of the unbroken series of calls up to the end that did not do what their skills are for; the last call where even that one did.

    Args:
        main: the criterion that says whether the task was accomplished.
        where: which cell of the bench the episode belongs to.
    """
    calls = [[call.skill, call.start, call.end, cause_name(call.cause), call.reason, call_success(call, skills)] for call in result.calls]
    return {
        **where,
        "episode": result.index,
        "episode_seed": result.seed,
        "steps": result.steps,
        "ended": cause_name(result.ended),
        "success": dict(result.success),
        "success_step": dict(result.success_step),
        "counts": dict(result.counts),
        "claimed": result.claimed,
        "broke": None if result.success[main] else broken_call([bool(call[-1]) for call in calls]),
        "calls": calls,
        "faults": dict(result.faults),
        "facts": dict(result.facts),
    }


def broken_call(expected: list[bool]) -> int | None:
    """The place of the call at which the chain of a failed episode broke, from whether each call did what its skill is for."""
    if not expected:
        return None
    place = len(expected) - 1
    while place > 0 and not expected[place] and not expected[place - 1]:
        place -= 1
    return place


def row_story(row: Mapping[str, Any], main: str) -> Story:
    """The same episode as ``programs.story`` tells it."""
    calls = tuple(StoryCall(skill, cause, end - start, expected, reason) for skill, start, end, cause, reason, expected in row["calls"])
    return Story(calls, bool(row["success"][main]), row["claimed"], row["ended"] == "died", row["steps"])


class EpisodeLog:
    """The file. A last line that a crash has torn is cut off when the file is opened for more."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / EPISODES_FILE

    def read(self) -> dict[tuple[str, int], Row]:
        """Every row, by its cell's key and its episode.

        Raises:
            ArtifactError: a line other than the last is no row.
        """
        rows: dict[tuple[str, int], Row] = {}
        for number, line in enumerate(whole_lines(self.path), 1):
            try:
                row = json.loads(line)
                rows[row["cell"], row["episode"]] = row
            except (ValueError, KeyError, TypeError) as error:
                where = f"{self.path}:{number}"
                raise ArtifactError(f"{where}: not a played episode", "Delete that line; its episode is played again") from error
        return rows

    def open(self) -> None:
        """Make the file ready for more rows."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; it is with the operating system when this returns, so that the death of this process loses nothing."""
        line = json.dumps(row, separators=(",", ":"), allow_nan=False, default=str).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            while line:
                line = line[os.write(descriptor, line) :]
        finally:
            os.close(descriptor)
