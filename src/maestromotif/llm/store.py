"""A content-addressed store of every call: what was once answered is never asked again, and anybody can look it up."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError, BudgetError, ChatError
from maestromotif.files import write_quickly
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message, Token
from maestromotif.llm.ledger import Entry, Ledger

__all__ = ["CHARACTERS_PER_TOKEN", "Call", "CallStore", "StoredChat", "estimated_tokens", "tokens"]

_FORMAT = 1
CHARACTERS_PER_TOKEN = 4
_REPLY_FIELDS = tuple(field.name for field in fields(ChatReply))


class Call:
    """A question to a model.

    Attributes:
        model, request: who is asked what.
        asked: the request as JSON.
        digest: sha256 of everything that can decide the answer: the call's content address.
    """

    def __init__(self, model: str, request: ChatRequest) -> None:
        self.model = model
        self.request = request
        self.asked = json.dumps(request.as_json(), sort_keys=True, ensure_ascii=False)
        content = f'{{"model": {json.dumps(model, ensure_ascii=False)}, "request": {self.asked}}}'
        self.digest = hashlib.sha256(content.encode()).hexdigest()


class CallStore:
    """A folder with one JSON file for each call: ``ab/abcdef….json`` with model, request and reply.

    The file's name is the sha256 of model and request, so a file that was tampered with is found by ``verify``.

    A call is kept as soon as it is answered, but not forced onto the disk, which would take longer than all else: it survives the death of
    the process, and after a loss of power files may be cut short. Such a file counts as none, so that its call is made again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, call: Call) -> Path:
        return self.folder / f"{call.digest[:2]}/{call.digest}.json"

    def get(self, call: Call) -> ChatReply | None:
        """The stored reply, or None; a file that is cut short counts as none.

        Raises:
            ArtifactError: there is a file, but it holds no call.
        """
        path = self.path(call)
        try:
            return _read(path)[1]
        except FileNotFoundError:
            return None
        except ArtifactError as error:
            if isinstance(error.__cause__, json.JSONDecodeError | UnicodeDecodeError):
                return None
            raise

    def put(self, call: Call, reply: ChatReply) -> Path:
        path = self.path(call)
        # A line for each part: as easy to read as an indented document, and several times quicker to make.
        model, answer = (json.dumps(value, ensure_ascii=False) for value in (call.model, _reply_as_json(reply)))
        content = f'{{\n"format": {_FORMAT},\n"model": {model},\n"request": {call.asked},\n"reply": {answer}\n}}\n'.encode()
        try:
            write_quickly(path, content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_quickly(path, content)
        return path

    def calls(self) -> Iterator[tuple[str, ChatRequest, ChatReply]]:
        """All calls, in the order of their file names."""
        for path in self._paths():
            call, reply = _read(path)
            yield call.model, call.request, reply

    def verify(self) -> list[str]:
        """What is wrong with the store, one line for each file; empty when all is well."""
        problems = []
        for path in self._paths():
            try:
                call, _ = _read(path)
            except ArtifactError as error:
                problems.append(str(error))
                continue
            if call.digest != path.stem:
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
        call = Call(self.id, request)
        reply = self.store.get(call)
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
        self.store.put(call, reply)
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
    values = {name: getattr(reply, name) for name in _REPLY_FIELDS}
    values["tail"] = [{"text": token.text, "logprobs": dict(token.logprobs)} for token in reply.tail]
    return {name: value for name, value in values.items() if value or name not in ("dropped", "tail")}


def _read(path: Path) -> tuple[Call, ChatReply]:
    """What a file holds.

    Raises:
        FileNotFoundError: there is none.
        ArtifactError: it is cut short, or no call.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}")
        asked = dict(document["request"])
        messages = tuple(Message(**message) for message in asked.pop("messages"))
        said = dict(document["reply"])
        dropped, tail = tuple(said.pop("dropped", ())), tuple(Token(**token) for token in said.pop("tail", ()))
        return Call(str(document["model"]), ChatRequest(messages=messages, **asked)), ChatReply(**said, dropped=dropped, tail=tail)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"stored call {path} is truncated or damaged ({error})", "Delete that file; the call is made again") from error
