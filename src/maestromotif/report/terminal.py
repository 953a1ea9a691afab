"""The short table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich import box
from rich.table import Table

from maestromotif.agents.config import POLICIES
from maestromotif.report.expected import gather_expected
from maestromotif.report.results import Results, Score, gather_results
from maestromotif.report.sources import Notes, ReportSources

__all__ = ["summary_table"]


def summary_table(sources: ReportSources, task: str = "") -> Table | None:
    """Success of skills (per call) and tasks (per episode) under each driving policy; None if nothing was evaluated.

    Args:
        task: show this task alone.
    """
    results = gather_results(sources, Notes())
    if task:
        results = replace(results, skills=[], tasks=[row for row in results.tasks if row.task == task])
    if not results.skills and not results.tasks:
        return None
    table = Table(
        title=f"Success of skills per call and of tasks per episode, with {results.confidence:.0%} intervals",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="dim",
    )
    # Names give way to the numbers on a narrow terminal.
    table.add_column("", overflow="fold")
    for policy in POLICIES:
        table.add_column(policy, justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    _add_skills(table, results)
    _add_tasks(table, results, {(one.task, one.criterion): one.simulated for one in gather_expected(sources, results, Notes())})
    return table


def _add_skills(table: Table, results: Results) -> None:
    for row in results.skills:
        table.add_row(row.skill, *(_score(row.scores.get(policy)) for policy in POLICIES), _p(row.p_values.get("untrained")))
    if results.skills:
        table.add_section()


def _add_tasks(table: Table, results: Results, simulated: Mapping[tuple[str, str], Mapping[str, float]]) -> None:
    for task in results.tasks:
        for criterion, scores in task.scores.items():
            p_value = task.p_values.get(criterion, {}).get("untrained")
            notes = [*(["own claim"] if task.free else []), *(["repaired"] if task.repaired else [])]
            name = f"{task.task} [dim]({', '.join(notes)})[/dim]" if notes else task.task
            if criterion not in ("landmark", "its own claim"):
                name = f"  [dim]{criterion}[/dim]"
            table.add_row(name, *(_score(scores.get(policy)) for policy in POLICIES), _p(p_value))
            rates = simulated.get((task.task, "claimed" if criterion == "its own claim" else criterion), {})
            if rates and not task.repaired and criterion in ("landmark", "its own claim"):
                told = f"{rates['measured']:.1%}" if "measured" in rates else ""
                told += f" ({rates['perfect']:.0%})" if "perfect" in rates else ""
                table.add_row("  [dim]simulated (skills never fail)[/dim]", f"[dim]{told}[/dim]")


def _score(score: Score | None) -> str:
    if score is None or score.rate is None:
        return "[dim]no calls[/dim]"
    return f"{score.rate:.1%} [dim]{100 * score.low:.0f}-{100 * score.high:.0f} n={score.trials}[/dim]"


def _p(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
