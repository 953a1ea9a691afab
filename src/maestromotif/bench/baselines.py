"""The table of baselines: what each method achieves in the same episodes, beside what it has cost."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from maestromotif.agents.llm_policy import ACTIONS, SKILLS
from maestromotif.bench.cells import BenchOrder, Cell
from maestromotif.bench.results import Rows, bench_results
from maestromotif.bench.tables import COLUMNS, as_markdown, cell_text, rows_of
from maestromotif.domains.contract import Domain

__all__ = [
    "METHODS",
    "PER_TASK",
    "ZERO_SHOT",
    "Costs",
    "Method",
    "baseline_results",
    "baselines_csv",
    "baselines_markdown",
    "costs_text",
    "task_rows",
]

ZERO_SHOT = "zero-shot"
METHODS: Mapping[str, str] = {
    ZERO_SHOT: "the project's skills, trained once, driven by each task's program",
    "untrained": "the same programs with the network's random weights",
    "random": "any allowed action, with equal chances; no program, no skill",
    "explorer": "the domain's scripted explorer, which knows no task",
    "motif": "a network for each task; one reward from AI feedback on the task's text; no hierarchy",
    "embedding": "a network for each task; reward from the similarity of caption and task's text",
    "task-reward": "a network for each task; the task's own reward and the game's score",
    ACTIONS: "a language model chooses every action from captions",
    SKILLS: "a language model chooses among the trained skills",
}
"""By name, in the order of the table."""
PER_TASK = ("motif", "embedding", "task-reward")
"""Those that train a network for each task."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a method has cost so far.

    Attributes:
        networks: that were trained.
        steps: environment steps that they learned from, all networks together.
        seconds: in which they were trained, by the clock, all networks one after the other.
        tokens: of questions and answers; money: by the prices of maestro.toml, 0 where it names none.
    """

    networks: int = 0
    steps: int = 0
    seconds: float = 0.0
    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        return Costs(*(mine + theirs for mine, theirs in zip(asdict(self).values(), asdict(other).values(), strict=True)))


@dataclass(frozen=True, slots=True)
class Method:
    """One row.

    Attributes:
        cells: what it plays; of a network that is not trained yet there is none.
        costs: so far.
        missing: what keeps the row from being whole, in words.
    """

    name: str
    cells: Sequence[Cell] = ()
    costs: Costs = field(default_factory=Costs)
    missing: Sequence[str] = ()


def baseline_results(
    domain: Domain, label: str, order: BenchOrder, methods: Sequence[Method], rows: Rows, confidence: float = 0.95
) -> dict[str, Any]:
    """``bench_results`` with a method in place of a policy, and ``methods``: what each one is, has cost, and lacks, and the paper's
    figures for it.

    Args:
        order: seeds, episodes and limit of all; its programs and policies do not matter.
        rows: played episodes by key and number.
    """
    names = tuple(method.name for method in methods)
    cells = [replace(cell, label=label, policy=method.name, program="own") for method in methods for cell in method.cells]
    found = bench_results(domain, [replace(order, label=label, policies=names)], cells, rows, confidence)
    told = {}
    figures = {task: domain.tasks[task].paper_baselines for task in found["tasks"]}
    for method in methods:
        missing = [*method.missing, *_unplayed(method.cells, order.episodes, rows)]
        papers = {task: known[method.name] for task, known in figures.items() if method.name in known}
        told[method.name] = {"what": METHODS[method.name], **asdict(method.costs), "missing": missing, "paper": papers}
    return {**found, "complete": not any(one["missing"] for one in told.values()), "methods": told}


def _unplayed(cells: Sequence[Cell], episodes: int, rows: Rows) -> list[str]:
    left: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for cell in cells:
        total[cell.task] += episodes
        left[cell.task] += sum((cell.key, index) not in rows for index in range(episodes))
    return [f"{task}: {count} of {total[task]} episodes are not played" for task, count in left.items() if count]


def task_rows(results: Mapping[str, Any], task: str) -> dict[str, dict[str, dict[str, Any]]]:
    """A task's rows by measure and method; of a criterion that counts there is only the count."""
    counted = {name.removesuffix(" count") for name in results["tasks"][task]["counts"] if name.endswith(" count")}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows_of(results):
        if row["task"] == task and row["measure"] not in counted:
            found.setdefault(row["measure"], {})[row["policy"]] = row
    return found


def costs_text(one: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Networks, steps, hours, tokens and money of a method, for people; ``-`` where there is nothing."""
    hours = f"{one['seconds'] / 3600:.2f}" if one["seconds"] else "-"
    counts = (f"{one[name]:,}" if one[name] else "-" for name in ("networks", "steps"))
    return (*counts, hours, f"{one['tokens']:,}", f"{one['money']:,.2f}")  # type: ignore[return-value]


def baselines_csv(results: Mapping[str, Any]) -> str:
    """The columns of a bench, ``policy`` being the method, and its costs; a method that has not played has a row with what it lacks."""
    columns = [*COLUMNS, "networks", "steps", "seconds", "tokens", "money", "missing"]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    shown = set()
    for row in rows_of(results):
        if row["value"] is not None:
            shown.add(row["policy"])
            writer.writerow({**_known(row), **_costs(results["methods"][row["policy"]])})
    for name, one in results["methods"].items():
        if name not in shown:
            writer.writerow({"policy": name, **_costs(one)})
    return out.getvalue()


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: "" if value is None else value for key, value in row.items()}


def _costs(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: one[name] for name in ("networks", "steps", "seconds", "tokens", "money")}, "missing": "; ".join(one["missing"])}


def baselines_markdown(results: Mapping[str, Any]) -> str:
    """A row for each method, with its costs and what it achieves in each task; what is missing; and a bench's table of every measure."""
    tasks = {task: task_rows(results, task) for task in results["tasks"]}
    heads = ["method", *(_head(task, results) for task in tasks), "networks", "steps", "hours", "tokens", "money"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, one in results["methods"].items():
        reached = []
        for task, measures in tasks.items():
            rows = measures[_main(task, results)]
            own = (cell_text(rows[name]) if name in rows else "") or "-"
            reached.append(f"{own} (paper: {one['paper'][task]})" if task in one["paper"] else own)
        lines.append(f"| {' | '.join([name, *reached, *costs_text(one)])} |")
    if tasks:
        papers = [next((row["paper"] for rows in own.values() for row in rows.values() if row["paper"]), "") for own in tasks.values()]
        if any(papers):
            lines.append(f"| {' | '.join(['the paper, zero-shot, by its own measure', *papers, *[''] * 5])} |")
    missing = [f"* {name}: {'; '.join(one['missing'])}" for name, one in results["methods"].items() if one["missing"]]
    parts = ["\n".join(lines), *(["Missing:\n\n" + "\n".join(missing)] if missing else []), as_markdown(results).rstrip("\n")]
    return "\n\n".join(parts) + "\n"


def _head(task: str, results: Mapping[str, Any]) -> str:
    found = results["tasks"][task]
    return f"{task} (cut at {found['max_steps']} steps)" if found["cut"] else task


def _main(task: str, results: Mapping[str, Any]) -> str:
    found = results["tasks"][task]
    main = str(found["accomplished"])
    return f"{main} count" if f"{main} count" in found["counts"] else main
