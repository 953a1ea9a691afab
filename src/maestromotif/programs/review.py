"""What a person who reads a program before it is kept may decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maestromotif.programs.attempt import Attempt
from maestromotif.programs.requests import Question

__all__ = ["Abort", "Accept", "Ask", "Decision", "Edit", "Review"]


@dataclass(frozen=True, slots=True)
class Accept:
    """Keep it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Have the coder write it again, heeding ``remark``."""

    remark: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Take ``source`` in its place."""

    source: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Keep nothing and stop."""


Decision = Accept | Ask | Edit | Abort
# The text says what became of the last decision; empty at first.
Review = Callable[[Question, Attempt, str], Decision]
