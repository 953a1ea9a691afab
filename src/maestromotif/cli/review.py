"""``program --review``: each program is shown to a person, who decides before it is kept."""

from __future__ import annotations

import os
import shlex
import subprocess  # the person's own editor
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.rule import Rule
from rich.text import Text

from maestromotif.cli.code import console, plain, program_block
from maestromotif.errors import ConfigError
from maestromotif.programs.attempt import Attempt
from maestromotif.programs.requests import Question
from maestromotif.programs.review import Abort, Accept, Ask, Decision, Edit

__all__ = ["TerminalReview", "need_terminal"]

_COLOURS = {"refused": "red", "weak": "yellow", "doubtful": "yellow", "good": "green", "passed": "green"}
_PROBLEMS = 6


def need_terminal() -> None:
    """Refuse to review where nobody can answer.

    Raises:
        ConfigError: standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("--review asks about each program, and this is no terminal", "Run it in a terminal, or leave --review out")


class TerminalReview:
    """A ``Review`` on the terminal; an edited program is taken from $VISUAL or $EDITOR."""

    def __call__(self, question: Question, attempt: Attempt, told: str) -> Decision:
        out = console()
        out.print(Rule(Text(question.file, "bold")))
        out.print(Text(plain(f"Asked for: {' '.join(question.subject.split())}"), "dim"))
        if attempt.source:
            out.print(program_block(attempt.source))
        for layer, found in attempt.layers().items():
            if found["verdict"] != "not reached":
                out.print(_layer(layer, found))
        if told:
            out.print(Text(plain(f"Nothing new: {told}"), "yellow"))
        return self._decide(attempt)

    def _decide(self, attempt: Attempt) -> Decision:
        choices = {"a": "accept"} if attempt.usable else {}
        choices |= {"r": "ask again with a remark", "e": "edit", "q": "quit, keep nothing"}
        line = ", ".join(f"[{key}] {what}" for key, what in choices.items())
        while True:
            key = typer.prompt(line, default="a" if attempt.usable else "q", show_default=True).strip().lower()[:1]
            if key not in choices:
                continue
            if key == "a":
                return Accept()
            if key == "q":
                return Abort()
            if key == "r":
                remark = typer.prompt("Remark", default="", show_default=False).strip()
                if remark:
                    return Ask(remark)
                continue
            source = _edited(attempt.source)
            if source is not None:
                return Edit(source)
            typer.echo("nothing was changed")


def _edited(source: str) -> str | None:
    """What a person makes of a program; None if it is as it was.

    Raises:
        ConfigError: the editor cannot be started.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="maestromotif-review-") as folder:
        path = Path(folder) / "program.py"
        path.write_text(source, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"the editor {editor!r} failed: {error}", "Set EDITOR to the command that starts your editor") from error
    return text if text.strip() and text != source else None


def _layer(layer: str, found: Mapping[str, Any]) -> Text:
    verdict = str(found["verdict"])
    line = Text.assemble((f"{layer:<10} ", "bold"), (verdict, _COLOURS.get(verdict, "")))
    if "success" in found:
        line.append(f", {found['success']:.0%} of {found['episodes']} simulated episodes succeed")
    elif "episodes" in found:
        line.append(f", {found['episodes']} simulated episodes")
    if found.get("cases"):
        line.append(f", {found['cases'] - len(found['problems'])} of {found['cases']} cases pass")
    if found.get("skipped"):
        line.append(plain(f": {found['skipped']}"))
    for problem in found["problems"][:_PROBLEMS]:
        line.append(plain(f"\n  - {problem}"))
    return line
