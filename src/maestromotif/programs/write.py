"""The phase's commands: write the skills' programs and the training policy, write a task's program, check edited files again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import ProgramError
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatModel, ChatReply
from maestromotif.programs.assemble import ANYTHING, assemble, first_line
from maestromotif.programs.check import check_source
from maestromotif.programs.coder import Attempt, Coder
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.generations import TRANSCRIPT_FILE
from maestromotif.programs.requests import Question, skill_question, skills_subject, task_question, training_question
from maestromotif.programs.review import Review
from maestromotif.programs.trial import Kind, TrialReport, run_trial
from maestromotif.skills import Skill, SkillSet

__all__ = [
    "SKILLS_FILE",
    "TRAINING_POLICY_FILE",
    "TRANSCRIPT_FILE",
    "TRIALS_FILE",
    "ProgramResult",
    "questions",
    "recheck",
    "write_programs",
    "write_task_program",
]

SKILLS_FILE = "skills.py"
TRAINING_POLICY_FILE = "training_policy.py"
TRIALS_FILE = "trials.json"

Progress = Callable[[float, str], None]


def _silent(fraction: float, text: str) -> None:
    """No progress is wanted."""


@dataclass(frozen=True)
class ProgramResult:
    """What was written.

    Attributes:
        files: the programs.
        trials: by file name, or by skill id for the trial of a single skill's program.
        warnings: what a person should know, one sentence each.
    """

    files: tuple[Path, ...]
    trials: Mapping[str, TrialReport]
    warnings: tuple[str, ...]


@dataclass
class _Record:
    """What goes into trials.json."""

    entries: dict[str, dict[str, Any]]
    reports: dict[str, TrialReport]

    def add(self, name: str, report: TrialReport, card: Mapping[str, Any], **more: Any) -> None:
        self.reports[name] = report
        self.entries[name] = {**report.as_json(), **more, "card": dict(card)}

    def attempt(self, name: str, best: Attempt, rounds: int, card: Mapping[str, Any]) -> None:
        assert best.report is not None
        self.add(name, best.report, card, rounds=rounds, model=best.reply.model, source=best.reply.source, edited=best.edited)


def _plain_card(source: str, report: TrialReport) -> dict[str, Any]:
    """The card of a program that no answer holds as it is: put together of several, or edited in its file."""
    attempt = Attempt(source, ChatReply(""), report=report)
    return {"program": attempt.digest, "layers": attempt.layers()}


def questions(domain: Domain, skills: SkillSet) -> list[tuple[Question, Mapping[str, str]]]:
    """What the coder is asked for a project's programs, each with what a recorded fallback answer may weave in."""
    return [*(_skill_question(domain, skill) for skill in skills), _training_question(domain, skills)]


def _skill_question(domain: Domain, skill: Skill) -> tuple[Question, Mapping[str, str]]:
    return skill_question(domain, skill), {"skill": skill.id, "words": skill.description, "description": skill.description}


def _training_question(domain: Domain, skills: SkillSet) -> tuple[Question, Mapping[str, str]]:
    subject = skills_subject(skills)
    return training_question(domain, skills), {"skills": subject, "subject": subject}


def write_programs(
    domain: Domain,
    skills: SkillSet,
    chat: ChatModel,
    config: ProgramConfig,
    out: Path,
    seed: int = 0,
    progress: Progress = _silent,
    *,
    review: Review | None = None,
    log: Path | None = None,
) -> ProgramResult:
    """Have initiation and termination of all skills and the training policy over skills written, tried and stored.

    Writes ``skills.py``, ``training_policy.py``, ``transcript.jsonl`` and ``trials.json`` into ``out``, all at the end.

    Args:
        review, log: see ``Coder``.

    Raises:
        ChatError: no answer could be had.
        ProgramError: a program never kept its contract, or the person who reviews it wants none; nothing is written then.
    """
    coder = Coder(domain, chat, config, seed, review, log)
    record = _Record({}, {})
    sources: dict[str, str] = {}
    for number, skill in enumerate(skills):
        progress(number / (len(skills) + 2), f"program of {skill.id}")
        sources[skill.id] = _write_skill(coder, skills, skill, sources, record)
    module = assemble(sources)
    progress(len(skills) / (len(skills) + 2), "all skills together")
    together = run_trial(domain, skills, module, None, kind="skill", config=config, seed=seed, skill_file=SKILLS_FILE)
    edited = any(entry["edited"] for entry in record.entries.values())
    record.add(SKILLS_FILE, together, _plain_card(module, together), edited=edited)
    progress((len(skills) + 1) / (len(skills) + 2), "training policy over skills")
    question, variables = _training_question(domain, skills)
    best, rounds = coder.write(
        question,
        lambda source: run_trial(
            domain, skills, module, source, kind="training", config=config, seed=seed, skill_file=SKILLS_FILE, policy_file=question.file
        ),
        variables,
    )
    record.attempt(TRAINING_POLICY_FILE, best, rounds, coder.cards[question.name])
    result = _store(out, {SKILLS_FILE: module, TRAINING_POLICY_FILE: best.source}, coder, record)
    progress(1.0, "programs written")
    return result


