"""Generated programs as coloured text, with what their trials in simulation showed and what was asked and answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from maestromotif.programs.failures import failure_report
from maestromotif.programs.generations import read_generations
from maestromotif.report.sources import Notes, ReportSources, read_json_file, read_json_lines, read_text

__all__ = ["Exchange", "ProgramPart", "gather_failures", "gather_programs"]

_TITLES = {"skills": "Skills: when each may start and when it is over", "training_policy": "Training policy over skills"}

# What else than a program an exchange was about.
_KINDS = {"scenario": "cases for it", "assessment": "does it do what was asked?"}


@dataclass(frozen=True)
class Exchange:
    """One piece of a transcript: who spoke, and what."""

    speaker: str
    text: str


@dataclass(frozen=True)
class ProgramPart:
    """One program file.

    Attributes:
        name: file name.
        code: highlighted source.
        trials: by what was tried, the result of simulated episodes.
        transcript: what was asked and answered.
        warnings: what the coder's stage had to tell; the same for all files of a folder.
    """

    name: str
    title: str
    code: Markup
    lines: int
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    transcript: list[Exchange] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def gather_programs(sources: ReportSources, max_chars: int, notes: Notes) -> list[ProgramPart]:
    """The skills' programs, the training policy, the tasks' programs, then those that were repaired; empty where there is none.

    Args:
        max_chars: longest message of a transcript; 0 leaves transcripts out.
    """
    parts = []
    repaired = sorted((sources.root / "artifacts" / "repaired").glob("[!.]*/repair.json"))
    for folder in (sources.programs, *_task_folders(sources), *(path.parent for path in repaired)):
        document = read_json_file(folder / "trials.json", notes) or {}
        trials = document.get("programs")
        trials = {name: trial for name, trial in trials.items() if isinstance(trial, dict)} if isinstance(trials, dict) else {}
        lines = read_json_lines(folder / "transcript.jsonl", notes) if max_chars else []
        for path in sorted(folder.glob("*.py"), key=_place):
            source = read_text(path, notes)
            if source is None:
                continue
            own = {name: trial for name, trial in trials.items() if _belongs(name, path, sources)}
            asked = [line for line in lines if _belongs(_subject_of(line), path, sources)]
            part = _part(path, source, sources, own, list(_exchanges(asked, max_chars)), document.get("warnings"))
            repair = read_json_file(folder / "repair.json", notes)
            parts.append(part if repair is None else replace(part, title=_repair_title(repair)))
    return parts


def _repair_title(document: Mapping[str, Any]) -> str:
    """How the repair of a program by real episodes went, in one line."""
    told = []
    for entry in document.get("rounds", ()):
        found, text = entry.get("held_out"), f"round {entry['round']}: {entry['outcome']}"
        if found:
            old, new = (f"{found[name]['successes']} of {found[name]['trials']}" for name in ("old", "new"))
            text += f" (fresh episodes: old {old}, new {new}, p = {found['p_value']:.3g})"
        told.append(text)
    return f"After repair, judged by {document['judged_by']}: {'; '.join(told)}"


def gather_failures(sources: ReportSources) -> dict[str, Any]:
    """How the project's programs failed, see ``failure_report``; all that were ever written count."""
    return failure_report(read_generations(sources.programs.parent))


def _task_folders(sources: ReportSources) -> list[Path]:
    """The domain's own tasks in their order, then the person's own by name."""
    known = list(sources.domain.tasks)
    return sorted(sources.tasks.glob("*/"), key=lambda path: (known.index(path.name) if path.name in known else len(known), path.name))


def _place(path: Path) -> tuple[int, str]:
    order = list(_TITLES)
    return order.index(path.stem) if path.stem in order else len(order), path.name


def _belongs(name: str, path: Path, sources: ReportSources) -> bool:
    """Whether a trial or an exchange of this name is about this file: skills.py is made of one program for each skill."""
    return name == path.name or (path.stem == "skills" and name in sources.skills.ids)


def _subject_of(line: Mapping[str, Any]) -> str:
    """The file or skill that a line of a transcript is about, from names like nethack/programs/descender."""
    last = str(line.get("name", "")).rpartition("/")[2]
    if "/programs/" in str(line.get("name", "")):
        return last
    return f"{last.replace('-', '_')}.py"


def _part(
    path: Path, source: str, sources: ReportSources, trials: dict[str, dict[str, Any]], transcript: list[Exchange], warnings: Any
) -> ProgramPart:
    task = sources.domain.tasks.get(path.stem)
    title = _TITLES.get(path.stem) or (task.description.partition(". ")[0].rstrip(".") if task else "A task of the person's own")
    code = Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704 - the formatter escapes the source
    said = tuple(str(warning) for warning in warnings) if isinstance(warnings, list) else ()
    return ProgramPart(path.name, title, code, source.count("\n"), trials, transcript, said)


def _exchanges(lines: Iterable[Mapping[str, Any]], max_chars: int) -> Iterable[Exchange]:
    for line in lines:
        about = f"{_subject_of(line)}, " + _KINDS.get(str(line.get("kind")), f"round {line.get('round', 1)}")
        yield Exchange(f"Asked ({about})", _cut(str(line.get("asked", "")), max_chars))
        yield Exchange(f"Answered by {line.get('model') or 'a model'} ({about})", _cut(str(line.get("answer", "")), max_chars))
        problems = line.get("problems")
        if isinstance(problems, list) and problems:
            yield Exchange(f"Found in it ({about})", _cut("\n".join(map(str, problems)), max_chars))


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
