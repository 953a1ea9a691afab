"""Programs and what language models wrote, made fit for a terminal."""

from __future__ import annotations

import difflib
import sys

from rich.console import Console
from rich.syntax import Syntax

__all__ = ["console", "plain", "program_block", "version_diff"]

_PIPE_WIDTH = 120
_DIFF_LINES = 60


def console() -> Console:
    """Standard output; a pipe has no width and gets no colour."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def plain(text: str) -> str:
    """The text without control characters, which could drive a terminal: they become ``\\x1b`` and the like."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode() for letter in text)


def program_block(source: str) -> Syntax:
    """Source with line numbers, in colour on a terminal; long lines go on below."""
    return Syntax(plain(source).rstrip("\n"), "python", theme="ansi_dark", line_numbers=True, word_wrap=True, background_color="default")


def version_diff(old: str, new: str) -> Syntax:
    """What changed from one version to the next; the middle of a long change is left out."""
    lines = list(difflib.unified_diff(plain(old).splitlines(), plain(new).splitlines(), "old", "new", lineterm="", n=1))
    if len(lines) > _DIFF_LINES:
        half = _DIFF_LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} lines left out ...", *lines[-half:]]
    return Syntax("\n".join(lines), "diff", theme="ansi_dark", word_wrap=True, background_color="default")
