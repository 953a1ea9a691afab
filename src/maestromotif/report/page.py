"""The page: gathers what there is, and renders it into one HTML file that loads nothing."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from maestromotif import __version__
from maestromotif.agents.config import POLICIES
from maestromotif.files import write_atomically
from maestromotif.report.config import ReportConfig
from maestromotif.report.expected import gather_expected
from maestromotif.report.insight import read_matrix
from maestromotif.report.palette import css_variables, skill_slots
from maestromotif.report.programs import gather_failures, gather_programs
from maestromotif.report.results import CAUSES, Results, SkillRow, gather_results
from maestromotif.report.rewards import gather_rewards
from maestromotif.report.signs import find_signs
from maestromotif.report.sources import Notes, ReportSources, read_json_file, read_json_lines, tolerate
from maestromotif.report.training import learning_curves

__all__ = ["PAGE_FILE", "render_page", "write_report"]

PAGE_FILE = "index.html"
_SECTIONS = (
    ("results", "Results"),
    ("rewards", "Rewards"),
    ("programs", "Programs"),
    ("training", "Training"),
    ("flow", "Skills at work"),
    ("reproduce", "Reproduce"),
)
_SIGNIFICANT = 0.01


def write_report(sources: ReportSources, config: ReportConfig, out: Path) -> Path:
    """Write ``out``/index.html from whatever the project has so far; returns its path.

    Missing artifacts become a sentence that names the command which makes them; damaged ones are noted on the page.
    """
    path = out / PAGE_FILE
    write_atomically(path, render_page(sources, config))
    return path


def render_page(sources: ReportSources, config: ReportConfig) -> str:
    """The page as text."""
    notes = Notes()
    slots = skill_slots(sources.skills.ids)
    rewards = gather_rewards(sources, slots, config.captions, notes)
    programs = gather_programs(sources, config.max_transcript_chars if config.transcripts else 0, notes)
    metrics = read_json_lines(sources.training / "metrics.jsonl", notes)
    charts = tolerate(notes, "metrics.jsonl", lambda: learning_curves(metrics, sources.skills, slots)) or []
    results = gather_results(sources, notes)
    signs = tolerate(notes, "warnings", lambda: find_signs(rewards, programs, metrics, results)) or []
    environment = _environment()
    light, dark = css_variables()
    project = shlex.quote(_short(sources.root))
    parts = {
        "skills": list(sources.skills),
        "slots": slots,
        "policies": POLICIES,
        "causes": CAUSES,
        "tasks_asked": list({row.task: (row.task, row.description) for row in results.tasks}.values()),
        "results": results,
        "expected": gather_expected(sources, results, notes),
        "steps_trained": tolerate(notes, "skills.json", lambda: _steps_trained(results)) or 0,
        "rewards": rewards,
        "comparison": tolerate(notes, "agreement of annotators", lambda: read_matrix(sources.root / "artifacts")),
        "programs": programs,
        "failures": tolerate(notes, "generations.jsonl", lambda: gather_failures(sources)),
        "charts": charts,
        "cards": list(_cards(sources, notes)),
        "project": project,
        "commands": _commands(sources, results),
    }
    bodies = {id: _body(environment, id, label, parts, notes) for id, label in (("asked", "What was asked"), *_SECTIONS)}
    return environment.get_template("page.html.j2").render(
        title=config.title or sources.title,
        domain_title=sources.domain.title,
        facts=tolerate(notes, "metrics.jsonl", lambda: _facts(sources, metrics, results)) or [],
        headline=tolerate(notes, "skills.json", lambda: _headline(results)) or "",
        sections=_SECTIONS,
        style=environment.get_template("style.css").render(light=light, dark=dark),
        asked=bodies.pop("asked"),
        bodies=bodies,
        signs=signs,
        notes=notes.entries,
        version=__version__,
    )


def _body(environment: Environment, section: str, label: str, parts: Mapping[str, Any], notes: Notes) -> Markup:
    """One section; where its material has another shape than its template needs, a sentence in its place."""

    def render() -> Markup:
        return Markup(environment.get_template(f"{section}.html.j2").render(parts))  # noqa: S704 - the template escapes

    body = tolerate(notes, f"section {label!r}", render)
    if body is not None:
        return body
    return Markup(environment.get_template("broken.html.j2").render(id=section, label=label, project=parts["project"]))  # noqa: S704


def _steps_trained(results: Results) -> int:
    return sum(int(row.details["trained"]["steps"]) for row in results.skills if "trained" in row.details)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("maestromotif.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=_percent, count=_count, p=_p_value, reward=_reward, sentences=_sentences)
    return environment


def _percent(value: float | None) -> str:
    """A rate as per cent: one decimal below ten, and never a zero for what is not."""
    if value is None or not math.isfinite(value):
        return "–"
    shown = 100 * value
    if 0 < shown < 0.05:
        return "< 0.1\u202f%"
    if 99.95 <= shown < 100:
        return "> 99.9\u202f%"
    digits = 0 if shown in (0, 100) else 1 if shown < 10 or shown > 99 else 0
    return f"{shown:.{digits}f}\u202f%"


def _count(value: float) -> str:
    return f"{int(value):,}".replace(",", "\u202f")


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _reward(value: float) -> str:
    return "0" if value == 0 else f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.0e}"


def _short(root: Path) -> str:
    """The folder as a person in its parent would type it: the page must not tell where it lies on some machine."""
    return root.resolve().name


def _facts(sources: ReportSources, metrics: list[dict[str, Any]], results: Results) -> list[str]:
    facts = [_plural(len(sources.skills), "skill"), _plural(len(results.tasks), "task")]
    if metrics:
        last = metrics[-1]
        facts.append(f"{_count(last.get('steps', 0))} training steps")
        elapsed = (last.get("time") or {}).get("elapsed")
        if isinstance(elapsed, int | float):
            facts.append(f"{elapsed / 60:.0f} minutes of training" if elapsed >= 90 else f"{elapsed:.0f} seconds of training")
    facts.append(datetime.now(UTC).strftime("written %Y-%m-%d %H:%M UTC"))
    return facts


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sentences(text: str) -> tuple[str, str]:
    """The first sentence of a text, and the rest of it."""
    first, dot, rest = " ".join(text.split()).partition(". ")
    return (first + dot.rstrip(), rest) if rest else (first, "")


def _headline(results: Results) -> str:
    """The most telling sentence that the data allow."""
    judged = [row for row in results.skills if row.p_values.get("untrained") is not None]
    if not judged:
        return ""
    better = [row for row in judged if (row.p_values["untrained"] or 0.0) < _SIGNIFICANT]
    if not better:
        return "No skill succeeds clearly more often than under the untrained network yet."
    best = max(better, key=_gain)
    trained, untrained = best.scores["trained"], best.scores["untrained"]
    ratio = f", {best.ratio:.1f} times as often" if best.ratio is not None else ""
    return (
        f"{len(better)} of {len(results.skills)} skills succeed more often than under the untrained network (p < {_SIGNIFICANT}). "
        f"The widest gap: {_percent(trained.rate)} of the calls of {best.skill} succeed, against {_percent(untrained.rate)}{ratio}."
    )


def _gain(row: SkillRow) -> float:
    return (row.scores["trained"].rate or 0.0) - (row.scores["untrained"].rate or 0.0)


def _cards(sources: ReportSources, notes: Notes) -> Iterable[Mapping[str, str]]:
    folders = [sources.interactions, sources.preferences, sources.rewards, sources.programs, sources.training]
    folders += [*sorted(sources.tasks.glob("*")), sources.evaluation, *sorted(sources.solved.glob("*"))]
    for folder in folders:
        card = read_json_file(folder / "card.json", notes)
        if card is not None:
            name = str(card.get("stage") or folder.name)
            # Digests of every file would bury the rest.
            shown = {key: value for key, value in card.items() if key != "files"}
            text = json.dumps(shown, indent=2, ensure_ascii=False).replace(str(sources.root.resolve()) + os.sep, "")
            yield {"name": name, "when": str(card.get("finished") or card.get("status") or ""), "text": text}


def _extras() -> list[str]:
    try:
        return metadata.metadata("maestromotif").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _commands(sources: ReportSources, results: Results) -> list[str]:
    project = shlex.quote(_short(sources.root))
    extra = f"[{sources.domain.id}]" if sources.domain.id in _extras() else ""
    lines = [
        f"pip install 'maestromotif{extra}=={__version__}'",
        f"# with this project's maestro.toml and skills.toml in the folder {project}:",
        f"maestromotif run {project}",
    ]
    asked = [row for row in results.tasks if row.free or row.repaired]
    return lines + [f"maestromotif solve {project} {shlex.quote(row.description)}{' --repair' * row.repaired}" for row in asked]
