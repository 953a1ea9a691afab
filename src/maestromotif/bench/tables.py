"""The results of a bench as CSV and as Markdown: a row for each task, measure and policy."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maestromotif.files import write_atomically

__all__ = ["COLUMNS", "as_csv", "as_markdown", "cell_text", "limit_text", "rows_of", "write_results"]

COLUMNS = ("task", "measure", "policy", "value", "low", "high", "runs", "standard_error", "episodes", "paper", "max_steps", "cut")


def limit_text(found: Mapping[str, Any]) -> str:
    """How long the episodes of a task could be: in full, or cut before its own limit."""
    return f"CUT at {found['max_steps']:,} of {found['own_limit']:,}" if found["cut"] else f"in full, up to {found['own_limit']:,}"


def rows_of(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows with ``COLUMNS``. Rates are fractions; of several runs, ``value`` is their mean; of all tasks, the interquartile mean."""
    for task, found in results["tasks"].items():
        limits = {"max_steps": found["max_steps"], "cut": found["cut"]}
        # What the paper counts, it gives as a count.
        papers = {f"{name} count" if f"{name} count" in found["counts"] else name: one["paper"] for name, one in found["criteria"].items()}
        measures = [(name, one["policies"], papers.get(name)) for name, one in found["criteria"].items()]
        measures += [(name, policies, papers.get(name)) for name, policies in found["counts"].items()]
        for measure, policies, paper in measures:
            for policy, one in policies.items():
                episodes = found["failures"][policy]["episodes"]
                yield {
                    "task": task,
                    "measure": measure,
                    "policy": policy,
                    "value": one["mean_of_runs"],
                    **{name: one[name] for name in ("low", "high", "runs", "standard_error")},
                    "episodes": episodes,
                    "paper": paper,
                    **limits,
                }
    for measure, policies in results["all tasks"].items():
        for policy, one in policies.items():
            own = {"value": one["iqm"], "low": one["low"], "high": one["high"], "runs": one["runs"]}
            yield {**dict.fromkeys(COLUMNS), "task": "all tasks (IQM)", "measure": measure, "policy": policy, **own}


def as_csv(results: Mapping[str, Any]) -> str:
    """Comma-separated, with a line of names; what is not known is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows_of(results))
    return out.getvalue()


def as_markdown(results: Mapping[str, Any]) -> str:
    """A table with a column for each policy, and one for the paper's figures."""
    policies = results["policies"]
    lines = ["| task | measure | " + " | ".join(policies) + " | paper |", "| --- " * (len(policies) + 3) + "|"]
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows_of(results):
        cells.setdefault((row["task"], row["measure"]), {})[row["policy"]] = row
    for (task, measure), own in cells.items():
        cut = next(iter(own.values()))
        name = f"{task} (cut at {cut['max_steps']} steps)" if cut["cut"] else task
        shown = [cell_text(own[policy]) if policy in own else "" for policy in policies]
        lines.append(f"| {name} | {measure} | " + " | ".join(shown) + f" | {cut['paper'] or ''} |")
    return "\n".join(lines) + "\n"


def cell_text(row: Mapping[str, Any]) -> str:
    """``12.5% 6-24``: a value with its interval; ``12.5% ± 2.1``: with its standard error. Counts are no fractions."""
    if row["value"] is None:
        return ""
    counted = row["measure"].endswith(" count")
    shown = _hundredths if counted else _whole if row["measure"] in ("steps", "calls", "tokens") else _percent
    if row["measure"] == "cost":
        shown = _digits
    unit = "%" if shown is _percent else ""
    if row["standard_error"] is not None:
        return f"{shown(row['value'])}{unit} ± {shown(row['standard_error'])}"
    if row["low"] is None:
        return f"{shown(row['value'])}{unit}"
    ends = (_whole(100 * one) if shown is _percent else shown(one) for one in (row["low"], row["high"]))
    return f"{shown(row['value'])}{unit} {'-'.join(ends)}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _hundredths(value: float) -> str:
    return f"{value:.2f}"


def _digits(value: float) -> str:
    return f"{value:.3g}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def write_results(home: Path, results: Mapping[str, Any], table: str, markdown: str) -> None:
    """Write results, and them as a table in CSV and in Markdown, into a folder."""
    write_atomically(home / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_atomically(home / "table.csv", table)
    write_atomically(home / "table.md", markdown)
