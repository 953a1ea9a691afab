"""Models for the tests of LLM policies: what they answer to a question about the corridor."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from maestromotif.llm.testing import Answer, completion

__all__ = ["Asked", "choices_of", "facts_of", "first", "walks"]

Body = dict[str, Any]


def choices_of(body: Body) -> list[str]:
    """What the last question with choices offers."""
    asked = " ".join(message["content"] for message in body["messages"][1:])
    found: str = re.findall(r"(?:Possible actions|Skills that may start now): (.*)", asked)[-1]
    return found.split(", ")


def facts_of(body: Body) -> dict[str, str]:
    line = re.findall(r"Facts now: (.*)", body["messages"][1]["content"])[-1]
    return dict(pair.split(" = ") for pair in line.split("; "))


def walks(body: Body) -> str:
    """To the left end, then to the right one: what the task both_ends asks for."""
    way = "right" if int(facts_of(body)["left_visits"]) else "left"
    choices = choices_of(body)
    if way in choices:
        return f"I have to go {way}.\nACTION: {way}"
    return f"Skill by skill.\nSKILL: {f'go_{way}' if f'go_{way}' in choices else choices[0]}"


def first(body: Body) -> str:
    return f"CHOICE: {choices_of(body)[0]}"


class Asked:
    """A behaviour of ``ChatServer`` that counts how often each question came.

    Args:
        answer: text, or what the server does.
    """

    def __init__(self, answer: Callable[[Body], str | Answer]) -> None:
        self.times: Counter[str] = Counter()
        self._answer, self._lock = answer, threading.Lock()

    def __call__(self, number: int, body: Body) -> Answer:
        with self._lock:
            self.times[repr((body["messages"], body.get("seed")))] += 1
        answer = self._answer(body)
        return completion(answer) if isinstance(answer, str) else answer
