"""
Training policy for the agent.

The policy keeps a small amount of state about each dungeon level and makes sure that every skill is practised
in situations in which it can succeed.
"""
import random
from collections import defaultdict
from typing import Any, Dict, List, Optional, Set, Tuple

# ---------------------------------------------------------------------------
# Configuration
# ---------------------------------------------------------------------------
MIN_DEPTH: int = 1
MAX_TARGET_DEPTH: int = 5
EXPLORATION_PROBABILITY: float = 0.35
MAX_CALLS_PER_LEVEL: Dict[str, int] = {
    "discoverer": 4,
    "merchant": 3,
    "worshipper": 3,
}


class PolicyOverSkills:
    """Chooses the next skill to execute."""

    def __init__(self) -> None:
        """Initialise the internal state."""
        self._target_depth: int = random.randint(2, MAX_TARGET_DEPTH)
        self._calls_on_level: Dict[Tuple[str, int], Dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._seen_levels: Set[Tuple[str, int]] = set()
        self._last_place: Optional[Tuple[str, int]] = None
        self._ascending: bool = False

    # ----------------------------------------------------------------- hooks
    def observe(self, facts: Any) -> None:
        place = self._place(facts)
        if place != self._last_place:
            self._seen_levels.add(place)
            self._last_place = place
            if facts.depth >= self._target_depth:
                self._ascending = True
            elif facts.depth <= MIN_DEPTH and self._ascending:
                self._ascending = False
                self._target_depth = random.randint(2, MAX_TARGET_DEPTH)

    def next_skill(self, facts: Any, finished: str, startable: List[str]) -> str:
        place = self._place(facts)
        if finished:
            self._calls_on_level[place][finished] += 1
        # 1. Opportunistic skills first
        for opportunistic in ("merchant", "worshipper"):
            if opportunistic in startable and self._may_call(place, opportunistic):
                return opportunistic
        # 2. Explore with some probability
        if "discoverer" in startable and self._may_call(place, "discoverer") and random.random() < EXPLORATION_PROBABILITY:
            return "discoverer"
        # 3. Otherwise travel
        preferred = "ascender" if self._ascending and facts.depth > MIN_DEPTH else "descender"
        if preferred in startable:
            return preferred
        # 4. Fallback
        return random.choice(startable)

    # --------------------------------------------------------------- helpers
    def _place(self, facts: Any) -> Tuple[str, int]:
        return (facts.branch, facts.branch_level)

    def _may_call(self, place: Tuple[str, int], skill: str) -> bool:
        return self._calls_on_level[place][skill] < MAX_CALLS_PER_LEVEL.get(skill, 1)
