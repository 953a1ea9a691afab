"""Whether a training is sound, by the numbers of its updates: what is not a number stops it at once, what explodes after some updates."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from statistics import median

__all__ = ["Watch"]


class Watch:
    """Looks at the losses of every update.

    A quantity explodes in an update where it is ``FACTOR`` times as large as usual: its median over the last sound updates, or 1 where
    that is less. Advantages and values are standardised, so that losses beyond 1 are large in every domain, whatever its rewards.

    Attributes:
        sound: whether the last update was; weights are worth keeping only then.
    """

    FACTOR = 1e4
    PATIENCE = 5  # updates running
    _MEMORY = 100  # updates
    _WATCHED = ("policy", "value", "gradient_norm")

    def __init__(self) -> None:
        self.sound = True
        self._usual: dict[str, deque[float]] = {name: deque(maxlen=self._MEMORY) for name in self._WATCHED}
        self._running = 0

    def look(self, losses: Mapping[str, float], update: int, last: bool = False) -> str:
        """Take note of an update.

        Args:
            losses: see ``Learner.update``; update: its number.
            last: no update follows, so that nothing can show whether this was a passing moment.

        Returns:
            What the training has to be stopped for, with the quantities; empty if there is nothing.
        """
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            self.sound = False
            return f"not a number in update {update}: {', '.join(broken)}"
        sizes = {name: abs(losses[name]) for name in self._WATCHED}
        exploded = [name for name, size in sizes.items() if size > self.FACTOR * max(1.0, median(self._usual[name] or [0.0]))]
        self.sound = not exploded
        if self.sound:
            self._running = 0
            for name, size in sizes.items():
                self._usual[name].append(size)
            return ""
        self._running += 1
        if self._running < self.PATIENCE and not last:
            return ""
        sizes_now = ", ".join(f"{name} {losses[name]:.2g}" for name in exploded)
        return f"exploded in update {update - self._running + 1} and since then, until update {update}: {sizes_now}"
