"""``doctor``: what is installed, what is reachable, and how fast this machine is."""

from __future__ import annotations

import os
import subprocess  # the child runs this package with the same interpreter
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from maestromotif.cli.common import USER_ERROR, open_project
from maestromotif.errors import MaestroError

if TYPE_CHECKING:
    from maestromotif.domains import Domain

__all__ = ["register"]

_SPEED_SECONDS = 1.5


def doctor(
    folder: Annotated[Path | None, typer.Argument(metavar="PROJECT", help="A project to check as well.", show_default=False)] = None,
) -> None:
    """Check this installation: versions, domains, endpoints, speed."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    well = True
    for name, ok, text in (*_versions(), _isolation(), *_domains(), *(_project(folder) if folder else ())):
        well = well and ok
        table.add_row(name, "[green]ok[/]" if ok else "[red]no[/]", text)
    Console().print(table)
    if not well:
        raise typer.Exit(USER_ERROR)


def _versions() -> Iterator[tuple[str, bool, str]]:
    from maestromotif.stages.card import package_versions

    yield "versions", True, ", ".join(f"{name} {version}" for name, version in package_versions().items())
    yield "machine", True, f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"


def _isolation() -> tuple[str, bool, str]:
    from maestromotif.programs.confine import ISOLATION

    # Tried in another process, since what is taken is not given back.
    code = "from maestromotif.programs.confine import confine; print(*(f'{k}: {w}' for k, w in confine().missing.items()), sep='; ')"
    child = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    missing = child.stdout.strip() or child.stderr.strip()[-200:]
    if not missing:
        return "isolation", True, "the kernel confines processes that run generated programs"
    return "isolation", False, f"generated programs cannot be confined ({missing}); {ISOLATION}=best-effort runs them without that"


def _domains() -> Iterator[tuple[str, bool, str]]:
    from maestromotif.domains import domain_ids, load_domain

    for domain_id in domain_ids():
        try:
            domain = load_domain(domain_id)
            yield f"domain {domain_id}", True, f"{domain.title}: {_speed(domain):,.0f} steps/s on one core, 8 games, random actions"
        except MaestroError as error:
            yield f"domain {domain_id}", False, str(error)


def _speed(domain: Domain) -> float:
    import numpy as np

    from maestromotif.domains.checks.tools import legal

    games, rng = 8, np.random.default_rng(0)
    env = domain.make_env(games)
    try:
        env.reset(range(games), range(games))
        steps, began = 0, time.monotonic()
        # The first steps compile and load; they are not what a run would see.
        for turn in range(1_000_000):
            env.step(legal(env, domain.observation_spec, rng))
            ended = np.flatnonzero(env.terminated_B).tolist()
            if ended:
                env.reset(ended, [turn * games + game for game in ended])
            steps += games
            if turn == 20:
                steps, began = 0, time.monotonic()
            if turn > 20 and time.monotonic() - began > _SPEED_SECONDS:
                break
        return steps / (time.monotonic() - began)
    finally:
        env.close()


def _project(folder: Path) -> Iterator[tuple[str, bool, str]]:
    from maestromotif.llm import ChatRequest, Message, make_chat

    try:
        project = open_project(folder)
    except MaestroError as error:
        yield "project", False, str(error)
        return
    yield "project", True, f"{folder}: {len(project.skills)} skills in {project.domain.id}"
    for role in ("coder", "annotator"):
        config = getattr(project.config, role)
        if config.kind == "recorded":
            yield role, True, "answers that the package ships; no endpoint is asked"
            continue
        request = ChatRequest("doctor", (Message("user", "Answer with the word ready."),), max_tokens=16)
        # One try and no store: this is about whether the endpoint answers now.
        quick = config.model_copy(update={"max_retries": 0, "timeout": min(config.timeout, 20.0)})
        try:
            began = time.monotonic()
            reply = make_chat(quick, project.domain, None, role).complete(request)
            took = time.monotonic() - began
            yield role, True, f"{config.model} at {config.base_url} answered in {took:.1f} s: {reply.text.strip()[:40]!r}"
        except MaestroError as error:
            yield role, False, str(error)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: maestromotif doctor my-dungeon")(doctor)
