"""--help of each command, and the page made from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from maestromotif.cli.app import app
from maestromotif.cli.common import how_to_go_on
from maestromotif.cli.reference import reference

from .conftest import maestromotif

_COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_commands_of_the_design_are_there() -> None:
    phases = {"collect", "annotate", "reward", "program", "train"}
    assert {"init", "run", "solve", "evaluate", "report", "doctor", "skills"} | phases <= set(_COMMANDS)


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_of_each_command_has_an_example(command: str) -> None:
    result = maestromotif(command, "--help")
    assert result.returncode == 0
    assert f"Example: maestromotif {command} " in result.stdout


@pytest.mark.parametrize("command", _COMMANDS)
def test_the_examples_use_options_that_exist(command: str) -> None:
    text = maestromotif(command, "--help").stdout
    example = next(line for line in text.splitlines() if "Example:" in line)
    for word in example.split():
        if word.startswith("--"):
            assert f"  {word} " in text, f"{word} of the example is no option of {command}"


def test_the_page_is_current() -> None:
    assert _PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_version_and_bare_call() -> None:
    assert maestromotif("--version").stdout.startswith("maestromotif ")
    assert "Commands:" in (maestromotif().stdout + maestromotif().stderr)


def test_going_on_leaves_out_what_would_begin_anew() -> None:
    assert how_to_go_on(["train", "my project", "--again"]) == "maestromotif train 'my project'"
