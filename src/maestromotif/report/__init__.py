"""What came out: one self-contained HTML page, and a short table for the terminal.

Importing this package imports neither matplotlib nor pyarrow; the parts that write are loaded when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.lazy import lazily
from maestromotif.report.config import ReportConfig

if TYPE_CHECKING:
    from maestromotif.report.compare import write_comparison
    from maestromotif.report.page import write_report
    from maestromotif.report.sources import ReportSources
    from maestromotif.report.terminal import summary_table

__all__ = ["ReportConfig", "ReportSources", "summary_table", "write_comparison", "write_report"]

__getattr__ = lazily(
    __name__,
    compare=["write_comparison"],
    page=["write_report"],
    sources=["ReportSources"],
    terminal=["summary_table"],
)
