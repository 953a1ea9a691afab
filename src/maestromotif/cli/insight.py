"""What rewards came to be, on the terminal: ``reward --inspect`` and ``annotate --compare``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["print_insight", "print_matrix", "print_shift"]

_WIDTH = 120
_BARS = 44


def print_insight(project: Project, skill_id: str, shown: int, as_json: bool, curve: bool) -> None:
    """Show what a project knows of its rewards.

    Args:
        skill_id: one skill; empty: all.
        shown: captions at each end, and contested pairs.
        as_json: as one JSON document instead.
        curve: fit models to parts of the answers where no learning curve is known, and keep what was found.

    Raises:
        ConfigError: there is no such skill.
        ArtifactError: a file is missing or damaged.
    """
    from maestromotif.report.insight import gather_insight

    document = gather_insight(project.root, project.domain, _chosen(project, skill_id), shown)
    if curve:
        for part in document["skills"]:
            part["curve"] = part["curve"] or _curve(project, part["skill"])
    if as_json:
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    console = _console()
    for part in document["skills"]:
        console.print(Text(part["skill"], "bold"))
        for block in _skill(part):
            console.print(Padding(block, (0, 0, 1, 2)))
    if document["calls"]:
        console.print(Text(f"Calls of the annotator in all runs: {_calls(document['calls'])}"))
    if document["comparison"]:
        print_matrix(document["comparison"])


def print_shift(project: Project) -> None:
    """Agreement on what the trained policy met, beside that on the explorer's captions, for each skill."""
    from maestromotif.report.insight import gather_shift

    console = _console()
    table = Table(title="Agreement of the reward models with the annotator", title_justify="left", box=None, pad_edge=False)
    for name in ("skill", "explorer", "policy", "95 % interval", "pairs", "unseen captions", "unseen steps", "unseen rewards"):
        table.add_column(name, justify="left" if name == "skill" else "right", no_wrap=True)
    warnings = []
    for skill in project.skills:
        found = gather_shift(project.artifacts, project.domain, skill)
        assert found is not None
        low, high = found["interval"]
        interval = f"{low:.1%} to {high:.1%}" if found["decided"] else "-"
        shares = (_percent(found[name]) for name in ("unseen_captions", "unseen_steps", "unseen_reward"))
        agreement = (_percent(found[name]) for name in ("held_out", "agreement"))
        table.add_row(skill.id, *agreement, interval, f"{found['decided']:,}", *shares)
        warnings += [found["warning"]] if found["warning"] else []
    console.print(table)
    for text in warnings:
        console.print(Text(f"warning: {text}", "yellow"))


def print_matrix(found: Mapping[str, Any]) -> None:
    """The agreement between annotators, for all skills together and for each."""
    console = _console()
    names = found["annotators"]
    for title, part in (("all skills", found["all"]), *found["skills"].items()):
        heading = f"{title}: {part['pairs']:,} pairs, agreement on those both decided / Cohen's kappa"
        table = Table(title=heading, title_justify="left", box=None)
        table.add_column("", no_wrap=True)
        for name in (*names, "ties", "unparsed"):
            table.add_column(name, justify="right", no_wrap=True)
        for name, row in zip(names, part["matrix"], strict=True):
            table.add_row(name, *map(_cell, row), _percent(part["ties"][name]), _percent(part["unparsed"][name]))
        console.print(Padding(table, (0, 0, 1, 0)))


def _chosen(project: Project, skill_id: str) -> Any:
    from maestromotif.errors import ConfigError
    from maestromotif.skills import SkillSet

    if not skill_id:
        return project.skills
    if skill_id not in project.skills.ids:
        raise ConfigError(f"{project.root}: no skill {skill_id!r} in skills.toml", f"Its skills: {', '.join(project.skills.ids)}")
    return SkillSet((project.skills[skill_id],))


def _curve(project: Project, skill: str) -> list[dict[str, Any]]:
    from maestromotif.rewards.curve import keep_curve

    folders = project.folder("annotate"), project.folder("reward")
    return keep_curve(project.domain, project.skills[skill], project.captions, *folders)


def _console() -> Console:
    # A pipe has no width.
    return Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)


def _skill(part: Mapping[str, Any]) -> Iterable[RenderableType]:
    yield Text(f"Preferred: {' '.join(part['preferred'].split())}", "dim")
    for text in part["warnings"]:
        yield Text(f"warning: {text}", "yellow")
    yield _captions("Highest reward", part["highest"])
    yield _captions("Lowest reward", part["lowest"])
    yield _histogram(part["histogram"])
    yield _contested(part["contested"])
    yield _measured(part)
    if part["curve"]:
        yield _learning(part["curve"])


