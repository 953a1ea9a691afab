"""What each skill's reward came to be: verdicts, agreement, distribution, and the captions at both ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.feedback.tables import CaptionTable
from maestromotif.report.charts import Chart, histogram
from maestromotif.report.sources import Notes, ReportSources, read_json_file, tolerate
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
    """

    skill: Skill
    card: dict[str, Any] | None
    preferences: dict[str, Any] | None
    chart: Chart | None
    changes: list[dict[str, Any]]
    highest: list[dict[str, Any]]
    lowest: list[dict[str, Any]]


def gather_rewards(sources: ReportSources, slots: Mapping[str, int], shown: int, notes: Notes) -> list[RewardPart]:
    """One part for each skill of which there is anything; empty if nothing was annotated yet."""
    captions = None
    path = sources.interactions / "captions.parquet"
    if path.is_file():
        captions = tolerate(notes, path.name, lambda: CaptionTable.load(path, sources.domain))
    parts = []
    for skill in sources.skills:
        card = read_json_file(reward_paths(sources.rewards, skill.id)[1], notes)
        preferences = read_json_file(sources.preferences / f"preferences-{skill.id}.json", notes)
        if card is None and preferences is None:
            continue
        chart = None
        if card is not None and captions is not None:
            draw = partial(_distribution, sources, skill, card, captions, slots[skill.id])
            chart = tolerate(notes, f"reward of {skill.id}", draw)
        parts.append(
            RewardPart(skill, card, preferences, chart, _changes(card, shown), _rows(card, "highest", shown), _rows(card, "lowest", shown))
        )
    return parts


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
