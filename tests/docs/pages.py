"""Markdown pages as tests read them: their links, their anchors, and the blocks that tutorials promise to work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "anchors", "blocks", "links", "pages", "slug"]

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)`*[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_INLINE = re.compile(r"\]\(<?([^()\s>]*(?:\([^()\s]*\)[^()\s>]*)*)>?(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"^[ ]{0,3}\[[^\]^]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_TARGET = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_MARKED = re.compile(r"^<!-- (run|shows|install)(?: (\S+))? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block under a mark.

    Attributes:
        kind: ``run``: commands that work in the order of the page, from an empty folder; ``shows``: lines of what the last ones printed,
            where ``...`` stands for anything; ``install``: a package that the page has written is installed.
        what: the package's folder.
        line: of the page.
    """

    kind: str
    what: str
    text: str
    line: int


def pages() -> list[Path]:
    """All Markdown pages that people read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links(text: str) -> Iterator[str]:
    """Targets of all links and images outside of code."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    for pattern in (_INLINE, _REFERENCE):
        for match in pattern.finditer(prose):
            yield match[1]


def anchors(text: str) -> set[str]:
    """What a link may name after ``#``: headings, numbered where they repeat, and explicit targets."""
    prose = _FENCE.sub("", text)
    found: dict[str, int] = {}
    names = set(_TARGET.findall(prose))
    for heading in _HEADING.findall(prose):
        name = slug(heading)
        repeats = found.get(name, 0)
        found[name] = repeats + 1
        names.add(f"{name}-{repeats}" if repeats else name)
    return names


def slug(heading: str) -> str:
    """A heading's anchor, as code hosts make it; the site is set to the same."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")


def blocks(text: str) -> list[Block]:
    """The marked blocks of a page, in order."""
    return [Block(m[1], m[2] or "", m[3], text.count("\n", 0, m.start()) + 1) for m in _MARKED.finditer(text)]
