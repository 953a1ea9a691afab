"""The small project that reports are tested with."""

from __future__ import annotations

from tests.report.conftest import made, project

__all__ = ["made", "project"]
