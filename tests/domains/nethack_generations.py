"""The recorded programs of NetHack, in every generation, as the coder's answers give them."""

from __future__ import annotations

from functools import cache

from maestromotif.domains.nethack.domain import NetHack
from maestromotif.llm import ChatRequest, RecordedChat
from maestromotif.llm.recorded import generations
from maestromotif.programs.answers import extract_program
from maestromotif.programs.assemble import assemble
from maestromotif.programs.requests import Question, skill_question, task_question
from maestromotif.skills import SkillSet

NETHACK = NetHack()
SKILLS = SkillSet.parse(NETHACK.skills_toml)
GENERATIONS = generations(NETHACK.recorded_answers)


@cache
def _chat(generation: int) -> RecordedChat:
    return RecordedChat(NETHACK.recorded_answers, generation=generation)


def source_of(question: Question, generation: int) -> str:
    """The program that a generation answers a question with."""
    reply = _chat(generation).complete(ChatRequest(question.name, (), question.subject))
    source = extract_program(reply.text, question.required)
    assert source is not None, question.name
    return source


def task_source(task: str, generation: int) -> str:
    return source_of(task_question(NETHACK, SKILLS, NETHACK.tasks[task].description, task), generation)


def skill_module(skills: SkillSet, generation: int) -> str:
    """The skills' answers put together."""
    return assemble({skill.id: source_of(skill_question(NETHACK, skill), generation) for skill in skills})
