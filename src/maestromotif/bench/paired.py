"""Which of two ways succeeds more often on the very same episodes: an exact test and an interval, pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from maestromotif.bench.stats import Interval

__all__ = ["PairedComparison", "compare_paired"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two success vectors over the same episodes.

    Attributes:
        both, neither: episodes in which both, or none, succeeded; ``only_first``, ``only_second``: just one of them.
        difference: success rate of the second minus that of the first; NaN without episodes.
        interval: of the difference.
        p_value: one-sided, of the second being no better; 1.0 where no episode tells them apart.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    difference: float
    interval: Interval
    p_value: float

    @property
    def episodes(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither


def compare_paired(first: Sequence[bool], second: Sequence[bool], confidence: float = 0.95) -> PairedComparison:
    """Does the second succeed more often than the first?

    The test is the exact permutation test that swaps the two within each episode: only episodes in which they differ count, and each
    is as likely to favour either (McNemar's exact test). The interval adds half an episode to each of the four cells, which
    keeps its coverage with few episodes.

    Sources: Q. McNemar, Psychometrika 12 (1947); A. Agresti and Y. Min, Statistics in Medicine 24 (2005).

    Args:
        first, second: success by episode, in the same order.

    Raises:
        ValueError: vectors of different lengths, or confidence outside ``(0, 1)``.
    """
    if len(first) != len(second):
        raise ValueError(f"the same episodes are needed, got {len(first)} and {len(second)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    pairs = [(bool(one), bool(other)) for one, other in zip(first, second, strict=True)]
    both, neither = pairs.count((True, True)), pairs.count((False, False))
    lost, won = pairs.count((True, False)), pairs.count((False, True))
    count, apart = len(pairs), lost + won
    tail = sum(math.comb(apart, better) for better in range(won, apart + 1)) / 2**apart
    centre = (won - lost) / (count + 2)
    spread = math.sqrt(lost + won + 1 - (won - lost) ** 2 / (count + 2)) / (count + 2)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * spread
    interval = Interval(max(-1.0, centre - half), min(1.0, centre + half))
    return PairedComparison(both, lost, won, neither, (won - lost) / count if count else math.nan, interval, tail)
