"""What a language model would be asked, without asking it: the first question of each kind, and how many there are."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from maestromotif.errors import ChatError
from maestromotif.llm import Call, CallStore, ChatModel, ChatReply, ChatRequest, Ledger
from maestromotif.llm.ledger import LEDGER_FILE, Entry
from maestromotif.llm.store import CHARACTERS_PER_TOKEN, estimated_tokens
from maestromotif.project import Project
from maestromotif.skills import SkillSet

__all__ = ["would_ask"]

_SHOWN = 3
# Tokens of an answer that reasons step by step, where no earlier call tells.
_GUESSED_ANSWER = 300
# The same for one that explains a program and holds it.
_GUESSED_PROGRAM = 900


class _Curious:
    """A chat model that keeps the first request and answers none."""

    id = "dry-run"

    def __init__(self) -> None:
        self.first: ChatRequest | None = None

    def complete(self, request: ChatRequest) -> ChatReply:
        self.first = self.first or request
        raise ChatError("this is a dry run: nothing is asked")


class _Counting:
    """A chat model that answers from the store, counts what is not there, and calls all that a tie. Safe to call from several threads.

    Attributes:
        kept, open: questions answered in the store, and not.
        tokens: of the open ones, as characters / 4.
        first: the first three open ones.
    """

    def __init__(self, model_id: str, store: CallStore) -> None:
        self.id = model_id
        self.kept = self.open = self.tokens = 0
        self.first: list[ChatRequest] = []
        self._store = store
        self._lock = threading.Lock()

    def complete(self, request: ChatRequest) -> ChatReply:
        reply = self._store.get(Call(self.id, request))
        with self._lock:
            if reply is not None:
                self.kept += 1
                return reply
            self.open += 1
            self.tokens += estimated_tokens(request)
            if len(self.first) < _SHOWN:
                self.first.append(request)
        return ChatReply("VERDICT: NONE")


def would_ask(project: Project, stage_id: str) -> Iterator[str]:
    """Lines for a person: how many questions, of whom, and the first one in full. Writes nothing into the project.

    Args:
        stage_id: ``"annotate"`` or ``"program"``.

    Raises:
        ArtifactError: the captions that would be compared are missing.
    """
    skills = len(project.skills)
    if stage_id == "program":
        yield from _programs(project)
        return
    config = project.config.annotate
    if config.annotator == "judge":
        yield f"1 judge for each skill: {skills} questions to {_who(project, 'annotator')}, at most {config.judge_rounds} times each"
    elif config.annotator == "chat":
        yield from _comparisons(project)
        return
    else:
        yield f"the annotator {config.annotator!r} compares {config.pairs:,} pairs for each of {skills} skills"
    first = SkillSet(project.skills.skills[:1])
    yield from _show(_first_question(lambda chat, out: _annotate(project, chat, out, first)))


def _programs(project: Project) -> Iterator[str]:
    """How often the coder would be asked, what that would cost, and the first question about each program in full."""
    from maestromotif.programs.coder import first_requests
    from maestromotif.programs.write import questions

    config, coder = project.config.program, project.config.coder
    chat, store = project.coder().id, CallStore(project.calls)
    asked = [first_requests(*one, project.domain, config, project.seed) for one in questions(project.domain, project.skills)]
    programs, first = len(asked), [request for requests in asked for request in requests]
    kept = sum(store.get(Call(chat, request)) is not None for request in first)
    each = f"{len(project.skills)} skill programs and 1 training policy: {len(first)} questions to {_who(project, 'coder')}"
    yield f"{each}, and at most {config.rounds - 1} repairs of each program"
    if kept:
        yield f"{kept:,} of them are answered in the store already"
    if coder.kind != "recorded":
        extra = config.scenarios + config.assess
        # A question, and its cases and verdict, which are about as long.
        question = sum(map(estimated_tokens, first)) / len(first)
        answer, how = _mean_answer(project, chat)
        sure = len(first) - kept + programs * extra
        yield f"{sure:,} calls if every program is good at once: about {_price(project, sure * question, sure * answer)} ({how})"
        repairs = programs * (config.rounds - 1)
        most = sure + repairs
        # Before the second repair two answers were given, with what was found in them, which is shorter.
        repeated = programs * sum(range(config.rounds)) * 2 * config.max_tokens
        yield f"{most:,} calls at most: no more than {_price(project, most * question + repeated, most * config.max_tokens)}"
    for number, requests in enumerate(asked):
        yield ""
        yield from _show(requests[0], whole=not number)


def _mean_answer(project: Project, chat: str) -> tuple[float, str]:
    """Tokens of an answer of the coder, and how that is known."""
    earlier = [
        entry
        for entry in Ledger(project.calls / LEDGER_FILE).entries()
        if (entry.table, entry.model) == ("coder", chat) and _was_answered(entry)
    ]
    if earlier:
        return sum(entry.completion_tokens for entry in earlier) / len(earlier), f"answers as the mean of {len(earlier):,} earlier calls"
    guess = min(_GUESSED_PROGRAM, project.config.program.max_tokens)
    return guess, f"characters / {CHARACTERS_PER_TOKEN}; answers are guessed at {guess} tokens each"


def _price(project: Project, prompt: float, completion: float) -> str:
    model = project.config.coder
    text = f"{prompt:,.0f} tokens of questions and {completion:,.0f} of answers"
    if model.price_per_million_prompt or model.price_per_million_completion:
        text += f", {model.budget.cost(prompt, completion):,.2f} at the prices of maestro.toml"
    return text


def _comparisons(project: Project) -> Iterator[str]:
    """How many questions about pairs are open, what they would cost, and the first ones in full."""
    config, model = project.config.annotate, project.config.annotator
    chat = _Counting(project.annotator().id, CallStore(project.calls))
    with tempfile.TemporaryDirectory() as folder:
        done = project.folder("annotate")
        for path in (*done.glob("transcript-*.jsonl"), *done.with_name(f"{done.name}.part").glob("transcript-*.jsonl")):
            shutil.copy(path, folder)
        _annotate(project, chat, Path(folder), project.skills)
    each = f"{config.pairs:,} pairs for each of {len(project.skills)} skills"
    yield f"{each}: {chat.open:,} questions to {_who(project, 'annotator')}, and one more where a verdict cannot be read"
    if chat.kept:
        yield f"{chat.kept:,} more are answered in the store already"
    earlier = [entry for entry in Ledger(project.calls / LEDGER_FILE).entries() if _counts(entry, project)]
    if earlier:
        answer = sum(entry.completion_tokens for entry in earlier) / len(earlier)
        question, how = sum(entry.prompt_tokens for entry in earlier) / len(earlier), f"the mean of {len(earlier):,} earlier calls"
    else:
        answer = min(_GUESSED_ANSWER, config.max_tokens)
        question = chat.tokens / max(1, chat.open)
        how = f"characters / {CHARACTERS_PER_TOKEN}; answers are guessed at {answer:.0f} tokens each"
    prompt, completion = chat.open * question, chat.open * answer
    yield f"about {prompt:,.0f} tokens of questions and {completion:,.0f} of answers ({how})"
    if model.price_per_million_prompt or model.price_per_million_completion:
        yield f"about {model.budget.cost(prompt, completion):,.2f} at the prices of maestro.toml"
    for number, request in enumerate(chat.first, 1):
        yield f"\nQuestion {number}:"
        yield from _show(request)


def _counts(entry: Entry, project: Project) -> bool:
    return _was_answered(entry) and entry.purpose.startswith(f"{project.domain.id}/compare/")


def _was_answered(entry: Entry) -> bool:
    return not entry.cached and entry.outcome != "failed"


def _first_question(ask: Callable[[_Curious, Path], None]) -> ChatRequest | None:
    chat = _Curious()
    with tempfile.TemporaryDirectory() as folder:
        try:
            ask(chat, Path(folder))
        except ChatError:
            if chat.first is None:
                raise
    return chat.first


def _annotate(project: Project, chat: ChatModel, out: Path, skills: SkillSet) -> None:
    from maestromotif.feedback import annotate
    from maestromotif.feedback.rounds import load_rounds

    captions = project.folder("collect") / "captions.parquet"
    rounds = load_rounds(project.rounds, project.domain)
    # Whether active pairing would end sooner only the answers could tell.
    config = project.config.annotate.model_copy(update={"stop": False})
    annotate(project.domain, skills, captions, config, chat, out, project.seed, rounds=rounds)


def _who(project: Project, role: str) -> str:
    config = project.config.coder if role == "coder" else project.config.annotator
    return "the answers that ship with the package" if config.kind == "recorded" else f"{config.model} at {config.base_url}"


def _show(request: ChatRequest | None, whole: bool = True) -> Iterator[str]:
    """A request in full; or without the system's message, which was shown before."""
    if request is None:
        return
    yield f"{request.name} (temperature {request.temperature:g}, at most {request.max_tokens:,} tokens):"
    for message in request.messages if whole else request.messages[1:]:
        yield f"\n--- {message.role} ---\n{message.content}"
