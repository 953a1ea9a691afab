"""The application: all commands, and one place where errors become one line and an exit code."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from maestromotif import __version__
from maestromotif.cli import baselines, bench, calls, check, doctor, explain, phases, record, replay, run, setup, shift, simulator, watch
from maestromotif.cli.common import INTERRUPTED, USER_ERROR, error_line, how_to_go_on
from maestromotif.errors import MaestroError
from maestromotif.stages.ranks import follow_if_rank, release

__all__ = ["app", "main"]


class _Group(TyperGroup):
    """Commands whose ``MaestroError`` is one line on standard error and exit code 2; Ctrl-C is 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MaestroError as error:
            error_line(str(error))
            sys.exit(USER_ERROR)
        except KeyboardInterrupt:
            error_line(f"interrupted; everything so far is saved. Go on with: {how_to_go_on(sys.argv[1:])}", "")
            sys.exit(INTERRUPTED)


app = typer.Typer(
    cls=_Group,
    name="maestromotif",
    help="Skills described in English become rewards, programs and one trained policy; tasks in English are solved zero-shot.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"maestromotif {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: maestromotif init my-project && maestromotif run my-project")
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Skills described in English become rewards, programs and one trained policy; tasks in English are solved zero-shot."""


setup.register(app)
check.register(app)
phases.register(app)
run.register(app)
explain.register(app)
bench.register(app)
baselines.register(app)
record.register(app)
replay.register(app)
watch.register(app)
shift.register(app)
simulator.register(app)
calls.register(app)
doctor.register(app)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script."""
    follow_if_rank()
    # A polite kill saves as Ctrl-C does.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    finally:
        release()
