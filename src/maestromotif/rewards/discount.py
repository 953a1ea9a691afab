"""The count discount: a reward that keeps coming soon pays nothing (paper, section on reward shaping)."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Literal

__all__ = ["CountDiscount", "Window"]

Window = Literal["steps", "distinct"]


class CountDiscount:
    """Divides by (times a key was seen within a window, this time included) ** exponent. One object per game.

    Args:
        window: length of the window.
        exponent: 0 turns the discount off.
        kind: what the window counts: ``"steps"`` are the last ``window`` calls (the paper); ``"distinct"`` the
            ``window`` different keys seen last, each with all its sightings since it came in (the released code).
    """

    __slots__ = ("_counts", "_order", "_powers", "_recent", "exponent", "kind", "window")

    def __init__(self, window: int = 20, exponent: float = 3.0, kind: Window = "steps") -> None:
        if window < 1 or exponent < 0:
            raise ValueError(f"window must be at least 1 and exponent at least 0, not {window} and {exponent}")
        self.window = window
        self.exponent = exponent
        self.kind = kind
        # The table of inverse powers saves a pow() in each environment step.
        self._powers: list[float] = [1.0, *(float(count) ** -exponent for count in range(1, window + 1))]
        self._recent: deque[int] = deque()
        self._counts: dict[int, int] = {}
        self._order: OrderedDict[int, int] = OrderedDict()

    def reset(self) -> None:
        """Forget everything: a new episode begins."""
        self._recent.clear()
        self._counts.clear()
        self._order.clear()

    def factor(self, discount_key: int) -> float:
        """The factor for this step's reward, in (0, 1]; to be called once per environment step. Key 0 gives 1.0."""
        if self.kind != "steps":
            return self._by_distinct(discount_key)
        key, counts, recent = discount_key, self._counts, self._recent
        recent.append(key)
        count = counts.get(key, 0) + 1
        counts[key] = count
        if len(recent) > self.window:
            old = recent.popleft()
            left = counts[old] - 1
            if left:
                counts[old] = left
            else:
                del counts[old]
            if old == key:
                count = left
        return self._powers[count] if key else 1.0

    def _by_distinct(self, key: int) -> float:
        if key == 0:
            return 1.0
        order = self._order
        count = order.get(key, 0) + 1
        order[key] = count
        order.move_to_end(key)
        if len(order) > self.window:
            order.popitem(last=False)
        return self._powers[count] if count < len(self._powers) else float(count) ** -self.exponent
