"""Several projects, or several runs of one, on one page: results beside each other, curves over each other, and what differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from maestromotif.files import write_atomically
from maestromotif.report.benched import gather_benches
from maestromotif.report.charts import Chart, Mark, Series, interval_chart, line_chart
from maestromotif.report.overview import Asked, asked_skills, asked_tasks
from maestromotif.report.palette import SLOTS, skill_slots
from maestromotif.report.render import environment, plural, render_whole
from maestromotif.report.results import gather_results
from maestromotif.report.sources import Notes, ReportSources, read_json_file, read_json_lines, tolerate
from maestromotif.report.state import StagePart, gather_state, metrics_path
from maestromotif.report.training import learning_series

__all__ = ["CompareRow", "Compared", "render_comparison", "write_comparison"]

_SECTIONS = (("skills", "Skills"), ("tasks", "Tasks"), ("curves", "Learning curves"), ("settings", "What differs"))
_CURVES = (("success", "Success per call", True), ("return", "Return per call", False))
_CARDS = ("interactions", "preferences", "rewards", "programs", "training", "evaluation")


@dataclass(frozen=True)
class CompareRow:
    """One skill or task.

    Attributes:
        found: in the order of the projects; None where a project lacks it.
        mean, error: over the projects that have a rate, with the standard error; None with fewer than two.
    """

    id: str
    text: str
    found: list[Asked | None]
    mean: float | None
    error: float | None

    @property
    def best(self) -> float | None:
        """The highest rate, if not all are the same."""
        rates = list(_rates(self.found))
        return max(rates) if len(set(rates)) > 1 else None


@dataclass(frozen=True)
class Compared:
    """One project: its name on the page, and what was trained."""

    name: str
    slot: int
    title: str
    steps: int
    seconds: float | None
    state: list[StagePart]


def write_comparison(projects: Sequence[ReportSources], out: Path) -> Path:
    """Write the page to the file ``out``; returns its path."""
    write_atomically(out, render_comparison(projects))
    return out


def render_comparison(projects: Sequence[ReportSources]) -> str:
    """The page as text. Projects may be of different domains; what they have in common stands in one row."""
    notes = Notes()
    names = _names(projects)
    skills: list[dict[str, Asked]] = []
    tasks: list[dict[str, Asked]] = []
    lines: list[list[dict[str, Any]]] = []
    for one in projects:
        results, benches = gather_results(one, notes), gather_benches(one, notes)
        slots = skill_slots(one.skills.ids)
        skills.append({row.id: row for row in tolerate(notes, "skills.json", lambda: asked_skills(one, slots, results)) or []})  # noqa: B023
        tasks.append({row.id: row for row in tolerate(notes, "tasks", lambda: asked_tasks(one, results, benches)) or []})  # noqa: B023
        lines.append(read_json_lines(metrics_path(one), notes))
    compared = [_compared(one, name, place, own) for place, (one, name, own) in enumerate(zip(projects, names, lines, strict=True))]
    skill_rows, task_rows = list(_rows(skills)), list(_rows(tasks))
    made = environment()
    return render_whole(
        made,
        "compare.html.j2",
        scripts=("script.js",),
        title=f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} compared",
        over=", ".join(dict.fromkeys(one.domain.title for one in projects)),
        facts=[plural(len(names), "project"), datetime.now(UTC).strftime("written %Y-%m-%d %H:%M UTC")],
        headline="",
        sections=_SECTIONS,
        projects=compared,
        skill_rows=skill_rows,
        task_rows=task_rows,
        skill_chart=_rate_chart("skills", "Success of skills per call", skill_rows, names),
        task_chart=_rate_chart("tasks", "Success of tasks per episode", task_rows, names),
        curves=tolerate(notes, "metrics.jsonl", lambda: list(_curves(projects, compared, lines))) or [],
        differences=tolerate(notes, "cards", lambda: _differences(projects, notes)) or [],
        notes=notes.entries,
    )


def _names(projects: Sequence[ReportSources]) -> list[str]:
    """Titles, told apart by the folder above, and by a number, where that is needed."""
    titles = [one.title for one in projects]
    longer = [f"{one.root.resolve().parent.name}/{one.title}" if titles.count(one.title) > 1 else one.title for one in projects]
    return [f"{name} ({longer[:place].count(name) + 1})" if longer.count(name) > 1 else name for place, name in enumerate(longer)]


def _compared(sources: ReportSources, name: str, place: int, lines: Sequence[Mapping[str, Any]]) -> Compared:
    last = lines[-1] if lines else {}
    elapsed = (last.get("time") or {}).get("elapsed")
    seconds = float(elapsed) if isinstance(elapsed, int | float) else None
    return Compared(name, place % SLOTS, sources.domain.title, int(last.get("steps") or 0), seconds, gather_state(sources))


def _rows(projects: Sequence[Mapping[str, Asked]]) -> Iterable[CompareRow]:
    for id in dict.fromkeys(id for own in projects for id in own):
        found = [own.get(id) for own in projects]
        rates = list(_rates(found))
        text = next(one.text for one in found if one is not None)
        mean, error = (fmean(rates), stdev(rates) / math.sqrt(len(rates))) if len(rates) > 1 else (None, None)
        yield CompareRow(id, text, found, mean, error)


def _rates(found: Iterable[Asked | None]) -> Iterable[float]:
    for one in found:
        if one is not None and one.score is not None and one.score.rate is not None:
            yield one.score.rate


def _rate_chart(name: str, title: str, rows: Sequence[CompareRow], names: Sequence[str]) -> Chart | None:
    marks = []
    for place, project in enumerate(names):
        for row in rows:
            one = row.found[place]
            if one is not None and one.score is not None and one.score.rate is not None:
                marks.append(Mark(row.id, project, one.score.rate, one.score.low, one.score.high))
    note = "Of the trained network, with the intervals of each project's own episodes."
    return interval_chart(f"compare-{name}", title, note, marks) if marks else None


def _curves(
    projects: Sequence[ReportSources], compared: Sequence[Compared], lines: Sequence[Sequence[Mapping[str, Any]]]
) -> Iterable[Chart]:
    for skill in dict.fromkeys(skill for one in projects for skill in one.skills.ids):
        for measure, title, percent in _CURVES:
            series = []
            for one, own in zip(compared, lines, strict=True):
                x, y = learning_series(own, skill, measure)
                if np.isfinite(y).any():
                    series.append(Series(one.name, one.slot, x, y))
            if series:
                note = f"{skill}, while training."
                yield line_chart(f"{measure}-{skill}", f"{title}: {skill}", note, series, x_label="environment steps", percent=percent)


def _differences(projects: Sequence[ReportSources], notes: Notes) -> list[tuple[str, list[str]]]:
    """Settings that are not the same in all projects, by their path in the cards, one text for each project."""
    settings = [dict(_settings(one, notes)) for one in projects]
    found = []
    for path in sorted({path for own in settings for path in own}):
        values = [own.get(path, "–") for own in settings]
        if len(set(values)) > 1:
            found.append((path, values))
    return found


def _settings(sources: ReportSources, notes: Notes) -> Iterable[tuple[str, str]]:
    for name in _CARDS:
        card = read_json_file(sources.root / "artifacts" / name / "card.json", notes) or {}
        for part in ("inputs", "goal"):
            yield from _flat(name, {key: value for key, value in (card.get(part) or {}).items() if key != "parents"})


def _flat(path: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path} {key}", inner)
    else:
        yield path, str(value)
