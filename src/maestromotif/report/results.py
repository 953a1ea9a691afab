"""The success tables and what lies behind them, from the evaluation's summaries and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.agents.config import POLICIES
from maestromotif.report.sources import Notes, ReportSources, read_json_file, read_parquet, tolerate

__all__ = ["CAUSES", "Flow", "Results", "Score", "SkillRow", "TaskRow", "gather_results"]

CAUSES = {"over": "its own termination", "interrupted": "interrupted", "timed out": "timed out", "died": "game over", "cut": "episode cut"}


@dataclass(frozen=True)
class Score:
    """A rate beside its interval. ``rate`` is None where there was nothing to count."""

    rate: float | None
    low: float
    high: float
    successes: int
    trials: int

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Score:
        rate = values["rate"]
        return cls(
            None if rate is None else float(rate),
            float(values["low"]),
            float(values["high"]),
            int(values["successes"]),
            int(values["trials"]),
        )


@dataclass(frozen=True)
class SkillRow:
    """One skill in the success table.

    Attributes:
        meaning: what counts as success.
        scores: by driving policy.
        p_values: of the trained network against the others; None where nothing could be compared.
        details: the summary of the trained network's calls.
    """

    skill: str
    meaning: str
    scores: dict[str, Score]
    p_values: dict[str, float | None]
    details: dict[str, dict[str, Any]]

    @property
    def ratio(self) -> float | None:
        """How many times as often as the untrained network; None where that never succeeded."""
        trained, untrained = (self.scores[name].rate if name in self.scores else None for name in ("trained", "untrained"))
        return trained / untrained if trained is not None and untrained else None


@dataclass(frozen=True)
class TaskRow:
    """One task: scores and p values by criterion and driving policy. ``details`` is the whole summary of each policy.

    Attributes:
        free: success is the program's own claim.
        repaired: the program was mended by what real episodes showed, so this is not zero-shot.
    """

    task: str
    description: str
    free: bool
    repaired: bool
    episodes: int
    max_steps: int
    own_limit: int | None
    scores: dict[str, dict[str, Score]]
    p_values: dict[str, dict[str, float | None]]
    details: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Flow:
    """Which skill followed which, under the trained network: fractions [from, to], rows that sum to one, or to zero."""

    fractions: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Results:
    """Everything an evaluation left; parts that are missing are empty or None."""

    skills: list[SkillRow] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    flow: Flow | None = None
    episodes: int = 0
    max_steps: int = 0
    confidence: float = 0.95
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)


def gather_results(sources: ReportSources, notes: Notes) -> Results:
    """Read the summaries of skills and tasks, and the trained network's calls."""
    summary = read_json_file(sources.evaluation / "skills.json", notes)
    rows = [] if summary is None else tolerate(notes, "skills.json", lambda: _skill_rows(summary, sources.skills.ids)) or []
    calls = read_parquet(sources.evaluation / "skills" / "trained.calls.parquet", notes)
    flow = None if calls is None else tolerate(notes, "trained.calls.parquet", lambda: _flow(calls, sources.skills.ids))
    base = summary or {}
    policies = base.get("policies")
    return Results(
        rows,
        _tasks(sources, notes),
        flow,
        int(base.get("episodes") or 0),
        int(base.get("max_steps") or 0),
        float((base.get("config") or {}).get("confidence", 0.95)),
        policies if isinstance(policies, dict) else {},
    )


def _tasks(sources: ReportSources, notes: Notes) -> list[TaskRow]:
    """The domain's own tasks in their order, then the person's own by name; of two evaluations of a program, the larger one."""
    rows: dict[tuple[str, bool], TaskRow] = {}
    for path in sorted([*(sources.evaluation / "tasks").glob("*.json"), *sources.solved.glob("*/tasks/*.json")]):
        document = read_json_file(path, notes)
        row = None if document is None else tolerate(notes, path.name, partial(_task_row, document))
        if row is not None and ((row.task, row.repaired) not in rows or rows[row.task, row.repaired].episodes < row.episodes):
            rows[row.task, row.repaired] = row
    known = list(sources.domain.tasks)
    return sorted(rows.values(), key=lambda row: (known.index(row.task) if row.task in known else len(known), row.task, row.repaired))


def _skill_rows(summary: Mapping[str, Any], ids: tuple[str, ...]) -> list[SkillRow]:
    rows = []
    for skill in ids:
        found = summary["skills"].get(skill)
        if found is None:
            continue
        details = {name: found["policies"][name] for name in POLICIES if name in found["policies"]}
        rows.append(
            SkillRow(
                skill,
                str(found["success"]),
                {name: Score.read(values) for name, values in details.items()},
                {name: test["p_value"] for name, test in found["tests"].items()},
                details,
            )
        )
    return rows


def _task_row(document: Mapping[str, Any]) -> TaskRow:
    details = {name: document["policies"][name] for name in POLICIES if name in document["policies"]}
    criteria = list(next(iter(details.values()))["success"]) if details else []
    # The thing itself first, proxies after it.
    criteria.sort(key=lambda name: name != "landmark")
    scores = {criterion: {name: Score.read(values["success"][criterion]) for name, values in details.items()} for criterion in criteria}
    if not criteria:
        scores["its own claim"] = {name: Score.read(values["claimed"]) for name, values in details.items()}
    tests = document.get("tests", {})
    return TaskRow(
        str(document["task"]),
        str(document["description"]),
        bool(document["free"]),
        bool(document.get("repaired", False)),
        int(document["episodes"]),
        int(document["max_steps"]),
        document["own_limit"],
        scores,
        {criterion: {name: test["p_value"] for name, test in tests.get(criterion, {}).items()} for criterion in criteria},
        details,
    )


def _flow(calls: Any, ids: tuple[str, ...]) -> Flow:
    place = {skill: index for index, skill in enumerate(ids)}
    counts = np.zeros((len(ids), len(ids)), dtype=np.int64)
    episodes, names = calls.column("episode").to_pylist(), calls.column("skill").to_pylist()
    for one, other, before, after in zip(episodes, episodes[1:], names, names[1:], strict=False):
        if one == other and before in place and after in place:
            counts[place[before], place[after]] += 1
    return Flow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), counts)
