"""What each skill's reward came to be: verdicts, agreement, distribution, and the captions at both ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.feedback.interactions import CAPTIONS_FILE
from maestromotif.feedback.tables import CaptionTable
from maestromotif.report.charts import Chart, Series, histogram, line_chart
from maestromotif.report.insight import compared_captions, gather_shift
from maestromotif.report.sources import Notes, ReportSources, read_json_file, tolerate
from maestromotif.rewards.curve import read_curve
from maestromotif.rewards.insight import inspect_skill
from maestromotif.rewards.model import reward_paths
from maestromotif.rewards.table import RewardTable
from maestromotif.skills import Skill, SkillSet

__all__ = ["RewardPart", "gather_rewards"]

_MOST_CAPTIONS = 4_000  # a histogram needs no more, and each takes a tenth of a millisecond


@dataclass(frozen=True)
class RewardPart:
    """One skill's reward.

    Attributes:
        card: ``reward-<skill>.json``; None if it is missing or damaged.
        preferences: ``preferences-<skill>.json``; likewise.
        chart: distribution of rewards over distinct captions; None without a model or captions.
        changes: ``name``, ``value``, ``captions`` and ``mean`` reward of what happened in captions, most rewarding first.
        highest, lowest: captions with ``caption``, ``reward``, ``raw``, ``count``, ``changes``.
    insight: see ``rewards.insight.inspect_skill``; None without a model, captions or preferences.
    shift: see ``rewards.shift.Shift``; None if nothing is known of what the trained policy meets.
    curve: held-out agreement by number of questions; None if it was not measured.
    """

    skill: Skill
    card: dict[str, Any] | None
    preferences: dict[str, Any] | None
    chart: Chart | None
    changes: list[dict[str, Any]]
    highest: list[dict[str, Any]]
    lowest: list[dict[str, Any]]
    insight: dict[str, Any] | None
    shift: dict[str, Any] | None
    curve: Chart | None


def gather_rewards(sources: ReportSources, slots: Mapping[str, int], shown: int, notes: Notes) -> list[RewardPart]:
    """One part for each skill of which there is anything; empty if nothing was annotated yet."""
    captions = None
    artifacts = sources.root / "artifacts"
    if (sources.interactions / CAPTIONS_FILE).is_file():
        captions = tolerate(notes, CAPTIONS_FILE, lambda: compared_captions(artifacts, sources.domain))
    parts = []
    for skill in sources.skills:
        card = read_json_file(reward_paths(sources.rewards, skill.id)[1], notes)
        preferences = read_json_file(sources.preferences / f"preferences-{skill.id}.json", notes)
        if card is None and preferences is None:
            continue
        chart = insight = shift = None
        if card is not None and captions is not None:
            draw = partial(_distribution, sources, skill, card, captions, slots[skill.id])
            chart = tolerate(notes, f"reward of {skill.id}", draw)
            if preferences is not None:
                look = partial(inspect_skill, sources.domain, skill, captions, sources.preferences, sources.rewards, shown)
                insight = tolerate(notes, f"answers about {skill.id}", look)
            shift = tolerate(notes, f"what the policy meets as {skill.id}", partial(gather_shift, artifacts, sources.domain, skill))
        ends = _rows(card, "highest", shown), _rows(card, "lowest", shown)
        curve = tolerate(notes, f"learning curve of {skill.id}", partial(_curve, sources, skill, card, preferences, slots[skill.id]))
        parts.append(RewardPart(skill, card, preferences, chart, _changes(card, shown), *ends, insight, shift, curve))
    return parts


def _curve(
    sources: ReportSources, skill: Skill, card: Mapping[str, Any] | None, preferences: Mapping[str, Any] | None, slot: int
) -> Chart | None:
    """As active pairing measured it while it asked, else as it was measured on request."""
    found = (preferences or {}).get("curve") or (read_curve(sources.rewards, skill.id) if card is not None else [])
    points = [point for point in found if point["agreement"] is not None]
    if not points:
        return None
    x, y = (np.array([point[name] for point in points], np.float64) for name in ("questions", "agreement"))
    note = "Share of held-out answers that a model agreed with which was fitted to so many answers."
    line = Series(skill.id, slot, x, y)
    return line_chart(f"questions-{skill.id}", f"Questions about {skill.id}", note, [line], x_label="questions", percent=True)


def _distribution(sources: ReportSources, skill: Skill, card: Mapping[str, Any], captions: CaptionTable, slot: int) -> Chart:
    table = RewardTable.load(sources.rewards, sources.domain, SkillSet((skill,)))
    shaping = card["shaping"]
    step = max(1, len(captions) // _MOST_CAPTIONS)
    raw: NDArray[np.float64] = np.array([table.raw(captions.reward_input(row))[0] for row in range(0, len(captions), step)])
    note = "Distinct captions by reward, in standard deviations from the mean. What lies left of the dashed threshold earns nothing."
    return histogram(
        f"reward-{skill.id}",
        f"Rewards of {skill.id}",
        note,
        (raw - shaping["mean"]) / shaping["std"],
        slot=slot,
        threshold=None if shaping["threshold"] == "off" else float(shaping["cut"]),
        x_label="reward before threshold (standard deviations)",
    )


def _changes(card: dict[str, Any] | None, shown: int) -> list[dict[str, Any]]:
    by_sign = (card or {}).get("by_sign")
    if not isinstance(by_sign, dict):
        return []
    found = [
        {"name": name.replace("_", " "), "value": value, "captions": entry["captions"], "mean": entry["mean_reward"]}
        for name, values in by_sign.items()
        # The first value of a sign means that nothing happened.
        for value, entry in list(values.items())[1:]
    ]
    return sorted(found, key=lambda entry: -entry["mean"])[:shown]


def _rows(card: dict[str, Any] | None, end: str, shown: int) -> list[dict[str, Any]]:
    rows = (card or {}).get(end)
    return [row for row in rows if isinstance(row, dict)][:shown] if isinstance(rows, list) else []
