"""``program --failures``: how generated programs failed, over all that were ever written for a project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from maestromotif.cli.code import console, plain

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["print_failures"]


def print_failures(project: Project, as_json: bool) -> None:
    """Counts by layer and rule."""
    from maestromotif.programs.failures import failure_report
    from maestromotif.programs.generations import read_generations

    found = failure_report(read_generations(project.artifacts))
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    if not found["programs"]:
        typer.echo("no program was written so far")
        return
    out = console()
    out.print(Text(f"{found['programs']:,} programs written: {_counts(found['verdicts'])} (by {_counts(found['sources'])})", "bold"))
    out.print(Text(f"Rounds needed: {', '.join(f'{count:,} with {number}' for number, count in found['rounds'].items())}"))
    if found["scenarios"]:
        out.print(Text(f"Cases asked for: {_counts(found['scenarios'])}"))
    for layer, part in found["layers"].items():
        if part["verdicts"]:
            out.print(Text.assemble((f"{layer}: ", "bold"), _counts(part["verdicts"])))
        if part["rules"]:
            table = Table(box=None, pad_edge=False, show_header=False)
            table.add_column(justify="right", no_wrap=True)
            table.add_column(overflow="fold")
            for broken, count in part["rules"].items():
                table.add_row(f"{count:,}", Text(plain(broken)))
            out.print(Padding(table, (0, 0, 0, 2)))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
