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
from maestromotif.files import whole_lines
from maestromotif.types import Preference, Verdict

__all__ = ["ASK_AGAIN", "Answered", "Journal", "last_entries"]

# Reasons for which a pair has no verdict yet: whoever opens the journal next asks about it again.
ASK_AGAIN = frozenset({"skipped", "undone", "failed"})


@dataclass(frozen=True, slots=True)
class Answered:
    """What is kept of a judgement; see ``Judgement``."""

    verdict: Verdict
    target: float | None = None
    reason: str = ""

    @classmethod
    def of(cls, judgement: Judgement) -> Answered:
        return cls(judgement.verdict, judgement.target, judgement.reason)

    def value(self) -> float:
        """How probable it is that the first is better; NaN where nothing is known."""
        return self.verdict.target if self.target is None else self.target

    def preference(self, skill: str, pair: str, annotator: str) -> Preference:
        return Preference(skill, pair, self.verdict, annotator, self.target, self.reason)


class Journal:
    """First line: what the annotator was told for the skill. Each further line: a pair's id, verdict and detail.

    Of several lines about a pair the last one counts, so a verdict is taken back by one more line. A pair that was skipped is not answered.
    A last line torn by a crash is cut off; a journal made under another first line is begun anew.

    Args:
        precious: never begin anew; another first line is an error.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], precious: bool = False) -> None:
        self.path = path
        self._precious = precious
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
                        if self._precious:
                            raise ArtifactError(f"{self.path} was made for something else", "Move it away, or put its first line back")
                        lines = []
                        break
                else:
                    _read(entry, answers)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
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


def last_entries(transcript: Path) -> dict[str, dict[str, Any]]:
    """What a transcript says last about each pair, with all detail, by the pair's id."""
    entries = map(json.loads, whole_lines(transcript)[1:])
    return {entry["pair"]: entry for entry in entries}


def _read(entry: Mapping[str, Any], answers: dict[str, Answered]) -> None:
    target = entry.get("target")
    if target is not None and not 0 <= target <= 1:
        raise ValueError(f"the target {target!r} does not lie in [0, 1]")
    answer = Answered(Verdict(entry["verdict"]), target, entry.get("reason", ""))
    if answer.reason in ASK_AGAIN:
        answers.pop(entry["pair"], None)
    else:
        answers[entry["pair"]] = answer


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
