"""Where the page's material lies, and readers that turn what is missing or damaged into a note instead of a failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import TemplateError

from maestromotif.domains.contract import Domain
from maestromotif.errors import MaestroError
from maestromotif.files import whole_lines
from maestromotif.llm.budget import Budget
from maestromotif.skills import SkillSet

__all__ = ["Notes", "ReportSources", "read_json_file", "read_json_lines", "read_parquet", "read_text", "tolerate"]

T = TypeVar("T")


@dataclass(frozen=True)
class ReportSources:
    """A project as the report sees it: folders that may be there or not.

    Attributes:
        title: heading of the page.
        budgets: of the language models, by their table in maestro.toml, for their prices; may be empty.
    """

    title: str
    domain: Domain
    skills: SkillSet
    root: Path
    interactions: Path
    preferences: Path
    rewards: Path
    programs: Path
    training: Path
    tasks: Path
    evaluation: Path
    solved: Path
    budgets: Mapping[str, Budget] = field(default_factory=dict)

    @classmethod
    def standard(
        cls, root: Path, domain: Domain, skills: SkillSet, title: str = "", budgets: Mapping[str, Budget] | None = None
    ) -> ReportSources:
        """The folders of a project in their usual places below ``root``/artifacts."""
        names = ("interactions", "preferences", "rewards", "programs", "training", "tasks", "evaluation", "solved")
        folders = {name: root / "artifacts" / name for name in names}
        return cls(title=title or root.resolve().name, domain=domain, skills=skills, root=root, budgets=budgets or {}, **folders)


@dataclass
class Notes:
    """What could not be read, in the order in which it was met."""

    entries: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text not in self.entries:
            self.entries.append(text)


def tolerate(notes: Notes, what: str, read: Callable[[], T]) -> T | None:
    """The result of ``read``; None, and a note, where the files it needs are missing parts or damaged."""
    try:
        return read()
    except MaestroError as error:
        notes.add(f"{what}: {error.problem}")
    except (OSError, pa.ArrowException, TemplateError, ArithmeticError, ValueError, LookupError, TypeError, AttributeError) as error:
        # A file of another version or cut in the middle can be wrong in any of these ways; the rest of the page stands.
        notes.add(f"{what}: not readable ({type(error).__name__}: {' '.join(str(error).split())[:160]})")
    return None


def read_json_file(path: Path, notes: Notes) -> dict[str, Any] | None:
    """A JSON object; None where there is no file, or, with a note, where it is damaged."""
    if not path.is_file():
        return None

    def read() -> dict[str, Any]:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return value

    return tolerate(notes, path.name, read)


def read_json_lines(path: Path, notes: Notes) -> list[dict[str, Any]]:
    """The complete objects of a JSON Lines file; a torn last line is left out, damage elsewhere is noted."""
    lines = tolerate(notes, path.name, lambda: whole_lines(path)) or []
    return list(_objects(lines, path.name, notes))


def _objects(lines: list[bytes], name: str, notes: Notes) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line.decode(errors="replace"))
        except ValueError:
            notes.add(f"{name}: line {number} is damaged")
            continue
        if isinstance(value, dict):
            yield value


def read_parquet(path: Path, notes: Notes) -> pa.Table | None:
    """A table; None where there is no file, or, with a note, where it is damaged."""
    if not path.is_file():
        return None
    return tolerate(notes, path.name, lambda: pq.ParquetFile(path).read())


def read_text(path: Path, notes: Notes) -> str | None:
    """A text file; None where there is none, or, with a note, where it cannot be read."""
    if not path.is_file():
        return None
    return tolerate(notes, path.name, lambda: path.read_text(encoding="utf-8"))
