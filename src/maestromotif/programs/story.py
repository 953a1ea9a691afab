"""What a policy over skills did, call by call: chains of skills in words, and where the chains of failed episodes broke.

The same for simulated and for real episodes, so that a person and a coder read both alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

from maestromotif.types import EndCause

__all__ = ["HOW", "ChainFailure", "Story", "StoryCall", "cause_name", "chain", "chain_failures", "facts_named", "trace", "typical"]

_GROUPS = 10  # parts of a chain, before its middle is left out
_CHANGES = 8  # facts shown per line of a trace
_TRACE_LINES = 30
_FACTS = 12  # facts told of a kind of failure
_TEXT = 60


@dataclass(frozen=True, slots=True)
class StoryCall:
    """One call of a skill.

    Attributes:
        cause: how it ended, as ``cause_name`` writes it.
        steps: how long it took.
        expected: whether it did what the skill is for: its measure where it names one, else its own termination.
        reason: why it ended, in words.
        after: the facts at its end; may be empty where nobody looked.
        before: of the facts that differ, the value at its start.
    """

    skill: str
    cause: str
    steps: int
    expected: bool
    reason: str = ""
    after: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """One episode. ``claimed``: its program said that the task is done; ``died``: the environment ended it."""

    calls: tuple[StoryCall, ...]
    success: bool
    claimed: bool
    died: bool
    steps: int


@dataclass(frozen=True, slots=True)
class ChainFailure:
    """One way in which calls of a skill did not end as expected, over all failed episodes.

    Attributes:
        calls: such calls in failed episodes; ``episodes``: failed episodes that hold one; ``last``: those that it was the last call of.
        elsewhere: such calls in successful episodes.
        facts: what held at the end of these calls, a phrase for each fact.
    """

    skill: str
    cause: str
    calls: int
    episodes: int
    last: int
    elsewhere: int
    facts: tuple[str, ...]

    def line(self, failed: int) -> str:
        """One line for a coder or a person; ``failed`` episodes in all."""
        where = f"in {self.episodes} of {failed} failed episodes"
        last = f", {self.last} of which ended there" if self.last else ""
        also = f"; {self.elsewhere} such calls in successful episodes" if self.elsewhere else ""
        facts = f". The facts then: {'; '.join(self.facts)}" if self.facts else ""
        return f"{self.skill} {HOW.get(self.cause, self.cause)}: {self.calls} calls {where}{last}{also}{facts}"


HOW = {
    "over": "was over without having done what it is for",
    "timed out": "took its longest time without being over",
    "interrupted": "was interrupted before it was over",
    "died": "was at work when the game ended",
    "cut": "was at work when the time was up",
}
"""Ways in which a call can end, where it did not do what its skill is for."""


def cause_name(cause: EndCause) -> str:
    """``"over"``, ``"timed out"``, ``"interrupted"``, ``"died"`` or ``"cut"``."""
    return EndCause(cause).name.lower().replace("_", " ")


def chain(story: Story) -> str:
    """The skills in the order in which they were called, repetitions together: ``discoverer x3 > (descender > discoverer) x2 > ...``."""
    parts = _folded([call.skill for call in story.calls])
    if len(parts) > _GROUPS:
        half = _GROUPS // 2
        parts = [*parts[:half], f"... {len(parts) - 2 * half} more ...", *parts[-half:]]
    return " > ".join(parts) or "no skill was called"


def _folded(names: Sequence[str]) -> list[str]:
    """Runs of one name, or of two or three in turn, as one part each."""
    parts: list[str] = []
    place = 0
    while place < len(names):
        width, times = 1, 1
        for period in (1, 2, 3):
            unit = names[place : place + period]
            count = 1
            while names[place + count * period : place + (count + 1) * period] == unit:
                count += 1
            if count > 1 and count * period > width * times:
                width, times = period, count
        unit = names[place : place + width]
        text = " > ".join(unit)
        parts.append(text if times == 1 else f"{text} x{times}" if width == 1 else f"({text}) x{times}")
        place += width * times
    return parts


def typical(stories: Sequence[Story]) -> Story | None:
    """The story of middle length; None if there is none."""
    ordered = sorted(stories, key=lambda story: len(story.calls))
    return ordered[len(ordered) // 2] if ordered else None


def trace(story: Story, clock: str = "") -> tuple[str, ...]:
    """One line for each call, with what changed, and how the episode ended.

    Args:
        clock: a fact that always changes and is not told.
    """
    lines, step = [], 0
    for call in story.calls:
        changed = [f"{name} {_short(old)} -> {_short(call.after.get(name))}" for name, old in call.before.items() if name != clock]
        more = f", and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
        what = ", ".join(changed[:_CHANGES]) + more or "nothing changed"
        lines.append(f"steps {step}-{step + call.steps} {call.skill}: {call.reason or call.cause}; {what}")
        step += call.steps
    if len(lines) > _TRACE_LINES:
        half = _TRACE_LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} calls left out ...", *lines[-half:]]
    end = "is_done said True" if story.claimed else "the game ended" if story.died else "the time was up"
    return (*lines, f"end after {story.steps} steps: {end}; {'accomplished' if story.success else 'not accomplished'}")


def facts_named(names: Sequence[str], *sources: str) -> tuple[str, ...]:
    """The facts that programs read, those of the first program first; all facts where they read none."""
    found = dict.fromkeys(name for source in sources for name in re.findall(r"\.([a-z]\w*)", source))
    return tuple(name for name in found if name in names) or tuple(names)


def chain_failures(stories: Sequence[Story], names: Sequence[str]) -> list[ChainFailure]:
    """How calls failed in episodes that did not accomplish the task; first those that episodes ended in.

    Args:
        names: the facts to tell, the more telling ones first.
    """
    failed = [story for story in stories if not story.success]
    calls: dict[tuple[str, str], list[StoryCall]] = {}
    episodes: Counter[tuple[str, str]] = Counter()
    last: Counter[tuple[str, str]] = Counter()
    for story in failed:
        for call in story.calls:
            if not call.expected:
                calls.setdefault((call.skill, call.cause), []).append(call)
        episodes.update({(call.skill, call.cause) for call in story.calls if not call.expected})
        last.update((call.skill, call.cause) for call in story.calls[-1:] if not call.expected)
    elsewhere = Counter((call.skill, call.cause) for story in stories if story.success for call in story.calls if not call.expected)
    found = [
        ChainFailure(*key, len(rows), episodes[key], last[key], elsewhere[key], _facts([call.after for call in rows], names))
        for key, rows in calls.items()
    ]
    return sorted(found, key=lambda failure: (-failure.last, -failure.episodes, -failure.calls, failure.skill, failure.cause))


def _facts(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    told = []
    for name in names:
        values = [row[name] for row in rows if name in row]
        if values:
            told.append(_fact(name, values))
    return tuple(told[:_FACTS])


def _fact(name: str, values: Sequence[Any]) -> str:
    """``depth 2 to 4, mostly 3``; ``stairs_down_known False (11 of 14)``."""
    first = values[0]
    if all(value == first for value in values):
        return f"{name} {_short(first)}"
    if isinstance(first, int | float) and not isinstance(first, bool):
        return f"{name} {_short(min(values))} to {_short(max(values))}, median {_short(median_low(values))}"
    value, count = Counter(values).most_common(1)[0]
    return f"{name} {_short(value)} ({count} of {len(values)})"


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."
