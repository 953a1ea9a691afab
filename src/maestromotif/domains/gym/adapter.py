"""What a Gymnasium environment means in words: the class that ``adapter.py`` of a project subclasses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium

from maestromotif.domains.contract import CallMeasure, Facts, FactSpec, SignSpec
from maestromotif.domains.gym.found import find_facts

__all__ = ["STANDARD_FACTS", "TREND", "Adapter", "Goal", "trend", "trends"]

TREND = ("same", "rises", "falls")
# What every adapter's facts have besides its own.
STANDARD_FACTS = (
    FactSpec("steps", "int", "steps since the episode began"),
    FactSpec("over", "bool", "the episode has ended with the last step"),
)
_EVENLY = (-1.0, -0.3, -0.1, 0.0, 0.1, 0.3, 1.0)

# Takes the facts, and what programs never see: "reward" of the last step, "score" (their sum in this episode), and "info".
Condition = Callable[[Facts, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Goal:
    """A task: conditions that have to be met one after another.

    Attributes:
        id: short and lower-case.
        description: in English; the coder gets it.
        conditions: at least one.
        max_steps: an episode is cut after so many.
    """

    id: str
    description: str
    conditions: Sequence[Condition]
    max_steps: int = 500


def trend(before: float, after: float, borders: Sequence[float]) -> str:
    """``"rises"`` or ``"falls"`` where a number has passed a border, else ``"same"``. A border belongs to what lies above it."""
    low, high = bisect_right(borders, before), bisect_right(borders, after)
    return "rises" if high > low else "falls" if high < low else "same"


def trends(before: Facts, after: Facts, borders: Mapping[str, Sequence[float]]) -> str:
    """One sentence for each fact that has passed a border: which way, and the last border passed. Facts that are not numbers change.

    Args:
        borders: by fact, in rising order; empty for bool and str facts.
    """
    words = []
    for name, passed in borders.items():
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(new, bool | str):
            if old != new:
                words.append(f"{name} becomes {new}.")
            continue
        way = trend(old, new, passed)
        if way == "rises":
            words.append(f"{name} rises past {passed[bisect_right(passed, new) - 1]:g}.")
        elif way == "falls":
            words.append(f"{name} falls below {passed[bisect_right(passed, new)]:g}.")
    if after.over:
        words.append("The episode ends.")
    return " ".join(words) or "Nothing changes."


class Adapter:
    """Facts, captions, signs and tasks of an environment. What a subclass leaves out follows from the observation space.

    Attributes:
        title: for people; default: the environment's id.
        knowledge: what a coder or judge should know, in English.
        actions: names of the actions, in order, or of the dimensions of continuous ones; default: as the environment calls them, else
            numbered.
        bins: 0: actions that are continuous in all of their parts are. Else the number of values that each continuous dimension may take.
        fact_specs: documentation of what ``facts`` gives, without the facts ``steps`` and ``over``, which are always there.
        borders: by fact, the numbers whose passing is worth telling; see ``trend``.
        sign_specs: what reward models read beside the caption; their first value means that nothing happened.
        goals: tasks.
        measures: by name, did a call of a skill do this? For reports only.
    """

    title: str = ""
    knowledge: str = ""
    actions: Sequence[str] = ()
    bins: int = 0
    fact_specs: Sequence[FactSpec] = ()
    borders: Mapping[str, Sequence[float]] = {}
    sign_specs: Sequence[SignSpec] = ()
    goals: Sequence[Goal] = ()
    measures: Mapping[str, CallMeasure] = {}

    def __init__(self, observation_space: gymnasium.Space[Any]) -> None:
        self._found = () if self.fact_specs else find_facts(observation_space)
        self.fact_specs = tuple(self.fact_specs) or tuple(fact.spec for fact in self._found)
        self.borders = dict(self.borders) or {spec.name: _borders(spec) for spec in self.fact_specs}
        self.sign_specs = tuple(self.sign_specs) or tuple(_sign(spec) for spec in self.fact_specs if spec.name in self.borders)

    def facts(self, observation: Any, info: Mapping[str, Any]) -> Mapping[str, Any]:
        """The facts of a state: plain int, float, bool and str values by name.

        Args:
            observation, info: as the environment gave them.
        """
        return {fact.spec.name: fact.read(observation) for fact in self._found}

    def caption(self, before: Facts, after: Facts, action: str) -> str:
        """The words for one step. Keep numbers that can take many values out of them: each distinct caption has a reward of its own."""
        return trends(before, after, self.borders)

    def signs(self, before: Facts, after: Facts, action: str) -> Mapping[str, str]:
        """By name, a value of each of ``sign_specs`` for one step."""
        found = {}
        for spec in self.sign_specs:
            old, new = getattr(before, spec.name), getattr(after, spec.name)
            if isinstance(new, bool | str):
                found[spec.name] = spec.values[0] if old == new else spec.values[1]
            else:
                found[spec.name] = trend(old, new, self.borders[spec.name])
        return found


def _borders(spec: FactSpec) -> tuple[float, ...]:
    """Where nothing is known of play: even ones within the bounds."""
    if spec.type in ("bool", "str"):
        return ()
    if spec.most is None or spec.most - spec.least > 10**6:
        return _EVENLY
    width = (spec.most - spec.least) / 6
    return tuple(dict.fromkeys(round(spec.least + width * i, 4) for i in range(1, 6)))


def _sign(spec: FactSpec) -> SignSpec:
    if spec.type in ("bool", "str"):
        return SignSpec(spec.name, ("same", "changed"), f"whether {spec.name} changed")
    return SignSpec(spec.name, TREND, f"which way {spec.name} passed a border")
