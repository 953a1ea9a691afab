"""``calls``: what language models were asked so far, and what it cost."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from maestromotif.cli.common import ProjectArgument, open_project

if TYPE_CHECKING:
    from maestromotif.llm.ledger import Totals
    from maestromotif.project import Project

__all__ = ["print_annotation", "register"]

_PROBLEMS = 1


def calls(
    folder: ProjectArgument,
    verify: Annotated[bool, typer.Option("--verify", help="Also check the hashes of stored calls; exit code 1 if one differs.")] = False,
) -> None:
    """Calls to language models in all runs: number, tokens and cost by purpose."""
    from maestromotif.llm import CallStore, Ledger
    from maestromotif.llm.ledger import LEDGER_FILE, total

    project = open_project(folder)
    found = total(Ledger(project.calls / LEDGER_FILE).entries(), lambda entry: f"{entry.table}\n{entry.purpose}")
    table = Table(box=None, pad_edge=False)
    for name in ("table", "purpose"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "failed", "from the store", "question tokens", "answer tokens", "seconds", "cost"):
        table.add_column(name, justify="right")
    for key, totals in found.items():
        role, _, purpose = key.partition("\n")
        counts = (totals.calls, totals.failed, totals.cached, totals.prompt_tokens, totals.completion_tokens)
        table.add_row(role, purpose, *(f"{count:,}" for count in counts), f"{totals.seconds:,.1f}", _cost(project, role, totals))
    if found:
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    else:
        typer.echo("no calls so far")
    if verify:
        problems = CallStore(project.calls).verify()
        for problem in problems:
            typer.echo(problem, err=True)
        typer.echo(f"{len(problems)} of the stored calls differ" if problems else "all stored calls are what was written")
        if problems:
            raise typer.Exit(_PROBLEMS)


def print_annotation(project: Project) -> None:
    """What came of each skill's pairs, and what the annotator's calls cost in all runs."""
    from maestromotif.llm import Ledger
    from maestromotif.llm.ledger import LEDGER_FILE, total

    for skill in project.skills:
        path = project.folder("annotate") / f"preferences-{skill.id}.json"
        if path.exists():
            typer.echo(_skill_line(skill.id, json.loads(path.read_text(encoding="utf-8"))))
    totals = total(Ledger(project.calls / LEDGER_FILE).entries(), lambda entry: entry.table).get("annotator")
    if totals is not None:
        spent = f"{totals.prompt_tokens:,} tokens of questions, {totals.completion_tokens:,} of answers"
        cost = _cost(project, "annotator", totals)
        typer.echo(f"calls in all runs: {totals.calls:,} ({totals.failed:,} failed), {spent}" + (f", cost {cost}" if cost else ""))


def _skill_line(skill: str, card: dict[str, object]) -> str:
    verdicts, reasons, orders = (card.get(name) for name in ("verdicts", "reasons", "orders"))
    line = f"{skill}: {card.get('pairs')} pairs: {_counts(verdicts)}"
    if reasons:
        line += f"; unparsed: {_counts(reasons)}"
    if isinstance(orders, dict):
        line += f"; order swapped: {orders['flipped']:.1%} of verdicts flip, {orders['first_shown']:.1%} of choices fall on the first shown"
    return line


def _counts(counts: object) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) if isinstance(counts, dict) else ""


def _cost(project: Project, role: str, totals: Totals) -> str:
    """Empty where no prices are set."""
    budget = {"coder": project.config.coder, "annotator": project.config.annotator}.get(role, project.config.chat).budget
    cost = budget.cost(totals.prompt_tokens, totals.completion_tokens)
    return f"{cost:,.4f}" if budget.prompt_price or budget.completion_price else ""


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif calls my-dungeon --verify")(calls)
