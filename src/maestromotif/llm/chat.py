"""The one protocol through which everything in the package talks to a language model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

__all__ = ["ChatModel", "ChatReply", "ChatRequest", "Message", "Token", "subject_digest"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. ``role`` is ``"system"``, ``"user"`` or ``"assistant"``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A question to a language model.

    Attributes:
        name: stable purpose, for example ``"nethack/judge/descender"``; recorded answers are found by it.
        messages: the conversation so far.
        subject: the person's own text that the request is about (a skill's or task's text).
        variables: what a recorded fallback answer may weave in; not sent to endpoints.
        temperature, top_p, max_tokens, seed: sampling, as in the chat-completions protocol.
        schema: JSON schema that the answer should keep, where the endpoint can see to it.
        top_logprobs: so many alternatives to each of the answer's last tokens are wanted, where the endpoint tells them.
    """

    name: str
    messages: tuple[Message, ...]
    subject: str = ""
    temperature: float = 0.1
    top_p: float = 0.95
    max_tokens: int = 4096
    seed: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    top_logprobs: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the store and for transcripts; what is not asked for is left out."""
        optional = {"schema": self.schema, "top_logprobs": self.top_logprobs}
        return {
            "name": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in self.messages],
            "subject": self.subject,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "variables": dict(self.variables),
            **{name: value for name, value in optional.items() if value},
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an answer, and the natural logarithm of the probability of each likely token in its place."""

    text: str
    logprobs: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """An answer.

    Attributes:
        text: what the model wrote.
        finish_reason: ``"stop"``, ``"length"`` or what else the endpoint says; ``"content_filter"`` where a filter kept the question or the
            answer back, ``"refusal"`` where the endpoint marks the text as the model's refusal.
        prompt_tokens, completion_tokens: as counted by the endpoint; 0 where unknown.
        model: who wrote it.
        source: ``"endpoint"``, ``"recorded"`` or ``"recorded-fallback"`` (an answer not written for this subject).
        dropped: what the request asked for and the endpoint refuses (``"response_format"``, ``"logprobs"``), so that it went without.
        tail: the answer's last tokens, where ``top_logprobs`` were asked for and given.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    source: str = "endpoint"
    dropped: tuple[str, ...] = ()
    tail: tuple[Token, ...] = ()

    @property
    def is_fallback(self) -> bool:
        return self.source == "recorded-fallback"


@runtime_checkable
class ChatModel(Protocol):
    """Whatever answers a ``ChatRequest``. Must allow calls from several threads at once."""

    @property
    def id(self) -> str:
        """Stable name of the model and of whatever else decides its answers; part of the store's key."""
        ...

    def complete(self, request: ChatRequest) -> ChatReply:
        """Answer.

        Raises:
            ChatError: no answer could be had.
        """
        ...


def subject_digest(subject: str) -> str:
    """sha256 of a text with all runs of white space made one blank: what recorded answers are matched by."""
    return hashlib.sha256(" ".join(subject.split()).encode()).hexdigest()
