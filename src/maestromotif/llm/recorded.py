"""Answers that ship with the package, so that everything works with no key and no network.

One answer per ``.md`` file: a TOML head between two ``+++`` lines, then the raw text as a model would give it. The head
has ``name`` (of the request; ``*`` and ``?`` are wild), ``subject`` (the person's text that was asked about; ``"*"`` makes
the answer a fallback for subjects that nobody recorded) and ``model`` (who wrote it). Fallback answers may contain
``{{variable}}``, filled from ``ChatRequest.variables``.

A folder may hold further *generations*, answers given independently to the same questions, in subfolders ``generation-2``,
``generation-3``, and so on; what lies beside them is the first.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from maestromotif.errors import ChatError
from maestromotif.llm.chat import ChatReply, ChatRequest, subject_digest

__all__ = ["FALLBACK_FOLDER", "RecordedAnswer", "RecordedChat", "generations", "read_answer"]

FALLBACK_FOLDER = Path(__file__).parent / "fallback"

_FENCE = "+++"
_GENERATION = re.compile(r"generation-([2-9]|[1-9][0-9]+)")
_VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
_KEYS = {"name", "subject", "model"}
_ENDPOINT = (
    'Set kind = "openai" with base_url and model in the [{table}] table of maestro.toml to ask an OpenAI-compatible endpoint '
    "(vLLM, Ollama, llama.cpp or a hosted one; see docs/feedback.md)"
)


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One file of a folder of answers; ``subject`` is empty for a fallback (``"*"`` in the file)."""

    path: str
    name: str
    subject: str
    model: str
    text: str

    @property
    def is_fallback(self) -> bool:
        return not self.subject

    def fits_name(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.name)


class RecordedChat:
    """A ``ChatModel`` that looks answers up.

    The order is: an answer for this name and subject; a fallback for exactly this name; a fallback whose name pattern
    fits, the one with most letters first. Folders are searched in the given order, the package's own fallbacks last. A later
    generation has its own answers first, and beside them nothing but the fallbacks of the first.

    Args:
        folders: folders with answers; searched recursively.
        table: the table of maestro.toml that configures this model, for error messages.
        generation: which of several independent answers to the same questions.

    Raises:
        ChatError: a folder is missing, an answer cannot be read, or no folder has this generation.
    """

    def __init__(self, folders: Iterable[str | Path], table: str = "coder", generation: int = 1) -> None:
        self._table = table
        paths = list(map(Path, folders))
        known = generations(paths)
        if generation not in known:
            raise ChatError(
                f"[program] generation = {generation}: no such generation of answers is recorded",
                f"Choose one of {', '.join(map(str, known))}, or have programs written: {_ENDPOINT.format(table=table)}",
            )
        self._answers = list(_answers_of(paths, generation))
        if generation > 1:
            self._answers += [answer for answer in _answers_of(paths, 1) if answer.is_fallback]
        self._answers += _answers_of([FALLBACK_FOLDER], 1)
        digest = hashlib.sha256()
        for answer in self._answers:
            digest.update(repr((answer.name, answer.subject, answer.model, answer.text)).encode())
        # The contents are part of the id, so that a stored call is not served after an answer was rewritten.
        self.id = f"recorded-{digest.hexdigest()[:12]}"

    @property
    def answers(self) -> tuple[RecordedAnswer, ...]:
        return tuple(self._answers)

    def find(self, name: str, subject: str) -> RecordedAnswer | None:
        """The answer for a request, or None."""
        wanted = subject_digest(subject)
        for answer in self._answers:
            if not answer.is_fallback and answer.fits_name(name) and subject_digest(answer.subject) == wanted:
                return answer
        fallbacks = [answer for answer in self._answers if answer.is_fallback and answer.fits_name(name)]
        # max() keeps the first among equals, so the order of the folders decides.
        return max(fallbacks, key=lambda answer: (answer.name == name, len(answer.name.replace("*", ""))), default=None)

    def complete(self, request: ChatRequest) -> ChatReply:
        answer = self.find(request.name, request.subject)
        if answer is None:
            about = f" about {_short(request.subject)!r}" if request.subject.strip() else ""
            remedy = self._like(request.name) + _ENDPOINT.format(table=self._table)
            raise ChatError(f"no answer is recorded for {request.name!r}{about}", remedy)
        text = _fill(answer, request) if answer.is_fallback else answer.text
        source = "recorded-fallback" if answer.is_fallback else "recorded"
        return ChatReply(text=text, model=answer.model, source=source)

    def _like(self, name: str) -> str:
        """What is recorded of the same kind, for whoever asked for something else."""
        kind = name.rpartition("/")[0] + "/"
        known = {answer.name for answer in self._answers if answer.name.startswith(kind) and not answer.is_fallback}
        return f"Recorded are {', '.join(sorted(name.removeprefix(kind) for name in known))}. " if known else ""


def generations(folders: Iterable[str | Path]) -> tuple[int, ...]:
    """The generations that any of the folders holds, the first one among them always."""
    found = (_GENERATION.fullmatch(path.name) for folder in folders for path in Path(folder).glob("generation-*/"))
    return (1, *sorted({int(match[1]) for match in found if match}))


def _answers_of(folders: Iterable[Path], generation: int) -> Iterator[RecordedAnswer]:
    for folder in folders:
        if not folder.is_dir():
            raise ChatError(f"folder of recorded answers {folder} does not exist", "Reinstall the package of the domain")
        for path in sorted(folder.rglob("*.md")):
            inside = [int(match[1]) for part in path.relative_to(folder).parts[:-1] if (match := _GENERATION.fullmatch(part))]
            if (inside or [1]) == [generation]:
                yield read_answer(path)


def read_answer(path: Path) -> RecordedAnswer:
    """Read one file of recorded answers.

    Raises:
        ChatError: the file is not text, has no head, or the head is wrong.
    """
    remedy = 'Begin it with +++, then name = "...", subject = "...", model = "...", then +++, then the answer'
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ChatError(f"recorded answer {path} cannot be read ({error})", remedy) from error
    lines = text.splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if line.strip() == _FENCE][:2]
    if len(fences) < 2 or fences[0] != 0:
        raise ChatError(f"recorded answer {path} has no head", remedy)
    try:
        head = tomllib.loads("".join(lines[1 : fences[1]]))
    except tomllib.TOMLDecodeError as error:
        raise ChatError(f"recorded answer {path}: the head is not valid TOML: {error}", remedy) from error
    wrong = sorted(set(head) ^ _KEYS) or [key for key in sorted(_KEYS) if not isinstance(head[key], str) or not head[key].strip()]
    if wrong:
        raise ChatError(f"recorded answer {path}: missing, unknown or empty in the head: {', '.join(wrong)}", remedy)
    body = "".join(lines[fences[1] + 1 :]).strip("\n")
    if not body.strip():
        raise ChatError(f"recorded answer {path} is empty", remedy)
    subject = "" if head["subject"].strip() == "*" else head["subject"]
    return RecordedAnswer(str(path), head["name"], subject, head["model"], body)


def _fill(answer: RecordedAnswer, request: ChatRequest) -> str:
    missing = sorted(set(_VARIABLE.findall(answer.text)) - set(request.variables))
    if missing:
        raise ChatError(
            f"recorded answer {answer.path} needs {', '.join(missing)}, which the request {request.name!r} does not give",
            "Remove it from the answer",
        )
    return _VARIABLE.sub(lambda match: request.variables[match.group(1)], answer.text)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
