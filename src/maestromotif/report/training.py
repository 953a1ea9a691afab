"""Learning curves per skill from metrics.jsonl."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.report.charts import NEUTRAL, Chart, Series, area_chart, line_chart
from maestromotif.skills import SkillSet

__all__ = ["learning_curves", "learning_series"]

Floats = NDArray[np.float64]
Lines = Sequence[Mapping[str, Any]]
_POINTS = 50
_X = "environment steps"


def learning_curves(lines: Lines, skills: SkillSet, slots: Mapping[str, int]) -> list[Chart]:
    """Success and return per call, share of calls and steps, entropy and speed; each point gathers several updates."""
    if not lines:
        return []
    groups = np.array_split(np.arange(len(lines)), min(_POINTS, len(lines)))
    x = np.array([float(lines[group[-1]]["steps"]) for group in groups])

    def per_skill(name: str, weight: str) -> list[Series]:
        found = []
        for skill in skills:
            values, weights = _column(lines, skill.id, name), np.nan_to_num(_column(lines, skill.id, weight))
            y = np.array([_mean(values[group], weights[group]) for group in groups])
            if np.isfinite(y).any():
                found.append(Series(skill.id, slots[skill.id], x, y))
        return found

    def overall(label: str, read: Callable[[Mapping[str, Any]], Any]) -> list[Series]:
        values = np.array([_number(read(line)) for line in lines])
        return [Series(label, NEUTRAL, x, np.array([_mean(values[group], np.ones(len(group))) for group in groups]))]

    def shares(name: str) -> list[Series]:
        sums = np.array([[np.nansum(_column(lines, skill.id, name)[group]) for group in groups] for skill in skills])
        total = np.maximum(sums.sum(axis=0), 1e-9)
        return [Series(skill.id, slots[skill.id], x, row / total) for skill, row in zip(skills, sums, strict=True)]

    charts = []
    success = per_skill("success", "calls")
    if success:
        note = "Share of the calls that did what the skill's measure asks, while training. Nothing was trained on it."
        charts.append(line_chart("success", "Success per call", note, success, x_label=_X, percent=True))
    charts.append(
        line_chart(
            "return", "Return per call", "Reward from AI feedback that a call of the skill earns.", per_skill("return", "calls"), x_label=_X
        )
    )
    note = "Which skills the training policy over skills started. As easy skills open the way to hard ones, the bands shift."
    charts.append(area_chart("calls", "Share of calls", note, shares("calls"), x_label=_X))
    charts.append(area_chart("steps", "Share of time", "Environment steps that each skill was active.", shares("steps"), x_label=_X))
    charts.append(
        line_chart(
            "duration",
            "Length of a call",
            "Environment steps from the start of a call to its end.",
            per_skill("duration", "calls"),
            x_label=_X,
        )
    )
    speed = overall("steps per second", lambda line: line["time"]["steps_per_second"])
    charts.append(line_chart("speed", "Speed", "Environment steps per second, learning included.", speed, x_label=_X))
    return charts


def learning_series(lines: Lines, skill: str, name: str) -> tuple[Floats, Floats]:
    """Steps, and the mean of a skill's ``name`` over its calls: at most ``_POINTS`` values each, NaN where it had no calls."""
    if not lines:
        return np.zeros(0), np.zeros(0)
    groups = np.array_split(np.arange(len(lines)), min(_POINTS, len(lines)))
    values, weights = _column(lines, skill, name), np.nan_to_num(_column(lines, skill, "calls"))
    x = np.array([float(lines[group[-1]]["steps"]) for group in groups])
    return x, np.array([_mean(values[group], weights[group]) for group in groups])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _column(lines: Lines, skill: str, name: str) -> Floats:
    return np.array([_number(line["skills"].get(skill, {}).get(name)) for line in lines])


def _mean(values: Floats, weights: Floats) -> float:
    kept = np.isfinite(values) & (weights > 0)
    return float(np.average(values[kept], weights=weights[kept])) if kept.any() else float("nan")
