"""What came out: one self-contained HTML page, and a short table for the terminal.

Importing this package imports neither matplotlib nor pyarrow; the parts that write are loaded when first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maestromotif.report.config import ReportConfig

if TYPE_CHECKING:
    from maestromotif.report.page import write_report
    from maestromotif.report.sources import ReportSources
    from maestromotif.report.terminal import summary_table

__all__ = ["ReportConfig", "ReportSources", "summary_table", "write_report"]

_HOMES = {"ReportSources": "sources", "summary_table": "terminal", "write_report": "page"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
