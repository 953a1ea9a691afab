"""``bench``: tasks played in full by the trained network and beside it, with intervals; what it found, as a table."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from maestromotif.agents import POLICIES
from maestromotif.agents.llm_policy import LLM_POLICIES
from maestromotif.bench.tables import as_csv, as_markdown, cell_text, limit_text, rows_of, write_results
from maestromotif.cli.asking import dry_run_with_model
from maestromotif.cli.common import SetOption, names_in, open_project, seeds_in, this_command
from maestromotif.cli.display import LiveDisplay, PlainDisplay, duration, make_display
from maestromotif.cli.generations import generation_files, generations_in, write_generations, write_tasks
from maestromotif.cli.results import shown_path
from maestromotif.cli.simulated import simulated_rates
from maestromotif.errors import ArtifactError, ChatError, ConfigError
from maestromotif.files import write_atomically

if TYPE_CHECKING:
    from maestromotif.agents import Setting
    from maestromotif.bench.cells import BenchOrder, Cell
    from maestromotif.project import Project

__all__ = ["register"]

_WIDTH, _NAME, _PAPER = 80, 17, 14  # of a table on the terminal, its first and its last column
_RATES = "rates.json"
_OWN = "own"
_FAILURES = 3
_FARE = {"perfect": "skills that never fail", "measured": "as measured"}  # how skills do in simulated episodes


@dataclass(frozen=True)
class _Wanted:
    """Which programs are to be played.

    Attributes:
        tasks: ids; empty: all that have a program.
        further: ``--program``, as it was given.
        generations: empty: the project's own programs.
        write: have programs of generations written that are missing.
    """

    tasks: list[str]
    further: Sequence[str]
    generations: tuple[int, ...]
    write: bool

    def generated(self, project: Project) -> list[str]:
        """The tasks that have, or get, programs of several generations."""
        written = [task for task in project.domain.tasks if project.folder(f"task:{task}").exists()]
        return self.tasks or written or list(project.config.evaluate.tasks or project.domain.tasks)


@dataclass(frozen=True)
class _Training:
    """A project, what is to be played with its network, and the cells of that."""

    project: Project
    setting: Setting
    order: BenchOrder
    cells: list[Cell]


def bench(
    folders: Annotated[list[Path], typer.Argument(metavar="PROJECT", help="The project folder; several are several trainings.")],
    tasks: Annotated[
        str,
        typer.Option(metavar="A,B", help="Tasks, by id or pattern (ladder-*); by default all that have a program."),
    ] = "",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each task, policy and seed; more than before goes on.")] = 64,
    seeds: Annotated[str, typer.Option(metavar="K|LIST", help="How many series of episodes, or their seeds: 1,5,9.")] = "1",
    policies: Annotated[
        str,
        typer.Option(
            metavar="A,B", help=f"What drives the programs: {', '.join(POLICIES)}; or {', '.join(LLM_POLICIES)}, which need none."
        ),
    ] = ",".join(POLICIES),
    program: Annotated[
        list[str] | None, typer.Option(metavar="TASK=FILE", help="A further program of a task, beside the project's own; may be repeated.")
    ] = None,
    generations: Annotated[
        str,
        typer.Option(metavar="K|LIST", help="Play programs of so many generations, or of these; missing ones are written first."),
    ] = "",
    max_steps: Annotated[int, typer.Option(min=0, help="Cut episodes before the task's own limit; the table says so.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where rows and tables go.", show_default="artifacts/bench of the first project")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON, and progress on standard error.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be played, and about how long; write nothing.")] = False,
    settings: SetOption = None,
) -> None:
    """Play tasks in full, many times, and say how sure the figures are.

    Every policy meets the same episodes with the same chances. Each episode is a line of episodes.jsonl as soon as it has ended, with
    its timeline of skills; the same command goes on after an interruption, and nothing is played twice. Several projects, or several
    programs of a task, give means with standard errors. With llm-actions, the model of [chat] names every action; with llm-skills it
    picks the skills that the trained network carries out.
    """
    from maestromotif.stages.bench import check_player

    wanted = _Wanted(names_in(tasks), program or [], generations_in(generations), write=not dry_run)
    # Nothing but the document may stand on standard output.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        trainings = _trainings(folders, wanted, episodes, seeds_in(seeds), policies, max_steps, settings or [])
    home = out or trainings[0].project.artifacts / "bench"
    if dry_run:
        _dry_run(trainings, home)
        return
    for training in trainings:
        check_player(training.project, training.order)
    try:
        with make_display(aside=as_json) as display:
            for training in trainings:
                _play(training, home, display, training.order.label if len(trainings) > 1 else "")
    except ChatError:
        _write(trainings, home)  # what has been played up to a limit was paid for, and worth a look
        raise
    results = _write(trainings, home)
    if as_json:
        typer.echo(json.dumps(results, indent=1, allow_nan=False))
    else:
        _print(results)
        typer.echo(f"episodes, tables: {shown_path(home)}")


def _play(training: _Training, home: Path, display: PlainDisplay | LiveDisplay, label: str) -> None:
    """Play what is missing of one training."""
    from maestromotif.stages.apart import run_apart
    from maestromotif.stages.bench import bench_stage, play_with_model
    from maestromotif.stages.lock import project_lock

    project, order, stage = training.project, training.order, bench_stage(asdict(training.order))
    report = partial(display.progress, stage)
    with project_lock(project.root, this_command()) as lock:
        if set(order.policies) - set(LLM_POLICIES):
            display.started(stage, home, label)
            found = run_apart(stage, project, home, report, partial(display.warned, stage), lock)
            if found["rates"]:
                write_atomically(home / _RATES, json.dumps(_rates(home) | found["rates"], indent=1) + "\n")
        if set(order.policies) & set(LLM_POLICIES):
            display.started(stage, home, ", ".join(filter(None, (label, "a language model plays"))))
            play_with_model(project, order, home, report)


def _trainings(
    folders: Sequence[Path],
    wanted: _Wanted,
    episodes: int,
    seeds: tuple[int, ...],
    policies: str,
    max_steps: int,
    settings: Sequence[str],
) -> list[_Training]:
    from maestromotif.bench.cells import BenchOrder, cells_of
    from maestromotif.stages.bench import with_player
    from maestromotif.stages.catalogue import evaluation_setting

    chosen, known = tuple(names_in(policies)), (*POLICIES, *LLM_POLICIES)
    for policy in chosen:
        if policy not in known:
            raise ConfigError(f"--policies: unknown policy {policy!r}", f"Policies: {', '.join(known)}")
    if not chosen:
        raise ConfigError("--policies: nothing is to play", f"Policies: {', '.join(known)}")
    needed = bool(set(chosen) - set(LLM_POLICIES))
    projects = [open_project(folder, settings) for folder in folders]
    if len({(project.domain.id, json.dumps(dict(project.domain.options), default=str)) for project in projects}) > 1:
        raise ConfigError("the projects have different [domain] tables", "Bench each of them by itself")
    labels = [project.root.resolve().name for project in projects]
    if len(set(labels)) < len(labels):
        labels = [str(project.root) for project in projects]
    wanted = replace(wanted, tasks=_named(wanted.tasks, projects[0]))
    further = _further(wanted.further, projects[0])
    found = []
    for label, project in zip(labels, projects, strict=True):
        order = BenchOrder(label, _programs(project, wanted, further, needed), chosen, seeds, episodes, max_steps)
        order = with_player(project, order)
        setting = evaluation_setting(project)
        found.append(_Training(project, setting, order, cells_of(setting, order)))
    if len({tuple(training.order.programs) for training in found}) > 1:
        raise ConfigError("the projects have programs for different tasks", "Name those that all have with --tasks")
    return found


def _named(names: Sequence[str], project: Project) -> list[str]:
    """The tasks of these ids, and those that these patterns fit."""
    domain, found = project.domain, list[str]()
    for name in names:
        fitting = (
            [task for task in (*domain.tasks, *domain.further_tasks) if fnmatch.fnmatchcase(task, name)]
            if set("*?[") & set(name)
            else [name]
        )
        if not fitting:
            known = ", ".join((*domain.tasks, *domain.further_tasks))
            raise ConfigError(f"--tasks: no task fits {name!r}", f"Tasks: {known}")
        found += fitting
    return list(dict.fromkeys(found))


def _further(programs: Sequence[str], project: Project) -> dict[str, dict[str, str]]:
    """The programs of ``--program``, by task and name."""
    found: dict[str, dict[str, str]] = {}
    for text in programs:
        task, _, path = text.partition("=")
        if task not in project.domain.tasks or not path:
            raise ConfigError(
                f"--program {text}: not TASK=FILE with one of the domain's tasks", f"Tasks: {', '.join(project.domain.tasks)}"
            )
        own = found.setdefault(task, {})
        name = Path(path).stem if Path(path).stem not in (_OWN, task, *own) else path
        own[name] = _read(Path(path), "Name a program's file")
    return found


def _programs(project: Project, wanted: _Wanted, further: Mapping[str, Mapping[str, str]], needed: bool) -> dict[str, dict[str, str]]:
    """The programs of each task that is to be played; tasks without one are passed over, or refused where they were asked for.

    Args:
        needed: whether anything plays them; else all that a task has to have is a name.
    """
    for task in wanted.tasks:
        if task not in project.domain.tasks:
            known = ", ".join(project.domain.tasks)
            raise ConfigError(
                f"--tasks: {task!r} is none of the domain's tasks, so nothing but its program could judge it", f"Tasks: {known}"
            )
    if wanted.generations and wanted.write:
        write_generations(project, wanted.generated(project), wanted.generations)
    elif wanted.write and needed:
        write_tasks(project, _expected(project, wanted.tasks))
    found: dict[str, dict[str, str]] = {}
    for task in wanted.generated(project) if wanted.generations else wanted.tasks or project.domain.tasks:
        own = project.folder(f"task:{task}") / f"{task}.py"
        files = generation_files(project, task, wanted.generations) if wanted.generations else {_OWN: own}
        programs = {name: _read(file, "") for name, file in files.items() if file.exists()}
        if wanted.generations:
            for name in (name for name in files if name not in programs):
                typer.echo(f"{task}, program {name}: not written yet; that comes first, and what follows is without it")
        elif not programs and not needed:
            programs = {_OWN: ""}
        programs |= further.get(task, {})
        if programs:
            found[task] = programs
        elif wanted.tasks:
            remedy = "Leave --dry-run out" if wanted.generations else f"Run `maestromotif solve {project.root} {task}`"
            raise ArtifactError(f"{own}: there is no program for this task", remedy)
    if not found:
        raise ArtifactError(f"{project.root}: no task has a program", f"Run `maestromotif evaluate {project.root}`")
    return found


def _expected(project: Project, named: Sequence[str]) -> list[str]:
    """Tasks without a program that nobody is expected to have had written before: of a family; with skills that came trained, any."""
    given, listed = bool(project.config.project.pretrained), set(project.domain.tasks)

    def lacks(task: str) -> bool:
        return not project.folder(f"task:{task}").exists()

    if given and not named and all(map(lacks, listed)):
        return list(project.config.evaluate.tasks or project.domain.tasks)
    return [task for task in named if lacks(task) and (given or task not in listed)]


def _read(path: Path, remedy: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", remedy) from error


def _rates(home: Path) -> dict[str, float]:
    """Steps each second, by task, as they were measured."""
    from maestromotif.stages.files import read_json

    return {task: float(rate) for task, rate in (read_json(home / _RATES) or {}).items() if rate}


def _dry_run(trainings: Sequence[_Training], home: Path) -> None:
    from maestromotif.bench.log import EpisodeLog

    rows = EpisodeLog(home).read()
    missing: dict[tuple[str, str, str, str, int], tuple[int, float, bool]] = {}
    keys: set[str] = set()
    for training in trainings:
        for cell in training.cells:
            if cell.key in keys or cell.policy in LLM_POLICIES:
                continue
            keys.add(cell.key)
            left = sum((cell.key, index) not in rows for index in range(training.order.episodes))
            lengths = [row["steps"] for (key, _), row in rows.items() if key == cell.key]
            mean = sum(lengths) / len(lengths) if lengths else float(cell.max_steps)
            place = (cell.label, cell.task, cell.program, cell.policy, cell.seed)
            missing[place] = (left, left * mean, bool(lengths))
    for (label, task, name, policy, seed), (left, steps, known) in missing.items():
        bound = "about" if known else "at most"
        parts = [label] if len(trainings) > 1 else []
        parts += [task, policy, *([f"program {name}"] if name != _OWN else []), f"seed {seed}"]
        typer.echo(f"{', '.join(parts)}: {left} episodes, {bound} {steps:,.0f} steps" if left else f"{', '.join(parts)}: all played")
    asks = dry_run_with_model([(one.project, one.setting, one.order) for one in trainings], rows)
    total = sum(steps for _, steps, _ in missing.values())
    if not total:
        if not asks:
            typer.echo("nothing is left to play")
        return
    rates = list(_rates(home).values())
    told = "as measured before"
    if not rates:
        rates, told = [_probe(trainings[0])], "as measured now, in a few seconds of play"
    rate = sum(rates) / len(rates)
    bound = "about" if all(known for left, _, known in missing.values() if left) else "at most about"
    typer.echo(f"all: {total:,.0f} steps, {bound} {duration(total / max(rate, 1e-9))} at {rate:,.0f} steps/s, {told}")


def _probe(training: _Training) -> float:
    from maestromotif.stages.apart import run_apart
    from maestromotif.stages.bench import bench_stage

    stage = bench_stage(asdict(training.order), probe=min(training.setting.config.games, training.order.episodes))
    return float(run_apart(stage, training.project, training.project.root, lambda fraction, text: None, lambda text: None)["rate"])


def _write(trainings: Sequence[_Training], home: Path) -> dict[str, Any]:
    from maestromotif.bench.log import EpisodeLog
    from maestromotif.bench.results import bench_results

    first = trainings[0]
    cells = [cell for training in trainings for cell in training.cells]
    orders = [training.order for training in trainings]
    results = bench_results(first.project.domain, orders, cells, EpisodeLog(home).read(), first.setting.config.confidence)
    for task, found in results["tasks"].items():
        found["simulated"] = _simulated(trainings, task, found["accomplished"], found["max_steps"])
    write_results(home, results, as_csv(results), as_markdown(results))
    return results


def _simulated(trainings: Sequence[_Training], task: str, criterion: str, max_steps: int) -> dict[str, float]:
    """What the trials of the projects' own programs expect of a task, as means over those that were tried."""
    files = (
        training.project.folder(f"task:{task}") / f"{task}.py" for training in trainings if _OWN in training.order.programs.get(task, ())
    )
    rates = [found for file in files if (found := simulated_rates(file, criterion, max_steps))]
    return {who: mean(found[who] for found in rates) for who in (rates[0] if rates else ()) if all(who in found for found in rates)}


