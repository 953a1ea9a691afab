"""Loading a project's ``adapter.py``: a person's own code, run as any package that is imported."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from functools import lru_cache
from pathlib import Path

from maestromotif.domains.gym.adapter import Adapter
from maestromotif.errors import DomainError

__all__ = ["digest", "load_adapter", "where"]


def digest(path: Path) -> str:
    """Of the file's content.

    Raises:
        DomainError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        remedy = "Make one with `maestromotif init DIR --env ID`"
        raise DomainError(f"{path}: the adapter cannot be read ({error.strerror})", remedy) from error


def load_adapter(path: Path) -> type[Adapter]:
    """The one subclass of ``Adapter`` that a file defines. It may import files beside it while it is loaded.

    Raises:
        DomainError: the file cannot be read or run, or holds none or several.
    """
    return _load(path, digest(path))


@lru_cache(maxsize=16)
def _load(path: Path, content: str) -> type[Adapter]:
    name = f"maestromotif_adapter_{content[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DomainError(f"{path}: an adapter is a file of Python", "Name it adapter.py")
    module = importlib.util.module_from_spec(spec)
    # Classes of the file find their own module by its name.
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise DomainError(f"{path}, line {error.lineno}: {error.msg}", "Mend that line") from error
    except Exception as error:  # whatever a person's file raises is told with its line
        raise DomainError(f"{where(error, path)}: {type(error).__name__}: {error}", "Mend that line") from error
    finally:
        sys.path.remove(str(path.parent))
    found = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Adapter) and kind.__module__ == name]
    if len(found) != 1:
        raise DomainError(f"{path}: {len(found)} classes that inherit from Adapter, there must be one", "See docs/own-domain.md")
    return found[0]


def where(error: BaseException, path: Path | None) -> str:
    """File and line of the last call in this file that an error passed through; else the line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if path is not None and frame.filename == str(path)] or frames
    return f"{mine[-1].filename}, line {mine[-1].lineno}" if mine else "the adapter"
