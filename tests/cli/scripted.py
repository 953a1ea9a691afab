"""A coder behind a real endpoint on loopback: shipped answers for skills, a test's own for tasks, repairs and explanations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maestromotif.domains import load_domain
from maestromotif.llm import RecordedChat
from maestromotif.llm.testing import Answer, ChatServer, completion

__all__ = ["ScriptedCoder", "coder_at", "use_endpoint"]


class ScriptedCoder:
    """Answers each question by what it is about.

    Args:
        tasks: answers by the task's English.
        repairs: answers to questions about real episodes, in turn; the last one again and again.
        delay: seconds before each of these.
    """

    def __init__(
        self, domain: str, tasks: Mapping[str, str] | None = None, repairs: Sequence[str] = (), explanation: str = "", delay: float = 0.0
    ) -> None:
        self._domain, self._tasks, self._repairs, self._explanation = domain, dict(tasks or {}), list(repairs), explanation
        self._delay = delay
        self._shipped = {answer.name: answer.text for answer in RecordedChat(load_domain(domain).recorded_answers).answers}
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, number: int, body: dict[str, Any]) -> Answer:
        messages = body["messages"]
        if len(messages) > 2 and messages[-2]["role"] == "assistant":
            # Asked to mend what the simulator found: this coder stands by what it said.
            kind, answer = "again", messages[-2]["content"]
        else:
            kind, answer = self._answer(messages[-1]["content"])
        self.bodies.append(body)
        self.asked.append((kind, messages[-1]["content"]))
        reply = completion(answer)
        reply.delay = self._delay if kind == "repair" else 0.0
        return reply

    def questions(self, kind: str) -> list[str]:
        return [text for found, text in self.asked if found == kind]

    def _answer(self, text: str) -> tuple[str, str]:
        skill = re.search(r'a skill called "(\w+)"', text)
        if skill:
            return "skill", self._shipped[f"{self._domain}/programs/{skill[1]}"]
        if "while the skills are being trained" in text:
            return "training", self._shipped[f"{self._domain}/training-policy"]
        if "does not read code" in text:
            return "explanation", self._explanation
        if "has been driving the trained skills" in text:
            return "repair", self._repairs[min(len(self.questions("repair")), len(self._repairs) - 1)]
        return "task", next(answer for words, answer in self._tasks.items() if words in text)


def use_endpoint(root: Path, url: str) -> None:
    """Have a project's programs written by the model at ``url``, and nobody else asked."""
    path = root / "maestro.toml"
    own = f'[coder]\nkind = "openai"\nbase_url = "{url}"\nmodel = "scripted"\nmax_retries = 0\n'
    text, count = re.subn(r"\[coder\]\n(kind.*\nbase_url.*\nmodel.*\nmax_retries.*\n)?", own, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@contextmanager
def coder_at(root: Path, coder: ScriptedCoder) -> Iterator[ScriptedCoder]:
    """While the context is open, the project's coder is this one."""
    with ChatServer(coder) as server:
        use_endpoint(root, server.url)
        yield coder
