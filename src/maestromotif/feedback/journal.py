"""The transcript of a skill's judgements, which is also the memory of an interrupted run: JSON Lines, only ever appended to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError
from maestromotif.feedback.protocol import Judgement
from maestromotif.types import Preference, Verdict

__all__ = ["Answered", "Journal"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What is kept of a judgement; see ``Judgement``."""

    verdict: Verdict
    target: float | None = None
    reason: str = ""

    @classmethod
    def of(cls, judgement: Judgement) -> Answered:
        return cls(judgement.verdict, judgement.target, judgement.reason)

    def preference(self, skill: str, pair: str, annotator: str) -> Preference:
        return Preference(skill, pair, self.verdict, annotator, self.target, self.reason)


class Journal:
    """First line: what the annotator was told for the skill. Each further line: a pair's id, verdict and detail.

    A last line torn by a crash is cut off; a journal made under another first line is begun anew.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self._head = {**head, "fingerprint": _fingerprint(head)}

    def open(self) -> dict[str, Answered]:
        """Answers so far by pair id; the file is ready to be appended to.

        Raises:
            ArtifactError: a line other than the last cannot be read.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        whole, _, _torn = content.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        answers: dict[str, Answered] = {}
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                if number == 1:
                    if entry["fingerprint"] != self._head["fingerprint"]:
                        lines = []
                        break
                else:
                    answers[entry["pair"]] = Answered(Verdict(entry["verdict"]), entry.get("target"), entry.get("reason", ""))
            except (ValueError, KeyError, TypeError) as error:
                raise ArtifactError(
                    f"{self.path}, line {number} is damaged ({error})", "Delete that line, or the file to begin anew"
                ) from error
        if not lines:
            answers.clear()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "wb") as file:
                file.write(_line(self._head))
                file.flush()
                os.fsync(file.fileno())
        elif len(whole) + 1 < len(content):
            os.truncate(self.path, len(whole) + 1)
        return answers

    def append(self, judgements: Iterable[Judgement]) -> None:
        """Add judgements; they are on the disk when this returns."""
        lines = [_line(_entry(one)) for one in judgements]
        with open(self.path, "ab") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())


def _entry(judgement: Judgement) -> dict[str, Any]:
    entry: dict[str, Any] = {"pair": judgement.pair.id, "verdict": judgement.verdict.value}
    if judgement.target is not None:
        entry["target"] = judgement.target
    if judgement.reason:
        entry["reason"] = judgement.reason
    return {**entry, **judgement.detail}


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _fingerprint(head: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()[:16]
