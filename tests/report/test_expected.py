"""Simulated success beside real success, on the page and in numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from maestromotif.programs.trial import expected_rate
from maestromotif.report import ReportConfig, ReportSources, write_report
from maestromotif.report.expected import gather_expected
from maestromotif.report.results import gather_results
from maestromotif.report.sources import Notes
from tests.report.test_page import read


def expect(project: ReportSources, task: str, steps: dict[str, dict[str, list[int]]], episodes: int = 10) -> None:
    """Write into a task's trial what its simulators would have shown."""
    path = project.tasks / task / "trials.json"
    document = json.loads(path.read_text())
    expected = {who: {"episodes": episodes, "success_steps": found} for who, found in steps.items()}
    document["programs"][f"{task}.py"]["expected"] = expected
    path.write_text(json.dumps(document))


def test_only_episodes_that_succeeded_in_time_count() -> None:
    expected = {"episodes": 8, "success_steps": {"landmark": [10, 60, 61, 200]}}
    assert expected_rate(expected, "landmark", 60) == 2 / 8
    assert expected_rate(expected, "landmark", 9) == 0
    assert expected_rate(expected, "landmark", 1_000) == 4 / 8
    assert expected_rate(expected, "proxy", 60) is None


def test_the_same_limit_holds_for_simulated_and_real_episodes(project: ReportSources) -> None:
    expect(project, "both_ends", {"perfect": {"landmark": [20] * 10}, "measured": {"landmark": [60, 61, 119]}})
    notes = Notes()
    (row,) = gather_expected(project, gather_results(project, notes), notes)
    summary = json.loads((project.evaluation / "tasks" / "both_ends.json").read_text())
    assert row.max_steps == summary["max_steps"] == 60
    assert row.simulated == {"perfect": 1.0, "measured": 0.1}
    assert row.real is not None
    assert row.real.successes == summary["policies"]["trained"]["success"]["landmark"]["successes"]
    assert row.apart == (not row.real.low <= 0.1 <= row.real.high)
    assert not notes.entries


def test_without_an_evaluation_the_tasks_own_limit_holds(project: ReportSources) -> None:
    expect(project, "both_ends", {"measured": {"landmark": [60, 61, 119, 500]}})
    (project.evaluation / "tasks" / "both_ends.json").unlink()
    (row,) = gather_expected(project, gather_results(project, Notes()), Notes())
    assert row.simulated == {"measured": 0.3}
    assert row.real is None
    assert not row.apart


def test_the_page_shows_both_and_nothing_where_there_is_nothing(project: ReportSources, made: ReportSources, tmp_path: Path) -> None:
    title = "Simulated and real success of tasks"
    assert title not in write_report(made, ReportConfig(), tmp_path).read_text(encoding="utf-8")
    expect(project, "both_ends", {"perfect": {"landmark": [20] * 10}, "measured": {"landmark": []}})
    text = read(write_report(project, ReportConfig(), tmp_path).read_text(encoding="utf-8")).text
    assert title in text
    assert re.search(r"both_ends at most 60 steps landmark 100\s% 0\s% \S+\s% .* 10 ", text[text.index(title) :])


@pytest.mark.parametrize("damaged", [{"measured": {}}, {"measured": {"episodes": 0, "success_steps": {"landmark": []}}}, {"measured": 3}])
def test_a_damaged_trial_is_named(project: ReportSources, damaged: object) -> None:
    path = project.tasks / "both_ends" / "trials.json"
    document = json.loads(path.read_text())
    document["programs"]["both_ends.py"]["expected"] = damaged
    path.write_text(json.dumps(document))
    notes = Notes()
    assert gather_expected(project, gather_results(project, notes), notes) == []
    assert "trials.json" in notes.entries[0]
