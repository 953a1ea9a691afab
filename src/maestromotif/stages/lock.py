"""One command at a time in a project folder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maestromotif.errors import ProjectError
from maestromotif.stages.files import read_json

__all__ = ["LOCK_FILE", "Holder", "lock_holder", "project_lock"]

LOCK_FILE = ".lock"


@dataclass(frozen=True)
class Holder:
    """Who is at work in a project: the command, its process, and since when, in seconds since 1970."""

    command: str
    pid: int
    since: float


def lock_holder(root: Path) -> Holder | None:
    """Who holds a project's lock; None: nobody. Takes nothing, so that it disturbs nobody."""
    path = root / LOCK_FILE
    told = read_json(path) or {}
    try:
        since = path.stat().st_mtime
    except OSError:
        return None
    pid = told.get("pid")
    return Holder(str(told.get("command", "")), pid, since) if isinstance(pid, int) and _alive(pid) else None


@contextmanager
def project_lock(root: Path, command: str, patience: float = 10.0) -> Iterator[int]:
    """Hold the project's lock; gives the descriptor that holds it, so that a child process can share it.

    The operating system drops the lock with the last process that has it open, so a lock file that a killed run left is
    simply taken over. A child that outlives its killed parent for a moment keeps the lock for that moment.

    Args:
        root: the project folder.
        command: what runs, for the message that others get.
        patience: seconds to wait for another holder whose process is already gone.

    Raises:
        ProjectError: another command is at work in the folder.
    """
    path = root / LOCK_FILE
    descriptor = _take(path, patience)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _take(path: Path, patience: float) -> int:
    deadline = time.monotonic() + patience
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ProjectError(f"{path}: cannot be made ({error.strerror})", "Make the project folder writable") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            holder = read_json(path) or {}
            if _alive(holder.get("pid")) or time.monotonic() > deadline:
                raise ProjectError(
                    f"{path.parent}: `{holder.get('command', 'another command')}` (process {holder.get('pid', '?')}) is at work here",
                    "Wait for it, or stop it",
                ) from None
            time.sleep(0.05)
            continue
        # The holder may have removed the file between our open and our lock; then this lock protects nothing.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
        os.close(descriptor)


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
