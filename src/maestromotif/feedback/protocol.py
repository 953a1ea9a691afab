"""What an annotator is: whatever says which of two captions fits a skill better, and how well it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from maestromotif.domains.contract import Domain
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.tables import CaptionTable
from maestromotif.llm.chat import ChatModel
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["PROMPTS", "Annotator", "AnnotatorContext", "AnnotatorFactory", "Briefing", "Closing", "Judgement", "Telling"]

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
        shown: those of which a question about a skill may show examples, so that later rounds ask the same; None: all.
        home: folder in which annotators keep what should outlast the stage, each below its own name; None: nothing is kept.
        aside: while its context is open, the annotator has the terminal to itself.
    """

    domain: Domain
    config: AnnotateConfig
    chat: ChatModel
    captions: CaptionTable
    seed: int
    shown: CaptionTable | None = None
    home: Path | None = None
    aside: Callable[[], AbstractContextManager[object]] = nullcontext


@runtime_checkable
class Annotator(Protocol):
    """Compares captions. Made once for all skills.

    One whose every answer costs time or money says so with an attribute ``costly = True``; then pairs are chosen with more care.
    """

    @property
    def id(self) -> str:
        """Stable name, stored with each preference."""
        ...

    def brief(self, skill: Skill) -> Briefing:
        """Get ready for a skill."""
        ...

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """Judge all pairs; judgements come as they become ready, in any order. Of several about a pair the last one counts."""
        ...


@runtime_checkable
class Closing(Protocol):
    """An annotator that holds something until the last skill is done."""

    def close(self, finished: bool) -> None:
        """Nothing more will be asked; ``finished``: because all is done, not because something went wrong."""
        ...


@runtime_checkable
class Telling(Protocol):
    """An annotator that has something to tell about a finished skill."""

    def tell(self, transcript: Path) -> Mapping[str, Any]:
        """Entries for the skill's card, from its whole transcript; those under "warnings" are sentences that the person should read."""
        ...


AnnotatorFactory = Callable[[AnnotatorContext], Annotator]
