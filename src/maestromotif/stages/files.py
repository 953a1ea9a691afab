"""Files of a project: reading, hashing, and removing whole folders safely."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maestromotif.files import write_atomically

__all__ = ["file_digest", "read_json", "remove_tree", "sweep", "write_json"]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file is missing or does not hold one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def file_digest(path: Path) -> str:
    """The first 16 digits of a file's sha256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def remove_tree(path: Path) -> None:
    """Delete a folder; a kill in the middle leaves it under a hidden name, which ``sweep`` finds."""
    if not path.exists():
        return
    doomed = path.with_name(f".{path.name}.{os.getpid()}.doomed")
    os.replace(path, doomed)
    shutil.rmtree(doomed)


def sweep(folder: Path) -> None:
    """Delete what interrupted writes and removals left in a folder and below.

    Every phase writes under a hidden name, or one that ends in ``.partial``, and renames; what is there under such a name
    when nobody works is debris.
    """
    for path in sorted({*folder.rglob(".*"), *folder.rglob("*.partial")}):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

