"""The page in a real browser: how it looks, what can be clicked, keyboard and contrast, and that hostile text does nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maestromotif.report import ReportConfig, ReportSources, write_report
from tests.report.browser import chromium, opened, violations
from tests.report.hostile import ATTACK, spoiled

PLACES = [("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page_file(made: ReportSources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(made, ReportConfig(), tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize(("width", "scheme"), PLACES)
def test_it_fits_the_screen_in_the_colours_asked_for(browser: Any, page_file: Path, width: str, scheme: str) -> None:
    with opened(browser, page_file, width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        picture = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"))
    # Most of a page is paper.
    assert np.median(picture) > 240 if scheme == "light" else np.median(picture) < 40
    assert picture.std() > 10
    assert picture.shape[1] == (1280 if width == "wide" else 390)


def test_the_first_screen_says_what_was_asked_and_what_came_out(browser: Any, page_file: Path, made: ReportSources) -> None:
    with opened(browser, page_file) as page:
        seen = page.evaluate(
            "[...document.querySelectorAll('.asked .name, .asked .rate')].filter(e => e.getBoundingClientRect().bottom < innerHeight)"
            ".map(e => e.textContent.trim())"
        )
    assert {*made.skills.ids, "both_ends"} <= set(seen)
    assert sum(text.endswith("%") for text in seen) >= 3


def column(page: Any, place: int) -> list[str]:
    """``data-value`` of a column of the first table, from top to bottom."""
    found: list[str] = page.evaluate(
        f"[...document.querySelector('table.sortable').tBodies[0].rows].map(row => row.cells[{place}].dataset.value)"
    )
    return found


def test_tables_are_sorted_by_a_click_and_by_the_keyboard(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        heads = page.locator("table.sortable").first.locator("thead button")
        heads.nth(1).click()
        rates = [float(value) for value in column(page, 1)]
        assert rates == sorted(rates, reverse=True)
        assert page.locator("table.sortable").first.locator("th").nth(1).get_attribute("aria-sort") == "descending"
        heads.nth(1).focus()
        page.keyboard.press("Enter")
        assert [float(value) for value in column(page, 1)] == sorted(rates)
        heads.nth(0).click()
        assert column(page, 0) == sorted(column(page, 0), reverse=True)


def test_a_transcript_opens_and_a_link_unfolds_what_it_leads_to(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        transcript = page.locator("summary", has_text="What was asked, and what was answered").first
        assert not transcript.is_visible()
        page.locator("#programs > details > summary").first.focus()
        page.keyboard.press("Enter")
        transcript.click()
        assert page.locator("#programs h4", has_text="Answered by").first.is_visible()
        page.locator("#unfold").click()
        assert page.evaluate("[...document.querySelectorAll('main details')].every(one => one.open)")


def test_numbers_of_a_chart_can_be_downloaded(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        with page.expect_download() as download:
            page.locator("#training a.csv").first.click()
        assert Path(download.value.path()).read_text(encoding="utf-8").startswith("series,environment steps,value\n")


@pytest.mark.parametrize(("width", "scheme"), PLACES)
def test_axe_finds_nothing_serious(browser: Any, page_file: Path, width: str, scheme: str) -> None:
    with opened(browser, page_file, width=width, scheme=scheme, bypass_csp=True) as page:
        page.locator("#unfold").click()
        assert violations(page) == []


def test_a_page_prints(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.locator("#results table").first.is_visible()
        assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with the policy", "without it"])
def test_hostile_text_is_shown_and_does_nothing(browser: Any, project: ReportSources, tmp_path: Path, bypass_csp: bool) -> None:
    """Escaping and the policy are two walls: the page holds without the second, too."""
    path = write_report(spoiled(project), ReportConfig(), tmp_path)
    with opened(browser, path, bypass_csp=bypass_csp) as page:
        page.locator("#unfold").click()
        assert page.evaluate("window.attacked") is None
        made = "main img, iframe, main script, [onerror], [onload], a[href^=javascript]"
        assert page.locator(made).count() == 0
        assert page.locator("h1").inner_text() == ATTACK
        for place in (".asked", "#results", "#rewards", "#training", "#flow", "#failed", "#programs", "#cards"):
            text = page.locator(place).inner_text()
            assert "could not be shown" not in text, place
            # The learning curves hold no text of others.
            assert "window.attacked=1" in text or place == "#training", place


def test_the_policy_stops_what_would_get_through(browser: Any, page_file: Path, tmp_path: Path) -> None:
    hole = tmp_path / "hole.html"
    attack = "<script>window.attacked=1</script><p onclick='window.attacked=1' id=trap>x</p>"
    hole.write_text(page_file.read_text(encoding="utf-8").replace("</main>", attack + "</main>"), encoding="utf-8")
    blocked: list[str] = []
    with opened(browser, hole, errors=blocked) as page:
        page.locator("#trap").click()
        assert page.evaluate("window.attacked") is None
    assert len(blocked) >= 2
    assert all("Content Security Policy" in text for text in blocked)
