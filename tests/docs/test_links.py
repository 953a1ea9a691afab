"""Every link of every page leads somewhere, and to a heading that exists; nothing is asked of the network."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .pages import ROOT, anchors, links, pages


def problems(page: Path) -> list[str]:
    """Broken links of a page, one line each."""
    found = []
    for target in links(page.read_text()):
        parts = urlsplit(target)
        if parts.scheme in ("http", "https", "mailto"):
            continue
        path = page if not parts.path else page.parent / unquote(parts.path)
        if not path.exists():
            found.append(f"{target}: no such file")
        elif (ROOT / "docs") in page.parents and (ROOT / "docs").resolve() not in path.resolve().parents:
            found.append(f"{target}: leads out of docs/, where the site ends")
        elif parts.fragment and path.suffix == ".md" and parts.fragment not in anchors(path.read_text()):
            found.append(f"{target}: {path.name} has no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert problems(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One heading, `two`\n\n## Again\n\n## Again\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#one-heading-two) [b](there.md#again-1) [c](#here) ![d](gone.png) [e](there.md#elsewhere)\n"
        "`[code](no.md)`\n\n# Here\n\n"
        "```\n[fenced](no.md)\n# not-a-heading\n```\n[f](#not-a-heading) [g](https://example.org/x) [h][r]\n\n[r]: away.md\n"
    )
    assert problems(page) == [
        "gone.png: no such file",
        "there.md#elsewhere: there.md has no such heading",
        "#not-a-heading: page.md has no such heading",
        "away.md: no such file",
    ]
