"""Drawings in CSS colours, with their numbers beside them."""

from __future__ import annotations

import base64
import csv
import io
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from maestromotif.report.charts import NEUTRAL, Chart, Series, area_chart, histogram, line_chart
from maestromotif.report.palette import SLOTS, css_variables, skill_slots

X = np.array([0.0, 1e5, 2e5])


def lines(name: str = "one") -> Chart:
    series = [
        Series("a", 0, X, np.array([0.0, 0.5, np.nan])),
        Series("b", 3, X, np.array([0.1, 0.2, 1.0])),
        Series("c", NEUTRAL, X, X / 2e5),
    ]
    return line_chart(name, "Rates <of> a & b", "", series, x_label="steps", percent=True)


def rows(chart: Chart) -> list[list[str]]:
    head, _, content = chart.csv.partition(",")
    assert head == "data:text/csv;base64"
    return list(csv.reader(io.StringIO(base64.b64decode(content).decode())))


@pytest.mark.parametrize(
    "chart",
    [
        lines(),
        area_chart("areas", "Shares", "", [Series("a", 0, X, X / 2e5), Series("b", 1, X, 1 - X / 2e5)], x_label="steps"),
        histogram("bars", "Rewards", "", np.random.default_rng(0).normal(size=500), slot=2, threshold=1.0, x_label="reward"),
        histogram("none", "Rewards", "", [], slot=2, threshold=None, x_label="reward"),
        line_chart("empty", "Nothing", "", [], x_label="steps"),
        area_chart("empty-areas", "Nothing", "", [], x_label="steps"),
    ],
    ids=lambda chart: chart.filename,
)
def test_svg_is_well_formed_and_coloured_by_the_page_alone(chart: Chart) -> None:
    ET.fromstring(chart.svg)
    assert not re.search(r"#0[1-4]0[0-9a-f]{3}", chart.svg)
    assert not re.search(r"#[0-9a-f]{6}\b", chart.svg)
    assert "font-family" not in chart.svg
    assert "<style" not in chart.svg
    assert 'role="img"' in chart.svg


def test_ids_of_two_charts_on_one_page_differ_and_references_hold() -> None:
    first, second = lines("one").svg, lines("two").svg
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert not ids[0] & ids[1]
    for text, known in zip((first, second), ids, strict=True):
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)) <= {(one, "") for one in known} | {("", one) for one in known}


def test_the_same_numbers_give_the_same_drawing() -> None:
    assert lines() == lines()


def test_csv_holds_the_numbers_drawn() -> None:
    found = rows(lines())
    assert found[0] == ["series", "steps", "value"]
    assert ["a", "100000.0", "0.5"] in found
    values = np.random.default_rng(1).normal(size=300)
    bins = rows(histogram("h", "H", "", values, slot=0, threshold=0.5, x_label="x"))[1:]
    assert sum(int(row[2]) for row in bins) == 300
    assert all(one[1] == other[0] for one, other in pairwise(bins))


def test_lines_of_skills_carry_the_colour_of_their_slot() -> None:
    svg = lines().svg
    assert "stroke: var(--s0)" in svg
    assert "stroke: var(--s3)" in svg


def test_a_skill_keeps_its_colour_and_light_and_dark_have_the_same_slots() -> None:
    assert skill_slots(["x", "y"]) == {"x": 0, "y": 1}
    assert max(skill_slots(map(str, range(20))).values()) == SLOTS - 1
    light, dark = css_variables()
    assert light.count("--s") == dark.count("--s") == SLOTS


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("side", "paper"), [(0, "#fdfdfc"), (1, "#15171a")])
def test_every_colour_stands_out_from_its_paper(side: int, paper: str) -> None:
    """At least 3:1, what WCAG 2.1 asks of graphics."""
    for colour in re.findall(r"#[0-9a-f]{6}", css_variables()[side]):
        high, low = sorted((_luminance(colour), _luminance(paper)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3.0, colour
