"""The tables of the pages say what the files in benchmarks/results say."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from .pages import ROOT


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_pages_have_the_figures_of_the_files(name: str, tables: ModuleType) -> None:
    text = (ROOT / name).read_text()
    assert "<!-- table: " in text
    assert tables.filled(text) == text, "run `make docs`"


def test_another_figure_is_noticed(tables: ModuleType) -> None:
    text = (ROOT / "README.md").read_text()
    figure = tables.mean(tables.cell(tables.load("bench-nethack"), tables.TASKS[0], "proxy"), tables.TASKS[0])
    assert text.count(figure) == 1
    assert tables.filled(text.replace(figure, "99.9 % ± 0.0")) == text
