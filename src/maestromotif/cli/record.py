"""``record`` and ``timeline``: episodes played again and kept step by step, and every episode of the bench in a line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from maestromotif.agents import POLICIES
from maestromotif.agents.llm_policy import LLM_POLICIES, player_identity
from maestromotif.cli.code import console, plain
from maestromotif.cli.common import ProjectArgument, SetOption, error_line, names_in, open_project, run_request
from maestromotif.cli.results import shown_path
from maestromotif.cli.timeline import episode_line, legend
from maestromotif.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from maestromotif.bench.cells import Cell
    from maestromotif.project import Project
    from maestromotif.recordings.play import RecordOrder

__all__ = ["register"]

_TRIES = 20  # episodes looked at for each that is wanted, where only those of one outcome are
_NAME = 34  # columns before the timeline
_BENCHES = ("bench", "baselines")  # folders in which episodes of a bench lie
_PLAYERS = (*POLICIES, "explorer", *LLM_POLICIES)


class Outcome(StrEnum):
    """Which episodes are kept."""

    ALL = "all"
    FAILED = "failed"
    SUCCESSFUL = "successful"


TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="The task in English, or the id of one of the domain's tasks.")]


def record(
    folder: ProjectArgument,
    task: TaskArgument,
    episodes: Annotated[int, typer.Option(min=1, help="How many to record.")] = 3,
    numbers: Annotated[str, typer.Option(metavar="A,B", help="Just these episodes, by their numbers in the bench.")] = "",
    only: Annotated[Outcome, typer.Option(help="Keep only episodes that went so.")] = Outcome.ALL,
    policy: Annotated[str, typer.Option(metavar="NAME", help=f"What plays: {', '.join(_PLAYERS)}.")] = "trained",
    seed: Annotated[int, typer.Option(min=0, help="Which series of episodes, as in bench.")] = 1,
    max_steps: Annotated[int, typer.Option(min=0, help="Cut episodes before the task's own limit.")] = 0,
    settings: SetOption = None,
) -> None:
    """Play episodes of a task again and record them, with what the game showed at every step.

    They are the very episodes that bench plays: the same seed and number give the same game. What is recorded already is not played
    again. Episodes of a language model must have been played by bench: they go by what it said then, and nobody is asked again. Watch
    them with replay, or in the report.
    """
    from maestromotif.recordings import RECORDINGS
    from maestromotif.recordings.store import read_card
    from maestromotif.stages.record import record_stage

    project = open_project(folder, settings)
    order = _order(project, task, episodes, _numbers(numbers), only, policy, seed, max_steps)
    home = project.artifacts / RECORDINGS / order.task
    stage = record_stage(asdict(order))
    told = run_request(project, stage, home)
    cards = [read_card(home / name) for name in told["kept"]]
    rows = [card["row"] for card in cards]
    for reason in dict.fromkeys(card["undrawn"] for card in cards if "undrawn" in card):
        error_line(reason, "without pictures: ")
    _print(rows, project.skills.ids, order.criterion)
    if len(rows) < order.enough:
        typer.echo(f"{len(rows)} of {order.enough}: no more of the episodes looked at were {only.value}")
    typer.echo(f"recordings: {shown_path(home)}")
    typer.echo(f"Next: maestromotif replay {shlex.quote(str(folder))}")


def timeline(
    folder: ProjectArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Id of one task; by default all.", show_default=False)] = "",
    only: Annotated[Outcome, typer.Option(help="Show only episodes that went so.")] = Outcome.ALL,
    policy: Annotated[str, typer.Option(metavar="NAME", help="What drove the program.")] = "trained",
    settings: SetOption = None,
) -> None:
    """Show every episode of the bench in a line: which skill was active, how it ended, where the chain broke.

    The numbers are those that record takes.
    """
    from maestromotif.bench.cells import main_criterion
    from maestromotif.bench.log import EpisodeLog

    project = open_project(folder, settings)
    rows = [row for row in EpisodeLog(project.artifacts / "bench").read().values() if row["policy"] == policy]
    tasks = dict.fromkeys(row["task"] for row in rows if not task or row["task"] == task)
    if not tasks:
        raise ArtifactError(
            f"{project.artifacts / 'bench'}: no episode of {task or 'any task'} under {policy}",
            f"Run `maestromotif bench {project.root}`",
        )
    for name in tasks:
        known = project.domain.tasks.get(name)
        if known is None:
            continue
        criterion = main_criterion(known)
        typer.echo(name)
        own = [row for row in rows if row["task"] == name and _fits(row, criterion, only)]
        _print(sorted(own, key=lambda row: (row["seed"], row["episode"])), project.skills.ids, criterion)


def _fits(row: Mapping[str, Any], criterion: str, only: Outcome) -> bool:
    return only is Outcome.ALL or bool(row["success"][criterion]) is (only is Outcome.SUCCESSFUL)


def _print(rows: Sequence[Mapping[str, Any]], skills: Sequence[str], criterion: str) -> None:
    out = console()
    called = dict.fromkeys(call[0] for row in rows for call in row["calls"])
    if any(name not in skills for name in called):  # a language model that acts calls no skills
        skills = list(called)
    if rows:
        out.print(legend(skills))
    for row in rows:
        good = row["success"][criterion]
        told = "success" if good else str(row["ended"])
        name = f"{row['policy']}-{row['seed']}-{row['episode']}  {row['steps']:,} steps  {told}"
        line = Text(f"{plain(name):<{_NAME}.{_NAME}} ", "green" if good else "")
        out.print(line + episode_line(row, skills, max(out.width - _NAME - 2, 20)), soft_wrap=True)
        if not good and row["broke"] is not None:
            skill, start, end, cause, reason, _ = row["calls"][row["broke"]]
            out.print(Text(f"{'':{_NAME}} broke at {plain(skill)}, steps {start:,}-{end:,}, {cause}: {plain(reason)}", "dim"))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(map(int, names_in(text))))
    except ValueError:
        found = (-1,)
    if any(number < 0 for number in found):
        raise ConfigError(f"--numbers: {text!r} is not a list of episodes' numbers", "Write for example 0,4,17")
    return found


def _order(
    project: Project, text: str, episodes: int, numbers: tuple[int, ...], only: Outcome, policy: str, seed: int, max_steps: int
) -> RecordOrder:
    from maestromotif.bench.cells import BenchOrder, cells_of, main_criterion
    from maestromotif.recordings.play import CLAIM, RECORDABLE, RecordOrder, free_cell
    from maestromotif.stages.bench import with_player
    from maestromotif.stages.catalogue import evaluation_setting, named_task
    from maestromotif.stages.repair import program_in_use

    if policy not in RECORDABLE:
        raise ConfigError(f"--policy: {policy!r} cannot be recorded", f"Policies: {', '.join(RECORDABLE)}")
    task, _ = named_task(project, text)
    known = project.domain.tasks.get(task)
    asked = policy in LLM_POLICIES
    if asked and known is None:
        raise ConfigError(f"{policy} cannot play {task!r}, which only its program can judge", "Name one of the domain's tasks")
    # The bench plays the program as it was first written; a free task has no bench; a language model needs no program.
    path = project.folder(f"task:{task}") / f"{task}.py" if known else program_in_use(project, task)
    try:
        source = "" if asked else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", f"Run `maestromotif solve {project.root} {shlex.quote(text)}`") from error
    setting = evaluation_setting(project)
    if known:
        own = BenchOrder(project.root.resolve().name, {task: {"own": source}}, (policy,), (seed,), 1, max_steps)
        cell = cells_of(setting, with_player(project, own))[0]
    else:
        cell = free_cell(setting, task, source, policy, seed, max_steps)
    criterion = main_criterion(known) if known else CLAIM
    order = RecordOrder(
        task=task,
        criterion=criterion,
        source=source,
        policy=policy,
        seed=seed,
        place=f"bench/{task}",
        candidates=numbers,
        enough=len(numbers) or episodes,
        only="" if only is Outcome.ALL else "failed" if only is Outcome.FAILED else "successful",
        max_steps=cell.max_steps,
        key=cell.key,
    )
    results = _played(project, cell)
    wanted = [episode for episode in sorted(results) if _fits(results[episode], criterion, only)]
    if asked:
        return _asked_before(project, order, cell, numbers or tuple(wanted[:episodes]), results)
    # Episodes that nobody has played yet follow those that are known to fit.
    unknown = [episode for episode in range(episodes * (1 if only is Outcome.ALL else _TRIES) + len(results)) if episode not in results]
    return replace(order, candidates=numbers or (*wanted, *unknown))


def _played(project: Project, cell: Cell) -> dict[int, Mapping[str, Any]]:
    """The episodes of a cell that bench or baselines have played, by their numbers."""
    from maestromotif.bench.log import EpisodeLog

    found: dict[int, Mapping[str, Any]] = {}
    for name in _BENCHES:
        rows = EpisodeLog(project.artifacts / name).read()
        found |= {episode: row for (key, episode), row in rows.items() if key == cell.key}
    return found


def _asked_before(
    project: Project, order: RecordOrder, cell: Cell, numbers: tuple[int, ...], results: Mapping[int, Mapping[str, Any]]
) -> RecordOrder:
    """The order with what a language model has chosen in these episodes."""
    from maestromotif.bench.llm import read_choices, transcript_path

    missing = [number for number in numbers if number not in results]
    if missing or not results:
        what = f"episode {missing[0]} has not been" if missing else "no episode has been"
        raise ArtifactError(
            f"{project.root}: {order.task}, seed {order.seed}: {what} played by {order.policy} as maestro.toml describes it now",
            f"Run `maestromotif bench {project.root} --tasks {order.task} --policies {order.policy}`",
        )
    choices = {}
    for number in numbers:
        paths = [transcript_path(project.artifacts / name, cell, number) for name in _BENCHES]
        choices[str(number)] = read_choices(next((path for path in paths if path.is_file()), paths[0]))
    llm_policy = project.config.llm_policy.model_dump(mode="json")
    return replace(order, candidates=numbers, choices=choices, player=player_identity(project), llm_policy=llm_policy)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif record my-dungeon golden_exit --only failed --episodes 5")(record)
    app.command(epilog="Example: maestromotif timeline my-dungeon golden_exit")(timeline)
