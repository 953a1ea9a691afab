"""``fit-simulator``: the domain's simulator, fitted to what this project's trained skills do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maestromotif.cli.common import ProjectArgument, SetOption, open_project, run_request
from maestromotif.cli.results import shown_path
from maestromotif.config import CONFIG_FILE
from maestromotif.files import write_atomically

__all__ = ["register"]


def fit_simulator(
    folder: ProjectArgument,
    steps: Annotated[int, typer.Option(min=1_000, help="Environment steps of each program, all games together.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the games.")] = 11,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="artifacts/simulator/rates.json")] = None,
    settings: SetOption = None,
) -> None:
    """Fit the simulator on which programs are tried to what the trained skills really do.

    The trained network plays the training policy and the program of each task that the project has. The result is used once
    maestro.toml names it; the programs of tasks are then tried anew.
    """
    from maestromotif.stages.simulator import FOLDER, RATES_FILE, check_fits, simulator_stage

    project = open_project(folder, settings)
    check_fits(project)
    stage, home = simulator_stage(steps, seed), project.artifacts / FOLDER
    card = run_request(project, stage, home)
    written = home / RATES_FILE
    if out is not None:
        write_atomically(out, written.read_text(encoding="utf-8"))
        written = out
    typer.echo(f"{shown_path(written)}: {card['episodes']:,} episodes, {card['steps']:,} steps")
    option = project.domain.fitted_option
    path = written.resolve()
    named = path.relative_to(project.root.resolve()) if path.is_relative_to(project.root.resolve()) else path
    if project.domain.options.get(option) != str(path):
        typer.echo(f'to use it: {option} = "{named.as_posix()}" under [domain] in {shown_path(project.root / CONFIG_FILE)}')


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit-simulator", epilog="Example: maestromotif fit-simulator my-dungeon")(fit_simulator)
