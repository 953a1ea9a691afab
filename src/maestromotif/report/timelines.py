"""Failed episodes, call by call: who was at work, why each call ended, and where the chain broke."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from maestromotif.bench.log import EPISODES_FILE, broken_call
from maestromotif.report.results import CAUSES
from maestromotif.report.sources import Notes, ReportSources, read_json_lines, read_parquet, tolerate

__all__ = ["TaskTimelines", "Timeline", "TimelineCall", "gather_timelines"]

_PER_TASK = 5
_MOST_CALLS = 300  # of one episode; what follows is told in a number


@dataclass(frozen=True)
class TimelineCall:
    """One call. ``broke``: the first of the calls up to the end that did not do what their skills are for."""

    skill: str
    start: int
    end: int
    cause: str
    reason: str
    broke: bool

    @property
    def told(self) -> str:
        """What a pointer on it shows."""
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.skill}, steps {self.start} to {self.end}: {CAUSES.get(self.cause, self.cause)}{why}"


@dataclass(frozen=True)
class Timeline:
    """One failed episode."""

    episode: int
    seed: str
    steps: int
    ended: str
    calls: list[TimelineCall]
    left_out: int

    @property
    def broke(self) -> TimelineCall | None:
        return next((call for call in self.calls if call.broke), None)

    @property
    def chain(self) -> str:
        """The skills in order, each once where it follows itself; what a reader hears who sees no picture."""
        names = [call.skill for call in self.calls]
        kept = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
        return ", then ".join([*kept[:12], *(["and so on"] if len(kept) > 12 else [])])


@dataclass(frozen=True)
class TaskTimelines:
    """The first failed episodes of a task under the trained network.

    Attributes:
        failed, episodes: of all that were played.
        longest: steps of the longest that is shown.
        csv: a ``data:`` URI of the calls shown.
    """

    task: str
    source: str
    failed: int
    episodes: int
    longest: int
    shown: list[Timeline]
    csv: str


def gather_timelines(sources: ReportSources, notes: Notes) -> list[TaskTimelines]:
    """Of each task with failures: from the bench where it has played the task, in full episodes, else from the evaluation."""
    found = _of_bench(sources.root / "artifacts" / "bench" / EPISODES_FILE, notes)
    for folder in [*sorted((sources.evaluation / "tasks").glob("*/")), *sorted(sources.solved.glob("*/tasks/*/"))]:
        if folder.name not in found:
            part = _of_evaluation(folder, notes)
            if part is not None:
                found[folder.name] = part
    known = list(sources.domain.tasks)
    parts = [part for part in found.values() if part.shown]
    return sorted(parts, key=lambda part: (known.index(part.task) if part.task in known else len(known), part.task))


def _of_bench(path: Path, notes: Notes) -> dict[str, TaskTimelines]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_json_lines(path, notes):
        if row.get("policy") == "trained":
            rows.setdefault(str(row.get("task")), []).append(row)
    found = {}
    for task, own in rows.items():
        part = tolerate(notes, path.name, lambda: _part(task, "bench", [row for row in own if row["broke"] is not None], len(own)))  # noqa: B023
        if part is not None:
            found[task] = part
    return found


def _of_evaluation(folder: Path, notes: Notes) -> TaskTimelines | None:
    episodes, calls = (read_parquet(folder / f"trained.{part}.parquet", notes) for part in ("episodes", "calls"))
    if episodes is None or calls is None:
        return None
    name = f"{folder.name}: trained.calls.parquet"
    return tolerate(notes, name, lambda: _part(folder.name, "evaluation", list(_failed(episodes, calls)), len(episodes)))


def _failed(episodes: pa.Table, calls: pa.Table) -> Iterable[dict[str, Any]]:
    """Rows as a bench keeps them."""
    by_episode: dict[int, list[list[Any]]] = {}
    for call in calls.to_pylist():
        told = [call["skill"], call["start"], call["end"], call["cause"], call["reason"], call["success"]]
        by_episode.setdefault(call["episode"], []).append(told)
    main = "success.landmark" if "success.landmark" in episodes.column_names else "claimed"
    for row in episodes.to_pylist():
        if not row[main]:
            own = by_episode.get(row["episode"], [])
            yield {**row, "episode_seed": row["seed"], "calls": own, "broke": broken_call([bool(call[-1]) for call in own])}


def _part(task: str, source: str, failed: Sequence[Mapping[str, Any]], episodes: int) -> TaskTimelines:
    shown = [_timeline(row) for row in sorted(failed, key=lambda row: (row.get("seed", 0), row["episode"]))[:_PER_TASK]]
    return TaskTimelines(task, source, len(failed), episodes, max((one.steps for one in shown), default=0), shown, _csv(shown))


def _timeline(row: Mapping[str, Any]) -> Timeline:
    calls = [
        TimelineCall(str(skill), int(start), int(end), str(cause), str(reason), place == row["broke"])
        for place, (skill, start, end, cause, reason, _) in enumerate(row["calls"])
    ]
    if len(calls) > _MOST_CALLS and not any(call.broke for call in calls[:_MOST_CALLS]):
        # The place where it broke is what one looks for.
        calls = calls[-_MOST_CALLS:]
    kept = calls[:_MOST_CALLS]
    left_out = len(row["calls"]) - len(kept)
    return Timeline(int(row["episode"]), str(row["episode_seed"]), int(row["steps"]), str(row["ended"]), kept, left_out)


def _csv(shown: Sequence[Timeline]) -> str:
    with io.StringIO() as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("episode", "skill", "start", "end", "cause", "reason", "broke"))
        for one in shown:
            writer.writerows((one.episode, call.skill, call.start, call.end, call.cause, call.reason, call.broke) for call in one.calls)
        return f"data:text/csv;base64,{b64encode(stream.getvalue().encode()).decode()}"
