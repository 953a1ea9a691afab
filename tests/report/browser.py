"""A real browser for tests of pages: Chromium, driven by playwright; tests are skipped where one of them is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["WIDTHS", "chromium", "opened", "violations"]

WIDTHS = {"wide": 1280, "phone": 390}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic")


@contextmanager
def chromium() -> Iterator[Any]:
    """A started browser: the system's, else the one that ``playwright install`` fetched."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra maestromotif[browser]")
    with sync_api.sync_playwright() as playwright:
        path = next((found for found in map(shutil.which, _NAMES) if found), playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.skip("needs Chromium: apt-get install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any,
    path: Path,
    *,
    width: str = "wide",
    scheme: str = "light",
    bypass_csp: bool = False,
    fragment: str = "",
    errors: list[str] | None = None,
) -> Iterator[Any]:
    """A page of its own; fails on errors in its console, unless ``errors`` takes them, and on any request but the one for the file."""
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme, bypass_csp=bypass_csp)
    page = context.new_page()
    met: list[str] = [] if errors is None else errors
    requests: list[str] = []
    page.on("console", lambda message: met.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: met.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.absolute().as_uri() + fragment)
    yield page
    assert errors is not None or not met, met
    assert [url.partition("#")[0] for url in requests] == [path.absolute().as_uri()]
    context.close()


def violations(page: Any) -> list[str]:
    """What axe (https://github.com/dequelabs/axe-core) finds serious or critical, with the first place of each."""
    package = pytest.importorskip("axe_playwright_python", reason="needs the extra maestromotif[browser]")
    page.evaluate((Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}" for one in bad]
