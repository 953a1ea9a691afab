"""What a language model would be asked, without asking it: the first question of each kind, and how many there are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from maestromotif.errors import ChatError
from maestromotif.llm import ChatReply, ChatRequest
from maestromotif.project import Project
from maestromotif.skills import SkillSet

__all__ = ["would_ask"]


class _Curious:
    """A chat model that keeps the first request and answers none."""

    id = "dry-run"

    def __init__(self) -> None:
        self.first: ChatRequest | None = None

    def complete(self, request: ChatRequest) -> ChatReply:
        self.first = self.first or request
        raise ChatError("this is a dry run: nothing is asked")


def would_ask(project: Project, stage_id: str) -> Iterator[str]:
    """Lines for a person: how many questions, of whom, and the first one in full. Writes nothing into the project.

    Args:
        stage_id: ``"annotate"`` or ``"program"``.

    Raises:
        ArtifactError: the captions that would be compared are missing.
    """
    skills = len(project.skills)
    if stage_id == "program":
        rounds = project.config.program.rounds
        what = f"{skills} skill programs and 1 training policy: {skills + 1} questions"
        yield f"{what} to {_who(project, 'coder')}, at most {rounds} times each"
        yield from _show(_first_question(lambda chat, out: _write_programs(project, chat, out)))
        return
    config = project.config.annotate
    if config.annotator == "judge":
        yield f"1 judge for each skill: {skills} questions to {_who(project, 'annotator')}, at most {config.judge_rounds} times each"
    else:
        each = f"{config.pairs:,} pairs for each of {skills} skills"
        yield f"{each}: {config.pairs * skills:,} questions to {_who(project, 'annotator')}, twice where a verdict cannot be read"
    yield from _show(_first_question(lambda chat, out: _annotate(project, chat, out)))


def _first_question(ask: Callable[[_Curious, Path], None]) -> ChatRequest | None:
    chat = _Curious()
    with tempfile.TemporaryDirectory() as folder:
        try:
            ask(chat, Path(folder))
        except ChatError:
            if chat.first is None:
                raise
    return chat.first


def _write_programs(project: Project, chat: _Curious, out: Path) -> None:
    from maestromotif.programs import write_programs

    write_programs(project.domain, project.skills, chat, project.config.program, out, project.seed)


def _annotate(project: Project, chat: _Curious, out: Path) -> None:
    from maestromotif.feedback import annotate

    captions = project.folder("collect") / "captions.parquet"
    first = SkillSet(project.skills.skills[:1])
    annotate(project.domain, first, captions, project.config.annotate, chat, out, project.seed)


def _who(project: Project, role: str) -> str:
    config = project.config.coder if role == "coder" else project.config.annotator
    return "the answers that ship with the package" if config.kind == "recorded" else f"{config.model} at {config.base_url}"


def _show(request: ChatRequest | None) -> Iterator[str]:
    if request is None:
        return
    yield f"The first of them, {request.name} (temperature {request.temperature:g}, at most {request.max_tokens:,} tokens):"
    for message in request.messages:
        yield f"\n--- {message.role} ---\n{message.content}"
