"""The end of a growing JSON Lines file: only what is new is read."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

__all__ = ["Tail"]


class Tail:
    """Follows a file that grows by whole lines, may be written anew, shorter, and may be renamed.

    Args:
        keep: so many of the last lines are kept; None: all.

    Attributes:
        rows: the objects in the lines; what is no object is left out.
    """

    def __init__(self, keep: int | None = None) -> None:
        self.rows: deque[dict[str, Any]] = deque(maxlen=keep)
        self._keep = keep or 0
        self._inode = self._offset = 0
        self._rest = b""

    def read(self, path: Path) -> bool:
        """Read what the file has more than at the last look; whether ``rows`` have changed. A file that is not there changes nothing."""
        try:
            with path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                anew = found.st_ino != self._inode or found.st_size < self._offset
                if anew:
                    self._inode, self._offset, self._rest = found.st_ino, 0, b""
                    self.rows.clear()
                stream.seek(self._offset)
                fresh = stream.read()
        except OSError:
            return False
        self._offset += len(fresh)
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        for line in whole[-self._keep :]:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                self.rows.append(value)
        return anew or bool(whole)
