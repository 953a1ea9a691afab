"""``explain``: a task's program, what its trials showed, and what it will do in plain English."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from maestromotif.cli.code import console, plain, program_block
from maestromotif.cli.common import ProjectArgument, SetOption, error_line, open_project, run_stages
from maestromotif.cli.results import CLAIM_NOTE, shown_path
from maestromotif.errors import ChatError, ConfigError

if TYPE_CHECKING:
    from maestromotif.programs.story import Story
    from maestromotif.project import Project
    from maestromotif.report.expected import Expected

__all__ = ["register"]

_DERIVED = "simulated episodes and the program's own text; configure a model in [coder] for a summary in words"


@dataclass(frozen=True)
class _Summary:
    """Sentences, and who or what they come from."""

    lines: list[str]
    source: str


def explain(
    folder: ProjectArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task in English, or the id of one of the domain's tasks.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    generation: Annotated[
        int,
        typer.Option(min=0, help="This generation of the program of one of the domain's tasks.", show_default="own"),
    ] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Summarise without a language model even if one is configured.")] = False,
    settings: SetOption = None,
) -> None:
    """Show a task's program, what its trials showed, and what it will do.

    In plain English: in which order it calls the skills, where it spends its calls, when it stops, what goes wrong. A language model
    says it where [coder] names one; otherwise it is read off simulated episodes. The program is written first if there is none yet;
    nothing has to be trained for this.
    """
    from maestromotif.programs.rehearse import rehearse
    from maestromotif.stages.catalogue import ancestors, generation_stage, named_task, task_stage
    from maestromotif.stages.repair import program_in_use, repaired

    project = open_project(folder, settings)
    name, text = named_task(project, task)
    if generation and name not in project.domain.tasks:
        raise ConfigError("--generation: further generations are written of the domain's tasks only", "Leave --generation out")
    stage = generation_stage(project, name, generation) if generation else task_stage(project, name, text)
    own = stage.id == f"task:{name}"
    # Nothing but the document may stand on standard output.
    with contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext():
        run_stages(project, [stage], ancestors(project, stage))
    path = program_in_use(project, name) if own else project.folder(stage.id) / f"{name}.py"
    mended = own and repaired(project, name)
    source = path.read_text(encoding="utf-8")
    skill_program = (project.folder("program") / "skills.py").read_text(encoding="utf-8")
    known = name if name in project.domain.tasks else None
    how: dict[str, Any] = {"config": project.config.program, "seed": project.seed, "task_id": known, "file": path.name}
    stories = rehearse(project.domain, project.skills, skill_program, source, **how)
    trials = json.loads((path.parent / "trials.json").read_text(encoding="utf-8"))["programs"].get(path.name, {})
    rows = _expected(project, name, trials) if own else _expected_in_bench(project, name, source, trials)
    summary = _summary(project, name, text, source, stories, offline)
    if as_json:
        from maestromotif.programs.explain import as_json as counts

        document = {
            "task": name,
            "text": text,
            "free": known is None,
            "judged_by": "criteria of the domain" if known else "the program's own claim",
            "program": str(path),
            "repaired": mended,
            "source": source,
            "trial": trials,
            "simulated": counts(stories),
            "simulated_and_real": [asdict(row) for row in rows],
            "summary": {"text": "\n".join(summary.lines), "by": summary.source},
        }
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    _print(text, path, source, mended, trials, rows, summary)
    if known is None:
        console().print(Text(f"\n{CLAIM_NOTE.partition('. See')[0]}.", "yellow"))


def _print(text: str, path: Path, source: str, mended: bool, trials: Mapping[str, Any], rows: list[Expected], summary: _Summary) -> None:
    """The program of a task in words, its text, and what its trials and episodes showed."""
    screen = console()
    model = plain(str(trials.get("model") or "hand"))
    version = "repaired" if mended else f"written by {model.removeprefix('written by ')}"
    screen.print(Text(f"\n{text}", "bold"))
    screen.print(Text(f"{shown_path(path)} ({version}{', edited by hand' if trials.get('edited') else ''})", "dim"))
    screen.print(program_block(source))
    screen.print(Text("\nIn simulation", "bold"))
    screen.print(Padding(_trial(trials), (0, 0, 0, 2), expand=False))
    if rows:
        screen.print(Text("\nSimulated and real success", "bold"))
        screen.print(Padding(_expected_table(rows), (0, 0, 0, 2), expand=False))
    screen.print(Text("\nWhat it will do", "bold"))
    for line in summary.lines:
        screen.print(Padding(Text(plain(line)), (0, 0, 0, 2), expand=False))
    screen.print(Padding(Text(f"From {summary.source}.", "dim"), (0, 0, 0, 2), expand=False))


def _summary(project: Project, task: str, text: str, source: str, stories: list[Story], offline: bool) -> _Summary:
    from maestromotif.programs.explain import explain as ask
    from maestromotif.programs.explain import observed

    if not offline and project.config.coder.kind != "recorded":
        try:
            said, model = ask(project.domain, project.skills, task, text, source, stories, project.coder())
            return _Summary(said.splitlines(), model or "the coder")
        except ChatError as error:
            error_line(f"{error.problem}; what follows is read off simulated episodes", "warning: ")
    return _Summary(observed(project.domain, project.skills, source, stories), _DERIVED)


def _expected(project: Project, task: str, trial: Mapping[str, Any]) -> list[Expected]:
    """What the trial expects of the program beside what its evaluation found, if there was one."""
    from maestromotif.report.expected import beside
    from maestromotif.report.results import gather_results
    from maestromotif.report.sources import Notes, ReportSources
    from maestromotif.stages.repair import repaired

    results = gather_results(ReportSources.standard(project.root, project.domain, project.skills), Notes())
    mended = repaired(project, task)
    row = next((row for row in results.tasks if row.task == task and row.repaired == mended), None)
    known = project.domain.tasks.get(task)
    return list(beside(task, trial.get("expected") or {}, known.max_steps if known else 0, row))


def _expected_in_bench(project: Project, task: str, source: str, trial: Mapping[str, Any]) -> list[Expected]:
    """The same for a program that no evaluation plays: beside its episodes in the project's ``bench``, if there are some."""
    from maestromotif.bench.cells import BenchOrder, cells_of
    from maestromotif.bench.log import EpisodeLog
    from maestromotif.bench.stats import wilson
    from maestromotif.report.expected import beside
    from maestromotif.report.results import Score
    from maestromotif.stages.catalogue import evaluation_setting
    from maestromotif.stages.files import read_json

    home = project.artifacts / "bench"
    found = read_json(home / "results.json") or {}
    benched = found.get("tasks", {}).get(task)
    limit = benched["max_steps"] if benched else project.domain.tasks[task].max_steps
    rows = list(beside(task, trial.get("expected") or {}, limit, None))
    if not benched or not project.folder("train").exists():
        return rows
    setting = evaluation_setting(project)
    order = BenchOrder("", {task: {"": source}}, ("trained",), tuple(found["seeds"]), found["episodes"], limit)
    keys = {cell.key for cell in cells_of(setting, order)}
    episodes = [row for (key, _), row in EpisodeLog(home).read().items() if key in keys]

    def score(criterion: str) -> Score | None:
        won = sum(bool(row["success"][criterion]) for row in episodes)
        interval = wilson(won, len(episodes), setting.config.confidence)
        return Score(won / len(episodes), interval.low, interval.high, won, len(episodes)) if episodes else None

    return [replace(row, real=score(row.criterion)) for row in rows]


