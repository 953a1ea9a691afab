"""Writing files such that a reader, or a run after a crash, finds the old content or the new, never a part; reading those that grow."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_atomically", "whole_lines", "write_atomically", "write_quickly"]


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write into; at the end of the block it is flushed to the disk and takes the place of ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file; text as UTF-8."""
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_quickly(path: Path, content: bytes) -> None:
    """Write a small file that can be made again, in a folder that exists, without waiting for the disk.

    A reader, or a run after this process was killed, finds the old content or the new; after the machine lost its power the file may be
    empty or cut short, which whoever reads it must notice.
    """
    temporary = _temporary(path)
    try:
        with open(temporary, "wb", buffering=0) as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that is only ever appended to, but for a last one that a crash has torn; none where there is no file.

    Lines end with a line feed and nothing else: text in JSON may hold every other character that ``str.splitlines`` takes for an end.
    """
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
