"""Recorded programs as pages, with the questions that they answer.

``python -m maestromotif.programs.transcripts nethack docs/transcripts`` writes one page for each question, with the answer of every
generation; the system's message, which all questions have in common, stands on a page of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from maestromotif.domains.contract import Domain
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatRequest
from maestromotif.llm.recorded import RecordedChat, generations
from maestromotif.programs.answers import extract_program
from maestromotif.programs.attempt import digest_of
from maestromotif.programs.coder import first_requests
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.requests import Question, task_question
from maestromotif.programs.write import questions
from maestromotif.skills import SkillSet

__all__ = ["transcripts"]

SYSTEM_PAGE = "system.md"
_FENCE = "~~~~"


def transcripts(domain: Domain) -> dict[str, str]:
    """Markdown by file name: ``system.md``, and a page for each question to which an answer is recorded."""
    skills = SkillSet.parse(domain.skills_toml)
    asked = [*questions(domain, skills), *((task_question(domain, skills, task.description, id), {}) for id, task in domain.tasks.items())]
    chats = {number: RecordedChat(domain.recorded_answers, generation=number) for number in generations(domain.recorded_answers)}
    pages: dict[str, str] = {}
    for question, variables in asked:
        requests = {
            number: first_requests(question, variables, domain, ProgramConfig(generation=number), 0)[0]
            for number, chat in chats.items()
            if _is_recorded(chat, question, number)
        }
        if requests:
            first = next(iter(requests.values()))
            pages.setdefault(SYSTEM_PAGE, f"# The system's message\n\n{_block(first.messages[0].content)}")
            pages[_page(question)] = "\n".join(_lines(question, requests, chats))
    return pages


def _is_recorded(chat: RecordedChat, question: Question, generation: int) -> bool:
    """Whether a generation has an answer of its own for exactly this question, or for this name and any text."""
    answer = chat.find(question.name, question.subject)
    if answer is None or answer.name != question.name:
        return False
    return generation == 1 or f"generation-{generation}" in Path(answer.path).parts


def _page(question: Question) -> str:
    return question.name.partition("/")[2].replace("/", "-") + ".md"


def _lines(question: Question, requests: dict[int, ChatRequest], chats: dict[int, RecordedChat]) -> Iterator[str]:
    request = next(iter(requests.values()))
    yield f"# {question.name}\n"
    sampling = f"temperature {request.temperature:g}, top-p {request.top_p:g}, at most {request.max_tokens:,} tokens"
    yield f"After [the system's message]({SYSTEM_PAGE}), this was asked ({sampling}):\n"
    yield _block(request.messages[-1].content)
    for number, asked in requests.items():
        reply = chats[number].complete(asked)
        source = extract_program(reply.text, question.required) or ""
        yield f"\n## Generation {number}\n"
        yield f"{reply.model.capitalize()}; seed {asked.seed}; program `{digest_of(source)}`.\n"
        yield reply.text
    yield ""


def _block(text: str) -> str:
    return f"{_FENCE}text\n{text.strip()}\n{_FENCE}"


def main(domain_id: str, folder: Path) -> None:
    """Write all pages of a domain into a folder named after it."""
    from maestromotif.domains import load_domain

    for name, text in transcripts(load_domain(domain_id, {})).items():
        write_atomically(folder / domain_id / name, text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
