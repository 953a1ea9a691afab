"""The nouns that phases pass to each other. Frozen, and free of heavy imports."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Caption", "EndCause", "Pair", "Preference", "RewardInput", "Verdict", "int64_key"]


class Verdict(enum.StrEnum):
    """Which of two captions fits a skill better, or why that is not known."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    UNPARSED = "unparsed"

    def swap(self) -> Verdict:
        """The verdict on the same pair shown in the other order."""
        if self is Verdict.FIRST:
            return Verdict.SECOND
        if self is Verdict.SECOND:
            return Verdict.FIRST
        return self

    @property
    def decided(self) -> bool:
        return self in (Verdict.FIRST, Verdict.SECOND)

    @property
    def target(self) -> float:
        """How probable it makes the first the better one; NaN where nothing is known."""
        return _TARGETS[self]


_TARGETS = {Verdict.FIRST: 1.0, Verdict.SECOND: 0.0, Verdict.TIE: 0.5, Verdict.UNPARSED: float("nan")}


class EndCause(enum.IntEnum):
    """How the call of a skill ended at a transition.

    ``OVER`` and ``DIED`` end the skill's return (nothing is bootstrapped); ``INTERRUPTED``, ``TIMED_OUT`` and
    ``CUT`` bootstrap from the skill's own value of the observation that follows.
    """

    CONTINUES = 0
    OVER = 1  # its termination function says so
    INTERRUPTED = 2  # the policy over skills takes control back
    TIMED_OUT = 3  # longer than the skill's max_steps
    DIED = 4  # the episode terminated
    CUT = 5  # the episode was truncated (step limit), or the evaluation ended it

    @property
    def terminal(self) -> bool:
        return self in (EndCause.OVER, EndCause.DIED)


@dataclass(frozen=True, slots=True)
class RewardInput:
    """What a reward model reads of a transition.

    Attributes:
        message: the domain's text for the transition; may be empty.
        signs: for each of the domain's ``SignSpec``, the index of its value.
    """

    message: str
    signs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Caption:
    """The text that stands for one transition in front of a judge, with the part a reward model reads."""

    text: str
    reward_input: RewardInput


@dataclass(frozen=True, slots=True)
class Pair:
    """Two captions to be compared. ``id`` is a content hash: stable across runs and orders of asking."""

    id: str
    first: Caption
    second: Caption

    def swap(self) -> Pair:
        return Pair(self.id, self.second, self.first)


@dataclass(frozen=True, slots=True)
class Preference:
    """One annotator's verdict on one pair for one skill.

    Attributes:
        target: probability that the first is better, where the annotator gave one.
        reason: why there is no verdict, where that is known.
    """

    skill: str
    pair: str
    verdict: Verdict
    annotator: str
    target: float | None = None
    reason: str = ""


def int64_key(key: int) -> int:
    """A 64-bit key as the signed number that tables hold (two's complement), whatever sign it came with."""
    return (int(key) + 2**63) % 2**64 - 2**63
