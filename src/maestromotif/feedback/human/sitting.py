"""A person's sitting over the pairs of one skill: which pair is next, what a key does to it, and what is kept."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from maestromotif.feedback.journal import Journal
from maestromotif.feedback.protocol import Judgement
from maestromotif.skills import Skill
from maestromotif.types import Caption, Pair, Verdict

__all__ = ["KEYS", "Sitting", "pace"]

# What each key means, in the order in which it is shown.
KEYS = {
    "1": "the first is better",
    "2": "the second is better",
    "t": "a tie",
    "s": "skip",
    "u": "undo",
    "e": "end: skip all the rest",
    "q": "quit and keep",
    "enter": "go on",
}
_VERDICTS = {"1": Verdict.FIRST, "2": Verdict.SECOND, "t": Verdict.TIE}
# A pause longer than this says nothing about how fast the person decides.
_PAUSE = 120.0


class Sitting:
    """Pairs of a skill in front of a person. Every decision is on the disk before the next pair is shown.

    Args:
        pairs: to be decided; those that the journal knows are answered from it.
        journal: of this skill's text; outlasts runs and settings.
        seed: decides, with a pair's id, which of its captions is shown first.
        clock: seconds.
    """

    def __init__(
        self, skill: Skill, pairs: Sequence[Pair], journal: Journal, seed: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.skill = skill
        self._journal = journal
        self._seed = seed
        self._clock = clock
        known = journal.open()
        answered = [(pair, known[pair.id]) for pair in pairs if pair.id in known]
        # Filled and emptied by different threads, where a page is used.
        self._fresh = deque(Judgement(pair, answer.verdict, answer.target, answer.reason) for pair, answer in answered)
        self._pairs = [pair for pair in pairs if pair.id not in known]
        # The stage hands over only what it does not know itself, so all that was decided about this text counts as done.
        self._earlier = len(known)
        self._place = 0
        # Where each decision was made; the last one is what an undo takes back.
        self._places: list[int] = []
        self._over = not self._pairs
        self._spent, self._decided = 0.0, 0
        self._since = clock()

    @property
    def pair(self) -> Pair | None:
        """The pair to decide; None when all are done, which an undo may change until the sitting is over."""
        return self._pairs[self._place] if self._place < len(self._pairs) else None

    @property
    def shown(self) -> tuple[Caption, Caption]:
        """The two captions in the order on the screen.

        Raises:
            ValueError: all pairs are done.
        """
        pair = self.pair
        if pair is None:
            raise ValueError("all pairs are done")
        return (pair.second, pair.first) if self._swapped(pair) else (pair.first, pair.second)

    @property
    def done(self) -> int:
        return self._earlier + self._place

    @property
    def total(self) -> int:
        return self._earlier + len(self._pairs)

    @property
    def can_undo(self) -> bool:
        return bool(self._places) and not self._over

    @property
    def over(self) -> bool:
        """Whether all pairs are done and the person went on from them."""
        return self._over

    @property
    def keys(self) -> dict[str, str]:
        """Keys that mean something now, with what they mean."""
        useless = {"enter"} if self.pair is not None else {*_VERDICTS, "s", "e"}
        return {key: text for key, text in KEYS.items() if key not in useless and (key != "u" or self.can_undo)}

    @property
    def rate(self) -> float:
        """Decisions a minute in this sitting; 0 before the first."""
        return 60 * self._decided / self._spent if self._spent > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """For what is left, at this rate; None while it is unknown."""
        return 60 * (self.total - self.done) / self.rate if self.rate else None

    def press(self, key: str) -> bool:
        """Do what a key says, "q" excepted, which is the caller's business; whether it meant anything."""
        pair = self.pair
        if key == "u" and self.can_undo:
            end, self._place = self._place, self._places.pop()
            self._keep([Judgement(one, Verdict.UNPARSED, reason="undone") for one in self._pairs[self._place : end]])
        elif key == "enter" and pair is None:
            self._over = True
        elif key == "e" and pair is not None:
            rest = self._pairs[self._place :]
            self._go_to(len(self._pairs))
            self._keep([Judgement(one, Verdict.UNPARSED, reason="skipped") for one in rest])
        elif key == "s" and pair is not None:
            self._go_to(self._place + 1)
            self._keep([Judgement(pair, Verdict.UNPARSED, reason="skipped")])
        elif key in _VERDICTS and pair is not None:
            swapped = self._swapped(pair)
            verdict = _VERDICTS[key].swap() if swapped else _VERDICTS[key]
            now = self._clock()
            seconds, self._since = now - self._since, now
            if seconds < _PAUSE:
                self._spent, self._decided = self._spent + seconds, self._decided + 1
            self._go_to(self._place + 1)
            self._keep([Judgement(pair, verdict, detail={"swapped": swapped, "seconds": round(seconds, 1)})])
        else:
            return False
        return True

    def take(self) -> list[Judgement]:
        """Judgements since the last call, in order."""
        return [self._fresh.popleft() for _ in range(len(self._fresh))]

    def _go_to(self, place: int) -> None:
        self._places.append(self._place)
        self._place = place

    def _keep(self, judgements: list[Judgement]) -> None:
        self._journal.append(judgements)
        self._fresh.extend(judgements)

    def _swapped(self, pair: Pair) -> bool:
        return hashlib.sha256(f"{self._seed}/{pair.id}".encode()).digest()[0] % 2 == 1


def pace(sitting: Sitting) -> str:
    """Progress, rate and time left in words."""
    parts = [f"{sitting.done:,} of {sitting.total:,} pairs"]
    if sitting.seconds_left is not None:
        parts += [f"{sitting.rate:.0f} a minute", f"about {math.ceil(sitting.seconds_left / 60):,} min left"]
    return " · ".join(parts)
