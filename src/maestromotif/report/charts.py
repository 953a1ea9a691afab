"""Charts as inline SVG whose colours are the page's CSS variables, so that one drawing serves light, dark and paper."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NEUTRAL", "Chart", "Series", "area_chart", "histogram", "line_chart"]

# matplotlib knows no CSS variables: it draws in stand-in colours, which are then replaced.
_TEXT, _LINE, _MUTED = "#010101", "#020202", "#030303"
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "text.color": _TEXT,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.solid_capstyle": "round",
}
_SIZE = (5.6, 2.9)  # inches; one chart fills a phone's width, two stand side by side on a screen
_COLOURS = {_TEXT: "var(--text)", _LINE: "var(--line)", _MUTED: "var(--muted)"}


NEUTRAL = -1
"""The slot of a line that is not about one skill."""


@dataclass(frozen=True)
class Series:
    """One line: ``x`` and ``y`` float [n] (NaN leaves a gap), in the colour of a slot."""

    label: str
    slot: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption and its numbers.

    Attributes:
        svg: an ``<svg>`` element without fixed size.
        csv: a ``data:`` URI of the numbers drawn.
        filename: what the download is called.
    """

    title: str
    note: str
    svg: str
    csv: str
    filename: str


def line_chart(name: str, title: str, note: str, series: Sequence[Series], *, x_label: str, percent: bool = False) -> Chart:
    """Lines over a shared x axis; ``percent`` shows rates in [0, 1] as per cent."""
    figure, axes = _figure()
    for one in series:
        axes.plot(one.x, one.y, color=_slot(one.slot), linewidth=1.8, clip_on=False)
    if not percent and all(np.nanmin(one.y, initial=0.0) >= 0 for one in series):
        axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    _finish(axes, x_label, percent)
    rows = [(one.label, x, y) for one in series for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True)]
    return Chart(title, note, _svg(figure, name, title), _csv(("series", x_label, "value"), rows), f"{name}.csv")


def area_chart(name: str, title: str, note: str, series: Sequence[Series], *, x_label: str) -> Chart:
    """Shares stacked to one, in the order given; all series have the same ``x``."""
    figure, axes = _figure()
    if series:
        shares = np.nan_to_num(np.stack([one.y for one in series]))
        axes.stackplot(series[0].x, shares, colors=[_slot(one.slot) for one in series], alpha=0.85, linewidth=0)
        axes.set_ylim(0, 1)
        axes.margins(x=0)
    _finish(axes, x_label, percent=True)
    rows = [(one.label, x, y) for one in series for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True)]
    return Chart(title, note, _svg(figure, name, title), _csv(("series", x_label, "share"), rows), f"{name}.csv")


def histogram(name: str, title: str, note: str, values: ArrayLike, *, slot: int, threshold: float | None, x_label: str) -> Chart:
    """Distribution of values, with a dashed line at the threshold; what lies under it is drawn pale."""
    data = np.asarray(values, dtype=np.float64)
    data = data[np.isfinite(data)]
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure()
    counts, edges = np.histogram(data, bins=min(48, max(8, int(np.sqrt(len(data)) * 1.5)))) if len(data) else (np.zeros(1), np.arange(2.0))
    centres = (edges[:-1] + edges[1:]) / 2
    kept = np.ones(len(centres), dtype=bool) if threshold is None else edges[1:] > threshold
    for chosen, opacity in ((kept, 0.95), (~kept, 0.35)):
        axes.bar(centres[chosen], counts[chosen], width=np.diff(edges)[chosen] * 0.92, color=_slot(slot), alpha=opacity, linewidth=0)
    if threshold is not None:
        axes.axvline(threshold, color=_TEXT, linewidth=1, linestyle=(0, (4, 3)))
    _finish(axes, x_label, percent=False)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    rows = [(float(low), float(high), int(count)) for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)]
    return Chart(title, note, _svg(figure, name, title), _csv(("from", "to", "captions"), rows), f"{name}.csv")


def _slot(slot: int) -> str:
    return _TEXT if slot == NEUTRAL else f"#0400{slot:02x}"


def _figure() -> tuple[Figure, Axes]:
    # Imported here, since it takes a second that commands without a report need not wait.
    import matplotlib
    from matplotlib.figure import Figure as MatplotlibFigure

    with matplotlib.rc_context(_STYLE):
        figure = MatplotlibFigure(figsize=_SIZE, layout="constrained")
        return figure, figure.add_subplot()


def _finish(axes: Axes, x_label: str, percent: bool) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    axes.set_xlabel(x_label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if max(map(abs, axes.get_xlim())) >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if percent:
        axes.set_ylim(0, min(1.0, max(axes.get_ylim()[1], 0.05)))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    elif max(map(abs, axes.get_ylim())) >= 10_000:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _svg(figure: Figure, name: str, title: str) -> str:
    import matplotlib

    with io.StringIO() as stream, matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"chart {name}"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    text = re.sub(r"#0400([0-9a-f]{2})", lambda match: f"var(--s{int(match[1], 16)})", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r" font-family: [^;\"]+;?", "", text)
    opening = text.index(">")
    attributes = re.sub(r' (?:width|height|xmlns:xlink|xmlns|version)="[^"]*"', "", text[4:opening])
    return f'<svg{attributes} role="img" aria-label="{html.escape(title)}" xmlns:xlink="http://www.w3.org/1999/xlink">{text[opening + 1 :]}'


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    with io.StringIO() as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        encoded = base64.b64encode(stream.getvalue().encode()).decode()
    return f"data:text/csv;base64,{encoded}"
