"""The live page in a real browser, beside a real training: it changes by itself, and says so when the command has ended."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maestromotif.cli.watch import headline
from maestromotif.skills import SkillSet
from maestromotif.watch.page import LivePage
from tests.report.browser import WIDTHS, chromium, violations
from tests.watch.conftest import steps, training, until

_STICKING_OUT = """[...document.querySelectorAll('.games figure, .games figcaption, table.skills')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def test_numbers_and_charts_change_while_the_training_runs(browser: Any, prepared: Path) -> None:
    skills = SkillSet.load(prepared / "skills.toml")
    with training(prepared):
        until(lambda: steps(prepared) > 1_000, 60)
        # Of a whole processor for pictures, so that the test need not wait for the second ones.
        live = LivePage(prepared, skills, headline, drawing=1.0)
        context = browser.new_context(viewport={"width": WIDTHS["wide"], "height": 900}, bypass_csp=False)
        page = context.new_page()
        met: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: met.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: met.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(live.url)
        assert page.locator("#training svg").count() >= 5
        first, told = (page.locator(place).inner_text() for place in ("#training .why", ".lead"))
        curve = page.locator("#training svg").first.inner_html()
        assert "go_left" in page.locator("#now table").first.inner_text()

        def changed() -> bool:
            page.wait_for_timeout(200)
            return bool(
                page.locator("#training .why").inner_text() != first
                and page.locator(".lead").inner_text() != told
                and page.locator("#training svg").first.inner_html() != curve
            )

        until(changed, 120)
        assert page.locator(".games svg").count() == 8
        picture = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"))
        assert np.median(picture) > 240
        assert picture.std() > 10
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["wide"]
    until(lambda: page.wait_for_timeout(200) or "has ended" in page.locator("#connection").inner_text(), 60)
    live.close()
    assert "nothing is at work" in page.locator(".lead").inner_text()
    assert met == []
    assert all(url.startswith(live.url) for url in requests), requests
    context.close()


def _shows_eight_games(page: Any) -> bool:
    page.wait_for_timeout(100)
    return bool(page.locator(".games figure").count() == 8)


def test_it_is_readable_on_every_screen(browser: Any, prepared: Path) -> None:
    with training(prepared):
        live = LivePage(prepared, SkillSet.load(prepared / "skills.toml"), headline, drawing=1.0)
        for width, scheme in product(WIDTHS, ("light", "dark")):
            context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme, bypass_csp=True)
            page = context.new_page()
            page.goto(live.url)
            until(partial(_shows_eight_games, page), 20)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
            # Nothing sticks out of its place, and the table needs no scrolling.
            assert page.evaluate(_STICKING_OUT) == []
            assert 0 <= int(page.locator(".progress").get_attribute("aria-valuenow")) <= 100
            picture = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"))
            assert np.median(picture) > 240 if scheme == "light" else np.median(picture) < 40
            context.close()
        live.close()
