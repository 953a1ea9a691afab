"""A client of any server that speaks OpenAI's chat-completions protocol, with streaming off.

https://platform.openai.com/docs/api-reference/chat; vLLM, Ollama and llama.cpp's server speak it too.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from maestromotif.errors import CallError, ChatError
from maestromotif.llm.chat import ChatReply, ChatRequest, Token
from maestromotif.llm.gate import Gate
from maestromotif.llm.transport import Response, TimedOut, Transport, Unreachable, read_url

__all__ = ["OpenAIChat"]

# 408, 409 and 425 say "not now"; 429 "not so fast"; 5xx "not my day".
_RETRIED = frozenset({408, 409, 425, 429})
# So many of an answer's last tokens are kept with their alternatives.
_TAIL = 16


class _BadRequest(CallError):
    """The endpoint does not take this request as it is."""


class _Nonsense(Exception):
    """200, but no answer in it."""


class OpenAIChat:
    """A ``ChatModel`` behind HTTP. Safe to call from several threads.

    Args:
        base_url: up to and including ``/v1``; ``/chat/completions`` is added.
        model: the model's name at that endpoint.
        api_key_env: environment variable with the key. It may be unset: local servers need none.
        timeout: seconds without an answer after which a call is given up and retried.
        max_retries: further tries after the first, on timeouts, lost connections, 429 and 5xx.
        backoff: seconds before the first retry; doubles with each, up to ``max_backoff``, with jitter.
        max_backoff: longest wait before a retry, also where the server's Retry-After asks for more.
        omit: sampling parameters not to send (some hosted models refuse ``temperature`` or ``top_p``).
        extra_body: further fields of the request body.
        sleep, clock: for tests; seconds.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_env: str = "MAESTROMOTIF_API_KEY",
        timeout: float = 180.0,
        max_retries: int = 5,
        backoff: float = 1.0,
        max_backoff: float = 60.0,
        omit: tuple[str, ...] = (),
        extra_body: Mapping[str, Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            url = read_url(base_url)
        except ValueError:
            problem = f"base_url {base_url!r} is not an http or https URL"
            raise ChatError(problem, "Write it like http://localhost:8000/v1") from None
        if url.auth or url.query or url.fragment:
            raise ChatError(
                f"base_url for {url.host} holds a user, a password, a query or a fragment",
                f"Remove it; a key belongs into the environment variable {api_key_env}",
            )
        self.endpoint = base_url.rstrip("/") + "/chat/completions"
        self.model = model
        self._api_key_env = api_key_env
        self._timeout = timeout
        self._max_retries = max_retries
        self._backoff = backoff
        self._max_backoff = max_backoff
        self._omit = frozenset(omit)
        self._extra = dict(extra_body or {})
        self._sleep = sleep
        self._gate = Gate(sleep, clock)
        self._refused_parts: set[str] = set()
        self._jitter = random.Random()  # noqa: S311 - spreads retries in time, nothing else
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        options = json.dumps([sorted(self._omit), self._extra], sort_keys=True)
        suffix = "" if not (self._omit or self._extra) else "#" + hashlib.sha256(options.encode()).hexdigest()[:8]
        self.id = f"{model}@{base_url.rstrip('/')}{suffix}"

    def complete(self, request: ChatRequest) -> ChatReply:
        """Answer; what the endpoint refuses of the optional parts of a request is left out, from then on of all requests.

        Raises:
            CallError: this call failed for good: no usable answer after all tries, or the endpoint refuses this request.
            ChatError: no call can succeed: a wrong key or address.
        """
        wanted = _optional_parts(request)
        parts = [name for name in wanted if name not in self._refused_parts]
        while True:
            try:
                reply = self._answer(request, {name: wanted[name] for name in parts})
            except _BadRequest as error:
                if not parts:
                    raise
                # Which part it minds is seldom said in a form that can be relied on; the one that it names goes first.
                minded = "logprobs" if "logprobs" in parts and "logprob" in error.problem else parts[0]
                parts.remove(minded)
                continue
            dropped = tuple(name for name in wanted if name not in parts)
            self._refused_parts.update(dropped)
            return replace(reply, dropped=dropped) if dropped else reply

    def _answer(self, request: ChatRequest, parts: Mapping[str, Any]) -> ChatReply:
        content = json.dumps(self._body(request, parts), ensure_ascii=False).encode()
        for attempt in range(self._max_retries + 1):
            pause: float | None = None
            with self._gate.passage() as passage:
                try:
                    response = self._http().post(content, self._headers())
                    if response.status == 200:
                        reply = self._reply(response, request)
                        passage.succeeded()
                        return reply
                    if _is_filtered(response):
                        return ChatReply("", finish_reason="content_filter", model=self.model)
                    error = self._refused(response, attempt)
                    if not _is_retried(response.status):
                        raise error
                    pause = _seconds(response.headers.get("retry-after"))
                    if response.status == 429 or pause is not None:
                        passage.refused(min(pause or 0.0, self._max_backoff))
                except TimedOut:
                    problem = f"{self.endpoint} gave no answer within {self._timeout:g} s ({_tries(attempt)})"
                    error = CallError(problem, "Raise timeout in maestro.toml, lower concurrency, or see whether the server is busy")
                except Unreachable as cause:
                    problem = f"{self.endpoint} cannot be reached: {cause} ({_tries(attempt)})"
                    error = CallError(problem, "Start the server, or mend base_url in maestro.toml")
                except _Nonsense as nonsense:
                    problem = f"{self.endpoint} answered 200 with {nonsense}: {self._excerpt(response)} ({_tries(attempt)})"
                    error = CallError(problem, "See whether base_url is that of an OpenAI-compatible server (it usually ends in /v1)")
            if attempt < self._max_retries and pause is None:
                # Half fixed, half random, so that many threads do not come back at the same moment.
                self._sleep(min(self._backoff * 2.0**attempt, self._max_backoff) * (0.5 + 0.5 * self._jitter.random()))
        raise error

    def close(self) -> None:
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    def _http(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = Transport(self.endpoint, self._timeout)
            return self._transport

    def _key(self) -> str:
        return os.environ.get(self._api_key_env, "").strip()

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        key = self._key()
        if not key:
            return headers
        if not key.isascii() or not key.isprintable():
            raise ChatError(f"the environment variable {self._api_key_env} holds characters that no key has", "Set it again")
        return {**headers, "Authorization": f"Bearer {key}"}

    def _body(self, request: ChatRequest, parts: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": False,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        for part in parts.values():
            body |= part
        return {name: value for name, value in body.items() if name not in self._omit} | self._extra

    def _reply(self, response: Response, request: ChatRequest) -> ChatReply:
        if not response.whole:
            raise _Nonsense(f"more than {len(response.content):,} bytes")
        try:
            document = json.loads(response.content)
        except (ValueError, RecursionError):  # covers broken JSON and broken text encodings
            raise _Nonsense("something that is not JSON") from None
        try:
            choice = document["choices"][0]
            text = _text(choice["message"].get("content"))
            refusal = _text(choice["message"].get("refusal"))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise _Nonsense("JSON that is no chat completion") from None
        usage = document.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        refused = bool(refusal) and not text
        return ChatReply(
            text=refusal if refused else text,
            finish_reason="refusal" if refused else _whole(str(choice.get("finish_reason") or "stop")),
            prompt_tokens=_count(counts.get("prompt_tokens")),
            completion_tokens=_count(counts.get("completion_tokens")),
            model=_whole(str(document.get("model") or self.model)),
            source="endpoint",
            tail=_tail(choice.get("logprobs")) if request.top_logprobs else (),
        )

    def _refused(self, response: Response, attempt: int) -> ChatError:
        """The error that a status means; one of this call alone where another call may fare better."""
        status = response.status
        kind: type[ChatError] = CallError
        if status in (401, 403):
            kind = ChatError
            state = "is not accepted" if self._key() else "is not set"
            remedy = f"The key in the environment variable {self._api_key_env} {state}"
        elif status in (404, 405):
            kind = ChatError
            remedy = f"See whether base_url is right (it usually ends in /v1) and the server knows the model {self.model!r}"
        elif status == 429:
            remedy = "Lower concurrency in maestro.toml, or wait for the quota to renew; what was answered is kept"
        elif status >= 500:
            remedy = "The server is in trouble; see its log and run the command again, what was answered is kept"
        elif 300 <= status < 400:
            kind = ChatError
            remedy = "The server sends the call elsewhere; put the final address into base_url"
        else:
            kind = _BadRequest
            remedy = "See the server's message; parameters can be left out with `omit` in maestro.toml"
        return kind(f"{self.endpoint} answered {status} ({_tries(attempt)}): {self._excerpt(response)}", remedy)

    def _excerpt(self, response: Response) -> str:
        """The first words of a body, on one line, without the key should the server echo it."""
        text = response.content[:2000].decode("utf-8", errors="replace")
        key = self._key()
        if key:
            text = text.replace(key, "***")
        text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
        return repr(text if len(text) <= 200 else text[:197] + "...")


def _optional_parts(request: ChatRequest) -> dict[str, dict[str, Any]]:
    """What a request asks for beyond a plain completion, as fields of the body, by name."""
    parts: dict[str, dict[str, Any]] = {}
    if request.schema is not None:
        schema = {"name": "answer", "schema": request.schema, "strict": True}
        parts["response_format"] = {"response_format": {"type": "json_schema", "json_schema": schema}}
    if request.top_logprobs:
        parts["logprobs"] = {"logprobs": True, "top_logprobs": request.top_logprobs}
    return parts


def _is_retried(status: int) -> bool:
    return status in _RETRIED or status >= 500


def _is_filtered(response: Response) -> bool:
    """Whether a content filter refused the question (Azure says so with status 400)."""
    if response.status != 400 or b"content_filter" not in response.content:
        return False
    try:
        return bool(json.loads(response.content)["error"]["code"] == "content_filter")
    except (ValueError, KeyError, TypeError):
        return False


def _tries(attempt: int) -> str:
    return "1 try" if attempt == 0 else f"{attempt + 1} tries"


def _tail(logprobs: Any) -> tuple[Token, ...]:
    """The last tokens of an answer; empty where the endpoint gave none, or not in the usual form."""
    try:
        return tuple(
            Token(
                _whole(str(token["token"])),
                {_whole(str(other["token"])): float(other["logprob"]) for other in [*token["top_logprobs"], token]},
            )
            for token in logprobs["content"][-_TAIL:]
        )
    except (KeyError, TypeError, ValueError):
        return ()


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds: a number or an HTTP date (RFC 9110, 10.2.3); None where it says nothing useful."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _text(content: Any) -> str:
    """The text of a message's content: a string, None (nothing was said), or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return _whole(content)
    if isinstance(content, list):
        return _whole("".join(str(part["text"]) for part in content if part.get("type") == "text"))
    raise TypeError(f"content of type {type(content).__name__}")


def _whole(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which JSON can hold and no file can."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
