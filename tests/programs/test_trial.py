"""Trials: what programs do on simulated episodes, judged in a process that can be killed."""

from __future__ import annotations

import json

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.trial import TrialReport, run_trial
from maestromotif.skills import Skill, SkillSet

DOMAIN = Corridor({})
SKILLS = SkillSet((*SkillSet.parse(DOMAIN.skills_toml), Skill("wait_middle", "Rest in the middle.", max_steps=60)))
CONFIG = ProgramConfig(episodes=6, practice_ticks=40, max_ticks=200, seconds=20)
SKILL_PROGRAM = """
def can_start(skill, facts):
    return not facts.at_left_end if skill == "go_left" else not facts.at_right_end if skill == "go_right" else True
def is_over(skill, facts, start):
    return facts.at_left_end if skill == "go_left" else facts.at_right_end if skill == "go_right" else facts.rested >= 3
"""
ENDS = """
class PolicyOverSkills:
    def __init__(self):
        self.left = self.done = False
    def observe(self, facts):
        self.left = self.left or facts.at_left_end
        self.done = self.done or self.left and facts.at_right_end
    def next_skill(self, facts, finished, startable):
        wish = "go_right" if self.left else "go_left"
        return wish if wish in startable else startable[0]
    def is_done(self, facts):
        return self.done
"""


def _task(policy: str, config: ProgramConfig = CONFIG) -> TrialReport:
    return run_trial(DOMAIN, SKILLS, SKILL_PROGRAM, policy, kind="task", config=config, task_id="both_ends", policy_file="both_ends.py")


def test_a_good_task_program() -> None:
    report = _task(ENDS)
    assert report.verdict == "good", report
    assert report.success["landmark"] == report.claimed == 1.0
    assert report.calls["go_left"]
    assert report.trace[-1].startswith("end after")
    assert json.loads(json.dumps(report.as_json()))["verdict"] == "good"


def test_trials_are_repeatable() -> None:
    assert _task(ENDS) == _task(ENDS)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        (("return self.done", "return True"), "weak", "is_done said True without"),
        (("return self.done", "return False"), "weak", "is_done did not say True"),
        (
            ("return wish if wish in startable else startable[0]", 'return "go_up"'),
            "refused",
            "names an unknown skill 'go_up'; known: go_left",
        ),
        (("return self.done", "return 1"), "refused", "is_done: TypeError: must return True or False, not int"),
        (("self.done = self.done or", "1 / 0 if facts.steps > 3 else"), "refused", "(line 7)"),
        (("return self.done", "return facts.nothing"), "refused", "both_ends.py:12: unknown attribute 'nothing'"),
        (("        self.left = self.left or", "        while True: pass\n        self.left ="), "refused", "OutOfFuel"),
    ],
)
def test_bad_task_programs(change: tuple[str, str], verdict: str, words: str) -> None:
    assert change[0] in ENDS
    source = ENDS.replace(*change)
    if "1 / 0" in change[1]:
        source = source.replace("self.left and facts.at_right_end", "False")
    report = _task(source)
    assert report.verdict == verdict, report
    assert any(words in problem for problem in (*report.fatal, *report.weak)), report


def test_a_task_that_is_never_accomplished_shows_why() -> None:
    idle = ENDS.replace('"go_right" if self.left else "go_left"', '"wait_middle"')
    report = run_trial(DOMAIN, SKILLS, SKILL_PROGRAM, idle, kind="task", config=CONFIG, task_id="three_crossings")
    assert report.weak == ("none of 6 simulated episodes accomplished the task",)
    assert "wait_middle: wait_middle is over" in report.trace[0]
    assert "the time was up" in report.trace[-1]


def test_a_loop_inside_c_is_killed_and_its_line_named() -> None:
    deep = """
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        a, b = [1], [1]
        for i in range(60):
            a, b = [a, a], [b, b]
        return startable[a == b]
    def is_done(self, facts):
        return False
"""
    report = _task(deep, CONFIG.model_copy(update={"seconds": 1.5}))
    assert report.verdict == "refused"
    assert "both_ends.py:7: " in report.fatal[0]
    assert "did not finish 6 simulated episodes" in report.fatal[0]


def test_memory_is_bounded() -> None:
    eater = ENDS.replace("self.left = self.done = False", "self.x = []; self.left = self.done = False").replace(
        "    def observe(self, facts):", "    def observe(self, facts):\n        self.x.append([[0] * 10000 for i in range(60)])"
    )
    eater = eater.replace("return self.done", "return False")
    report = _task(eater, CONFIG.model_copy(update={"memory_mb": 64}))
    assert report.verdict == "refused"
    assert "MemoryError" in report.fatal[0] or "died" in report.fatal[0]


def test_skill_programs_are_judged_by_skill() -> None:
    def judge(old: str, new: str) -> TrialReport:
        assert old in SKILL_PROGRAM
        return run_trial(DOMAIN, SKILLS, SKILL_PROGRAM.replace(old, new), None, kind="skill", config=CONFIG)

    assert judge("3", "3").verdict == "good"
    assert "can_start of go_left was never True" in judge("not facts.at_left_end", "False").weak[0]
    assert "over in the very state" in judge("return facts.at_left_end if", "return True if").weak[0]
    assert "is_over(wait_middle): TypeError" in judge("facts.rested >= 3", "facts.rested").fatal[0]


def test_the_training_policy_must_call_every_skill_and_not_thrash() -> None:
    def judge(body: str, more: str = "") -> TrialReport:
        policy = f"import random\nclass PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        {body}\n{more}"
        return run_trial(DOMAIN, SKILLS, SKILL_PROGRAM, policy, kind="training", config=CONFIG)

    assert judge("return random.choice(startable)").verdict == "good"
    lonely = judge("return startable[0]")
    assert lonely.never_called == ("wait_middle",)
    assert "wait_middle (could have started" in lonely.weak[0]
    nervous = judge("return random.choice(startable)", "    def interrupt(self, facts, skill):\n        return True\n")
    assert "switches skills too often" in nervous.weak[0]
    deaf = judge("return random.choice(['go_left', 'go_right', 'wait_middle', 'go_left', 'go_left', 'go_left'])")
    assert any("choose from startable" in doubt for doubt in deaf.weak)


def test_no_key_reaches_the_process_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTROMOTIF_API_KEY", "k")
    assert _task(ENDS).verdict == "good"


def test_the_order_of_a_set_is_the_same_in_every_process() -> None:
    """Python hashes texts anew in each process; a policy that picks from a set would do something else in each."""
    picker = "class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return list(set(startable))[0]\n"
    config = CONFIG.model_copy(update={"episodes": 1, "practice_ticks": 10})
    trials = [run_trial(DOMAIN, SKILLS, None, picker, kind="training", config=config) for _ in range(5)]
    assert len({tuple(trial.calls.items()) for trial in trials}) == 1
