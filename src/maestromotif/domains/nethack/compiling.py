"""Functions compiled by numba, kept on disk for the next start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import nle
import numba

__all__ = ["SOURCES", "compiled"]

_MODULES = sorted(Path(__file__).parent.glob("*.py"))
SOURCES: Final = hashlib.sha256(b"".join([nle.__version__.encode(), *(path.read_bytes() for path in _MODULES)])).hexdigest()
"""Of all modules beside this one, and NetHack's version: what compiled code is made from."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """numba's njit with the types kept, and a cache that is made anew when any module beside this one changes.

    numba by itself looks at the file of a function alone, and goes on with what other files' functions and constants once were.
    """
    dispatcher = numba.njit(cache=True)(function)
    cast(Any, dispatcher)._cache._cache_file._source_stamp = SOURCES
    return cast(_Function, dispatcher)