def _write_skill(coder: Coder, skills: SkillSet, skill: Skill, sources: Mapping[str, str], record: _Record) -> str:
    question, variables = _skill_question(coder.domain, skill)
    best, rounds = coder.write(
        question,
        lambda source: _try_skill(coder, skills, skill, {**sources, skill.id: source}, question.file),
        variables,
    )
    if best.reply.is_fallback:
        remedy = "configure a model in the [coder] table of maestro.toml"
        coder.warnings.append(f"skill {skill.id!r}: no program is recorded for its text, a general one is used; {remedy}")
    record.attempt(skill.id, best, rounds, coder.cards[question.name])
    return best.source


def _try_skill(coder: Coder, skills: SkillSet, skill: Skill, sources: Mapping[str, str], file: str) -> TrialReport:
    """Try one skill's program beside the programs that exist so far, with lines as in the coder's answer."""
    module = assemble(
        {skill.id: sources[skill.id], **{other.id: sources.get(other.id, ANYTHING) for other in skills if other is not skill}}
    )
    report = run_trial(
        coder.domain, skills, module, None, kind="skill", config=coder.config, seed=coder.seed, tested=skill.id, skill_file=file
    )
    offset = first_line(module, skill.id) - 1

    def relocate(text: str) -> str:
        text = re.sub(rf"({re.escape(file)}:)(\d+)", lambda match: f"{match[1]}{max(1, int(match[2]) - offset)}", text)
        return re.sub(r"(\(line )(\d+)", lambda match: f"{match[1]}{max(1, int(match[2]) - offset)}", text)

    faults = {relocate(fault): count for fault, count in report.faults.items()}
    fatal, weak, contract = (tuple(map(relocate, problems)) for problems in (report.fatal, report.weak, report.contract))
    return replace(report, fatal=fatal, weak=weak, contract=contract, faults=faults)


def write_task_program(
    domain: Domain,
    skills: SkillSet,
    task_text: str,
    task_id: str | None,
    chat: ChatModel,
    config: ProgramConfig,
    out: Path,
    seed: int = 0,
    progress: Progress = _silent,
    *,
    skill_program: str | None = None,
    review: Review | None = None,
    log: Path | None = None,
) -> ProgramResult:
    """Have a policy over skills written that does a task.

    Writes ``<task>.py``, ``transcript.jsonl`` and ``trials.json`` into ``out``.

    Args:
        task_id: one of the domain's tasks, or None for any other task in English; the file is named after it, or after the text.
        skill_program: source of the skills' program for the trials; default: the project's, found as ``programs/skills.py``
            beside a folder above ``out``; if there is none, skills start anywhere and end by ``max_steps``.
        review, log: see ``Coder``.

    Raises:
        ChatError: no answer could be had, for example because none is recorded and no endpoint is configured.
        ProgramError: no program kept the contract; nothing is written then.
    """
    name = task_id or task_slug(task_text)
    coder = Coder(domain, chat, config, seed, review, log)
    record = _Record({}, {})
    skill_source = skill_program if skill_program is not None else _skill_program_near(out)
    question = task_question(domain, skills, task_text, name)
    known = task_id if task_id in domain.tasks else None
    progress(0.0, f"policy over skills for {name}")
    best, rounds = coder.write(
        question,
        lambda source: run_trial(
            domain,
            skills,
            skill_source,
            source,
            kind="task",
            config=config,
            seed=seed,
            task_id=known,
            skill_file=SKILLS_FILE,
            policy_file=question.file,
        ),
        {"task": task_text, "subject": task_text},
    )
    if best.reply.is_fallback:
        coder.warnings.append(f"task {name!r}: no program is recorded for its text, a general one is used")
    record.attempt(question.file, best, rounds, coder.cards[question.name])
    result = _store(out, {question.file: best.source}, coder, record)
    progress(1.0, f"{question.file} written")
    return result


