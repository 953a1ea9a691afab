"""Charts as inline SVG whose colours are the page's CSS variables, so that one drawing serves light, dark and paper."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["NEUTRAL", "Chart", "Mark", "Series", "area_chart", "flow_chart", "histogram", "interval_chart", "line_chart", "share_chart"]

# matplotlib knows no CSS variables: it draws in stand-in colours, which are then replaced.
_TEXT, _LINE, _MUTED, _ACCENT = "#010101", "#020202", "#030303", "#010203"
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
    "text.parse_math": False,  # names may hold dollar signs
}
_SIZE = (5.6, 2.9)  # inches; one chart fills a phone's width, two stand side by side on a screen
_COLOURS = {_TEXT: "var(--text)", _LINE: "var(--line)", _MUTED: "var(--muted)", _ACCENT: "var(--accent)"}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LONGEST = 32  # characters of a name, which must leave room for the drawing
_GAP = 0.035  # between the names of one layer, as a share of all paths


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
class Mark:
    """One value of an ``interval_chart``: of ``series``, in row ``row``, with the ends of its interval where it has one."""

    row: str
    series: str
    value: float
    low: float | None = None
    high: float | None = None


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


def interval_chart(name: str, title: str, note: str, marks: Sequence[Mark], *, percent: bool = True) -> Chart:
    """Values with their intervals, a row for each thing and a mark for each series, the first series in the accent colour."""
    rows, series = (list(dict.fromkeys(getattr(mark, part) for mark in marks)) for part in ("row", "series"))
    figure, axes = _figure((_SIZE[0], max(_SIZE[1], 0.8 + len(rows) * (0.16 + 0.1 * len(series)))))
    step = 0.7 / max(1, len(series))
    for place, one in enumerate(series):
        own = [mark for mark in marks if mark.series == one]
        x = np.array([mark.value for mark in own])
        y = np.array([rows.index(mark.row) + (place - (len(series) - 1) / 2) * step for mark in own])
        ends = np.array([[mark.value if end is None else end for end in (mark.low, mark.high)] for mark in own]).reshape(-1, 2)
        colour = _ACCENT if place == 0 else _slot(1 + (place - 1) % 7) if one != "paper" else _TEXT
        axes.hlines(y, ends[:, 0], ends[:, 1], color=colour, linewidth=2.4 if place == 0 else 1.4, alpha=0.6)
        axes.plot(
            x, y, _MARKERS[place % len(_MARKERS)], color=colour, markersize=5.5 if place == 0 else 4.5, label=_shown(one), clip_on=False
        )
    axes.set_yticks(range(len(rows)), [_shown(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.tick_params(axis="y", labelcolor=_TEXT)
    _ticks(axes.xaxis, percent)
    if series:
        _legend(axes, min(4, len(series)))
    table = [(mark.row, mark.series, mark.value, mark.low, mark.high) for mark in marks]
    return Chart(title, note, _svg(figure, name, title), _csv(("row", "series", "value", "low", "high"), table), f"{name}.csv")


def share_chart(
    name: str, title: str, note: str, rows: Sequence[str], parts: Sequence[str], shares: ArrayLike, slots: Sequence[int]
) -> Chart:
    """A bar for each row, divided into parts: ``shares`` float ``[rows, parts]``, each row summing to one or less."""
    values = np.asarray(shares, dtype=np.float64).reshape(len(rows), len(parts))
    figure, axes = _figure((_SIZE[0], 0.9 + 0.34 * max(1, len(rows))))
    left = np.zeros(len(rows))
    for place, part in enumerate(parts):
        axes.barh(
            np.arange(len(rows)), values[:, place], left=left, height=0.62, color=_slot(slots[place]), linewidth=0, label=_shown(part)
        )
        left += values[:, place]
    axes.set_yticks(range(len(rows)), [_shown(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=_TEXT)
    _ticks(axes.xaxis, percent=True)
    _legend(axes, min(5, max(1, len(parts))))
    table = [(row, part, values[i, j]) for i, row in enumerate(rows) for j, part in enumerate(parts)]
    return Chart(title, note, _svg(figure, name, title), _csv(("row", "part", "share"), table), f"{name}.csv")


def flow_chart(
    name: str, title: str, note: str, layers: Sequence[Sequence[str]], paths: Mapping[tuple[str, ...], int], slots: Mapping[str, int]
) -> Chart:
    """Bands from layer to layer, as wide as they are frequent, in the colour of where they begin.

    Args:
        layers: names from top to bottom, layer by layer from left to right.
        paths: how often each path through the layers was taken, one name of each layer.
        slots: colours of the first layer's names.
    """
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path as Line

    figure, axes = _figure((7.6, 4.2))
    total = max(1, sum(paths.values()))
    places = [_places(layer, position, paths, total) for position, layer in enumerate(layers)]
    filled = [{label: bottom for label, (bottom, _) in place.items()} for place in places]
    order = sorted(paths, key=lambda path: tuple(layer.index(part) for layer, part in zip(layers, path, strict=True)))
    for position in range(len(layers) - 1):
        offsets = dict(filled[position]), {label: bottom for label, (bottom, _) in places[position + 1].items()}
        # Paths leave a name in the order of where they go, and reach one in the order of where they come from.
        leaving = sorted(order, key=lambda path: (layers[position].index(path[position]), layers[position + 1].index(path[position + 1])))
        starts = {}
        for path in leaving:
            starts[path] = offsets[0][path[position]]
            offsets[0][path[position]] += paths[path] / total
        for path in order:
            y0, y1, height = starts[path], offsets[1][path[position + 1]], paths[path] / total
            offsets[1][path[position + 1]] += height
            x0, x1 = position + 0.035, position + 1 - 0.035
            middle = (x0 + x1) / 2
            corners = [(x0, y0), (middle, y0), (middle, y1), (x1, y1), (x1, y1 + height), (middle, y1 + height), (middle, y0 + height)]
            corners += [(x0, y0 + height), (x0, y0)]
            codes = [Line.MOVETO, Line.CURVE4, Line.CURVE4, Line.CURVE4, Line.LINETO, Line.CURVE4, Line.CURVE4, Line.CURVE4, Line.LINETO]
            axes.add_patch(PathPatch(Line(corners, codes), facecolor=_slot(slots.get(path[0], NEUTRAL)), alpha=0.45, linewidth=0))
    for position, place in enumerate(places):
        for label, (bottom, height) in place.items():
            colour = _slot(slots[label]) if label in slots else _MUTED
            axes.add_patch(Rectangle((position - 0.03, bottom), 0.06, height, facecolor=colour, linewidth=0))
            last = position == len(layers) - 1
            x, side = (position + 0.06, "left") if last else (position - 0.06, "right") if position == 0 else (position + 0.045, "left")
            axes.text(x, bottom + height / 2, _shown(label), ha=side, va="center", fontsize=9.5, color=_TEXT)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylim(1 + _GAP * max(map(len, layers), default=1), -0.02)
    axes.set_axis_off()
    table = [(*path, number) for path, number in paths.items()]
    header = (*(f"layer {position + 1}" for position in range(len(layers))), "times")
    return Chart(title, note, _svg(figure, name, title), _csv(header, table), f"{name}.csv")


def _places(layer: Sequence[str], position: int, paths: Mapping[tuple[str, ...], int], total: int) -> dict[str, tuple[float, float]]:
    """Where each name that occurs stands: its upper edge, and its height as a share of all paths."""
    found, top = {}, 0.0
    for label in layer:
        share = sum(number for path, number in paths.items() if path[position] == label) / total
        if share:
            found[label] = top, share
            top += share + _GAP
    return found


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _slot(slot: int) -> str:
    return _TEXT if slot == NEUTRAL else f"#0400{slot:02x}"


def _figure(size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    # Imported here, since it takes a second that commands without a report need not wait.
    import matplotlib
    from matplotlib.figure import Figure as MatplotlibFigure

    with matplotlib.rc_context(_STYLE):
        figure = MatplotlibFigure(figsize=size, layout="constrained")
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


def _legend(axes: Axes, columns: int) -> None:
    """Above the drawing."""
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.45, 1.0), "ncols": columns, "columnspacing": 1.2}
    axes.legend(**place, frameon=False, fontsize=9, handlelength=1, handletextpad=0.4, labelcolor=_TEXT)


def _ticks(axis: Axis, percent: bool) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.set_major_locator(MaxNLocator(5))
    if percent:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


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
