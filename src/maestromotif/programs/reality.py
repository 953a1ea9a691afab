"""Repair from reality: what real episodes showed of a task's program, as a question to the coder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maestromotif.domains.contract import Domain
from maestromotif.llm.prompts import Prompt
from maestromotif.programs.requests import Question, task_question
from maestromotif.programs.story import ChainFailure, Story, chain_failures, facts_named, trace, typical
from maestromotif.skills import SkillSet

__all__ = ["Reality", "reality_question"]

_PROMPT = Path(__file__).parent / "prompts" / "reality.txt"
_FAILURES = 8  # kinds of failure told
_CLAIM = "Leave is_done as it is: the new program is judged by the is_done of the first one, which must still hold."
_TRUTH = "The new program is judged by the world itself, not by its own is_done."


@dataclass(frozen=True, slots=True)
class Reality:
    """What real episodes of one program showed.

    Attributes:
        program: its source.
        stories: the episodes.
        failures: how its chains broke.
        free: the task has no test of its own, so that success is what ``is_done`` of the task's first program says.
    """

    program: str
    stories: tuple[Story, ...]
    failures: tuple[ChainFailure, ...]
    free: bool

    @classmethod
    def seen(cls, domain: Domain, program: str, skill_program: str, stories: Sequence[Story], free: bool) -> Reality:
        """Find the failures; facts that the program reads are told first, then those that the skills' program reads."""
        names = facts_named([spec.name for spec in domain.fact_specs if spec.name != _clock(domain)], program, skill_program)
        return cls(program, tuple(stories), tuple(chain_failures(stories, names)), free)

    @property
    def successes(self) -> int:
        return sum(story.success for story in self.stories)

    @property
    def failed(self) -> int:
        return len(self.stories) - self.successes

    def lines(self) -> list[str]:
        """The kinds of failure, one a line; those after the first few only counted."""
        lines = [failure.line(self.failed) for failure in self.failures[:_FAILURES]]
        if len(self.failures) > _FAILURES:
            lines.append(f"{len(self.failures) - _FAILURES} rarer kinds of failure are left out")
        return lines or ["every call did what its skill is for; the program itself must have gone astray"]

    def success_text(self) -> str:
        """How often the task was accomplished, by whose word, and whether ``is_done`` knew."""
        text = f"It accomplished the task in {self.successes} of {len(self.stories)} episodes"
        if self.free:
            return f"{text}, by the word of is_done of the task's first program; there is no other test of this task."
        false = sum(story.claimed and not story.success for story in self.stories)
        unsaid = sum(story.success and not story.claimed for story in self.stories)
        return f"{text}. Its is_done said True in {false} of the failed episodes, and never said so in {unsaid} of the successful ones."


def _clock(domain: Domain) -> str:
    """The fact that counts steps: it changes always and explains nothing."""
    names = [spec.name for spec in domain.fact_specs]
    return next((name for name in ("steps", "step") if name in names), "")


def reality_question(
    domain: Domain, skills: SkillSet, task_text: str, task_id: str, reality: Reality | None, episodes: int, earlier: Sequence[str] = ()
) -> Question:
    """Asks for a better program for a task.

    Args:
        reality: what the present program did; None: not known yet, for a look at the question.
        episodes: how many were or will be played.
        earlier: one sentence for each program that was tried before and was not better.
    """
    base = task_question(domain, skills, task_text, task_id)
    broken = typical([story for story in reality.stories if not story.success]) if reality else None
    told = "\n".join(trace(broken, _clock(domain))) if broken else "(not played yet)"
    text = Prompt.load(_PROMPT).render(
        task=base.text,
        program=reality.program.strip("\n") if reality else "(the present program)",
        episodes=str(episodes),
        success=reality.success_text() if reality else "(how often it accomplished the task)",
        skills="\n".join(f"- {skill.id}: {skill.max_steps} steps at most; {_purpose(skill.measure)}" for skill in skills),
        failures="\n".join(f"- {line}" for line in reality.lines()) if reality else "(not played yet)",
        trace=f"A typical failed episode, call by call:\n{told}",
        earlier="\n" + "\n".join(earlier) + "\n" if earlier else "",
        judge=_CLAIM if reality and reality.free else _TRUTH,
    )
    return replace(base, name=f"{domain.id}/reality/{task_id}", text=text)


def _purpose(measure: str) -> str:
    return f"a good call is one that {measure.replace('_', ' ')}" if measure else "a good call ends by its own is_over"