def _captions(title: str, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, justify in (("normalised", "right"), ("paid", "right"), ("seen", "right"), ("caption", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(f"{row['normalised']:+.2f}", f"{row['reward']:.4f}", f"{row['count']:,}", Text(row["caption"]))
    return table


def _histogram(found: Mapping[str, Any]) -> RenderableType:
    """One line for each bin, with the threshold between those that it parts."""
    edges, counts, cut = found["edges"], found["counts"], found["threshold"]
    most = max(1, *counts)
    lines = [Text("Normalised reward of distinct captions", "bold")]
    drawn = cut is None
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if not drawn and cut is not None and cut <= low:
            lines.append(Text(f"{cut:+7.2f} - - - threshold: nothing above this line is paid - - -", "yellow"))
            drawn = True
        bar = "█" * round(_BARS * count / most) or ("▏" if count else "")
        lines.append(Text(f"{low:+7.2f} {bar} {count:,}" if count else f"{low:+7.2f}", "" if cut is None or high > cut else "dim"))
    if not drawn:
        lines.append(Text(f"{cut:+7.2f} - - - threshold: nothing is paid - - -", "yellow"))
    return Group(*lines)


def _contested(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = Table(title="Most contested pairs", title_justify="left", title_style="bold", box=None, pad_edge=False, show_lines=False)
    table.add_column("annotator", no_wrap=True)
    table.add_column("model", justify="right", no_wrap=True)
    for name in ("first", "second"):
        table.add_column(name, overflow="fold", ratio=1)
    for row in rows:
        style = "yellow" if row["disagrees"] else ""
        table.add_row(Text(row["annotator"], style), f"first {row['model']:.0%}", Text(row["first"]), Text(row["second"]))
        if row["words"]:
            table.add_row("", "why", Text(row["words"], "dim"), "")
    return table


def _measured(part: Mapping[str, Any]) -> RenderableType:
    health, held_out, calibration = part["health"], part["held_out"], part["calibration"]
    lines = [f"Annotator {', '.join(health['annotators'])}: {health['pairs']:,} pairs, {_percent(health['ties'])} ties"]
    if health["unparsed"]:
        lines[0] += ", unparsed: " + ", ".join(f"{count:,} {reason}" for reason, count in health["unparsed"].items())
    if health["flipped"] is not None:
        lines[0] += f", {_percent(health['flipped'])} of verdicts flip with the order"
    if health["stopped"]:
        lines.append(f"Questions ended: {health['stopped']}")
    lines.append(f"Agreement on {held_out['decided']:,} decided held-out pairs: {_percent(held_out['agreement'])}")
    if calibration["error"] is not None:
        lines.append(f"Calibration error {calibration['error']:.3f} with temperature {calibration['temperature']:.2f}")
    shift = part["shift"]
    if shift:
        unseen, steps, paid = (_percent(shift[name]) for name in ("unseen_captions", "unseen_steps", "unseen_reward"))
        lines.append(f"Trained policy: {shift['captions']:,} captions in {shift['steps']:,} steps; never seen by the explorer:")
        lines.append(f"{unseen} of these captions, {steps} of the steps, which earn {paid} of what is paid")
        low, high = shift["interval"]
        if shift["agreement"] is not None:
            lines.append(
                f"Agreement on {shift['decided']:,} decided pairs that it met: {_percent(shift['agreement'])} ({low:.1%} to {high:.1%})"
            )
    return Text("\n".join(lines))


def _learning(points: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = Table(title="Held-out agreement by number of answers", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("answers", "agreement", "95 % interval", ""):
        table.add_column(name, justify="left" if not name else "right")
    for point in points:
        share = point["agreement"]
        bar = "█" * round(_BARS / 2 * share) if share is not None else ""
        table.add_row(f"{point['questions']:,}", _percent(share), f"{point['low']:.1%} to {point['high']:.1%}", bar)
    return table


def _calls(calls: Mapping[str, Any]) -> str:
    tokens = f"{calls['prompt_tokens']:,} tokens asked, {calls['completion_tokens']:,} answered"
    return f"{calls['calls']:,} ({calls['failed']:,} failed, {calls['cached']:,} more from the store), {tokens}"


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-"
    kappa = "-" if entry["kappa"] is None else f"{entry['kappa']:.2f}"
    return f"{_percent(entry['agreement'])} / {kappa}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
