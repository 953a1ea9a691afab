"""What the page says of how far rewards can be trusted."""

from __future__ import annotations

import json

import pytest

from maestromotif.agents import EvaluateConfig, Setting
from maestromotif.agents.captions import keep_policy_captions
from maestromotif.errors import ArtifactError
from maestromotif.feedback.comparison import write_matrix
from maestromotif.feedback.tables import PreferenceTable
from maestromotif.report import ReportConfig, ReportSources
from maestromotif.report.insight import gather_insight, gather_shift, read_matrix
from maestromotif.report.page import render_page
from maestromotif.rewards import RewardConfig, fit
from maestromotif.rewards.curve import keep_curve, read_curve


def _keep(project: ReportSources) -> None:
    """Keep the captions that the project's trained network meets."""
    setting = Setting(
        project.domain, project.skills, project.programs, project.training, project.rewards, EvaluateConfig(max_steps=60, workers=0)
    )
    artifacts = project.root / "artifacts"
    keep_policy_captions(setting, artifacts / "policy-captions", 600, 1, lambda _fraction, _text: None)


def test_the_page_shows_contested_pairs_and_calibration(made: ReportSources) -> None:
    page = render_page(made, ReportConfig(captions=3))
    assert page.count("Most contested pairs") == len(made.skills)
    assert page.count('class="pair"') == 3 * len(made.skills)
    assert "calibration error" in page
    assert "How far annotators agree" not in page
    assert "that the trained policy met" not in page


def test_the_page_shows_the_shift_and_a_matrix_once_they_are_known(project: ReportSources) -> None:
    _keep(project)
    paths = {skill: project.preferences / f"preferences-{skill}.parquet" for skill in project.skills.ids}
    tables = {skill: PreferenceTable.load(path, project.domain, skill) for skill, path in paths.items()}
    write_matrix(project.root / "artifacts" / "comparison", {"judge": tables, "twin": tables})
    page = render_page(project, ReportConfig(captions=3))
    assert page.count("pairs that the trained policy met") == len(project.skills)
    assert "How far annotators agree" in page
    assert "not readable" not in page


def test_a_learning_curve_is_drawn_where_the_answers_have_one(project: ReportSources) -> None:
    path = project.preferences / "preferences-go_left.json"
    points = [{"questions": asked, "decided": 50, "agreement": share, "low": 0.5, "high": 1.0} for asked, share in ((40, 0.8), (90, 0.9))]
    path.write_text(json.dumps({**json.loads(path.read_text()), "curve": points, "stopped": "it was enough"}))
    page = render_page(project, ReportConfig())
    assert "Questions about go_left" in page
    assert "Questions about go_right" not in page
    assert "it was enough" in page


def test_a_curve_measured_on_request_is_drawn_until_the_rewards_change(project: ReportSources) -> None:
    before = {path.name: path.read_bytes() for path in project.rewards.iterdir()}
    hint = "Would more answers help?"
    assert render_page(project, ReportConfig()).count(hint) == len(project.skills)
    captions = project.interactions / "captions.parquet"
    points = keep_curve(project.domain, project.skills["go_left"], captions, project.preferences, project.rewards)
    assert {path.name: path.read_bytes() for path in project.rewards.iterdir()} == before
    page = render_page(project, ReportConfig())
    assert "Questions about go_left" in page
    assert page.count(hint) == len(project.skills) - 1
    document = gather_insight(project.root, project.domain, project.skills, 2)
    assert [part["curve"] for part in document["skills"]] == [points, *[[]] * (len(project.skills) - 1)]
    fit(project.domain, project.skills, captions, project.preferences, RewardConfig(epochs=2), project.rewards, 1)
    assert "Questions about go_left" not in render_page(project, ReportConfig())


def test_a_damaged_curve_is_named_and_the_page_stands(project: ReportSources) -> None:
    path = project.rewards.parent / "curves" / "go_left.json"
    path.parent.mkdir()
    path.write_text('{"curve": [')
    with pytest.raises(ArtifactError, match=r"go_left\.json is damaged"):
        read_curve(project.rewards, "go_left")
    assert "go_left.json is damaged" in render_page(project, ReportConfig())


def test_the_shift_counts_the_steps_of_each_skill(project: ReportSources) -> None:
    artifacts = project.root / "artifacts"
    assert gather_shift(artifacts, project.domain, project.skills["go_left"]) is None
    _keep(project)
    found = [gather_shift(artifacts, project.domain, skill) for skill in project.skills]
    # 16 games step together.
    assert sum(part["steps"] for part in found if part) == 608
    assert all(part is not None and part["agreement"] is None for part in found)


def test_the_document_says_what_is_not_known(made: ReportSources) -> None:
    found = gather_insight(made.root, made.domain, made.skills, 2)
    assert [part["skill"] for part in found["skills"]] == list(made.skills.ids)
    assert found["comparison"] is None
    assert all(part["shift"] is None for part in found["skills"])


def test_a_damaged_matrix_is_named(project: ReportSources) -> None:
    path = project.root / "artifacts" / "comparison" / "agreement.json"
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(ArtifactError, match=r"agreement\.json is damaged"):
        read_matrix(project.root / "artifacts")
    assert "agreement.json is damaged" in render_page(project, ReportConfig())


def test_dark_colours_are_for_screens_and_hints_are_not_printed(made: ReportSources) -> None:
    style, _, printed = render_page(made, ReportConfig()).partition("@media print{")
    assert style.count("prefers-color-scheme:dark") == style.count("@media screen and (prefers-color-scheme:dark)") == 1
    assert ".screen" in printed.partition("</style>")[0]
