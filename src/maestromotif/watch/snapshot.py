"""What is known of a running command at one moment, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["WINDOW", "GameNow", "Played", "Png", "SkillNow", "Snapshot", "TextRows", "TrainingNow", "recent_skills"]

WINDOW = 20
"""Single updates hold few calls of rare skills; this many together give readable rates."""

SkillNow = Mapping[str, float | None]


@dataclass(frozen=True)
class TrainingNow:
    """A training.

    Attributes:
        steps, goal: environment steps done and wanted; goal 0: not known.
        rate: steps each second, over the last updates.
        elapsed: seconds spent training, interruptions left out.
        skills: see ``recent_skills``.
        warnings: of the last update, in words.
        finished: all is done and written.
    """

    steps: int
    goal: int
    rate: float
    elapsed: float
    skills: Mapping[str, SkillNow]
    warnings: tuple[str, ...]
    finished: bool

    @property
    def left(self) -> float | None:
        """Seconds until it is done, at this rate; None if that cannot be said."""
        return (self.goal - self.steps) / self.rate if self.goal > self.steps and self.rate > 0 else None


@dataclass(frozen=True)
class Played:
    """Counted so far: ``successes`` of ``trials`` calls of a skill, or episodes of a task, under one policy."""

    source: str
    name: str
    policy: str
    successes: int
    trials: int


@dataclass(frozen=True)
class TextRows:
    """A screen of text: its rows, each as stretches ``(text, colour)`` with one of 16 colours of a terminal."""

    rows: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True)
class Png:
    """A picture, in base64."""

    data: str


@dataclass(frozen=True)
class GameNow:
    """One of the games of a training.

    Attributes:
        skill: that is active.
        episode, step: where it is.
        skills, rewards: for each step of the last rollout, the skill that acted and what it got.
        screen: what it shows after them; None: nothing, or this is not told of it.
    """

    skill: str
    episode: int
    step: int
    skills: tuple[str, ...]
    rewards: tuple[float, ...]
    screen: TextRows | Png | None = None


@dataclass(frozen=True)
class Snapshot:
    """A project at one moment.

    Attributes:
        command: what is at work; "" where nothing is.
        stage: id of the stage under way; "" between two.
        games: of the training, while one is at work and was asked for them.
        played: of evaluation, ``solve`` and bench.
        recent: the last episodes of the bench, the newest first, in words.
    """

    command: str
    stage: str
    training: TrainingNow | None
    games: tuple[GameNow, ...]
    played: tuple[Played, ...]
    recent: tuple[str, ...]


def recent_skills(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Per skill id: mean ``share`` of steps, ``calls``, and, over them, mean ``return`` and ``success`` rate; of lines of metrics.jsonl."""
    found: dict[str, dict[str, float | None]] = {}
    for skill in lines[-1]["skills"] if lines else ():
        rows = [line["skills"][skill] for line in lines if skill in line["skills"]]
        found[skill] = {
            "share": sum(row["share"] for row in rows) / len(rows),
            "calls": sum(row["calls"] for row in rows),
            "return": _mean(rows, "return"),
            "success": _mean(rows, "success"),
        }
    return found


def _mean(rows: Iterable[Mapping[str, Any]], name: str) -> float | None:
    """Mean per call over several updates; None where no call ended."""
    told = [(row[name], row["calls"]) for row in rows if row[name] is not None and row["calls"]]
    calls = sum(count for _, count in told)
    return sum(value * count for value, count in told) / calls if calls else None
