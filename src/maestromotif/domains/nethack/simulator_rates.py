"""How often things happen to skills in the simulated dungeon: the rates measured in real play, and two more generous sets made of them.

All hazards are per environment step. Quantiles are numbers from least to greatest, at the ``SHARES``, drawn from by interpolation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically

__all__ = [
    "AGES",
    "DEPTHS",
    "FILE",
    "HITS",
    "HOSTILES",
    "SHARES",
    "Rates",
    "SkillRates",
    "World",
    "bin_of",
    "measured",
    "perfect",
    "practised",
    "read_rates",
    "write_rates",
]

FILE = "simulator_rates.json"
AGES = (40, 120, 300)
"""Steps since the character came to the level, where one bin ends and the next begins."""
HITS = (1 / 3, 2 / 3, 0.9)
"""The same for hit points, as a share of the maximum."""
DEPTHS = (2, 3, 4, 5, 7)
"""The same for the depth."""
HOSTILES = 4
"""Monsters in view are told apart up to this number, less one."""
SHARES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.997, 1.0)
"""Where quantiles are taken: close together at the ends, since a blow in a hundred decides games."""


@dataclass(frozen=True, slots=True)
class SkillRates:
    """What one skill does in a step, or in ``TICK_STEPS`` steps where quantiles are given.

    Attributes:
        steps: environment steps that this was measured on.
        find_down, find_up: a first staircase of this direction comes into view, by age of the visit.
        find_second: the other staircase down of a level that has two comes into view.
        take_down, take_up: a known staircase is walked to and taken, by age of the visit.
        take_down_on, take_up_on: the same, standing on it.
        leave: the character leaves the staircase it stands on.
        fall: a trap door, a hole or the like.
        death: by hit points and depth.
        hit_points: quantiles of the change in a tick as a share of the maximum, by hit points and depth.
        hostiles: from so many in view to so many a tick later, rows that sum to one.
        kills: without and with a monster in view.
        squares: quantiles of the squares seen for the first time in a tick, by age of the visit.
        turns: quantiles of the turns in a tick.
        gold: a pile is picked up, by age of the level.
        gained, lost: stacks of items.
        meals: while not hungry, while hungry.
        close, reopen: nothing is left that can be walked to; something is again.
        see_shop, leave_shop: where there is one, its keeper comes into view; out of view.
        sell: with its keeper in view and something to sell.
        see_altar: where there is one, it comes into view.
        reach_altar: of a known altar, it is stepped on.
        drop: on an altar, with something to drop.
    """

    steps: int
    find_down: tuple[float, ...]
    find_up: tuple[float, ...]
    find_second: float
    take_down: tuple[float, ...]
    take_up: tuple[float, ...]
    take_down_on: float
    take_up_on: float
    leave: float
    fall: float
    death: tuple[tuple[float, ...], ...]
    hit_points: tuple[tuple[tuple[float, ...], ...], ...]
    hostiles: tuple[tuple[float, ...], ...]
    kills: tuple[float, float]
    squares: tuple[tuple[float, ...], ...]
    turns: tuple[float, ...]
    gold: tuple[float, ...]
    gained: float
    lost: float
    meals: tuple[float, float]
    close: float
    reopen: float
    see_shop: float
    leave_shop: float
    sell: float
    see_altar: float
    reach_altar: float
    drop: float


@dataclass(frozen=True, slots=True)
class World:
    """What does not depend on the skill.

    Attributes:
        hit_points: quantiles of the maximum at the start.
        growth: quantiles of what a new experience level adds to it.
        advance: chance that a kill brings a new experience level, at level 1, 2 ...
        gold: quantiles of a pile.
        prices: quantiles of what a sale brings.
        shops, altars: share of levels that have one (shops: below the first level).
        food: share of gained stacks that are food.
        meal: turns that a meal lasts for.
        oracle: on her level, the Oracle's centre comes into view.
        famine: death while fainting for hunger.
    """

    hit_points: tuple[float, ...]
    growth: tuple[float, ...]
    advance: tuple[float, ...]
    gold: tuple[float, ...]
    prices: tuple[float, ...]
    shops: float
    altars: float
    food: float
    meal: float
    oracle: float
    famine: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of the world and of each skill; of a skill that was not measured, those of all together, without level changes.

    Attributes:
        card: how it was made, for people.
    """

    card: Mapping[str, Any]
    world: World
    skills: Mapping[str, SkillRates]
    other: SkillRates

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rates:
        """Raises ValueError, which names the field, where something is missing, unknown, no number or of the wrong shape."""
        wanted = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != wanted:
            raise ValueError(f"must have just {', '.join(sorted(wanted))}")
        if not isinstance(values["skills"], Mapping) or not isinstance(values["card"], Mapping):
            raise ValueError("skills and card must be objects")
        skills = {skill: _record(SkillRates, found, f"skills.{skill}") for skill, found in values["skills"].items()}
        return cls(values["card"], _record(World, values["world"], "world"), skills, _record(SkillRates, values["other"], "other"))


