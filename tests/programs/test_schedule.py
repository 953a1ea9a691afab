# ruff: noqa: E501 - programs on one line are easier to read than folded ones
"""Call-and-return semantics of schedules, and what faults of programs do."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from maestromotif.errors import ProgramError
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

SKILLS = SkillSet((Skill("left", "go left", max_steps=5), Skill("right", "go right", max_steps=3)))
PROGRAM = """
def can_start(skill, facts):
    return facts.x > 0 if skill == "left" else facts.x < 9
def is_over(skill, facts, start):
    return facts.x == 0 if skill == "left" else facts.x == 9
"""
POLICY = """
class PolicyOverSkills:
    def __init__(self):
        self.steps = 0
    def observe(self, facts):
        self.steps += 1
    def next_skill(self, facts, finished, startable):
        return startable[-1] if finished == "left" else startable[0]
    def interrupt(self, facts, skill):
        return facts.alarm
    def is_done(self, facts):
        return self.steps > 50
"""
NAMES = ["x", "alarm"]


def _at(x: int, alarm: Any = False) -> Any:
    return SimpleNamespace(x=x, alarm=alarm)


def _schedule(program: str | None = PROGRAM, policy: str = POLICY, **more: Any) -> ProgramSchedule:
    return ProgramSchedule(SKILLS, program, policy, NAMES, 0, **more)


def _policy(**methods: str) -> str:
    bodies = {"next_skill(self, facts, finished, startable)": "return startable[0]"}
    for name, body in methods.items():
        signature = {
            "observe": "(self, facts)",
            "interrupt": "(self, facts, skill)",
            "is_done": "(self, facts)",
            "next_skill": "(self, facts, finished, startable)",
        }
        bodies[name + signature[name]] = body
    return "class PolicyOverSkills:\n" + "".join(f"    def {head}:\n        {body}\n" for head, body in bodies.items())


def test_a_call_goes_on_until_it_is_over() -> None:
    schedule = _schedule()
    assert schedule.begin(_at(3)) == "left"
    start = schedule.start
    assert schedule.advance(_at(2), EndCause.CONTINUES) == (EndCause.CONTINUES, "left")
    assert schedule.start is start
    end = _at(0)
    assert schedule.advance(end, EndCause.CONTINUES) == (EndCause.OVER, "right")
    assert schedule.start is end
    assert "over" in schedule.reason
    assert not schedule.faults


def test_time_limit_interrupt_and_their_order() -> None:
    schedule = _schedule()
    schedule.begin(_at(8))
    for _ in range(4):
        assert schedule.advance(_at(7), EndCause.CONTINUES)[0] is EndCause.CONTINUES
    assert schedule.advance(_at(7), EndCause.CONTINUES) == (EndCause.TIMED_OUT, "right")
    assert schedule.advance(_at(7, alarm=True), EndCause.CONTINUES) == (EndCause.INTERRUPTED, "left")
    assert schedule.advance(_at(0, alarm=True), EndCause.CONTINUES)[0] is EndCause.OVER
    assert schedule.advance(_at(0), EndCause.CONTINUES, 3)[0] is EndCause.TIMED_OUT


@pytest.mark.parametrize("ended", [EndCause.DIED, EndCause.CUT])
def test_the_end_of_an_episode_wins_and_memory_is_new_in_the_next(ended: EndCause) -> None:
    schedule = _schedule()
    schedule.begin(_at(3))
    for _ in range(60):
        schedule.advance(_at(3), EndCause.CONTINUES)
    assert schedule.claims_done
    assert schedule.advance(_at(0), ended) == (ended, "")
    assert schedule.active == ""
    assert schedule.begin(_at(3)) == "left"
    assert not schedule.claims_done


def test_is_done_is_asked_at_the_last_step_too() -> None:
    schedule = _schedule(policy=_policy(is_done="return facts.x == 0"))
    schedule.begin(_at(3))
    schedule.advance(_at(0), EndCause.DIED)
    assert schedule.claims_done


def test_without_a_skill_program_everything_may_start_and_only_time_ends_calls() -> None:
    schedule = _schedule(program=None, policy=_policy(next_skill="return startable[-1]"))
    assert schedule.begin(_at(9)) == "right"
    assert [schedule.advance(_at(9), EndCause.CONTINUES)[0].name for _ in range(3)] == ["CONTINUES", "CONTINUES", "TIMED_OUT"]


def test_where_nothing_may_start_the_first_skill_does() -> None:
    schedule = _schedule(program="def can_start(skill, facts):\n    return False\ndef is_over(skill, facts, start):\n    return False")
    assert schedule.begin(_at(3)) == "left"
    assert not schedule.faults


@pytest.mark.parametrize(
    ("answer", "word", "refused"),
    [
        ("'up'", "unknown skill 'up'; known: left, right", False),
        ("3", "not int", False),
        ("None", "not NoneType", False),
        ("'left'", "", True),
    ],
)
def test_a_choice_that_may_not_start_is_replaced(answer: str, word: str, refused: bool) -> None:
    schedule = _schedule(policy=_policy(next_skill=f"return {answer}"))
    assert schedule.begin(_at(0)) == "right"
    assert bool(schedule.refused) is refused
    assert any(word in fault for fault in schedule.faults) or refused


def test_after_a_bad_choice_the_active_skill_goes_on_if_it_may() -> None:
    schedule = _schedule(policy=_policy(next_skill="return 'right' if finished == '' else 'nowhere'"))
    assert schedule.begin(_at(3)) == "right"
    assert schedule.advance(_at(3), EndCause.CONTINUES, 3) == (EndCause.TIMED_OUT, "right")


@pytest.mark.parametrize("bad", ["1", "None", "facts.x", "1 / 0", "facts", "[True]"])
def test_faults_of_skill_programs(bad: str) -> None:
    schedule = _schedule(program=f"def can_start(skill, facts):\n    return True\ndef is_over(skill, facts, start):\n    return {bad}")
    schedule.begin(_at(3))
    assert schedule.advance(_at(3), EndCause.CONTINUES)[0] is EndCause.OVER
    assert sum(schedule.faults.values()) == 1
    assert next(iter(schedule.faults)).startswith("is_over(left)")
    schedule = _schedule(program=f"def can_start(skill, facts):\n    return {bad}\ndef is_over(skill, facts, start):\n    return False")
    assert schedule.begin(_at(3)) == "left"
    assert sum(schedule.faults.values()) == 2


@pytest.mark.parametrize("part", ["observe", "interrupt", "is_done"])
@pytest.mark.parametrize("bad", ["raise ValueError('no')", "return facts.nothing", "while True: pass"])
def test_faults_of_policies_leave_the_step_as_it_was(part: str, bad: str) -> None:
    if "nothing" in bad:
        bad = "return {}['nothing']"
    schedule = _schedule(policy=_policy(**{part: bad}), fuel=1_000)
    schedule.begin(_at(3))
    assert schedule.advance(_at(2), EndCause.CONTINUES) == (EndCause.CONTINUES, "left")
    assert schedule.advance(_at(0), EndCause.CONTINUES) == (EndCause.OVER, "right")
    assert not schedule.claims_done
    assert all(fault.startswith(part) for fault in schedule.faults)


def test_a_program_with_too_many_faults_is_set_aside() -> None:
    schedule = _schedule(
        program="def can_start(skill, facts):\n    return 1 / 0\ndef is_over(skill, facts, start):\n    return False",
        policy=_policy(observe="raise ValueError"),
        fault_limit=10,
    )
    schedule.begin(_at(3))
    chosen = Counter(schedule.advance(_at(3), EndCause.CONTINUES)[1] for _ in range(400))
    assert sum(schedule.faults.values()) <= 22
    assert set(chosen) == {"left", "right"}


def test_fuel_hidden_by_finally_is_a_fault() -> None:
    program = "def can_start(skill, facts):\n    return True\ndef is_over(skill, facts, start):\n    try:\n        while True:\n            pass\n    finally:\n        return False"
    schedule = _schedule(program=program, fuel=1_000)
    schedule.begin(_at(3))
    assert schedule.advance(_at(3), EndCause.CONTINUES)[0] is EndCause.OVER
    assert schedule.faults["OutOfFuel: used up and hidden by a finally block"] == 1


def test_a_policy_cannot_change_the_list_that_decides() -> None:
    schedule = _schedule(policy=_policy(next_skill="startable.append('up'); return 'up'"))
    assert schedule.begin(_at(9)) == "left"
    assert schedule.faults


def test_many_games_share_faults_but_no_memory_and_are_repeatable() -> None:
    policy = "import random\nclass PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return random.choice(startable)\n    def observe(self, facts):\n        1 / 0\n"

    def play(seed: int) -> list[list[str]]:
        games = ProgramSchedule.many(3, SKILLS, None, policy, NAMES, seed)
        assert games[0].faults is games[1].faults
        return [[game.begin(_at(3)), *(game.advance(_at(3), EndCause.CONTINUES, 9)[1] for _ in range(20))] for game in games]

    assert play(4) == play(4) != play(5)
    assert len({tuple(game) for game in play(4)}) == 3


def test_wrong_programs_are_refused_at_construction() -> None:
    with pytest.raises(ProgramError, match=r"policy\.py: does not define PolicyOverSkills"):
        _schedule(policy="x = 1")
    with pytest.raises(ProgramError, match="has no next_skill"):
        _schedule(policy="class PolicyOverSkills:\n    pass")
    with pytest.raises(ProgramError, match=r"skills\.py: does not define is_over"):
        _schedule(program="def can_start(skill, facts):\n    return True")


def test_without_a_policy_skills_that_may_start_are_drawn() -> None:
    uniform = ProgramSchedule(SKILLS, PROGRAM, None, NAMES, 1)
    uniform.begin(_at(1))
    assert {uniform.advance(_at(1), EndCause.CONTINUES, 9)[1] for _ in range(50)} == {"left", "right"}
    assert not uniform.faults


def test_schedules_need_no_torch() -> None:
    code = "import sys, maestromotif.programs.schedule; sys.exit('torch' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
