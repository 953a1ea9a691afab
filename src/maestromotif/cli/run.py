"""``run``, ``solve``, ``evaluate`` and ``report``: the whole way, tasks in English, and what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maestromotif.cli.common import AgainOption, DryRunOption, ProjectArgument, SetOption, open_project, run_stages
from maestromotif.cli.repair import print_repair
from maestromotif.cli.results import print_results, print_solved, shown_path
from maestromotif.errors import ConfigError

if TYPE_CHECKING:
    from maestromotif.project import Project
    from maestromotif.stages.repair import RepairPlan

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
    folder: Annotated[
        Path, typer.Argument(metavar="[PROJECT]", help="The project folder; with --pretrained, it may be left out.", show_default=False)
    ],
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="What to do, in English; or the id of one of the domain's tasks.", show_default=False)
    ] = "",
    pretrained: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Make the folder, if it is not there, with skills that ship: nethack, nethack-travel.", show_default=False
        ),
    ] = "",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to play; with --repair, also those of each round to learn from.")] = 16,
    repair: Annotated[bool, typer.Option("--repair", help="Let the coder mend the program by what real episodes show.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="With --repair: new versions asked for at most; more than before goes on.")] = 3,
    held_out: Annotated[int, typer.Option(min=5, help="With --repair: fresh episodes on which two versions are compared.")] = 64,
    dry_run: DryRunOption = False,
    settings: SetOption = None,
) -> None:
    """Have a task in English programmed, and play it zero-shot.

    The coder writes a policy over skills for the task; it drives the trained skills with no more training. With --repair, the trained
    skills first play it, the coder is told where its chains of skills broke, and a new version takes its place only if it is better on
    fresh episodes.
    """
    from maestromotif.stages.catalogue import ancestors, named_task, repair_stages, solve_stage, task_stage
    from maestromotif.stages.repair import RepairPlan

    folder, task = _with_pretrained(folder, task, pretrained)
    project = open_project(folder, settings)
    name, text = named_task(project, task)
    if name in project.domain.tasks and " ".join(task.split()) not in (name, text):
        typer.echo(f"understood as {name}: {text}")
    plan = RepairPlan(name, text, episodes, held_out, rounds)
    if dry_run:
        _dry_run(project, plan, repair)
        return
    todo = repair_stages(project, plan) if repair else [task_stage(project, name, text)]
    required = [stage for stage in ancestors(project, solve_stage(project, name, text, episodes)) if stage.id != f"task:{name}"]
    run_stages(project, todo, required)
    if repair:
        print_repair(project, name)
    # Made only now, since it depends on the version in use.
    run_stages(project, [solve_stage(project, name, text, episodes)])
    print_solved(project, name)


def _with_pretrained(folder: Path, task: str, pretrained: str) -> tuple[Path, str]:
    """The project's folder and the task; a folder with trained skills is made where there is none."""
    from maestromotif.config import CONFIG_FILE
    from maestromotif.pretrained import trained_domain
    from maestromotif.project import init_project

    if not task and not pretrained:
        raise ConfigError("solve needs a PROJECT and a TASK", "With --pretrained NAME, a TASK alone will do")
    if not task:
        folder, task = Path(f"pretrained-{pretrained}"), str(folder)
    if pretrained and not (folder / CONFIG_FILE).exists():
        domain, options = trained_domain(pretrained)
        for path in init_project(folder, domain, pretrained, **options):
            typer.echo(f"wrote {path}")
    return folder, task


def _dry_run(project: Project, plan: RepairPlan, repair: bool) -> None:
    from maestromotif.stages.dry_solve import would_repair, would_solve
    from maestromotif.stages.repair import program_in_use

    if not program_in_use(project, plan.task).exists():
        for line in would_solve(project, plan.task, plan.text):
            typer.echo(line)
    elif not repair:
        typer.echo(f"the program of {plan.task} is written already; nothing is asked")
    if repair:
        for line in would_repair(project, plan):
            typer.echo(line)


def evaluate(folder: ProjectArgument, again: AgainOption = False, settings: SetOption = None) -> None:
    """Play every task of [evaluate] zero-shot.

    The same programs also drive an untrained network and a random policy, on the same episodes.
    """
    from maestromotif.stages.catalogue import evaluation_stages, training_stages

    project = open_project(folder, settings)
    run_stages(project, evaluation_stages(project), training_stages(project), again)
    print_results(project)


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="PROJECT...", help="The project folder; several are compared.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page of a comparison goes (compare.html).", show_default=False)
    ] = None,
    again: AgainOption = False,
    settings: SetOption = None,
) -> None:
    """Write the HTML page from what the project has so far; of several projects, one page that compares them."""
    from maestromotif.stages.catalogue import report_stage

    if len(folders) > 1:
        _compare([open_project(folder, settings) for folder in folders], out or Path("compare.html"))
        return
    if out is not None:
        raise ConfigError(
            "--out is for comparing several projects", f"A project's own page goes to {folders[0]}/artifacts/report/index.html"
        )
    project = open_project(folders[0], settings)
    run_stages(project, [report_stage(project)], (), again)
    print_results(project)


def _compare(projects: list[Project], out: Path) -> None:
    from maestromotif.report import ReportSources, write_comparison

    sources = [ReportSources.standard(one.root, one.domain, one.skills, one.config.report.title) for one in projects]
    typer.echo(f"comparison: {shown_path(write_comparison(sources, out))}")


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif run my-dungeon --steps 3000000")(run)
    app.command(epilog="Example: maestromotif solve --pretrained nethack 'Reach Minetown'")(solve)
    app.command(epilog="Example: maestromotif evaluate my-dungeon --set evaluate.task_episodes=200")(evaluate)
    app.command(epilog="Example: maestromotif report my-dungeon")(report)
