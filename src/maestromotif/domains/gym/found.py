"""Facts that any observation space offers: one for each number or category in it, a few for each picture.

Each comes with the line of Python that reads it, which is what ``maestromotif init --env`` writes into an adapter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from maestromotif.domains.contract import FactSpec
from maestromotif.domains.gym.observations import is_text, leaves
from maestromotif.domains.gym.pictures import bright_column, bright_row, brightness

__all__ = ["LEAST", "MOST_FACTS", "FoundFact", "find_facts"]

MOST_FACTS = 24
LEAST = -(10**9)  # the least value of a number that has no bound
_OF_ARRAY, _OF_LONG = 16, 8
_PICTURES: tuple[tuple[str, Callable[[Any], float], str], ...] = (
    ("brightness", brightness, "mean brightness"),
    ("bright_row", bright_row, "where the brightness lies, from top (0) to bottom (1)"),
    ("bright_column", bright_column, "where the brightness lies, from left (0) to right (1)"),
)


@dataclass(frozen=True)
class FoundFact:
    """One fact of an observation.

    Attributes:
        spec: its name, type and documentation.
        read: takes the observation.
        code: the same as an expression of ``observation``.
    """

    spec: FactSpec
    read: Callable[[Any], Any]
    code: str


def find_facts(space: gymnasium.Space[Any]) -> tuple[FoundFact, ...]:
    """At most ``MOST_FACTS`` facts, with different names."""
    found: list[FoundFact] = []
    taken = {"steps", "over"}  # facts that every adapter has
    for path, leaf in leaves(space):
        for fact in _of_leaf(leaf, path):
            name = fact.spec.name
            while name in taken:
                name += "_"
            taken.add(name)
            spec = fact.spec
            found.append(FoundFact(FactSpec(name, spec.type, spec.doc, spec.values, spec.least, spec.most), fact.read, fact.code))
    return tuple(found[:MOST_FACTS])


def _of_leaf(leaf: gymnasium.Space[Any], path: tuple[Any, ...]) -> Iterator[FoundFact]:
    code = "observation" + "".join(f"[{key!r}]" for key in path)
    where = f"{' '.join(map(str, path))} of the observation" if path else "the observation"

    def get(observation: Any) -> Any:
        for key in path:
            observation = observation[key]
        return observation

    def named(default: str, suffix: str = "") -> str:
        text = "_".join([str(key) for key in path] or [default]) + (f"_{suffix}" if suffix else "")
        text = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or default
        return text if text[0].isalpha() else f"value_{text}"

    if isinstance(leaf, spaces.Discrete):
        least = int(leaf.start)
        spec = FactSpec(named("state"), "int", f"{where}: one of {leaf.n} numbers", (), least, least + int(leaf.n) - 1)
        yield FoundFact(spec, lambda o: int(get(o)), f"int({code})")
    elif is_text(leaf):
        yield FoundFact(FactSpec(named("text"), "str", f"{where}, a text"), lambda o: str(get(o)), f"str({code})")
    elif isinstance(leaf, spaces.Box) and len(leaf.shape) > 1 and leaf.low.size > _OF_ARRAY:
        for name, function, doc in _PICTURES:
            kind = FactSpec(named("", name) if path else name, "float", f"{doc}, in {where}", (), *_bounds(leaf, name))
            yield FoundFact(kind, _picture(get, function), f"{name}({code})")
    elif isinstance(leaf, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        size = int(np.prod(leaf.shape))
        for place in np.ndindex(*leaf.shape):
            number = int(np.ravel_multi_index(place, leaf.shape)) if place else 0
            if number >= (size if size <= _OF_ARRAY else _OF_LONG):
                break
            yield _of_place(leaf, place, number, named("value", "" if size == 1 and path else str(number)), where, code, get)


def _of_place(
    leaf: Any, place: tuple[int, ...], number: int, name: str, where: str, code: str, get: Callable[[Any], Any]
) -> FoundFact:
    index = f"[{', '.join(map(str, place))}]" if place else ""
    doc = f"number {number} of {where}" if place else where
    if isinstance(leaf, spaces.MultiBinary):
        return FoundFact(FactSpec(name, "bool", doc), lambda o: bool(get(o)[place]), f"bool({code}{index})")
    whole = np.issubdtype(np.dtype(leaf.dtype), np.integer)
    if isinstance(leaf, spaces.MultiDiscrete):
        bounds: tuple[int, int | None] = int(leaf.start[place]), int(leaf.start[place]) + int(leaf.nvec[place]) - 1
    else:
        bounds = _rounded(float(leaf.low[place]), float(leaf.high[place]))
    cast: type[int] | type[float] = int if whole else float
    spec = FactSpec(name, cast.__name__, doc, (), *bounds)
    return FoundFact(spec, lambda o: cast(np.asarray(get(o))[place]), f"{cast.__name__}({code}{index})")


def _picture(get: Callable[[Any], Any], function: Callable[[Any], float]) -> Callable[[Any], float]:
    return lambda observation: function(get(observation))


def _bounds(leaf: spaces.Box, name: str) -> tuple[int, int | None]:
    return _rounded(float(leaf.low.min()), float(leaf.high.max())) if name == "brightness" else (0, 1)


def _rounded(low: float, high: float) -> tuple[int, int | None]:
    """Whole bounds that contain these; a number beyond a million counts as no bound."""
    return (math.floor(low) if low > -1e6 else LEAST), (math.ceil(high) if high < 1e6 else None)
