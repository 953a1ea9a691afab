"""The judge: recorded programs on the corridor, programs that are wrong, repair, and the fallback for unknown skills."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ChatError, ProgramError
from maestromotif.feedback import AnnotateConfig, CaptionTable, CollectConfig, PreferenceTable, annotate, collect
from maestromotif.feedback.annotators.judge import compare_scores, extract_program, tie_margin
from maestromotif.feedback.scoring import score_inputs
from maestromotif.llm import RecordedChat
from maestromotif.llm.testing import ScriptedChat
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput, Verdict

DOMAIN = Corridor()
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
ONE = SkillSet((SKILLS["go_left"],))
GOOD = 'def score(message, changes):\n    return 1.0 if changes["move"] == "left" else 0.0\n'


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    collect(DOMAIN, CollectConfig(steps=2000, num_games=4, shard_steps=2000), folder, 1)
    return folder / "captions.parquet"


def block(source: str) -> str:
    return f"I think this works.\n\n```python\n{source}```\nThat is all.\n"


def test_recorded_judges_compare_the_corridor(captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Programs never run in a process that holds keys; this process does hold one.
    monkeypatch.setenv("MAESTROMOTIF_API_KEY", "k-123")
    results = annotate(DOMAIN, SKILLS, captions, AnnotateConfig(), RecordedChat(DOMAIN.recorded_answers), tmp_path, 1)
    assert [result.skill for result in results] == list(SKILLS.ids)
    assert all(result.warnings == () and result.counts["unparsed"] == 0 for result in results)
    table = CaptionTable.load(captions, DOMAIN)
    assert all(sum(result.counts.values()) == len(table) * (len(table) - 1) // 2 for result in results)
    preferences = PreferenceTable.load(tmp_path / "preferences-go_left.parquet", DOMAIN, "go_left")
    rows = table.rows()
    checked = 0
    for preference, first, second in zip(preferences.preferences, preferences.first_keys, preferences.second_keys, strict=True):
        arrived = [table.reward_input(rows[int(key)]).signs[1] == 1 for key in (first, second)]
        if arrived[0] != arrived[1]:
            assert preference.verdict is (Verdict.FIRST if arrived[0] else Verdict.SECOND)
            checked += 1
    assert checked == len(table) - 1
    assert (tmp_path / "judge-go_left.py").read_text().startswith("def score")


def test_unknown_skills_get_the_fallback_and_a_warning(captions: Path, tmp_path: Path) -> None:
    toml = '[[skill]]\nid = "bumper"\ndescription = "Bump into the wall as often as possible."'
    (result,) = annotate(DOMAIN, SkillSet.parse(toml), captions, AnnotateConfig(), RecordedChat(DOMAIN.recorded_answers), tmp_path, 1)
    assert "[annotator]" in result.warnings[0]
    source = (tmp_path / "judge-bumper.py").read_text()
    inputs = [RewardInput("You bump into the wall.", (0, 0)), RewardInput("You wait.", (0, 0))]
    bump, wait = score_inputs(source, inputs, DOMAIN.sign_specs, "j", 20)
    assert bump > wait


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import os\n\n\ndef score(message, changes):\n    return 0.0\n", r"judge-go_left\.py:1.*os"),
        ("def score(message, changes):\n    return 1 +\n", r"judge-go_left\.py:2.*not valid Python"),
        ("def score(message, changes):\n    return changes['nowhere']\n", r"KeyError.*line 2"),
        ("def score(message, changes):\n    return float('nan')\n", r"judge-go_left\.py:1.*no finite number"),
        ("def score(message, changes):\n    return 'good'\n", "no finite number"),
        ("def score(message, changes):\n    return None\n", "no finite number"),
        ("def score(message, changes):\n    while True:\n        pass\n", "OutOfFuel"),
        ("TIE_MARGIN = 'wide'\n\n\ndef score(message, changes):\n    return 0.0\n", r"judge-go_left\.py:1.*TIE_MARGIN"),
        ("def mark(message, changes):\n    return 0.0\n", "score"),
    ],
)
def test_programs_that_do_not_work_name_skill_and_line(captions: Path, tmp_path: Path, source: str, problem: str) -> None:
    chat = ScriptedChat(lambda *_: block(source), source="recorded")
    with pytest.raises(ProgramError, match="skill 'go_left'") as caught:
        annotate(DOMAIN, ONE, captions, AnnotateConfig(), chat, tmp_path, 1)
    assert re.search(problem, caught.value.problem)
    assert len(chat.requests) == 1
    assert not list(tmp_path.glob("preferences-*"))


def test_an_endpoint_may_mend_its_program(captions: Path, tmp_path: Path) -> None:
    chat = ScriptedChat(lambda number, _: block(GOOD if number else "def score(message, changes):\n    return message.nonsense\n"))
    annotate(DOMAIN, ONE, captions, AnnotateConfig(), chat, tmp_path, 1)
    assert len(chat.requests) == 2
    assert "judge-go_left.py:2" in chat.requests[1].messages[-1].content
    assert chat.requests[1].name == "corridor/judge/go_left"


def test_an_endpoint_that_repeats_itself_is_not_asked_for_ever(captions: Path, tmp_path: Path) -> None:
    chat = ScriptedChat(lambda *_: "I would rather not.")
    with pytest.raises(ProgramError, match="score"):
        annotate(DOMAIN, ONE, captions, AnnotateConfig(judge_rounds=9), chat, tmp_path, 1)
    assert len(chat.requests) == 2


def test_a_program_that_hides_its_loop_in_a_builtin_is_stopped() -> None:
    source = "def score(message, changes):\n    return float(sum([[0]] * 900000, [])[0])\n"
    with pytest.raises(ProgramError, match=r"p\.py"):
        score_inputs(source, [RewardInput("", (0, 0))], DOMAIN.sign_specs, "p.py", 1.5)


def test_a_process_that_takes_too_long_is_killed() -> None:
    with pytest.raises(ProgramError, match=r"p\.py: score\(\) did not finish 1 captions within 0.01 s"):
        score_inputs(GOOD, [RewardInput("", (0, 0))], DOMAIN.sign_specs, "p.py", 0.01)


def test_the_program_of_a_question_is_found() -> None:
    assert extract_program(block("x = 1\n") + block(GOOD), "s") == GOOD
    assert extract_program(GOOD, "s") == GOOD
    with pytest.raises(ProgramError):
        extract_program("No code.", "s")


@pytest.mark.parametrize(
    ("first", "second", "margin", "verdict"), [(1, 0, 0, "first"), (0, 1, 0, "second"), (1, 1, 0, "tie"), (1, 0.6, 0.5, "tie")]
)
def test_scores_become_verdicts(first: float, second: float, margin: float, verdict: str) -> None:
    assert compare_scores(first, second, margin) is Verdict(verdict)


def test_tie_margins() -> None:
    assert tie_margin(GOOD, "s") == 0.0
    assert tie_margin("TIE_MARGIN = 0.5\n" + GOOD, "s") == 0.5


def test_the_chat_annotator_without_an_endpoint_says_what_to_do(captions: Path, tmp_path: Path) -> None:
    chat = RecordedChat(DOMAIN.recorded_answers, table="annotator")
    with pytest.raises(ChatError, match=r"\[annotator\]"):
        annotate(DOMAIN, ONE, captions, AnnotateConfig(annotator="chat"), chat, tmp_path, 1)
