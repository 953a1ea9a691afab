"""``init`` and ``skills``: making a project folder, and looking at what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from maestromotif.cli.common import ProjectArgument, open_project

__all__ = ["register"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.", show_default=False)],
    domain: Annotated[str, typer.Option(help="The environment; `maestromotif doctor` lists them.")] = "nethack",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use the trained skills that ship for this domain.")] = False,
) -> None:
    """Make a project folder: maestro.toml and skills.toml, both commented.

    Both files are yours to edit; `run` does again only what a change makes necessary. With --pretrained, nothing needs to be trained:
    `solve` gives tasks to skills that ship with the package.
    """
    from maestromotif.project import init_project

    for path in init_project(folder, domain, domain if pretrained else ""):
        typer.echo(f"wrote {path}")
    if pretrained:
        typer.echo(f'Next: maestromotif solve {folder} "a task in English, or its id"')
        return
    typer.echo(f"Next: describe your skills in {folder / 'skills.toml'}, then maestromotif run {folder}")


def skills(folder: ProjectArgument) -> None:
    """Check maestro.toml and skills.toml, and list the skills."""
    project = open_project(folder)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("skill", "max steps", "measure", "description"):
        table.add_column(column, overflow="fold")
    for skill in project.skills:
        table.add_row(skill.id, str(skill.max_steps), skill.measure or "-", " ".join(skill.description.split()))
    Console().print(table)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif init my-dungeon --domain nethack")(init)
    app.command(epilog="Example: maestromotif skills my-dungeon")(skills)