def _expected_table(rows: list[Expected]) -> RenderableType:
    """A line for each criterion."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for title in ("skills never fail", "as measured", "real"):
        table.add_column(title, justify="right")
    for row in rows:
        real, limit = row.real, f", at most {row.max_steps:,} steps" if row.max_steps else ""
        told = "not evaluated"
        if real is not None and real.rate is not None:
            told = f"{real.rate:.0%} ({real.low:.0%} to {real.high:.0%}, n={real.trials})"
        rates = (f"{row.simulated[who]:.0%}" if who in row.simulated else "" for who in ("perfect", "measured"))
        table.add_row(f"{row.criterion}{limit}", *rates, told)
    return table


def _trial(trial: Mapping[str, Any]) -> RenderableType:
    """What the trial counted, a line for each thing."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("verdict", plain(str(trial.get("verdict", "not tried"))))
    for label, values in (("error", trial.get("fatal")), ("doubt", trial.get("weak"))):
        for text in values or ():
            table.add_row(label, plain(str(text)))
    if not trial.get("episodes"):
        return table
    table.add_row("episodes", f"{trial['episodes']}, {trial['mean_steps']:,.0f} steps on average, {trial['died']:.0%} died")
    for criterion, rate in trial.get("success", {}).items():
        table.add_row(f"success ({criterion})", f"{rate:.0%}")
    false = f", {trial['false_claims']:.0%} wrongly" if trial.get("success") else ""
    table.add_row("says it is done", f"in {trial['claimed']:.0%} of the episodes{false}")
    table.add_row("calls", ", ".join(f"{skill} {count:,}" for skill, count in trial.get("calls", {}).items()))
    table.add_row("steps per call", f"{trial['steps_per_call']:.0f}")
    return table


def register(app: typer.Typer) -> None:
    app.command(epilog='Example: maestromotif explain my-dungeon "Go down to the fourth level, then come back up."')(explain)
