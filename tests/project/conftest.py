"""A project in the corridor and stages that write text, so that the runner can be watched without any phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from maestromotif.project import Project, init_project
from maestromotif.stages.stage import Stage, Work


class Log:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def skipped(self, stage: Stage) -> None:
        self.lines.append(f"{stage.id} skipped")

    def started(self, stage: Stage, folder: Path, why: str) -> None:
        self.lines.append(f"{stage.id} started: {why}" if why else f"{stage.id} started")

    def progress(self, stage: Stage, fraction: float, text: str) -> None:
        self.lines.append(f"{stage.id} at {fraction:g}")

    def warned(self, stage: Stage, text: str) -> None:
        self.lines.append(f"{stage.id} warned: {text}")

    def finished(self, stage: Stage, seconds: float) -> None:
        self.lines.append(f"{stage.id} finished")

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init_project(tmp_path / "project", "corridor")
    return tmp_path / "project"


@pytest.fixture
def project(root: Path) -> Project:
    return Project.open(root)


@pytest.fixture
def log() -> Log:
    return Log()


def text_stage(
    stage_id: str,
    *parents: str,
    inputs: Mapping[str, Any] | None = None,
    work: Callable[[Work], None] | None = None,
    name: str = "text.txt",
    **more: Any,
) -> Stage:
    """A stage that joins its parents' texts and its own id into one file."""

    def write(given: Work) -> Mapping[str, Any]:
        if work is not None:
            work(given)
        texts = [(given.project.folder(parent) / "text.txt").read_text() for parent in parents]
        (given.out / name).write_text("".join([*texts, stage_id, "\n"]))
        given.progress(1.0, "written")
        return {"parents": len(parents)}

    return Stage(stage_id, "writes", parents, lambda project: dict(inputs or {}), write, apart=False, **more)