def task_slug(text: str) -> str:
    """A file name made of a task's first words."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40].rstrip("_") or "task"


def _skill_program_near(folder: Path) -> str | None:
    for parent in folder.absolute().parents[:3]:
        path = parent / "programs" / SKILLS_FILE
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None


def _store(out: Path, programs: Mapping[str, str], coder: Coder, record: _Record) -> ProgramResult:
    for name, entry in record.entries.items():
        for doubt in entry["weak"]:
            coder.warnings.append(f"{name}: {doubt}" if name not in doubt else doubt)
        cases = entry["card"]["layers"]["scenario"]
        for first in cases["problems"][:1]:
            failed = f"fails {len(cases['problems'])} of {cases['cases']} cases that were written from its words"
            coder.warnings.append(f"{name}: {failed}, the first {first}")
    warnings = tuple(dict.fromkeys(coder.warnings))
    write_atomically(out / TRANSCRIPT_FILE, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in coder.transcript))
    _write_trials(out, {"programs": record.entries, "warnings": list(warnings)})
    for name, source in programs.items():
        write_atomically(out / name, source)
    return ProgramResult(tuple(out / name for name in programs), record.reports, warnings)


def _write_trials(out: Path, content: Mapping[str, Any]) -> None:
    write_atomically(out / TRIALS_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def recheck(
    domain: Domain, skills: SkillSet, config: ProgramConfig, folder: Path, seed: int = 0, *, skill_program: str | None = None
) -> ProgramResult:
    """Check and try the programs of a folder again after a person edited them, and mark them as edited in trials.json.

    Args:
        folder: with ``skills.py`` and ``training_policy.py``, or with a task's program.
        skill_program: as for ``write_task_program``.

    Raises:
        ProgramError: a program is not allowed, or fails on simulated episodes; nothing is changed then.
    """
    paths = sorted(folder.glob("*.py"), key=lambda path: (path.name != SKILLS_FILE, path.name))
    if not paths:
        raise ProgramError(f"{folder}: holds no program", "Run `maestromotif program` to have one written")
    fact_names = [spec.name for spec in domain.fact_specs]
    skill_source = skill_program if skill_program is not None else _skill_program_near(folder)
    record = _Record({}, {})
    for path in paths:
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProgramError(f"{path}: cannot be read ({error})", "Restore the file, or have it written again") from error
        check_source(source, fact_names, str(path))
        if path.name == SKILLS_FILE:
            skill_source = source
        kind: Kind = "skill" if path.name == SKILLS_FILE else "training" if path.name == TRAINING_POLICY_FILE else "task"
        report = run_trial(
            domain,
            skills,
            skill_source,
            None if kind == "skill" else source,
            kind=kind,
            config=config,
            seed=seed,
            task_id=path.stem if kind == "task" and path.stem in domain.tasks else None,
            skill_file=str(path) if kind == "skill" else SKILLS_FILE,
            policy_file=str(path),
        )
        if report.fatal:
            raise ProgramError("; ".join(report.fatal[:3]), "Mend the program, or remove it and have it written again")
        record.add(path.name, report, _plain_card(source, report), edited=True)
    old = _old_trials(folder)
    warnings = tuple(f"{name}: {doubt}" for name, report in record.reports.items() for doubt in report.weak)
    _write_trials(folder, {"programs": {**old, **record.entries}, "warnings": list(warnings)})
    return ProgramResult(tuple(paths), record.reports, warnings)


def _old_trials(folder: Path) -> dict[str, Any]:
    try:
        programs = json.loads((folder / TRIALS_FILE).read_text(encoding="utf-8"))["programs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return programs if isinstance(programs, dict) else {}
