"""One command for each phase: ``collect``, ``annotate``, ``reward``, ``program``, ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maestromotif.cli.calls import print_annotation
from maestromotif.cli.common import AgainOption, DryRunOption, ProjectArgument, SetOption, open_project, run_stages

__all__ = ["register"]


def collect(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Phase 1a: play the scripted explorer and keep every distinct caption."""
    _phase(folder, "collect", again, settings)


def annotate(folder: ProjectArgument, again: AgainOption = False, dry_run: DryRunOption = False, settings: SetOption = None) -> None:
    """Phase 1a: have pairs of captions compared for each skill.

    By a judge (a scoring program that a model wrote once) or by a language model, pair by pair.
    """
    if dry_run:
        _dry_run(folder, "annotate", settings)
    else:
        _phase(folder, "annotate", again, settings)
        print_annotation(open_project(folder, settings))


def reward(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Phase 1b: fit one reward model per skill to its preferences."""
    _phase(folder, "reward", again, settings)


def program(folder: ProjectArgument, again: AgainOption = False, dry_run: DryRunOption = False, settings: SetOption = None) -> None:
    """Phases 2 and 3: have the skills' programs written and tried.

    These are initiation and termination of each skill, and the training policy over skills. The files lie in artifacts/programs
    and may be edited; the next command checks what you changed.
    """
    if dry_run:
        _dry_run(folder, "program", settings)
    else:
        _phase(folder, "program", again, settings)


def train(
    folder: ProjectArgument,
    steps: Annotated[int | None, typer.Option(help="Environment steps in all; more than before goes on.", show_default=False)] = None,
    again: AgainOption = False,
    settings: SetOption = None,
) -> None:
    """Phase 4: train one network for all skills on their rewards.

    A larger number of steps than before goes on where the training stopped.
    """
    _phase(folder, "train", again, [*(settings or []), *([f"train.steps={steps}"] if steps else [])])


def _phase(folder: Path, stage_id: str, again: bool, settings: list[str] | None) -> None:
    from maestromotif.stages.catalogue import ancestors, stage_by_id

    project = open_project(folder, settings)
    stage = stage_by_id(project, stage_id)
    run_stages(project, [stage], ancestors(project, stage), again)


def _dry_run(folder: Path, stage_id: str, settings: list[str] | None) -> None:
    from maestromotif.stages.dry import would_ask

    for line in would_ask(open_project(folder, settings), stage_id):
        typer.echo(line)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif collect my-dungeon")(collect)
    app.command(epilog="Example: maestromotif annotate my-dungeon --set annotate.pairs=2000")(annotate)
    app.command(epilog="Example: maestromotif reward my-dungeon --again")(reward)
    app.command(epilog="Example: maestromotif program my-dungeon --dry-run")(program)
    app.command(epilog="Example: maestromotif train my-dungeon --steps 5000000")(train)
