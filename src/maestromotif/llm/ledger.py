"""What calls to language models cost: one line for each, only ever appended."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["LEDGER_FILE", "Entry", "Ledger", "Totals", "total"]

LEDGER_FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One call.

    Attributes:
        table: the table of maestro.toml that configures the model.
        purpose: the request's name.
        model: who was asked.
        outcome: the answer's finish reason, or ``"failed"``.
        cached: answered from the store; costs nothing.
        prompt_tokens, completion_tokens: as the endpoint counts them.
        estimated: it does not count them; they are characters / 4.
        seconds: from question to answer, all tries and waits together.
        time: when it ended, UTC.
    """

    table: str
    purpose: str
    model: str
    outcome: str
    cached: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    seconds: float = 0.0
    time: str = ""


_FIELDS = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over entries. ``calls`` were made, ``failed`` of them in vain; ``cached`` ones, answered from the store, are not among them."""

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, entry: Entry) -> Totals:
        if entry.cached:
            return Totals(self.calls, self.cached + 1, self.failed, self.prompt_tokens, self.completion_tokens, self.seconds)
        return Totals(
            self.calls + 1,
            self.cached,
            self.failed + (entry.outcome == "failed"),
            self.prompt_tokens + entry.prompt_tokens,
            self.completion_tokens + entry.completion_tokens,
            self.seconds + entry.seconds,
        )

    @property
    def answered(self) -> int:
        return self.calls - self.failed


class Ledger:
    """A file of JSON Lines. Several threads may add; a line torn by a crash is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: int | None = None

    def add(self, entry: Entry) -> None:
        """Append a line, stamped with the time. It survives the death of this process, though perhaps not the machine's."""
        values = {name: getattr(entry, name) for name in _FIELDS}
        values["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            if self._file is None:
                self._file = self._open()
                if _is_torn(self.path):
                    line = b"\n" + line
            os.write(self._file, line)

    def entries(self) -> Iterator[Entry]:
        """All that can be read, oldest first."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for line in file:
                try:
                    yield Entry(**json.loads(line))
                except (ValueError, TypeError):
                    continue

    def _open(self) -> int:
        """Kept open as long as this object lives: opening the file for each line would take ten times as long as writing it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, file)
        return file


def total(entries: Iterator[Entry], key: Callable[[Entry], str]) -> dict[str, Totals]:
    """Totals of entries grouped by a key, in the order of their first appearance."""
    found: dict[str, Totals] = {}
    for entry in entries:
        name = key(entry)
        found[name] = found.get(name, Totals()) + entry
    return found


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end."""
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
