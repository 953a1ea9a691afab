"""Full episodes: the results of ``bench`` and ``baselines``, beside each other and beside the paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.bench.baselines import costs_text
from maestromotif.bench.tables import cell_text, rows_of
from maestromotif.report.charts import Chart, Mark, interval_chart
from maestromotif.report.sources import Notes, ReportSources, read_json_file, tolerate

__all__ = ["BenchPart", "BenchRow", "gather_benches", "paper_rate", "read_bench"]

_TITLES = {"bench": "Full episodes", "baselines": "Baselines at equal budget"}
_SHOWN = 12  # kinds of broken chains


@dataclass(frozen=True)
class BenchRow:
    """One measure of one task: by policy, a row of ``bench.tables.rows_of`` with its ``text``.

    Attributes:
        measure: a criterion, or its count.
        paper: the paper's figure, as text.
    """

    task: str
    measure: str
    max_steps: int | None
    cut: bool
    cells: dict[str, dict[str, Any]]
    paper: str


@dataclass(frozen=True)
class MethodRow:
    """What a baseline is and has cost, as ``costs_text`` tells it, and what it lacks."""

    name: str
    what: str
    costs: tuple[str, ...]
    missing: str


@dataclass(frozen=True)
class BenchPart:
    """One results.json.

    Attributes:
        name: of its folder, below artifacts/.
        policies: in the order of the table.
        rows: criteria and counts; how long episodes were is left to the CSV.
        chart: rates with their intervals; None where there are none.
        broken: ``(task, at, episodes, failed)``: at which calls the chains of failed episodes of the first policy broke, the most
            frequent first.
        methods: of baselines.
    """

    name: str
    title: str
    policies: list[str]
    trainings: list[str]
    episodes: int
    seeds: int
    confidence: float
    complete: bool
    rows: list[BenchRow]
    chart: Chart | None
    broken: list[tuple[str, str, int, int]]
    methods: list[MethodRow]


def gather_benches(sources: ReportSources, notes: Notes) -> list[BenchPart]:
    """Those that there are, in the order of ``_TITLES``."""
    found = [read_bench(sources.root / "artifacts" / name, title, notes) for name, title in _TITLES.items()]
    return [part for part in found if part is not None]


def read_bench(folder: Path, title: str, notes: Notes) -> BenchPart | None:
    """The part of one folder; None where there is none, or, with a note, where it is damaged."""
    document = read_json_file(folder / "results.json", notes)
    return None if document is None else tolerate(notes, f"{folder.name}/results.json", lambda: _part(folder.name, title, document))


def paper_rate(text: str) -> float | None:
    """The rate that a figure such as ``46 % ± 1.70`` stands for; None for counts and for what is none."""
    match = re.match(r"\s*(?:<\s*)?([0-9.]+)\s*%", text)
    return float(match[1]) / 100 if match else None


def _part(name: str, title: str, document: Mapping[str, Any]) -> BenchPart:
    rows: dict[tuple[str, str], BenchRow] = {}
    for row in rows_of(document):
        if row["measure"] in ("steps", "calls"):
            continue
        key = str(row["task"]), str(row["measure"])
        own = rows.setdefault(key, BenchRow(*key, row["max_steps"], bool(row["cut"]), {}, str(row["paper"] or "")))
        own.cells[str(row["policy"])] = {**row, "text": cell_text(row)}
    policies = [str(policy) for policy in document["policies"]]
    tasks = list(dict.fromkeys(task for task, _ in rows))
    # The thing itself first, proxies after it.
    ordered = sorted(rows.values(), key=lambda row: (tasks.index(row.task), not row.measure.startswith("landmark")))
    return BenchPart(
        name,
        title,
        policies,
        [str(label) for label in document["trainings"]],
        int(document["episodes"]),
        len(document["seeds"]),
        float(document["confidence"]),
        bool(document["complete"]),
        ordered,
        _chart(name, ordered, policies),
        list(_broken(document, policies[0])) if policies else [],
        [
            MethodRow(str(method), str(one["what"]), costs_text(one), "; ".join(map(str, one["missing"])))
            for method, one in (document.get("methods") or {}).items()
        ],
    )


def _chart(name: str, rows: list[BenchRow], policies: list[str]) -> Chart | None:
    marks = []
    for row in rows:
        known = {policy: row.cells[policy] for policy in policies if policy in row.cells and row.cells[policy]["value"] is not None}
        if row.measure.endswith(" count") or not known:
            continue
        label = row.task if row.measure == "landmark" else f"{row.task} ({row.measure})"
        for policy, cell in known.items():
            low, high = cell["low"], cell["high"]
            if low is None and cell["standard_error"] is not None:
                low, high = (max(0.0, cell["value"] + side * cell["standard_error"]) for side in (-1, 1))
            marks.append(Mark(label, policy, float(cell["value"]), low, high))
        paper = paper_rate(row.paper)
        if paper is not None:
            marks.append(Mark(label, "paper", paper))
    if not marks:
        return None
    # Whoever drives comes first and the paper last, whichever row names them first.
    order = [*policies, "paper"]
    marks.sort(key=lambda mark: order.index(mark.series))
    note = "Share of full episodes, with intervals, or standard errors over runs."
    return interval_chart(f"{name}-rates", "Success by task", note, marks)


def _broken(document: Mapping[str, Any], policy: str) -> Iterable[tuple[str, str, int, int]]:
    found = []
    for task, one in document["tasks"].items():
        failures = one["failures"].get(policy) or {}
        found += [(task, str(at), int(number), int(failures["failed"])) for at, number in (failures.get("broke_at") or {}).items()]
    return sorted(found, key=lambda entry: -entry[2])[:_SHOWN]
