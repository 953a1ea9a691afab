"""``run``, ``solve``, ``evaluate`` and ``report``: the whole way, tasks in English, and what came out."""

from __future__ import annotations

from typing import Annotated

import typer

from maestromotif.cli.common import AgainOption, ProjectArgument, SetOption, open_project, run_stages
from maestromotif.cli.results import print_results, print_solved

__all__ = ["register"]


def run(
    folder: ProjectArgument,
    steps: Annotated[int | None, typer.Option(help="Environment steps of training; more than before goes on.", show_default=False)] = None,
    settings: SetOption = None,
) -> None:
    """Do everything from skills.toml to the report.

    What is done and unchanged is skipped, what was interrupted goes on, and what a change makes necessary is done again, with the
    reason in one line.
    """
    from maestromotif.stages.catalogue import stages

    project = open_project(folder, [*(settings or []), *([f"train.steps={steps}"] if steps else [])])
    run_stages(project, stages(project))
    print_results(project)


def solve(
    folder: ProjectArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="What to do, in English; or the id of one of the domain's tasks.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to play.")] = 16,
    settings: SetOption = None,
) -> None:
    """Have a task in English programmed, and play it zero-shot.

    The coder writes a policy over skills for the task; it drives the trained skills with no more training.
    """
    from maestromotif.stages.catalogue import ancestors, solve_stages

    project = open_project(folder, settings)
    todo = solve_stages(project, task, episodes)
    own = {stage.id for stage in todo}
    run_stages(project, todo, [stage for stage in ancestors(project, todo[-1]) if stage.id not in own])
    print_solved(project, todo[-1].id.partition(":")[2])


def evaluate(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Play every task of [evaluate] zero-shot.

    The same programs also drive an untrained network and a random policy, on the same episodes.
    """
    from maestromotif.stages.catalogue import evaluation_stages, training_stages

    project = open_project(folder, settings)
    run_stages(project, evaluation_stages(project), training_stages(project), again)
    print_results(project)


def report(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Write the HTML page from what the project has so far."""
    from maestromotif.stages.catalogue import report_stage

    project = open_project(folder, settings)
    run_stages(project, [report_stage(project)], (), again)
    print_results(project)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif run my-dungeon --steps 3000000")(run)
    app.command(epilog='Example: maestromotif solve my-dungeon "Go down to the fourth level, then come back up."')(solve)
    app.command(epilog="Example: maestromotif evaluate my-dungeon --set evaluate.task_episodes=200")(evaluate)
    app.command(epilog="Example: maestromotif report my-dungeon")(report)
