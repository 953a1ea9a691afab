"""Errors that cross from one process to another."""

from __future__ import annotations

import pytest

from maestromotif import errors
from maestromotif.errors import MaestroError, told_error


@pytest.mark.parametrize("kind", [name for name in errors.__all__ if name != "told_error"])
def test_an_error_comes_back_as_it_was_raised(kind: str) -> None:
    found = told_error(kind, "the file is torn", "Delete it")
    assert type(found) is getattr(errors, kind)
    assert (found.problem, found.remedy) == ("the file is torn", "Delete it")


@pytest.mark.parametrize("kind", ["NoSuchError", "told_error", "ValueError", "__name__"])
def test_a_kind_from_elsewhere_comes_back_as_the_base_class(kind: str) -> None:
    assert type(told_error(kind, "it broke", "")) is MaestroError
