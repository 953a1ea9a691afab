"""What an annotator is: whatever says which of two captions fits a skill better, and how well it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from maestromotif.domains.contract import Domain
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.tables import CaptionTable
from maestromotif.llm.chat import ChatModel
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["PROMPTS", "Annotator", "AnnotatorContext", "AnnotatorFactory", "Briefing", "Judgement"]

PROMPTS = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a pair, with what led to it.

    Attributes:
        verdict: ``UNPARSED`` where there is none.
        target: how probable it is that the first is better, in [0, 1], where the annotator knows more than its verdict; None: 1, 0 or one
            half, as the verdict says.
        reason: why there is no verdict, in one word (``"refused"``, ``"filtered"``, ``"length"``, ``"failed"``, ``"skipped"``); empty
            where there is one, and where an answer could not be read.
        detail: plain values that go into the transcript.
    """

    pair: Pair
    verdict: Verdict
    target: float | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Briefing:
    """What an annotator needs and says once per skill, before it compares.

    Attributes:
        transcript: first line of the skill's transcript; plain values. Judgements made under another one do not count.
        program: source of a scoring program, where there is one.
        warning: something that the person should know; empty if nothing.
    """

    transcript: Mapping[str, Any]
    program: str = ""
    warning: str = ""


@dataclass(frozen=True)
class AnnotatorContext:
    """What annotators are made from.

    Attributes:
        config: the [annotate] table; ``config.options`` are the annotator's own.
        chat: the model of the [annotator] table, for those that ask one.
        captions: every caption that may be compared.
    """

    domain: Domain
    config: AnnotateConfig
    chat: ChatModel
    captions: CaptionTable
    seed: int


@runtime_checkable
class Annotator(Protocol):
    """Compares captions. Made once for all skills."""

    @property
    def id(self) -> str:
        """Stable name, stored with each preference."""
        ...

    def brief(self, skill: Skill) -> Briefing:
        """Get ready for a skill."""
        ...

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """Judge all pairs; judgements come as they become ready, in any order, each pair once."""
        ...


AnnotatorFactory = Callable[[AnnotatorContext], Annotator]
