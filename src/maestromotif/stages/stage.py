"""What a stage is: work that turns parents' artifacts into one artifact, and everything that decides the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["OPEN", "Progress", "Stage", "Watcher", "Work"]

Progress = Callable[[float, str], None]

# A fact by which a finished stage says how many of its questions nobody answered; the next run asks them again.
OPEN = "open questions"


@dataclass(frozen=True)
class Work:
    """What a stage's function gets.

    Attributes:
        project: the opened project.
        out: folder to write into; holds partial work of an interrupted attempt.
        progress: to be called with a fraction in [0, 1] and a short text.
        warn: to be called with a sentence that the person should read.
        aside: while its context is open, nothing else is shown on the terminal.
        lock: descriptor of the project's lock, for children that the stage starts.
    """

    project: Project
    out: Path
    progress: Progress
    warn: Callable[[str], None]
    aside: Callable[[], AbstractContextManager[object]] = nullcontext
    lock: int | None = None


def _no_goal(project: Project) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True)
class Stage:
    """One arrow of the way of the data.

    Attributes:
        id: stable name; also the command's.
        does: what it does, as a short phrase in the present tense.
        parents: ids of the stages whose artifacts it reads.
        inputs: what decides the result beside the parents, in clear, by part of the person's files.
        work: does it; returns what the card should tell. Must go on from partial work in ``Work.out``.
        goal: how far the work goes; a larger number continues a finished artifact instead of making it anew.
        recheck: for artifacts whose ``.py`` files a person may edit: check them again, or raise ``ProgramError``.
        apart: run in a child process without the keys of this one.
        given: takes what came with the package, in a moment; so it is simply done where others have to be done already.
        replayable: partial work can be had again at no cost, from the store of calls; an error then leaves none behind.
        options: what the child needs, beside the id, to make the same stage.
    """

    id: str
    does: str
    parents: tuple[str, ...]
    inputs: Callable[[Project], Mapping[str, Any]]
    work: Callable[[Work], Mapping[str, Any]]
    goal: Callable[[Project], Mapping[str, int]] = _no_goal
    recheck: Callable[[Project, Path], None] | None = None
    apart: bool = True
    given: bool = False
    replayable: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """Whoever shows a run to a person."""

    def skipped(self, stage: Stage) -> None: ...
    def started(self, stage: Stage, folder: Path, why: str) -> None: ...
    def progress(self, stage: Stage, fraction: float, text: str) -> None: ...
    def warned(self, stage: Stage, text: str) -> None: ...
    def finished(self, stage: Stage, seconds: float) -> None: ...

    def aside(self) -> AbstractContextManager[object]:
        """While the context is open, the stage talks to the person itself, and nothing else is shown."""
        ...
