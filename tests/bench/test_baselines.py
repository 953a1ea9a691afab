"""The table of baselines from rows that are known: what stands in it, what it costs, and what is missing."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from maestromotif.bench.baselines import (
    METHODS,
    Costs,
    Method,
    baseline_results,
    baselines_csv,
    baselines_markdown,
    costs_text,
    task_rows,
)
from maestromotif.bench.cells import BenchOrder, Cell
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.nethack.domain import NetHack

_ORDER = BenchOrder("mine", {}, (), (1,), 4)


def _cell(method: str, task: str = "both_ends") -> Cell:
    # What plays is called "trained" in the row of every method that trains.
    return Cell("small project", task, "own", "trained", 1, 120, f"{method}-{task}", "")


def _row(won: bool, steps: int) -> dict[str, Any]:
    return {
        "seed": 1,
        "steps": steps,
        "ended": "cut",
        "success": {"landmark": won, "proxy": True},
        "claimed": False,
        "broke": None if won else 0,
        "calls": [["both_ends", 0, steps, "cut", "", False]],
        "counts": {},
    }


def _rows(method: str, wins: int, count: int = 4) -> dict[tuple[str, int], dict[str, Any]]:
    return {(f"{method}-both_ends", index): {**_row(index < wins, 10 + index), "episode": index} for index in range(count)}


def _results(*methods: Method, rows: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    found = baseline_results(Corridor(), "mine", _ORDER, methods, rows)
    json.dumps(found, allow_nan=False)
    return found


def test_methods_stand_side_by_side_in_the_same_episodes_with_their_costs() -> None:
    first = Method("zero-shot", [_cell("zero-shot")], Costs(1, 4096, 7200.0, 1000, 0.5))
    second = Method("motif", [_cell("motif")], Costs(2, 8000, 90.0))
    found = _results(first, second, rows=_rows("zero-shot", 3) | _rows("motif", 1))
    assert found["complete"]
    assert found["policies"] == ["zero-shot", "motif"]
    rates = {name: row["value"] for name, row in task_rows(found, "both_ends")["landmark"].items()}
    assert rates == {"zero-shot": 0.75, "motif": 0.25}
    paired = found["tasks"]["both_ends"]["paired"]["motif"]
    assert (paired["better"], paired["difference"]) == ("zero-shot", 0.5)
    table = list(csv.DictReader(io.StringIO(baselines_csv(found))))
    own = next(row for row in table if (row["task"], row["measure"], row["policy"]) == ("both_ends", "landmark", "zero-shot"))
    assert [own[name] for name in ("value", "networks", "steps", "seconds", "tokens", "money", "missing")] == [
        "0.75",
        "1",
        "4096",
        "7200.0",
        "1000",
        "0.5",
        "",
    ]
    lines = baselines_markdown(found).splitlines()
    assert lines[0] == "| method | both_ends | networks | steps | hours | tokens | money |"
    assert lines[2].startswith("| zero-shot | 75.0% ")
    assert lines[2].endswith(" | 1 | 4,096 | 2.00 | 1,000 | 0.50 |")
    assert lines[3].endswith(" | 2 | 8,000 | 0.03 | 0 | 0.00 |")


def test_what_is_missing_is_said_and_the_rest_stands() -> None:
    lacking = Method("llm-actions", missing=("needs an endpoint",))
    half = Method("motif", [_cell("motif")], Costs(1, 512, 3.0), ("three_crossings: not trained",))
    found = _results(Method("random", [_cell("random")]), half, lacking, rows=_rows("random", 0) | _rows("motif", 1, 3))
    assert not found["complete"]
    assert found["methods"]["random"]["missing"] == []
    assert found["methods"]["motif"]["missing"] == ["three_crossings: not trained", "both_ends: 1 of 4 episodes are not played"]
    text = baselines_markdown(found)
    assert "* motif: three_crossings: not trained; both_ends: 1 of 4 episodes are not played" in text
    assert "| llm-actions | - | - | - | - | 0 | 0.00 |" in text
    table = [row for row in csv.DictReader(io.StringIO(baselines_csv(found))) if row["policy"] == "llm-actions"]
    assert [(row["task"], row["missing"]) for row in table] == [("", "needs an endpoint")]


def test_a_table_of_nothing_is_still_a_table() -> None:
    found = _results(*(Method(name, missing=("not there",)) for name in METHODS), rows={})
    assert found["tasks"] == {}
    assert baselines_markdown(found).count("not there") == len(METHODS)
    assert len(list(csv.DictReader(io.StringIO(baselines_csv(found))))) == len(METHODS)


def test_of_a_criterion_that_counts_the_table_has_the_count() -> None:
    rows = _rows("motif", 2)
    for index, row in enumerate(rows.values()):
        row["counts"] = {"landmark": index}
    found = _results(Method("motif", [_cell("motif")]), rows=rows)
    measures = task_rows(found, "both_ends")
    assert "landmark" not in measures
    assert measures["landmark count"]["motif"]["value"] == pytest.approx(1.5)
    assert "| motif | 1.50 " in baselines_markdown(found)


def test_the_papers_figures_stand_beside_ours_each_at_its_method() -> None:
    domain = NetHack()
    row = {"seed": 1, "episode": 0, "success": {"landmark": False, "proxy": False}}
    rows = {(f"{name}-gnomish_mines", 0): {**_row(False, 9), **row} for name in ("zero-shot", "motif")}
    methods = [Method(name, [_cell(name, "gnomish_mines")]) for name in ("zero-shot", "motif")]
    found = baseline_results(domain, "mine", replace(_ORDER, episodes=1), methods, rows)
    table = baselines_markdown(found)
    assert "| motif | 0.0% 0-79 (paper: 9 % ± 2.30) |" in table
    assert "| zero-shot | 0.0% 0-79 |" in table
    assert "| the paper, zero-shot, by its own measure | 46 % ± 1.70 |" in table
    assert {name for task in domain.tasks.values() for name in task.paper_baselines} <= set(METHODS)


def test_costs_add_up() -> None:
    assert Costs(1, 10, 2.0, 3, 0.5) + Costs(2, 5, 1.5, 1, 0.25) == Costs(3, 15, 3.5, 4, 0.75)
    assert costs_text({"networks": 0, "steps": 0, "seconds": 0.0, "tokens": 0, "money": 0.0}) == ("-", "-", "-", "0", "0.00")
