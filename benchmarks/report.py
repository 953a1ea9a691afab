"""How long a project's page takes to make and to open, and how large it is.

    python benchmarks/report.py PROJECT [PROJECT...]

Of several projects, each one's page and the comparison of all. Opening is measured in Chromium, from the request to the first
paint after the load event, the median of five; without the extra ``browser`` it is left out.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from maestromotif.project import Project
from maestromotif.report import ReportSources, write_comparison, write_report


def opening_seconds(path: Path, rounds: int = 5) -> float | None:
    """Median over ``rounds`` fresh pages of one browser; None without one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        seconds = []
        for _ in range(rounds):
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(path.as_uri())
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seconds.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return statistics.median(seconds)


def measure(name: str, make: Callable[[], Path]) -> None:
    """One line about one page."""
    began = time.perf_counter()
    path = make()
    seconds = time.perf_counter() - began
    opened = opening_seconds(path)
    shown = "not measured" if opened is None else f"{opened:.2f} s"
    print(f"{name}: made in {seconds:.1f} s, {path.stat().st_size / 1e6:.2f} MB, opens in {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", type=Path)
    arguments = parser.parse_args()
    opened = [Project.open(folder) for folder in arguments.projects]
    sources = [ReportSources.standard(one.root, one.domain, one.skills) for one in opened]
    with tempfile.TemporaryDirectory() as folder:
        for number, (one, source) in enumerate(zip(opened, sources, strict=True)):
            measure(source.title, lambda: write_report(source, one.config.report, Path(folder) / str(number)))  # noqa: B023 - called at once
        if len(sources) > 1:
            measure("comparison", lambda: write_comparison(sources, Path(folder) / "compare.html"))


if __name__ == "__main__":
    main()
