"""A content-addressed store of every call: what was once answered is never asked again, and anybody can look it up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError, BudgetError
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message, call_digest

__all__ = ["BudgetedChat", "CallStore", "StoredChat"]

_FORMAT = 1


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
        document = {"format": _FORMAT, "model": model_id, "request": request.as_json(), "reply": asdict(reply)}
        write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False).encode())
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
    """A ``ChatModel`` that looks into the store first and keeps what the inner model answers."""

    def __init__(self, inner: ChatModel, store: CallStore) -> None:
        self._inner = inner
        self.store = store

    @property
    def id(self) -> str:
        return self._inner.id

    def complete(self, request: ChatRequest) -> ChatReply:
        reply = self.store.get(self.id, request)
        if reply is None:
            reply = self._inner.complete(request)
            self.store.put(self.id, request, reply)
        return reply


class BudgetedChat:
    """A ``ChatModel`` that stops before a limit is passed. Calls answered from a store outside it cost nothing.

    Args:
        max_calls: calls of this process; None: no limit.
        max_total_tokens: prompt and completion tokens of this process, as the endpoint counts them; None: no limit.
    """

    def __init__(self, inner: ChatModel, max_calls: int | None, max_total_tokens: int | None) -> None:
        self._inner = inner
        self._max_calls = max_calls
        self._max_tokens = max_total_tokens
        self._lock = threading.Lock()
        self.calls = 0
        self.tokens = 0

    @property
    def id(self) -> str:
        return self._inner.id

    def complete(self, request: ChatRequest) -> ChatReply:
        remedy = "Raise it in maestro.toml and run the command again; what was answered is kept"
        with self._lock:
            if self._max_calls is not None and self.calls >= self._max_calls:
                raise BudgetError(f"the limit of max_calls = {self._max_calls} is reached", remedy)
            if self._max_tokens is not None and self.tokens >= self._max_tokens:
                raise BudgetError(f"the limit of max_total_tokens = {self._max_tokens} is reached", remedy)
            self.calls += 1
        reply = self._inner.complete(request)
        with self._lock:
            self.tokens += reply.prompt_tokens + reply.completion_tokens
        return reply


def _read(path: Path) -> tuple[str, ChatRequest, ChatReply]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}")
        asked = dict(document["request"])
        messages = tuple(Message(**message) for message in asked.pop("messages"))
        return str(document["model"]), ChatRequest(messages=messages, **asked), ChatReply(**document["reply"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"stored call {path} is truncated or damaged ({error})", "Delete that file; the call is made again") from error
