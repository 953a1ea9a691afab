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

__all__ = ["CLAIM_NOTE", "print_results", "print_solved", "shown_path"]

CLAIM_NOTE = (
    "This task has no test of its own: success is its program's own claim (is_done),\n"
    "which nobody has checked. See what it claims: `maestromotif explain`."
)


def print_results(project: Project) -> None:
    """Success of skills and tasks, and where the page lies."""
    _print_table(project)
    page = project.folder("report") / "index.html"
    if page.exists():
        typer.echo(f"report: {shown_path(page)}")


def print_solved(project: Project, task: str) -> None:
    """Success at one task, by whose word, and where its program lies."""
    from maestromotif.stages.repair import program_in_use, repaired

    _print_table(project, task)
    if task not in project.domain.tasks:
        typer.echo(CLAIM_NOTE)
    if repaired(project, task):
        typer.echo("Repaired program, on other episodes than those it was mended and chosen by.")
    typer.echo(f"program: {shown_path(program_in_use(project, task))}")


def _print_table(project: Project, task: str = "") -> None:
    from maestromotif.report import ReportSources, summary_table

    table = summary_table(ReportSources.standard(project.root, project.domain, project.skills), task)
    if table is not None:
        # A pipe has no width; a table cut to 80 columns would lose its numbers.
        Console(width=None if sys.stdout.isatty() else 120).print(table)


def shown_path(path: Path) -> str:
    """As short as it can be opened from here."""
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith("..") else relative
