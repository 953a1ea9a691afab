"""Programs of several generations for ``bench``: which are meant, and having those written that are not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maestromotif.cli.common import run_stages, seeds_in
from maestromotif.errors import ConfigError

if TYPE_CHECKING:
    from maestromotif.project import Project
    from maestromotif.stages.stage import Stage

__all__ = ["generation_files", "generations_in", "write_generations", "write_tasks"]


def generations_in(text: str) -> tuple[int, ...]:
    """Generations as ``--generations`` gives them: how many, from 1 on, or which; empty: none are asked for.

    Raises:
        ConfigError: it gives neither.
    """
    found = seeds_in(text, "--generations", "generations") if text.strip() else ()
    if 0 in found:
        raise ConfigError(f"--generations: {text!r} names generation 0", "They are counted from 1")
    return found


def generation_files(project: Project, task: str, generations: Sequence[int]) -> dict[str, Path]:
    """Where the programs of a task lie, written or not, by the name under which they stand in tables."""
    from maestromotif.stages.catalogue import generation_stage

    return {
        f"generation-{generation}": project.folder(generation_stage(project, task, generation).id) / f"{task}.py"
        for generation in generations
    }


def write_generations(project: Project, tasks: Sequence[str], generations: Sequence[int]) -> None:
    """Bring the programs of tasks up to date, in every generation.

    Raises:
        ProjectError: the project has no trained skills yet.
        ChatError: a generation cannot be had, for example because none such is recorded.
    """
    from maestromotif.stages.catalogue import generation_stage

    _write(project, [generation_stage(project, task, generation) for task in tasks for generation in generations])


def write_tasks(project: Project, tasks: Sequence[str]) -> None:
    """Have programs of the domain's tasks written that are not there yet; raises what ``write_generations`` raises."""
    from maestromotif.stages.catalogue import task_stage

    if tasks:
        _write(project, [task_stage(project, task, project.domain.tasks[task].description) for task in tasks])


def _write(project: Project, stages: Sequence[Stage]) -> None:
    from maestromotif.stages.catalogue import training_stages

    run_stages(project, stages, training_stages(project))
