"""``baselines``: other ways to the same tasks, trained at a given budget, played in the same episodes; one table with what each costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from maestromotif.bench.baselines import METHODS, baselines_csv, baselines_markdown, costs_text, task_rows
from maestromotif.bench.tables import cell_text, limit_text, write_results
from maestromotif.cli.asking import dry_run_with_model
from maestromotif.cli.common import ProjectArgument, SetOption, names_in, open_project, seeds_in, this_command
from maestromotif.cli.display import duration, make_display
from maestromotif.cli.results import shown_path
from maestromotif.errors import ConfigError

if TYPE_CHECKING:
    from maestromotif.stages.baselines import Baselines

__all__ = ["register"]

_PLAIN_WIDTH = 160


def baselines(
    folder: ProjectArgument,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each network trained for a task; more than before goes on.")] = 2_000_000,
    tasks: Annotated[str, typer.Option(metavar="A,B", help="Tasks, by id; by default those of [evaluate].")] = "",
    methods: Annotated[str, typer.Option(metavar="A,B", help="Rows of the table.")] = ",".join(METHODS),
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each task, method and seed; more than before goes on.")] = 64,
    seeds: Annotated[str, typer.Option(metavar="K|LIST", help="How many series of episodes, or their seeds: 1,5,9.")] = "1",
    max_steps: Annotated[int, typer.Option(min=0, help="Cut episodes before the task's own limit; the table says so.")] = 0,
    criterion: Annotated[str, typer.Option(help="What task-reward is paid for, where a task has it.")] = "landmark",
    score: Annotated[float, typer.Option(min=0.0, help="Weight of the game's score in task-reward.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Where rows and tables go.", show_default="artifacts/baselines of the project")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON, and progress on standard error.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is left to do, and about how long; write nothing.")] = False,
    settings: SetOption = None,
) -> None:
    """Train and play the paper's baselines beside the project's own skills.

    Every method that trains gets a network for each task and as many steps for each as --steps says, with the games, observations and
    actions of [train]. All methods play the same full episodes. The project itself is brought up to date first, as by `run`. After an
    interruption the same command goes on; the tables hold what there is, and say what is missing.
    """
    from maestromotif.stages.baselines import BaselinePlan, Baselines

    project = open_project(folder, settings)
    rows = _known(names_in(methods), METHODS, "--methods", "method")
    rows = tuple(name for name in METHODS if name in rows)
    chosen = _known(names_in(tasks) or project.config.evaluate.tasks or list(project.domain.tasks), project.domain.tasks, "--tasks", "task")
    plan = BaselinePlan(rows, chosen, steps, episodes, seeds_in(seeds), max_steps, criterion, score)
    home = out or project.artifacts / "baselines"
    work = Baselines(project, plan, home)
    if dry_run:
        _dry_run(work)
        return
    _do(work, as_json)
    results = _write(work)
    if as_json:
        typer.echo(json.dumps(results, indent=1, allow_nan=False))
    else:
        _print(results)
        typer.echo(f"episodes, tables: {shown_path(home)}")


def _known(names: Sequence[str], known: Mapping[str, object], option: str, noun: str) -> tuple[str, ...]:
    """These names, if all of them are known."""
    for name in names:
        if name not in known:
            raise ConfigError(f"{option}: unknown {noun} {name!r}", f"There are: {', '.join(known)}")
    if not names:
        raise ConfigError(f"{option}: no {noun} is named", f"There are: {', '.join(known)}")
    return tuple(names)


def _do(work: Baselines, aside: bool) -> None:
    from maestromotif.stages.runner import open_runner

    command = this_command()
    with make_display(aside) as display, open_runner(work.project, command, display) as runner:
        try:
            for _ in work.run(runner, display, command):
                _write(work)
        except BaseException:
            _write(work)  # with what is missing
            raise


def _write(work: Baselines) -> dict[str, Any]:
    results = work.results()
    write_results(work.home, results, baselines_csv(results), baselines_markdown(results))
    return results


def _dry_run(work: Baselines) -> None:
    from maestromotif.bench.log import EpisodeLog

    rows = work.left()
    left, play = (sum(getattr(row, name) for row in rows) for name in ("train", "play"))
    rate, told = work.rate() if left + play else (1.0, "")
    for row in rows:
        parts = []
        if row.train:
            parts += [f"{row.networks} {'networks' if row.networks > 1 else 'network'} of {work.plan.steps:,} steps"] * bool(row.networks)
            parts.append(f"{row.train:,} steps to train, about {duration(row.train / rate)}")
        if row.episodes:
            parts.append(f"{row.episodes} episodes to play, at most {row.play:,} steps, {duration(row.play / rate)}")
        typer.echo(f"{row.method}: {'; '.join([*parts, *row.missing]) or 'done'}")
    asked = dry_run_with_model(work.with_model(), EpisodeLog(work.home).read())
    if not left + play:
        if not asked:
            typer.echo("nothing is left to do")
        return
    typer.echo(
        f"all: {left:,} steps to train, about {duration(left / rate)}, and at most {play:,} to play, at most about "
        f"{duration(play / rate)}; both at {rate:,.0f} steps/s of training, {told}"
    )


def _print(results: Mapping[str, Any]) -> None:
    screen = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)
    for block in _blocks(results):
        screen.print(block)
    note = f"{results['confidence']:.0%} intervals: Wilson for rates, bootstrap for the rest. Steps of a row: of all its networks together."
    screen.print(Text(note, "dim"))
    for name, one in results["methods"].items():
        for lack in one["missing"]:
            screen.print(Text(f"{name}: {lack}", "yellow"), soft_wrap=True)


def _blocks(results: Mapping[str, Any]) -> Iterator[Table | Text]:
    for task, found in results["tasks"].items():
        limit = limit_text(found)
        yield Text.assemble((task, "bold"), (f": {results['episodes'] * len(results['seeds'])} episodes, {limit} steps", "dim"))
        measures = task_rows(results, task)
        table = _table(["method", *measures])
        for name in results["methods"]:
            shown = [cell_text(rows[name]) if name in rows else "" for rows in measures.values()]
            table.add_row(f"  {name}", *(text or "-" for text in shown))
        paper = [next(iter(rows.values()))["paper"] or "" for rows in measures.values()]
        if any(paper):
            table.add_row("  paper, zero-shot", *paper)
        yield table
    table = _table(["what it cost", "networks", "steps", "hours", "tokens", "money"])
    for name, one in results["methods"].items():
        table.add_row(f"  {name}", *costs_text(one))
    yield table


def _table(columns: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif baselines my-dungeon --steps 2000000 --episodes 64")(baselines)
