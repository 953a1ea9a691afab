"""What a person writes: skills in plain English (skills.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maestromotif.errors import ConfigError

__all__ = ["Skill", "SkillSet"]

_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Skill:
    """An option, described in English.

    Attributes:
        id: a short lower-case name; generated programs use it.
        description: what the skill does, when it may start and when it is over. Read by the coder.
        prefer: what a judge should prefer when it compares two captions. Empty: the description serves.
        max_steps: a call that lasts longer is timed out (environment steps).
        measure: a call measure of the domain that counts as success in reports; never used for training.
        threshold_quantile: rewards below this quantile over distinct captions become zero; None: the project's.
        contrast: how much small rewards shrink beside the largest, 1 (not at all) to 10; None: the project's.
    """

    id: str
    description: str
    prefer: str = ""
    max_steps: int = 300
    measure: str = ""
    threshold_quantile: float | None = None
    contrast: float | None = None

    @property
    def preference_text(self) -> str:
        return self.prefer or self.description


@dataclass(frozen=True, slots=True)
class SkillSet:
    """The skills of a project, in the order of the file. Ids are unique."""

    skills: tuple[Skill, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(skill.id for skill in self.skills)

    def __len__(self) -> int:
        return len(self.skills)

    def __iter__(self) -> Iterator[Skill]:
        return iter(self.skills)

    def __getitem__(self, skill_id: str) -> Skill:
        for skill in self.skills:
            if skill.id == skill_id:
                return skill
        raise KeyError(skill_id)

    @classmethod
    def load(cls, path: Path) -> SkillSet:
        """Read skills.toml.

        Raises:
            ConfigError: with all the problems of the file at once.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error})", "Run `maestromotif init` to get one") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str = "skills.toml") -> SkillSet:
        """As ``load``, from text; ``where`` names the file in messages."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not valid TOML: {error}", "Mend that line") from error
        problems = [f"unknown key {key!r} at the top level (expected [[skill]])" for key in document if key != "skill"]
        entries = document.get("skill", [])
        if not isinstance(entries, list) or not entries:
            problems.append("no [[skill]] table")
            entries = []
        skills: list[Skill] = []
        for number, entry in enumerate(entries, 1):
            found = _problems(number, entry)
            if not found:
                skill = Skill(**entry)
                if any(skill.id == other.id for other in skills):
                    found.append(f"skill {number}: id {skill.id!r} is used twice")
                skills.append(skill)
            problems.extend(found)
        if problems:
            raise ConfigError(f"{where}: " + "; ".join(problems), "Known keys of a skill: " + ", ".join(_TYPES))
        return cls(tuple(skills))


_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "description": (str,),
    "prefer": (str,),
    "max_steps": (int,),
    "measure": (str,),
    "threshold_quantile": (int, float),
    "contrast": (int, float),
}
assert set(_TYPES) == {field.name for field in fields(Skill)}


def _problems(number: int, entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"skill {number}: not a table"]
    name = entry.get("id", number)
    problems = [f"skill {name}: unknown key {key!r}" for key in entry if key not in _TYPES]
    problems += [
        f"skill {name}: {key} has the wrong type"
        for key, types in _TYPES.items()
        if key in entry and (not isinstance(entry[key], types) or isinstance(entry[key], bool))
    ]
    problems += [
        f"skill {name}: {key} is missing or empty"
        for key in ("id", "description")
        if isinstance(entry.get(key, ""), str) and not entry.get(key, "").strip()
    ]
    if not problems:
        if not _ID.fullmatch(entry["id"]):
            problems.append(f"skill {number}: id {entry['id']!r} must be lower-case letters, digits and underscores")
        if entry.get("max_steps", 1) < 1:
            problems.append(f"skill {name}: max_steps must be at least 1")
        if not 0 <= entry.get("threshold_quantile", 0.5) < 1:
            problems.append(f"skill {name}: threshold_quantile must lie in [0, 1)")
        if not 1 <= entry.get("contrast", 1) <= 10:
            problems.append(f"skill {name}: contrast must lie in [1, 10]")
    return problems