def _record(kind: type[Any], values: Any, place: str) -> Any:
    names = {field.name for field in fields(kind)}
    if not isinstance(values, Mapping):
        raise ValueError(f"{place} must be an object")
    if set(values) != names:
        raise ValueError(f"{place} lacks or has too much: {', '.join(sorted(set(values) ^ names))}")
    record = kind(**{name: _tuples(value, f"{place}.{name}") for name, value in values.items()})
    if kind is SkillRates:
        ages, hits = len(AGES) + 1, len(HITS) + 1
        for name, shape in {
            "find_down": (ages,),
            "find_up": (ages,),
            "take_down": (ages,),
            "take_up": (ages,),
            "gold": (ages,),
            "death": (hits, len(DEPTHS) + 1),
            "hit_points": (hits, len(DEPTHS) + 1, len(SHARES)),
            "hostiles": (HOSTILES, HOSTILES),
            "squares": (ages, len(SHARES)),
            "turns": (len(SHARES),),
        }.items():
            if _shape(getattr(record, name)) != shape:
                raise ValueError(f"{place}.{name} must have the shape {shape}")
        if any(abs(sum(row) - 1) > 0.01 for row in record.hostiles):
            raise ValueError(f"{place}.hostiles: each row must sum to 1")
    return record


def _tuples(value: Any, place: str) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_tuples(part, place) for part in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{place}: not a number: {value!r}")
    if value < 0 and not place.endswith(".hit_points"):  # only the change of the hit points may be a loss
        raise ValueError(f"{place}: less than 0: {value!r}")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        return ()
    inner = {_shape(part) for part in value}
    return (len(value), *(inner.pop() if len(inner) == 1 else (-1,)))


def bin_of(value: float, limits: tuple[float, ...]) -> int:
    """The bin that a value falls into: 0 below the first limit."""
    for index, limit in enumerate(limits):
        if value < limit:
            return index
    return len(limits)


def read_rates(path: Path) -> Rates:
    """Rates from a file.

    Raises:
        ArtifactError: it is missing or damaged; says in which line or field.
    """
    remedy = "Fit them again with `maestromotif fit-simulator`"
    try:
        return Rates.from_json(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{path}:{error.lineno}: no JSON: {error.msg}", remedy) from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror})", remedy) from error
    except ValueError as error:
        raise ArtifactError(f"{path}: no rates of the simulated dungeon: {error}", remedy) from error


def write_rates(rates: Rates, path: Path) -> None:
    """Write a file that ``read_rates`` reads, with a line for each record."""
    document = rates.to_json()
    skills = ",\n".join(f"  {json.dumps(skill)}: {json.dumps(found)}" for skill, found in document.pop("skills").items())
    parts = ",\n".join(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items())
    write_atomically(path, f'{{\n{parts},\n "skills": {{\n{skills}\n }}\n}}\n')


@cache
def measured() -> Rates:
    """The rates that ship with the package; see their card."""
    return read_rates(Path(str(files(__package__) / FILE)))


def practised(rates: Rates | None = None) -> Rates:
    """As measured, but nobody dies, and each skill does what it is for at least as often as a few times in a call.

    For trials of programs: how a policy that was trained briefly fails says little about a program.

    Args:
        rates: those that were measured; None: the package's.
    """
    return _better(rates or measured(), 0.01)


def perfect(rates: Rates | None = None) -> Rates:
    """Skills never fail: what they are for happens within a tick or two, nothing else interferes, and nobody dies.

    Args:
        rates: see ``practised``.
    """
    return _better(rates or measured(), 0.2, clean=True)


_FOR: Mapping[str, tuple[str, ...]] = {
    "discoverer": ("find_down", "find_up", "find_second", "gold", "see_shop", "see_altar"),
    "descender": ("find_down", "find_second", "take_down", "take_down_on"),
    "ascender": ("find_up", "take_up", "take_up_on"),
    "merchant": ("sell",),
    "worshipper": ("reach_altar", "drop"),
}
_MOVES = ("take_down", "take_up", "take_down_on", "take_up_on", "fall")


def _better(rates: Rates, least: float, clean: bool = False) -> Rates:
    """Rates with a floor under what each skill is for and without death; ``clean``: without level changes that are not wanted."""
    skills = {skill: _better_skill(found, _FOR.get(skill, ()), least, clean) for skill, found in rates.skills.items()}
    other = _better_skill(rates.other, (), least, clean)
    return replace(rates, world=replace(rates.world, famine=0.0), skills=skills, other=other)


def _better_skill(found: SkillRates, wanted: tuple[str, ...], least: float, clean: bool) -> SkillRates:
    changed: dict[str, Any] = {"death": tuple(tuple(0.0 for _ in row) for row in found.death)}
    if clean:
        for name in (*_MOVES, "close"):
            changed[name] = _floor(getattr(found, name), 0.0, 0.0)
        changed["reopen"] = least
        changed["hit_points"] = _floor(found.hit_points, 0.0)
        changed["kills"] = (found.kills[0], max(found.kills[1], least))
        changed["meals"] = (found.meals[0], least)
        changed["leave_shop"] = changed["lost"] = 0.0
    for name in wanted:
        changed[name] = _floor(getattr(found, name), least / 10 if name == "gold" else least)
    return replace(found, **changed)


def _floor(value: Any, least: float, most: float = 1e9) -> Any:
    return tuple(_floor(part, least, most) for part in value) if isinstance(value, tuple) else min(most, max(least, value))
