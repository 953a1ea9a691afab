"""How the annotator did, on the page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maestromotif.llm import Ledger
from maestromotif.llm.budget import Budget
from maestromotif.llm.ledger import LEDGER_FILE, Entry
from maestromotif.report import ReportConfig, ReportSources
from maestromotif.report.page import render_page
from tests.report.test_page import read


def test_verdicts_and_agreement_of_each_skill_stand_in_one_table(made: ReportSources) -> None:
    page = render_page(made, ReportConfig())
    text = read(page).text
    assert "How the annotator did" in text
    assert 'download="verdicts.csv"' in page
    for skill in made.skills.ids:
        found = json.loads((made.preferences / f"preferences-{skill}.json").read_text())
        assert f"{skill} {found['annotator']} {sum(found['verdicts'].values())}" in text
    assert "Calls to language models" not in text


@pytest.mark.parametrize(("budgets", "money"), [({}, "–"), ({"annotator": Budget(prompt_price=2.0, completion_price=8.0)}, "6.00")])
def test_calls_are_counted_and_priced_where_prices_are_known(project: ReportSources, budgets: dict[str, Budget], money: str) -> None:
    path = project.root / "artifacts" / "llm" / LEDGER_FILE
    path.parent.mkdir(exist_ok=True)
    ledger = Ledger(path)
    ledger.add(Entry("annotator", "corridor/go_left", "a model", "stop", prompt_tokens=1_000_000, completion_tokens=500_000, seconds=3.0))
    text = read(render_page(replace(project, budgets=budgets), ReportConfig())).text
    assert f"annotator 1 0 0 1 000 000 500 000 3 {money}" in text
