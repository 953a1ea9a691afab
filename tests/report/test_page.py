"""The page of a whole project, of an empty one, and of damaged ones."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

from maestromotif.report import ReportConfig, ReportSources, summary_table, write_report
from maestromotif.report.page import PAGE_FILE, render_page
from maestromotif.report.programs import ProgramPart
from maestromotif.report.render import SCRIPTS
from maestromotif.report.results import Results
from maestromotif.report.signs import find_signs
from maestromotif.skills import Skill, SkillSet

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """Text, ids and links of a page; fails on tags that do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert all(link.startswith("data:") or link[1:] in reader.ids for link in reader.links)
    return reader


def empty(made: ReportSources, root: Path) -> ReportSources:
    return ReportSources.standard(root / "nothing yet", made.domain, made.skills)


def test_a_whole_project_is_shown_with_the_numbers_of_its_artifacts(made: ReportSources, tmp_path: Path) -> None:
    path = write_report(made, ReportConfig(title="A walk"), tmp_path)
    assert path == tmp_path / PAGE_FILE
    assert [entry.name for entry in tmp_path.iterdir()] == [PAGE_FILE]
    reader = read(path.read_text(encoding="utf-8"))
    summary = json.loads((made.evaluation / "skills.json").read_text())
    assert "A walk" in reader.text
    for skill in made.skills:
        assert " ".join(skill.description.split())[:40] in reader.text
        for found in summary["skills"][skill.id]["policies"].values():
            assert f"{found['successes']} of {found['trials']} calls" in reader.text
        card = json.loads((made.rewards / f"reward-{skill.id}.json").read_text())
        assert card["highest"][0]["message"] in reader.text
    task = json.loads((made.evaluation / "tasks" / "both_ends.json").read_text())
    for found in task["policies"].values():
        assert f"{found['success']['landmark']['successes']} of 12 episodes" in reader.text
    assert "cut after 60 of its 120 steps" in reader.text
    assert "class PolicyOverSkills" in reader.text
    assert "maestromotif run" in reader.text
    for name in ("success", "return", "calls", "steps", "duration", "speed", "reward-go_left"):
        assert f'download="{name}.csv"' in path.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_nothing(made: ReportSources) -> None:
    page = render_page(made, ReportConfig())
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    # Names of vocabularies, which nobody fetches.
    assert addresses <= {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|iframe|object|embed)\b|\bsrc=|@import|url\((?!#)|\son\w+=", page)
    assert "default-src 'none'" in page


def test_the_policy_admits_the_packages_own_scripts_and_no_other(made: ReportSources) -> None:
    page = render_page(made, ReportConfig())
    allowed = re.search(r"script-src ([^;]*);", page)
    assert allowed
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == len(SCRIPTS) >= 1
    assert allowed[1].split() == [f"'sha256-{digest}'" for digest in digests]


def test_the_page_does_not_tell_where_the_project_lies(made: ReportSources) -> None:
    assert str(made.root.resolve().parent) not in render_page(made, ReportConfig())


def test_each_program_tells_its_layers_and_the_page_how_programs_failed(made: ReportSources) -> None:
    text = read(render_page(made, ReportConfig())).text
    assert "What each layer says: go_left" in text
    assert "recorded answers hold none" in text
    assert re.search(r"Prompts: system [0-9a-f]{12}, rules [0-9a-f]{12}, skill [0-9a-f]{12}", text)
    assert "How programs failed" in text
    assert re.search(r"Rounds needed: \d+ with 1", text)


def test_an_empty_project_says_which_command_makes_each_part(made: ReportSources, tmp_path: Path) -> None:
    reader = read(render_page(empty(made, tmp_path), ReportConfig()))
    for command in ("annotate", "program", "train", "evaluate", "solve", "run"):
        assert f"maestromotif {command} 'nothing yet'" in reader.text
    assert "warnings" not in reader.ids
    assert summary_table(empty(made, tmp_path)) is None


DAMAGED = (
    "interactions/captions.parquet",
    "preferences/preferences-go_left.json",
    "rewards/reward-go_left.json",
    "rewards/reward-go_left.safetensors",
    "programs/trials.json",
    "programs/transcript.jsonl",
    "training/metrics.jsonl",
    "evaluation/skills.json",
    "evaluation/skills/trained.calls.parquet",
    "evaluation/tasks/both_ends.json",
)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("damage", ["cut", "emptied", "another shape"])
def test_a_damaged_file_costs_its_part_of_the_page_and_no_more(
    project: ReportSources, name: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Drawing takes most of the time, and what is drawn is not the question here.
    monkeypatch.setattr("maestromotif.report.charts._svg", lambda figure, name, title: "<svg></svg>")
    path = project.root / "artifacts" / name
    content = path.read_bytes()
    assert content
    path.write_bytes(
        {"cut": content[: len(content) // 2], "emptied": b"", "another shape": b'{"skills": 3, "programs": [], "policies": {}}'}[damage]
    )
    reader = read(render_page(project, ReportConfig()))
    for section in ("results", "rewards", "programs", "training", "flow", "reproduce"):
        assert section in reader.ids
    if damage == "cut" and not name.endswith(".jsonl"):
        assert path.name in reader.text or "reward of go_left" in reader.text
    summary_table(project)


def test_a_torn_last_line_of_the_metrics_is_no_damage(project: ReportSources) -> None:
    path = project.training / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    reader = read(render_page(project, ReportConfig()))
    assert "metrics.jsonl" not in reader.text
    assert "Success per call" in reader.text


def test_text_of_others_stays_text(project: ReportSources) -> None:
    evil = '<script>alert("x")</script>'
    skills = SkillSet((replace(project.skills.skills[0], description=evil), *project.skills.skills[1:]))
    path = project.evaluation / "tasks" / "both_ends.json"
    path.write_text(path.read_text().replace("Touch the left end", evil.replace('"', "'")))
    card = project.rewards / "reward-go_left.json"
    document = json.loads(card.read_text())
    document["highest"][0]["caption"] = evil
    card.write_text(json.dumps(document))
    (project.programs / "training_policy.py").write_text(f"x = '''{evil}'''\n")
    page = render_page(replace(project, skills=skills, title=evil), ReportConfig(title=evil))
    assert page.count("<script") == len(SCRIPTS)
    assert evil not in page
    assert page.count("&lt;script&gt;") >= 5


def test_more_skills_than_colours_and_skills_without_artifacts(project: ReportSources) -> None:
    more = tuple(Skill(f"skill_{number}", "Something else.") for number in range(10))
    reader = read(render_page(replace(project, skills=SkillSet((*project.skills.skills, *more))), ReportConfig()))
    assert "skill_9" in reader.text


def test_transcripts_can_be_left_out_or_shortened(made: ReportSources) -> None:
    full = render_page(made, ReportConfig())
    assert "What was asked, and what was answered" in full
    assert "What was asked, and what was answered" not in render_page(made, ReportConfig(transcripts=False))
    assert "characters left out" in render_page(made, ReportConfig(max_transcript_chars=1_000))


def test_the_terminal_table_shows_every_skill_and_criterion(made: ReportSources) -> None:
    from rich.console import Console

    table = summary_table(made)
    assert table is not None
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    for word in (*made.skills.ids, "both_ends", "proxy", "trained", "untrained", "random"):
        assert word in text
    alone = summary_table(made, task="both_ends")
    assert alone is not None
    assert alone.row_count == 2


def test_an_interrupted_project_says_what_is_missing_and_shows_what_there_is(project: ReportSources) -> None:
    project.training.rename(project.training.with_name("training.part"))
    shutil.rmtree(project.evaluation)
    reader = read(render_page(project, ReportConfig()))
    missing = reader.text.partition("Not there yet")[2]
    assert "the trained network (begun, and goes on where it was): maestromotif train 'my corridor'" in missing
    assert "evaluation: maestromotif evaluate" in missing
    assert "reward models" not in missing.partition("Results")[0]
    assert "Success per call" in reader.text


def test_episodes_that_failed_are_shown_with_the_call_where_they_broke(project: ReportSources) -> None:
    path = project.root / "artifacts/bench/episodes.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    trained = [row for row in rows if row["policy"] == "trained"]
    calls = [["go_left", 0, 10, "over", "go_left is over", True], ["go_right", 10, 50, "timed out", "go_right took 40 steps", False]]
    trained[0].update(broke=1, calls=calls, steps=50, episode=7)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = render_page(project, ReportConfig())
    text = read(page).text
    assert "broke at step 10: go_right, steps 10 to 50: timed out (go_right took 40 steps)" in text
    failed = sum(row["broke"] is not None for row in trained)
    assert f"{failed} of 12 episodes of the bench failed" in text
    assert 'aria-label="go_left, then go_right"' in page


def test_a_sign_is_told_once_with_the_file_that_it_is_about() -> None:
    doubt = "is_over(descender) was never True for any of the facts tried"
    trials = {"skills.py": {"fatal": [doubt, "another"]}}
    parts = [ProgramPart("skills.py", "", Markup(""), 1, trials, [], (doubt,)), ProgramPart("a.py", "", Markup(""), 1, {}, [], (doubt,))]
    assert [sign.text for sign in find_signs([], parts, [], Results())] == [f"skills.py: {doubt}", "skills.py: another"]
