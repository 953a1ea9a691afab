"""Full episodes of bench and baselines on the page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from maestromotif.report import ReportConfig, ReportSources
from maestromotif.report.benched import gather_benches, paper_rate
from maestromotif.report.overview import asked_tasks
from maestromotif.report.page import render_page
from maestromotif.report.results import gather_results
from maestromotif.report.sources import Notes
from tests.report.test_page import read


@pytest.mark.parametrize(("text", "rate"), [("46 % ± 1.70", 0.46), ("7.2% ± 0.50", 0.072), ("0.66 ± 0.01", None), ("", None)])
def test_only_rates_are_drawn_beside_rates(text: str, rate: float | None) -> None:
    assert paper_rate(text) == pytest.approx(rate) if rate is not None else paper_rate(text) is None


def baselines(project: ReportSources) -> None:
    """As ``maestromotif baselines`` leaves them: methods in place of policies, with what they cost and lack."""
    document = json.loads((project.root / "artifacts/bench/results.json").read_text())
    names = {"trained": "zero-shot", "untrained": "motif", "random": "random"}
    document = _renamed(document, names)
    document["policies"] = [*names.values(), "llm-actions"]
    costs = {"networks": 1, "steps": 2_000_000, "seconds": 5_400.0, "tokens": 0, "money": 0.0, "missing": []}
    document["methods"] = {name: {"what": f"what {name} is", **costs} for name in names.values()}
    document["methods"]["llm-actions"] = {
        "what": "a model",
        **costs,
        "networks": 0,
        "steps": 0,
        "seconds": 0.0,
        "missing": ["needs an endpoint"],
    }
    for task in document["tasks"].values():
        task["failures"]["llm-actions"] = {"episodes": 0, "failed": 0, "broke_at": {}}
    path = project.root / "artifacts/baselines/results.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document))


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def test_full_episodes_stand_on_the_page_with_their_intervals(project: ReportSources) -> None:
    results = json.loads((project.root / "artifacts/bench/results.json").read_text())
    won = results["tasks"]["both_ends"]["criteria"]["landmark"]["policies"]
    page = render_page(project, ReportConfig())
    text = read(page).text
    assert f"{100 * won['trained']['rate']:.1f}% {100 * won['trained']['low']:.0f}-{100 * won['trained']['high']:.0f}" in text
    assert 'download="bench-rates.csv"' in page
    assert "Baselines at equal budget" not in text


def test_a_task_is_shown_by_its_full_episodes_and_by_the_evaluation_without_them(project: ReportSources) -> None:
    notes = Notes()
    results = gather_results(project, notes)
    (benched,) = asked_tasks(project, results, gather_benches(project, notes))
    (evaluated,) = asked_tasks(project, results, [])
    assert benched.score is not None
    assert evaluated.score is not None
    assert set(benched.beside) == set(evaluated.beside) == {"untrained", "random"}
    assert (evaluated.cut, benched.cut) == (60, 0)
    assert evaluated.notes == benched.notes == ()


def test_the_papers_measure_stands_beside_ones_own_figure_of_it(project: ReportSources) -> None:
    (bench,) = gather_benches(project, Notes())
    own = next(row for row in bench.rows if row.task == "both_ends")
    cells = {"trained": {"value": 0.25, "text": "25.0% 9-53"}, "random": {"value": 0.0, "text": "0.0% 0-24"}}
    proxy = replace(own, measure="proxy", paper="46 % ± 1.70", cells=cells)
    counted = replace(own, measure="proxy count", paper="0.66 ± 0.01", cells={"trained": {"value": 0.5, "text": "0.50 0.10-0.90"}})
    results = gather_results(project, Notes())
    (asked,) = asked_tasks(project, results, [replace(bench, rows=[own, proxy, counted])])
    assert asked.notes == ("proxy 25\u202f% · paper 46\u202f%", "proxy count 0.50 · paper 0.66")
    assert asked.marks == (0.46,)
    (same,) = asked_tasks(project, results, [replace(bench, rows=[replace(own, paper="29 % ± 1.20")])])
    assert (same.beside["paper"], same.notes, same.marks) == (0.29, (), ())


def test_baselines_tell_what_they_cost_and_what_they_lack(project: ReportSources) -> None:
    baselines(project)
    text = read(render_page(project, ReportConfig())).text
    assert "Baselines at equal budget" in text
    assert "motif what motif is 1 2,000,000 1.50 0 0.00 –" in text
    assert "needs an endpoint" in text
    notes = Notes()
    (asked,) = asked_tasks(project, gather_results(project, notes), gather_benches(project, notes))
    assert list(asked.beside) == ["untrained", "random", "motif"]


@pytest.mark.parametrize("damage", ['{"tasks": 3}', "{", '{"policies": [], "tasks": {}}'])
def test_damaged_results_are_named_and_the_page_stands(project: ReportSources, damage: str) -> None:
    (project.root / "artifacts/bench/results.json").write_text(damage)
    text = read(render_page(project, ReportConfig())).text
    assert "results.json: not readable" in text
    assert "Full episodes" not in text
