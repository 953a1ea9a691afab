"""``init`` and ``skills``: making a project folder, and looking at what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from maestromotif.cli.common import ProjectArgument, open_project
from maestromotif.errors import ConfigError, DomainError

__all__ = ["register"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.", show_default=False)],
    domain: Annotated[str | None, typer.Option(help="The environment; `maestromotif doctor` lists them. Default: nethack.")] = None,
    env: Annotated[
        str | None, typer.Option(metavar="GYMNASIUM_ID", help="Any environment of Gymnasium instead, with an adapter of your own.")
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use the trained skills that ship for this domain.")] = False,
    skills: Annotated[
        str, typer.Option("--pretrained-name", metavar="NAME", help="Which of them, where there are several: nethack or nethack-travel.")
    ] = "",
) -> None:
    """Make a project folder: maestro.toml and skills.toml, both commented.

    Both files are yours to edit; `run` does again only what a change makes necessary. With --pretrained, nothing needs to be trained:
    `solve` gives tasks to skills that ship with the package. With --env, adapter.py says in words what happens in an environment of
    Gymnasium: facts, captions, tasks; docs/own-domain.md goes on from there.
    """
    from maestromotif.project import init_project

    if env is not None:
        if domain is not None or pretrained or skills:
            raise ConfigError("--env stands for --domain gym, for which no trained skills ship", "Leave out --domain and --pretrained")
        _init_env(folder, env)
        return
    domain, options = domain or "nethack", dict[str, Any]()
    if pretrained or skills:
        from maestromotif.pretrained import trained_domain

        trained, options = trained_domain(skills or domain)
        if skills and trained != domain:
            raise ConfigError(
                f"--pretrained-name {skills}: these skills are of the domain {trained}, not {domain}", f"Give --domain {trained}"
            )
        skills = skills or domain
    for path in init_project(folder, domain, skills, **options):
        typer.echo(f"wrote {path}")
    if skills:
        typer.echo(f'Next: maestromotif solve {folder} "a task in English, or its id"')
        return
    typer.echo(f"Next: describe your skills in {folder / 'skills.toml'}, then maestromotif run {folder}")


def _init_env(folder: Path, env: str) -> None:
    """A project with an adapter for an environment of Gymnasium, which is played for a moment by another process."""
    from maestromotif.project import init_project

    try:
        from maestromotif.domains.gym.probe import probe
        from maestromotif.domains.gym.scaffold import ADAPTER_FILE, project_files
    except ModuleNotFoundError as error:
        raise DomainError(f"--env needs the package {error.name!r}", "pip install 'maestromotif[gym]'") from error
    typer.echo(f"looking at {env} ...")
    found = probe(env, {})
    for path in init_project(folder, "gym", files=project_files(env, found), env=env, adapter=ADAPTER_FILE):
        typer.echo(f"wrote {path}")
    typer.echo(f"{env}: {found.speed:,.0f} steps/s in random play; {len(found.facts)} facts, {len(found.actions)} actions")
    typer.echo(f"Next: give facts and actions names in {folder / ADAPTER_FILE}; maestromotif check {folder}; maestromotif run {folder}")


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
    app.command(epilog="Example: maestromotif init my-dungeon --domain nethack, or maestromotif init my-pole --env CartPole-v1")(init)
    app.command(epilog="Example: maestromotif skills my-dungeon")(skills)