def _print(results: Mapping[str, Any]) -> None:
    screen = Console(width=_WIDTH, highlight=False)
    policies = results["policies"]
    wide = (_WIDTH - _NAME - _PAPER) // len(policies)
    screen.print(Text(_line("", policies, "paper", wide), "bold"))
    for task, measures in _by_task(results).items():
        screen.print(_heading(task, results))
        for measure, own in measures.items():
            shown = [cell_text(own[policy]) if policy in own else "" for policy in policies]
            screen.print(Text(_line(f"  {measure}", shown, next(iter(own.values()))["paper"] or "", wide)))
        if simulated := results["tasks"].get(task, {}).get("simulated"):
            told = ", ".join(f"{_FARE.get(who, who)} {rate:.0%}" for who, rate in simulated.items())
            screen.print(Text(f"  {'simulated':<{_NAME - 2}}{told}", "dim"))
        if task in results["tasks"]:
            _print_runs(screen, results["tasks"][task], policies[0])
    note = f"{results['confidence']:.0%} intervals: Wilson for rates, bootstrap for the rest"
    if any(one["standard_error"] is not None for one in rows_of(results)):
        note += f"; ± is one standard error over runs (trainings: {', '.join(results['trainings'])})"
    screen.print(Text(note + ".", "dim"))
    if any(found["cut"] for found in results["tasks"].values()):
        screen.print(Text("CUT before the task's own limit: not to be compared with full episodes.", "bold yellow"))
    for task, found in results["tasks"].items():
        _print_failures(screen, task, policies[0], found["failures"][policies[0]])


