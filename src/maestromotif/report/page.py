"""The page: gathers what there is, and renders it into one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from maestromotif.agents.config import POLICIES
from maestromotif.files import write_atomically
from maestromotif.report.benched import gather_benches
from maestromotif.report.cards import gather_cards, project_name, reproducing_commands
from maestromotif.report.config import ReportConfig
from maestromotif.report.expected import gather_expected
from maestromotif.report.flows import gather_flow
from maestromotif.report.health import gather_health
from maestromotif.report.insight import read_matrix
from maestromotif.report.overview import asked_skills, asked_tasks
from maestromotif.report.palette import skill_slots
from maestromotif.report.programs import gather_failures, gather_programs
from maestromotif.report.render import count, environment, percent, plural, render_whole
from maestromotif.report.replay import gather_replays
from maestromotif.report.results import CAUSES, Results, SkillRow, gather_results
from maestromotif.report.rewards import gather_rewards
from maestromotif.report.signs import find_signs
from maestromotif.report.sources import Notes, ReportSources, read_json_lines, tolerate
from maestromotif.report.state import gather_state, metrics_path
from maestromotif.report.timelines import gather_timelines
from maestromotif.report.training import learning_curves

__all__ = ["PAGE_FILE", "render_page", "write_report"]

PAGE_FILE = "index.html"
_SECTIONS = (
    ("results", "Results"),
    ("rewards", "Rewards"),
    ("training", "Training"),
    ("flow", "Skills at work"),
    ("failed", "Failed episodes"),
    ("replays", "Replays"),
    ("programs", "Programs"),
    ("cards", "Cards"),
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
    parts = _gather(sources, config, notes)
    made = environment()
    bodies = {id: _body(made, id, label, parts, notes) for id, label in (("asked", "What was asked"), *_SECTIONS)}
    return render_whole(
        made,
        "page.html.j2",
        title=config.title or sources.title,
        over=sources.domain.title,
        facts=tolerate(notes, "metrics.jsonl", lambda: _facts(sources, parts["metrics"], parts["tasks_asked"])) or [],
        headline=tolerate(notes, "skills.json", lambda: _headline(parts["results"])) or "",
        sections=_SECTIONS,
        asked=bodies.pop("asked"),
        bodies=bodies,
        signs=parts["signs"],
        state=parts["state"],
        notes=notes.entries,
    )


def _gather(sources: ReportSources, config: ReportConfig, notes: Notes) -> dict[str, Any]:
    """What the sections' templates show."""
    slots = skill_slots(sources.skills.ids)
    rewards = gather_rewards(sources, slots, config.captions, notes)
    programs = gather_programs(sources, config.max_transcript_chars if config.transcripts else 0, notes)
    metrics = read_json_lines(metrics_path(sources), notes)
    results = gather_results(sources, notes)
    benches = gather_benches(sources, notes)
    return {
        "skills": list(sources.skills),
        "slots": slots,
        "policies": POLICIES,
        "causes": CAUSES,
        "skills_asked": tolerate(notes, "skills.json", lambda: asked_skills(sources, slots, results)) or [],
        "tasks_asked": tolerate(notes, "results of tasks", lambda: asked_tasks(sources, results, benches)) or [],
        "results": results,
        "benches": benches,
        "expected": gather_expected(sources, results, notes),
        "steps_trained": tolerate(notes, "skills.json", lambda: _steps_trained(results)) or 0,
        "rewards": rewards,
        "health": tolerate(notes, "answers of annotators", lambda: gather_health(sources, rewards, notes)),
        "comparison": tolerate(notes, "agreement of annotators", lambda: read_matrix(sources.root / "artifacts")),
        "programs": programs,
        "failures": tolerate(notes, "generations.jsonl", lambda: gather_failures(sources)),
        "metrics": metrics,
        "charts": tolerate(notes, "metrics.jsonl", lambda: learning_curves(metrics, sources.skills, slots)) or [],
        "flow_chart": gather_flow(sources, slots, notes),
        "timelines": gather_timelines(sources, notes),
        "replays": gather_replays(sources, notes),
        "signs": tolerate(notes, "warnings", lambda: find_signs(rewards, programs, metrics, results)) or [],
        "state": gather_state(sources),
        "cards": tolerate(notes, "cards", lambda: gather_cards(sources, notes)) or [],
        "project": project_name(sources),
        "commands": reproducing_commands(sources, results, benched=bool(benches)),
    }


def _body(made: Environment, section: str, label: str, parts: Mapping[str, Any], notes: Notes) -> Markup:
    """One section; where its material has another shape than its template needs, a sentence in its place."""

    def render() -> Markup:
        return Markup(made.get_template(f"{section}.html.j2").render(parts))  # noqa: S704 - the template escapes

    body = tolerate(notes, f"section {label!r}", render)
    if body is not None:
        return body
    return Markup(made.get_template("broken.html.j2").render(id=section, label=label, project=parts["project"]))  # noqa: S704


def _steps_trained(results: Results) -> int:
    return sum(int(row.details["trained"]["steps"]) for row in results.skills if "trained" in row.details)


def _facts(sources: ReportSources, metrics: Sequence[Mapping[str, Any]], tasks: Sequence[Any]) -> list[str]:
    facts = [plural(len(sources.skills), "skill"), plural(len(tasks), "task")]
    if metrics:
        last = metrics[-1]
        steps, elapsed = last.get("steps", 0), (last.get("time") or {}).get("elapsed")
        shown = f"{steps / 1e6:.1f} million" if steps >= 1e6 else count(steps)
        facts.append(f"{shown} training steps" + (f" in {_lasted(elapsed)}" if isinstance(elapsed, int | float) else ""))
    facts.append(datetime.now(UTC).strftime("%Y-%m-%d"))
    return facts


def _lasted(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3600:.1f} hours"


def _headline(results: Results) -> str:
    """The most telling sentence that the data allow."""
    judged = [row for row in results.skills if row.p_values.get("untrained") is not None]
    if not judged:
        return ""
    better = [row for row in judged if (row.p_values["untrained"] or 0.0) < _SIGNIFICANT]
    if not better:
        return "No skill beats the untrained network clearly yet."
    best = max(better, key=_gain)
    trained, untrained = best.scores["trained"], best.scores["untrained"]
    return (
        f"{len(better)} of {plural(len(results.skills), 'skill')} {'beats' if len(better) == 1 else 'beat'} the untrained network "
        f"(p < {_SIGNIFICANT}), {best.skill} by the widest gap: {percent(trained.rate)} of its calls succeed, "
        f"against {percent(untrained.rate)}."
    )


def _gain(row: SkillRow) -> float:
    return (row.scores["trained"].rate or 0.0) - (row.scores["untrained"].rate or 0.0)
