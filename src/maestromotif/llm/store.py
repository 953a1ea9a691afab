"""A content-addressed store of every call: what was once answered is never asked again, and anybody can look it up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError, BudgetError, ChatError
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message, Token, call_digest
from maestromotif.llm.ledger import Entry, Ledger

__all__ = ["CHARACTERS_PER_TOKEN", "CallStore", "StoredChat", "estimated_tokens", "tokens"]

_FORMAT = 1
CHARACTERS_PER_TOKEN = 4


class CallStore:
    """A folder with one JSON file for each call: ``ab/abcdef….json`` with model, request and reply.

    The file's name is the sha256 of model and request, so a file that was tampered with is found by ``verify``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model_id: str, request: ChatRequest) -> Path:
        digest = call_digest(model_id, request)
        return self.folder / digest[:2] / f"{digest}.json"

    def get(self, model_id: str, request: ChatRequest) -> ChatReply | None:
        """The stored reply, or None.

        Raises:
            ArtifactError: there is a file, but it is truncated or no call.
        """
        path = self.path(model_id, request)
        return _read(path)[2] if path.exists() else None

    def put(self, model_id: str, request: ChatRequest, reply: ChatReply) -> Path:
        path = self.path(model_id, request)
        document = {"format": _FORMAT, "model": model_id, "request": request.as_json(), "reply": _reply_as_json(reply)}
        # A line for each part: as easy to read as an indented document, and several times quicker to make.
        parts = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items())
        write_atomically(path, "{\n" + ",\n".join(parts) + "\n}\n")
        return path

    def calls(self) -> Iterator[tuple[str, ChatRequest, ChatReply]]:
        """All calls, in the order of their file names."""
        for path in self._paths():
            yield _read(path)

    def verify(self) -> list[str]:
        """What is wrong with the store, one line for each file; empty when all is well."""
        problems = []
        for path in self._paths():
            try:
                model_id, request, _ = _read(path)
            except ArtifactError as error:
                problems.append(str(error))
                continue
            if call_digest(model_id, request) != path.stem:
                problems.append(f"{path}: was changed after it was written (its name is not the hash of its call)")
        return problems

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("??/*.json"))


class StoredChat:
    """A ``ChatModel`` that looks into the store first and keeps what the inner model answers.

    Args:
        ledger: where each call is noted, with the table of maestro.toml that it belongs to; None: nowhere.
    """

    def __init__(self, inner: ChatModel, store: CallStore, ledger: Ledger | None = None, table: str = "") -> None:
        self._inner = inner
        self.store = store
        self._ledger = ledger
        self._table = table

    @property
    def id(self) -> str:
        return self._inner.id

    def complete(self, request: ChatRequest) -> ChatReply:
        reply = self.store.get(self.id, request)
        if reply is not None:
            self._note(request, reply.finish_reason, cached=True)
            return reply
        began = time.monotonic()
        try:
            reply = self._inner.complete(request)
        except BudgetError:
            raise
        except ChatError:
            self._note(request, "failed", seconds=time.monotonic() - began)
            raise
        # Noted first: what is paid for counts, also if this process dies before it is kept.
        prompt, completion, estimated = tokens(request, reply)
        self._note(
            request,
            reply.finish_reason,
            prompt_tokens=prompt,
            completion_tokens=completion,
            estimated=estimated,
            seconds=round(time.monotonic() - began, 3),
        )
        self.store.put(self.id, request, reply)
        return reply

    def _note(self, request: ChatRequest, outcome: str, **more: Any) -> None:
        if self._ledger is not None:
            self._ledger.add(Entry(self._table, request.name, self.id, outcome, **more))


def tokens(request: ChatRequest, reply: ChatReply) -> tuple[int, int, bool]:
    """Tokens of question and answer, and whether they are estimated, for an endpoint that does not count them, as characters / 4."""
    if reply.prompt_tokens or reply.completion_tokens or reply.source != "endpoint":
        return reply.prompt_tokens, reply.completion_tokens, False
    return estimated_tokens(request), len(reply.text) // CHARACTERS_PER_TOKEN, True


def estimated_tokens(request: ChatRequest) -> int:
    """Tokens of a question, as characters / 4."""
    return sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN


def _reply_as_json(reply: ChatReply) -> dict[str, Any]:
    """Plain values; what most replies lack is left out."""
    return {name: value for name, value in asdict(reply).items() if value or name not in ("dropped", "tail")}


def _read(path: Path) -> tuple[str, ChatRequest, ChatReply]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}")
        asked = dict(document["request"])
        messages = tuple(Message(**message) for message in asked.pop("messages"))
        said = dict(document["reply"])
        dropped, tail = tuple(said.pop("dropped", ())), tuple(Token(**token) for token in said.pop("tail", ()))
        return str(document["model"]), ChatRequest(messages=messages, **asked), ChatReply(**said, dropped=dropped, tail=tail)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"stored call {path} is truncated or damaged ({error})", "Delete that file; the call is made again") from error