def _line(name: str, cells: Sequence[str], paper: str, wide: int) -> str:
    return f"{name:<{_NAME}}{''.join(f'{cell:<{wide - 1}} ' for cell in cells)}{paper}".rstrip()


def _by_task(results: Mapping[str, Any]) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Rows by task, measure and policy."""
    cells: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for row in rows_of(results):
        cells.setdefault(row["task"], {}).setdefault(row["measure"], {})[row["policy"]] = row
    return cells


def _heading(task: str, results: Mapping[str, Any]) -> Text:
    found = results["tasks"].get(task)
    if found is None:
        return Text(task, "bold")
    counts = "/".join(dict.fromkeys(str(one["episodes"]) for one in found["failures"].values()))
    limit = limit_text(found)
    return Text.assemble((task, "bold"), (f": {counts} episodes, {limit} steps", "bold yellow" if found["cut"] else "dim"))


def _print_runs(screen: Console, found: Mapping[str, Any], policy: str) -> None:
    """How each run did by itself, so that a bad program or training is seen."""
    each = found["criteria"][found["accomplished"]]["policies"][policy]["each"]
    if len(each) < 2:
        return
    trainings = {run["training"] for run in each}
    names = [" ".join([run["training"]] * (len(trainings) > 1) + [run["program"]]) for run in each]
    runs = ", ".join(f"{name} {run['mean']:.1%}" for name, run in zip(names, each, strict=True))
    screen.print(Text(f"  {found['accomplished']} of each, {policy}: {runs}", "dim"))


def _print_failures(screen: Console, task: str, policy: str, found: Mapping[str, Any]) -> None:
    if not found["failed"]:
        return
    screen.print(Text(f"{task}, {policy}: {found['failed']} of {found['episodes']} episodes failed; chains broke at", "bold"))
    for kind, count in list(found["broke_at"].items())[:_FAILURES]:
        screen.print(Text(f"  {count:>4} x {kind}"), soft_wrap=True)
    rest = len(found["broke_at"]) - _FAILURES
    screen.print(Text(f"  typical: {found['typical']}", "dim"))
    if rest > 0:
        screen.print(Text(f"  and {rest} more kinds of end, in results.json", "dim"))


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif bench my-dungeon --tasks golden_exit,delphi --episodes 200")(bench)
