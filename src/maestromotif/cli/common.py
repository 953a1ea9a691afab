"""What commands share: options, opening a project, running stages with a display, one-line errors."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maestromotif.cli.display import make_display
from maestromotif.errors import ConfigError

if TYPE_CHECKING:
    from maestromotif.project import Project
    from maestromotif.stages.stage import Stage

__all__ = [
    "INTERRUPTED",
    "USER_ERROR",
    "AgainOption",
    "DryRunOption",
    "ProjectArgument",
    "SetOption",
    "error_line",
    "how_to_go_on",
    "names_in",
    "open_project",
    "run_request",
    "run_stages",
    "seeds_in",
    "this_command",
]

USER_ERROR = 2
INTERRUPTED = 130

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project folder.", show_default=False)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a value of maestro.toml for this command; may be repeated."),
]
AgainOption = Annotated[bool, typer.Option("--again", help="Make the artifact anew even if it is up to date.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what a language model would be asked, ask nothing, write nothing.")]


def error_line(text: str, prefix: str = "error: ") -> None:
    """One line on standard error, whatever line breaks the text had."""
    typer.echo(prefix + " ".join(text.split()), err=True)


def how_to_go_on(arguments: Sequence[str]) -> str:
    """The command that goes on after an interruption: the same one, without what would begin anew."""
    return shlex.join(["maestromotif", *(argument for argument in arguments if argument != "--again")])


def this_command() -> str:
    """The command as it was called; whoever waits for the project's lock is told."""
    return shlex.join(["maestromotif", *sys.argv[1:]])


def names_in(text: str) -> list[str]:
    """The names of a list with commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def seeds_in(text: str, option: str = "--seeds", what: str = "seeds") -> tuple[int, ...]:
    """Seeds as ``--seeds`` gives them: how many, from 1 on, or which.

    Args:
        option, what: for another option that is given alike.

    Raises:
        ConfigError: it gives neither.
    """
    try:
        numbers = [int(name) for name in names_in(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or ("," not in text and numbers[0] == 0):
        raise ConfigError(f"{option}: {text!r} is neither a number of {what} nor a list of them", "Write for example 3, or 1,5,9")
    return tuple(dict.fromkeys(numbers)) if "," in text else tuple(range(1, numbers[0] + 1))


def open_project(folder: Path, overrides: Sequence[str] | None = None) -> Project:
    """As ``Project.open``; imported late, so that ``--help`` is quick."""
    from maestromotif.project import Project

    return Project.open(folder, overrides or ())


def run_stages(project: Project, stages: Sequence[Stage], required: Sequence[Stage] = (), again: bool = False) -> None:
    """Run stages under the project's lock, with a display.

    Args:
        required: stages that must be up to date already; what came with the package is taken.
    """
    from maestromotif.stages.catalogue import solved_stages
    from maestromotif.stages.insight import requested_stages
    from maestromotif.stages.runner import open_runner

    with make_display() as display, open_runner(project, this_command(), display) as runner:
        runner.require(required)
        for stage in stages:
            if stage.id == "report":
                runner.retire([*solved_stages(project), *requested_stages(project)])
            runner.run([stage], again)


def run_request(project: Project, stage: Stage, home: Path) -> Mapping[str, Any]:
    """Run something that is no part of the way to a trained policy, under the project's lock, with a display.

    Args:
        home: where its files go; what is there already is for the stage to look at.

    Returns:
        What the stage has to tell.
    """
    from maestromotif.stages.apart import run_apart
    from maestromotif.stages.lock import project_lock

    with project_lock(project.root, this_command()) as lock, make_display() as display:
        display.started(stage, home, "")
        return run_apart(stage, project, home, partial(display.progress, stage), partial(display.warned, stage), lock)
