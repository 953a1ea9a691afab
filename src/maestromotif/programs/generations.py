"""What is kept of each program that was ever written: lines of transcripts, and the card of the one that is used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maestromotif.files import whole_lines
from maestromotif.llm.chat import ChatReply
from maestromotif.programs.attempt import Attempt
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.requests import Question, prompt_digests

__all__ = ["GENERATIONS_FILE", "TRANSCRIPT_FILE", "add_to_log", "card", "note", "read_generations", "record"]

TRANSCRIPT_FILE = "transcript.jsonl"
# Beside the store of calls: also what was refused, and what a later run replaced.
GENERATIONS_FILE = "generations.jsonl"
# The long parts of a line, which the store of calls has already.
_LONG = ("asked", "answer", "program", "subject")


def record(question: Question, rounds: int, asked: str, attempt: Attempt, most: int | None = None) -> dict[str, Any]:
    """The line of a program.

    Args:
        asked: the last message that it answers.
        most: characters of the answer that are kept; None: all.
    """
    reply = attempt.reply
    return {
        "id": _identity(question, reply, attempt.seed),
        "kind": "program",
        "name": question.name,
        "round": rounds,
        "seed": attempt.seed,
        "subject": question.subject,
        "asked": asked,
        "answer": reply.text[:most],
        "finish": reply.finish_reason,
        "model": reply.model,
        "source": reply.source,
        "program": attempt.source,
        "verdict": attempt.verdict,
        "problems": list(attempt.problems),
        "layers": attempt.layers(),
    }


def note(kind: str, question: Question, asked: str, reply: ChatReply, verdict: str, problems: Sequence[str]) -> dict[str, Any]:
    """The line of a further question about a program: its cases, or the model's own verdict."""
    return {
        "id": _identity(question, reply, 0),
        "kind": kind,
        "name": question.name,
        "subject": question.subject,
        "asked": asked,
        "answer": reply.text,
        "finish": reply.finish_reason,
        "model": reply.model,
        "source": reply.source,
        "verdict": verdict,
        "problems": list(problems),
    }


def _identity(question: Question, reply: ChatReply, seed: int) -> str:
    """Equal for an answer that comes from the store again."""
    content = json.dumps([question.name, question.subject, reply.model, seed, reply.text], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def card(
    question: Question, kept: Attempt, attempts: Sequence[Attempt], rounds: int, config: ProgramConfig, stopped: str
) -> dict[str, Any]:
    """Where a program came from, and what each layer says of it.

    Args:
        attempts: all that were made, in their order; ``kept`` is one of them, perhaps assessed since.
        stopped: why there were no more rounds though the program had not passed everything; empty if it had, or all were used.
    """
    prompts = ["system", "rules", *question.prompts]
    prompts += ["repair"] if rounds > 1 else []
    prompts += ["examiner", "scenario"] if kept.scenario and not kept.scenario.skipped else []
    prompts += ["assess"] if kept.assessment and kept.assessment.verdict != "skipped" else []
    digests = [attempt.digest for attempt in attempts]
    return {
        "program": kept.digest,
        "prompts": prompt_digests(*prompts),
        "model": kept.reply.model,
        "source": kept.reply.source,
        "parameters": {"temperature": config.temperature, "top_p": config.top_p, "max_tokens": config.max_tokens},
        "seeds": [attempt.seed for attempt in attempts],
        "programs": digests,
        "kept": digests.index(kept.digest) + 1,
        "rounds": rounds,
        "candidates": config.candidates,
        "stopped": stopped,
        "layers": kept.layers(),
    }


def add_to_log(path: Path, line: dict[str, Any]) -> None:
    """Append a line of a transcript, without its long texts. It survives the death of this process."""
    content = json.dumps({key: value for key, value in line.items() if key not in _LONG}, ensure_ascii=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # torn by a crash
                content = b"\n" + content
        file.write(content)


def read_generations(artifacts: Path) -> list[dict[str, Any]]:
    """All that was ever written for a project, each once: from the log, and from transcripts, the ones set aside among them."""
    found: dict[str, dict[str, Any]] = {}
    # The store of calls, beside the log, has very many files and no transcripts.
    folders = sorted(folder for folder in artifacts.glob("*/") if folder.name != "llm")
    transcripts = [path for folder in folders for path in sorted(folder.glob(f"**/{TRANSCRIPT_FILE}"))]
    for path in (artifacts / "llm" / GENERATIONS_FILE, *transcripts):
        for line in _lines(path):
            # The last trial of a program counts; lines of earlier versions have no id and no layers.
            if isinstance(line, dict) and isinstance(line.get("id"), str):
                found[line["id"]] = line
    return list(found.values())


def _lines(path: Path) -> Iterator[Any]:
    for line in whole_lines(path):
        try:
            yield json.loads(line)
        except ValueError:
            continue
