"""Compiled code is kept between starts, until any module of NetHack's changes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from maestromotif.domains.nethack import compiling


def _uses(path: Path) -> tuple[int, int]:
    """How often a function of a file that is loaded anew was found compiled, and how often not."""
    spec = importlib.util.spec_from_file_location("kept", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dispatcher: Any = compiling.compiled(module.more)
    assert dispatcher(1) == 2
    return sum(dispatcher.stats.cache_hits.values()), sum(dispatcher.stats.cache_misses.values())


def test_compiled_code_is_kept_until_sources_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.py"
    path.write_text("def more(x):\n    return x + 1\n")
    assert _uses(path) == (0, 1)
    assert _uses(path) == (1, 0)
    monkeypatch.setattr(compiling, "SOURCES", "other modules")
    assert _uses(path) == (0, 1), "the file is as before, but not what it may use"
    assert _uses(path) == (1, 0)


def test_all_of_what_a_step_calls_is_known_by_its_sources() -> None:
    kept = {path.stem for path in compiling._MODULES}
    assert {"features", "masks", "paths", "levels", "glyphs", "layout", "squares", "vocabulary", "memory"} <= kept
