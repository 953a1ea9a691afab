"""docs/cli.md from the commands' own --help: ``python -m maestromotif.cli.reference docs/cli.md``."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from maestromotif.cli.app import app
from maestromotif.files import write_atomically

__all__ = ["reference"]

_WIDTH = 100
_HEAD = """\
# Commands

This page is what `--help` says, put together by `make docs`; a test keeps it current. Exit codes: 0 done, 2 an error that a person can
mend (one line on standard error says what, where, and how), 130 interrupted (everything so far is saved; the same command goes on), 1 a
bug, with its traceback.
"""


def reference() -> str:
    """The page, as Markdown."""
    group = typer.main.get_command(app)
    parent = typer.Context(group, info_name="maestromotif", terminal_width=_WIDTH, max_content_width=_WIDTH)
    parts = [_HEAD, _block(group.get_help(parent))]
    for name in group.list_commands(parent):  # type: ignore[attr-defined]
        command = group.get_command(parent, name)  # type: ignore[attr-defined]
        context = typer.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH)
        parts += [f"## {name}\n", _block(command.get_help(context))]
    return "\n".join(parts)


def _block(text: str) -> str:
    return "```\n" + "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n```\n"


if __name__ == "__main__":
    write_atomically(Path(sys.argv[1]), reference())
