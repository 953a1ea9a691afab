"""What the model itself says of a finished program: yes or no, and why. Shown to people; decides nothing."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Assessment", "read_assessment"]

_ANSWER = re.compile(r"^\W*ANSWER\W+(YES|NO)\b", re.IGNORECASE | re.MULTILINE)
_FIRST = re.compile(r"\W*(YES|NO)\b", re.IGNORECASE)
_MOST = 1_000  # characters of a reason that are kept


@dataclass(frozen=True, slots=True)
class Assessment:
    """A verdict; ``"unclear"`` where the answer has no such word, ``"skipped"`` where none was asked for.

    Attributes:
        reason: in the model's words, or why there is none.
    """

    verdict: Literal["yes", "no", "unclear", "skipped"]
    reason: str
    model: str = ""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "problems": [self.reason] if self.verdict == "no" else []}


def read_assessment(text: str, model: str) -> Assessment:
    """The verdict of an answer: that of its last line ``ANSWER: ...``, or of its first word."""
    said = text.rpartition("</think>")[2].strip()
    found = _ANSWER.findall(said)
    first = _FIRST.match(said)
    word = found[-1] if found else first[1] if first else ""
    reason = " ".join(_ANSWER.sub("", said).split())
    verdict: Literal["yes", "no", "unclear"] = "yes" if word.lower() == "yes" else "no" if word else "unclear"
    return Assessment(verdict, reason if len(reason) <= _MOST else reason[:_MOST] + " ...", model)
