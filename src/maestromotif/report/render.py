"""Templates become one HTML file: formats of numbers, colours, and a content-security policy that admits the page's own scripts alone."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from maestromotif import __version__
from maestromotif.report.palette import css_variables

__all__ = ["SCRIPTS", "count", "environment", "percent", "plural", "render_whole"]

SCRIPTS: tuple[str, ...] = ("script.js", "replay.js")
"""The templates that run in the page; each is named in its policy by digest, and no other script can run."""


def environment() -> Environment:
    """Jinja with escaping, strict about names, and with the filters of this page."""
    made = Environment(
        loader=PackageLoader("maestromotif.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(percent=percent, count=count, p=_p_value, reward=_reward, sentences=_sentences, bytes=_bytes)
    return made


def render_whole(made: Environment, template: str, scripts: Sequence[str] = SCRIPTS, asks_home: bool = False, **parts: Any) -> str:
    """A whole page: ``template`` extends frame.html.j2, which gets the styles, the scripts and the policy.

    Args:
        asks_home: its scripts may ask the server that it came from.
    """
    light, dark = css_variables()
    sources = [made.get_template(name).render() for name in scripts]
    return made.get_template(template).render(
        style=made.get_template("style.css").render(light=light, dark=dark) + made.get_template("replay.css").render(),
        # The templates are this package's own, without variables.
        scripts=[Markup(source) for source in sources],  # noqa: S704
        policy=_policy(sources) + ("; connect-src 'self'" if asks_home else ""),
        version=__version__,
        **parts,
    )


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, embedded, sent or framed; styles are the page's own, also in attributes, and only these scripts run."""
    digests = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def percent(value: float | None) -> str:
    """A rate as per cent: one decimal below ten, and never a zero for what is not."""
    if value is None or not math.isfinite(value):
        return "–"
    shown = 100 * value
    if 0 < shown < 0.05:
        return "< 0.1\u202f%"
    if 99.95 <= shown < 100:
        return "> 99.9\u202f%"
    digits = 0 if shown in (0, 100) else 1 if shown < 10 or shown > 99 else 0
    return f"{shown:.{digits}f}\u202f%"


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\u202f")


def plural(number: int, noun: str) -> str:
    """``1 skill``, ``2 skills``."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _reward(value: float) -> str:
    return "0" if value == 0 else f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.0e}"


def _bytes(value: int) -> str:
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"


def _sentences(text: str) -> tuple[str, str]:
    """The first sentence of a text, and the rest of it."""
    first, dot, rest = " ".join(text.split()).partition(". ")
    return (first + dot.rstrip(), rest) if rest else (first, "")
