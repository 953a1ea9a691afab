"""``replay``: recorded episodes as a page, or one of them as an asciicast, a GIF or a film."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maestromotif.cli.common import ProjectArgument, SetOption, error_line, open_project
from maestromotif.cli.results import shown_path
from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.files import write_atomically

if TYPE_CHECKING:
    from maestromotif.project import Project
    from maestromotif.recordings import Recorded

__all__ = ["register"]


class Format(StrEnum):
    """What a recording is made into."""

    HTML = "html"
    CAST = "cast"
    GIF = "gif"
    MP4 = "mp4"


def replay(
    folder: ProjectArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Only recordings of this task, by its id.", show_default=False)] = "",
    episode: Annotated[
        list[str] | None,
        typer.Option("--episode", metavar="NAME", help="Only this recording, by the name of its folder; may be repeated."),
    ] = None,
    export: Annotated[
        Format, typer.Option(help="A page that plays all, or one recording as asciicast, GIF or film (which needs the extra video).")
    ] = Format.HTML,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="replay.html, or <task>-<name>.<format>, here")] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="Steps a second of an exported recording.")] = 10.0,
    steps: Annotated[str, typer.Option(metavar="FIRST:LAST", help="Export only these steps.")] = "",
    settings: SetOption = None,
) -> None:
    """Play recorded episodes: writes a page that opens in a browser without a network, or a file to be shown elsewhere."""
    project = open_project(folder, settings)
    span = _span(steps)
    notes: list[str] = []
    chosen = _chosen(project, task, episode or [], notes)
    for note in notes:
        error_line(note, "left out: ")
    if export is Format.HTML:
        path = out or Path("replay.html")
        _write_page(project, chosen, path)
    else:
        if len(chosen) > 1:
            names = ", ".join(f"{one.id}" for one in chosen)
            raise ConfigError(f"--export {export.value}: {len(chosen)} recordings", f"Choose one with --episode: {names}")
        path = out or Path(f"{chosen[0].id.replace('/', '-')}.{export.value}")
        _export(chosen[0], export, path, speed, span)
    typer.echo(f"{export.value}: {shown_path(path)} ({path.stat().st_size / 1e6:.2f} MB)")


def _chosen(project: Project, task: str, names: Sequence[str], notes: list[str]) -> list[Recorded]:
    from maestromotif.recordings import RECORDINGS, find_recordings

    home = project.artifacts / RECORDINGS
    found = [one for one in find_recordings(home, project.domain, notes.append) if task in ("", one.card["task"], one.folder.parent.name)]
    remedy = f"Run `maestromotif record {project.root} {task or 'TASK'}`"
    missing = [name for name in names if not any(name in (one.id, one.folder.name) for one in found)]
    if missing:
        known = ", ".join(one.id for one in found) or "none"
        raise ArtifactError(f"{home}: no readable recording is named {missing[0]!r}; there are: {known}", remedy)
    if not found:
        raise ArtifactError(f"{home}: no readable recording{f' of {task}' if task else ''}", remedy)
    return [one for one in found if not names or one.id in names or one.folder.name in names]


def _write_page(project: Project, chosen: Sequence[Recorded], path: Path) -> None:
    from maestromotif.report import ReportSources
    from maestromotif.report.replay import packed
    from maestromotif.report.replay_page import render_replays

    sources = ReportSources.standard(project.root, project.domain, project.skills)
    shown, notes = [], []
    for one in chosen:
        try:
            shown.append(packed(one, project.skills.ids))
        except ArtifactError as error:
            notes.append(error.problem)
            error_line(error.problem, "left out: ")
    write_atomically(path, render_replays(sources, shown, notes))


def _export(recorded: Recorded, export: Format, path: Path, speed: float, span: tuple[int, int | None]) -> None:
    from maestromotif.recordings.cast import write_cast
    from maestromotif.recordings.film import write_gif, write_mp4
    from maestromotif.recordings.moments import moments

    shown = moments(recorded, *span)
    if export is Format.CAST:
        write_cast(shown, path, recorded.id, speed)
    elif export is Format.GIF:
        write_gif(shown, path, speed)
    else:
        write_mp4(shown, path, speed)


def _span(text: str) -> tuple[int, int | None]:
    first, colon, last = text.partition(":")
    try:
        found = int(first or 0), int(last) if last else None
    except ValueError:
        found = -1, None
    if (text and not colon) or found[0] < 0 or (found[1] is not None and found[1] < found[0]):
        raise ConfigError(f"--steps: {text!r} is no stretch of steps", "Write for example 100:400, or 100: to go on to the end")
    return found


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif replay my-dungeon golden_exit --episode trained-1-0 --export gif")(replay)
