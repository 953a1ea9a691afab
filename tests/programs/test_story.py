"""Chains of skills in words, where they broke, what a program will do, and the question that follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ProgramError
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.explain import observed
from maestromotif.programs.reality import Reality, reality_question
from maestromotif.programs.rehearse import rehearse
from maestromotif.programs.story import Story, StoryCall, chain, chain_failures, facts_named, trace
from maestromotif.skills import SkillSet

from .test_trial import ENDS, SKILL_PROGRAM

DOMAIN = Corridor({})
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
CONFIG = ProgramConfig(episodes=6, max_ticks=200, seconds=20)


def _call(skill: str, cause: str = "over", expected: bool = True, **facts: Any) -> StoryCall:
    return StoryCall(skill, cause, 5, expected, f"{skill} is {cause}", facts, {"depth": 0})


def _story(*calls: StoryCall, success: bool = False) -> Story:
    return Story(calls, success, False, False, 5 * len(calls))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("", "no skill was called"),
        ("a", "a"),
        ("aaab", "a x3 > b"),
        ("abababc", "(a > b) x3 > c"),
        ("abcabc", "(a > b > c) x2"),
        ("aabb", "a x2 > b x2"),
        ("abcdefghijklm", "a > b > c > d > e > ... 3 more ... > i > j > k > l > m"),
    ],
)
def test_chains(names: str, text: str) -> None:
    assert chain(_story(*map(_call, names))) == text


def test_failures_are_told_with_the_facts_at_that_moment_and_their_frequency() -> None:
    timed_out = [
        _call("down", "timed out", False, depth=depth, branch="main", seen=seen) for depth, seen in ((2, True), (3, False), (3, False))
    ]
    stories = [
        _story(_call("look"), timed_out[0], timed_out[1]),
        _story(timed_out[2], _call("look", "interrupted", False, depth=1, branch="main", seen=True), _call("look")),
        _story(_call("down", "timed out", False, depth=9, branch="mines", seen=True), _call("look"), success=True),
    ]
    down, look = chain_failures(stories, ("depth", "branch", "seen"))
    assert (down.skill, down.cause, down.calls, down.episodes, down.last, down.elsewhere) == ("down", "timed out", 3, 2, 1, 1)
    assert down.facts == ("depth 2 to 3, median 3", "branch 'main'", "seen False (2 of 3)")
    assert (look.skill, look.cause, look.last) == ("look", "interrupted", 0)
    assert down.line(2) == (
        "down took its longest time without being over: 3 calls in 2 of 2 failed episodes, 1 of which ended there; 1 such calls in "
        "successful episodes. The facts then: depth 2 to 3, median 3; branch 'main'; seen False (2 of 3)"
    )


def test_no_failed_episode_has_no_failures() -> None:
    assert chain_failures([_story(_call("look", "cut", False), success=True)], ()) == []


def test_facts_that_a_program_reads_come_first() -> None:
    assert facts_named(("depth", "gold", "hp"), "facts.gold > 3 and self.depths", "start.hp, facts.gold") == ("gold", "hp")
    assert facts_named(("depth", "gold"), "pass") == ("depth", "gold")


def test_a_trace_tells_what_changed_and_leaves_the_middle_out() -> None:
    lines = trace(_story(*(_call("a", depth=number) for number in range(50))))
    assert len(lines) == 32
    assert lines[0] == "steps 0-5 a: a is over; depth 0 -> 0"
    assert "20 calls left out" in lines[15]
    assert lines[-1] == "end after 250 steps: the time was up; not accomplished"


def _rehearse(policy: str, task: str | None = "both_ends") -> list[Story]:
    return rehearse(DOMAIN, SKILLS, SKILL_PROGRAM, policy, config=CONFIG, seed=1, task_id=task, file="both_ends.py")


def test_a_rehearsal_plays_the_simulator_call_by_call() -> None:
    stories = _rehearse(ENDS)
    assert len(stories) == 6
    assert all(story.success and story.claimed and not story.died for story in stories)
    assert {chain(story) for story in stories} <= {"go_left > go_right", "go_right", "go_left x2 > go_right"}
    assert all(sum(call.steps for call in story.calls) == story.steps for story in stories)
    last = stories[0].calls[-1]
    assert last.after["at_right_end"] is True
    assert stories == _rehearse(ENDS)


def test_a_rehearsal_is_judged_by_the_landmark_not_by_the_claim() -> None:
    stories = _rehearse(ENDS.replace("return self.done", "return facts.steps > 2"))
    assert all(story.claimed for story in stories)
    assert not all(story.success for story in stories)
    assert all(story.success for story in _rehearse(ENDS.replace("return self.done", "return facts.steps > 2"), task=None))


def test_a_program_that_cannot_be_rehearsed_is_named() -> None:
    with pytest.raises(ProgramError, match=r"both_ends.py: .*next_skill"):
        _rehearse(ENDS.replace("def next_skill", "def next_one"))


def test_what_is_observed_is_said_in_plain_sentences() -> None:
    lines = observed(DOMAIN, SKILLS, ENDS, _rehearse(ENDS))
    text = "\n".join(lines)
    assert lines[0] == "In simulation it accomplishes the task in 6 of 6 episodes."
    assert "that fails" not in text
    assert "It remembers left, done." in text
    assert "What goes wrong" not in text
    hasty = "\n".join(observed(DOMAIN, SKILLS, ENDS, _rehearse(ENDS.replace("return self.done", "return facts.steps > 2"))))
    assert "wrongly in" in hasty
    assert "What goes wrong: go_left was at work when the time was up" in hasty


def test_the_question_holds_the_program_the_failures_and_an_episode() -> None:
    stories = _rehearse(ENDS.replace("return self.done", "return facts.steps > 2"))
    reality = Reality.seen(DOMAIN, ENDS, SKILL_PROGRAM, stories, free=False)
    question = reality_question(
        DOMAIN, SKILLS, DOMAIN.tasks["both_ends"].description, "both_ends", reality, 6, ["An earlier version lost."]
    )
    assert question.name == "corridor/reality/both_ends"
    assert question.methods == (("next_skill", 3), ("is_done", 1))
    for part in (
        ENDS.strip(),
        f"in {reality.successes} of 6 episodes",
        "at_left_end",
        "A typical failed episode",
        "An earlier version lost.",
    ):
        assert part in question.text
    assert f"said True in {reality.failed} of the failed episodes" in question.text
    assert "judged by the world itself" in question.text
    free = Reality.seen(DOMAIN, ENDS, SKILL_PROGRAM, stories, free=True)
    claimed = reality_question(DOMAIN, SKILLS, "Touch both ends.", "touch", free, 6)
    assert "Leave is_done as it is" in claimed.text
    assert "there is no other test of this task" in claimed.text
