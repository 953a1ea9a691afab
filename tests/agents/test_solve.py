"""A task in English becomes a program and episodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maestromotif.agents import Setting, find_task, solve, task_id
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ChatError
from maestromotif.llm.recorded import RecordedChat
from maestromotif.programs import ProgramConfig

PROGRAM = ProgramConfig(episodes=2)
CLAIM_AT_ONCE = """
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return startable[0]

    def is_done(self, facts):
        return facts.steps >= 3
"""


def test_a_task_is_found_by_id_or_description_and_others_get_stable_ids(corridor: Corridor) -> None:
    known = corridor.tasks["both_ends"]
    assert find_task(corridor, "both_ends") is known
    assert find_task(corridor, f"  {known.description.replace(' ', '  ')}\n") is known
    assert find_task(corridor, "Both ends!") is find_task(corridor, "please go to the both-ends") is known
    assert find_task(corridor, "both ends of it") is find_task(corridor, "Go!") is find_task(corridor, "") is None
    assert find_task(corridor, "Touch the ceiling.") is None
    one, other = task_id(corridor, "Touch the ceiling."), task_id(corridor, "Touch the  ceiling!")
    assert one == task_id(corridor, " Touch the   ceiling. ")
    assert one.startswith("touch_the_ceiling_")
    assert one != other
    assert task_id(corridor, "!?").startswith("task_")


def test_a_known_task_is_written_once_and_judged_by_its_criteria(setting: Setting, corridor: Corridor, tmp_path: Path) -> None:
    chat = RecordedChat(corridor.recorded_answers)
    solved = solve(setting, corridor.tasks["both_ends"].description, chat, PROGRAM, tmp_path / "tasks", tmp_path / "e", episodes=6)
    assert solved.task == "both_ends"
    assert solved.summary["policies"]["trained"]["success"]["landmark"]["rate"] > 0.5
    solved.program.write_text(CLAIM_AT_ONCE)
    short = replace(setting, config=setting.config.model_copy(update={"max_steps": 8}))
    again = solve(short, "both_ends", chat, PROGRAM, tmp_path / "tasks", tmp_path / "e", episodes=6)
    assert again.program.read_text() == CLAIM_AT_ONCE
    by_chance = again.summary["policies"]["random"]
    assert by_chance["claimed"]["rate"] == 1
    assert by_chance["claims"]["claimed_but_false"] == 6 - by_chance["success"]["landmark"]["successes"] > 0


def test_a_free_task_without_a_recorded_answer_says_how_to_get_one(setting: Setting, corridor: Corridor, tmp_path: Path) -> None:
    chat = RecordedChat(corridor.recorded_answers)
    with pytest.raises(ChatError, match="endpoint"):
        solve(setting, "Touch the ceiling.", chat, PROGRAM, tmp_path / "tasks", tmp_path / "e")
    assert not list((tmp_path / "tasks").rglob("*.py"))


def test_a_free_task_is_played_until_its_program_claims_success(setting: Setting, corridor: Corridor, tmp_path: Path) -> None:
    text = "Touch the left end, however."
    name = task_id(corridor, text)
    (tmp_path / "tasks" / name).mkdir(parents=True)
    (tmp_path / "tasks" / name / f"{name}.py").write_text(CLAIM_AT_ONCE)
    mine = replace(setting, config=setting.config.model_copy(update={"task_episodes": 6}))
    solved = solve(mine, text, RecordedChat(corridor.recorded_answers), PROGRAM, tmp_path / "tasks", tmp_path / "e")
    assert solved.summary["free"] is True
    assert solved.summary["description"] == text
    assert solved.summary["policies"]["trained"]["claimed"]["rate"] == 1
    assert solved.summary["policies"]["trained"]["steps"]["mean"] == 3
