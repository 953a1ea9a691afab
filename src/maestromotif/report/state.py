"""What a project has, what is under way, and what is missing, with the command for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maestromotif.report.cards import project_name
from maestromotif.report.sources import ReportSources

__all__ = ["StagePart", "gather_state", "metrics_path"]

_STAGES = (
    ("interactions", "captions", "collect"),
    ("preferences", "preferences", "annotate"),
    ("rewards", "reward models", "reward"),
    ("programs", "programs of the skills", "program"),
    ("training", "the trained network", "train"),
    ("evaluation", "evaluation", "evaluate"),
)


@dataclass(frozen=True)
class StagePart:
    """One stage that is not done: what it makes, whether it has begun, and what to type."""

    makes: str
    begun: bool
    command: str


def gather_state(sources: ReportSources) -> list[StagePart]:
    """The stages that are not done, in their order; empty for a whole project, also for one with reward models that came trained."""
    found = []
    needed = _STAGES if not (sources.rewards / "card.json").is_file() else _STAGES[3:]
    for name, makes, command in needed:
        folder: Path = getattr(sources, name)
        if not (folder / "card.json").is_file() and not any(_content(folder)):
            found.append(StagePart(makes, any(_content(_part(folder))), f"maestromotif {command} {project_name(sources)}"))
    return found


def metrics_path(sources: ReportSources) -> Path:
    """Of the finished training, else of the one under way."""
    done = sources.training / "metrics.jsonl"
    return done if done.is_file() or not _part(sources.training).is_dir() else _part(sources.training) / "metrics.jsonl"


def _part(folder: Path) -> Path:
    return folder.with_name(folder.name + ".part")


def _content(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.name.startswith(".")] if folder.is_dir() else []
