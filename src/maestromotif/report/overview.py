"""The first screen: each skill and task in English, and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from maestromotif.agents.config import POLICIES
from maestromotif.report.benched import BenchPart, BenchRow, paper_rate
from maestromotif.report.render import percent
from maestromotif.report.results import Results, Score, TaskRow
from maestromotif.report.sources import ReportSources

__all__ = ["Asked", "asked_skills", "asked_tasks"]


@dataclass(frozen=True)
class Asked:
    """One thing that was asked for.

    Attributes:
        slot: of its colour; None for tasks.
        score: of the trained network, as far as there is one.
        beside: rates of what it is compared with, by name.
        unit: what was counted.
        notes: what else there is to know, in a few words each.
        cut: episodes were cut after so many steps, before the task's own limit; 0: they were not.
        marks: further rates to compare the score with, which notes tell.
    """

    id: str
    text: str
    slot: int | None
    score: Score | None
    beside: dict[str, float]
    unit: str
    notes: tuple[str, ...] = ()
    cut: int = 0
    marks: tuple[float, ...] = ()


def asked_skills(sources: ReportSources, slots: Mapping[str, int], results: Results) -> list[Asked]:
    """Every skill of skills.toml, whether it was evaluated or not."""
    rows = {row.skill: row for row in results.skills}
    found = []
    for skill in sources.skills:
        row = rows.get(skill.id)
        beside = _rates(row.scores) if row else {}
        found.append(Asked(skill.id, skill.description, slots[skill.id], row.scores.get("trained") if row else None, beside, "calls"))
    return found


def asked_tasks(sources: ReportSources, results: Results, benches: Sequence[BenchPart]) -> list[Asked]:
    """Every task that was played, in full episodes where a bench has played it."""
    benched: dict[str, dict[str, BenchRow]] = {}
    for part in benches:
        for row in part.rows:
            if row.task in sources.domain.tasks:
                own = benched.setdefault(row.task, {})
                own[row.measure] = _together(own[row.measure], row) if row.measure in own else row
    played = {row.task: row for row in results.tasks if not row.repaired or row.free}
    names = [*(task for task in sources.domain.tasks if task in played or task in benched), *(row for row in played if row not in benched)]
    found = []
    for name in dict.fromkeys(names):
        if name in benched:
            found.append(_of_bench(name, sources, benched[name]))
        else:
            found.append(_of_evaluation(played[name]))
    return found


def _together(first: BenchRow, other: BenchRow) -> BenchRow:
    """With the columns of another table, but for its first one, which is the same network again."""
    more = {name: cell for name, cell in list(other.cells.items())[1:] if name not in first.cells}
    return replace(first, cells={**first.cells, **more})


def _of_bench(name: str, sources: ReportSources, rows: Mapping[str, BenchRow]) -> Asked:
    task = sources.domain.tasks[name]
    row = rows.get("landmark") or next(iter(rows.values()))
    own = next(iter(row.cells.values()), {})
    score = _score(own)
    beside = _beside({policy: float(cell["value"]) for policy, cell in list(row.cells.items())[1:] if cell["value"] is not None})
    notes, marks = [], []
    for other in rows.values():
        rate = paper_rate(other.paper)
        if other is row and rate is not None:
            beside["paper"] = rate
        elif other.paper:
            # The paper measured something else, so this network's own figure of that stands beside it.
            value = next(iter(other.cells.values()), {}).get("value")
            shown = "–" if value is None else percent(value) if rate is not None else f"{value:.2f}"
            notes.append(f"{other.measure} {shown} · paper {other.paper.partition(' ±')[0] if rate is None else percent(rate)}")
            marks += [] if rate is None else [rate]
    cut = int(row.max_steps or 0) if row.cut else 0
    return Asked(name, task.description, None, score, beside, "episodes", tuple(notes), cut, tuple(marks))


def _beside(rates: Mapping[str, float]) -> dict[str, float]:
    """Those that every table has, and the best of all others."""
    usual = {name: rates[name] for name in POLICIES if name in rates}
    others = [name for name in rates if name not in usual]
    return usual | {name: rates[name] for name in sorted(others, key=lambda name: -rates[name])[:1]}


def _score(cell: Mapping[str, object]) -> Score | None:
    value, low, high, episodes = (cell.get(name) for name in ("value", "low", "high", "episodes"))
    if not isinstance(value, float) or not isinstance(episodes, int):
        return None
    least, most = (end if isinstance(end, float) else value for end in (low, high))
    return Score(value, least, most, round(value * episodes), episodes)


def _of_evaluation(row: TaskRow) -> Asked:
    criterion, scores = next(iter(row.scores.items()))
    cut = row.max_steps if row.own_limit is not None and row.max_steps < row.own_limit else 0
    notes = ["by its program's own claim"] if row.free else [] if criterion == "landmark" else [criterion]
    notes += ["repaired, so not zero-shot"] if row.repaired else []
    return Asked(row.task, row.description, None, scores.get("trained"), _rates(scores), "episodes", tuple(notes), cut)


def _rates(scores: Mapping[str, Score]) -> dict[str, float]:
    return {name: score.rate for name, score in scores.items() if name != "trained" and score.rate is not None}
