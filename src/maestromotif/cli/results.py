"""What came out, as a short table on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["print_results", "print_solved"]


def print_results(project: Project) -> None:
    """Success of skills and tasks, and where the page lies."""
    _print_table(project)
    page = project.folder("report") / "index.html"
    if page.exists():
        typer.echo(f"report: {_shown(page)}")


def print_solved(project: Project, task: str) -> None:
    """Success at one task, and where its program lies."""
    _print_table(project, task)
    typer.echo(f"program: {_shown(project.folder(f'task:{task}') / f'{task}.py')}")


def _print_table(project: Project, task: str = "") -> None:
    from maestromotif.report import ReportSources, summary_table

    table = summary_table(ReportSources.standard(project.root, project.domain, project.skills), task)
    if table is not None:
        # A pipe has no width; a table cut to 80 columns would lose its numbers.
        Console(width=None if sys.stdout.isatty() else 120).print(table)


def _shown(path: Path) -> str:
    """As short as it can be opened from here."""
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith("..") else relative
