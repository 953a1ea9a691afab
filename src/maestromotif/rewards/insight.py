"""What a skill's reward came to be, for a person to judge: its ends, its distribution, where it and the annotator disagree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain
from maestromotif.feedback.journal import last_entries
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.rewards.calibration import decided
from maestromotif.rewards.model import read_card
from maestromotif.rewards.pipeline import Shaping, shape
from maestromotif.rewards.shift import model_differences
from maestromotif.rewards.table import RewardTable
from maestromotif.skills import Skill, SkillSet

__all__ = ["inspect_skill"]

_BINS = 24


def inspect_skill(
    domain: Domain, skill: Skill, captions: CaptionTable, preferences: Path, rewards: Path, shown: int, transcripts: bool = True
) -> dict[str, Any]:
    """Everything about one skill's reward as plain values.

    Args:
        captions: all that were compared.
        preferences, rewards: folders of the two artifacts.
        shown: captions at each end, and contested pairs.
        transcripts: look up the annotator's words on contested pairs.

    Returns:
        ``highest`` and ``lowest`` (captions with ``normalised`` reward, the ``reward`` that is paid, and ``count``), ``histogram`` of
        normalised rewards over distinct captions, ``contested`` pairs, ``health`` of the annotator, ``held_out``, ``calibration``,
        ``curve``, and ``warnings``.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    card = read_card(rewards, skill.id)
    table = RewardTable.load(rewards, domain, SkillSet((skill,)))
    shaping = Shaping(**card["shaping"])
    raw_N = table.raws([captions.reward_input(row) for row in range(len(captions))])[:, 0]
    answers = PreferenceTable.load(preferences / f"preferences-{skill.id}.parquet", domain, skill.id)
    told = _read_json(preferences / f"preferences-{skill.id}.json")
    order = np.argsort(-raw_N, kind="stable")
    normalised_N, reward_N = (raw_N - shaping.mean) / shaping.std, shape(raw_N, shaping)
    transcript = preferences / f"transcript-{skill.id}.jsonl"
    contested = _contested(table, captions, answers, float(card["calibration"]["temperature"]), shown)
    if transcripts and contested:
        words = _words(transcript, {entry["pair"] for entry in contested})
        contested = [{**entry, "words": words.get(entry["pair"], "")} for entry in contested]
    return {
        "skill": skill.id,
        "preferred": skill.preference_text,
        "highest": _ends(captions, normalised_N, reward_N, order[:shown]),
        "lowest": _ends(captions, normalised_N, reward_N, order[::-1][:shown]),
        "histogram": _histogram(normalised_N, None if shaping.threshold == "off" else shaping.cut),
        "contested": contested,
        "health": _health(answers, told),
        "held_out": card["held_out"],
        "calibration": card["calibration"],
        "curve": told.get("curve", []),
        "warnings": [*told.get("warnings", []), *card["warnings"]],
    }


def _ends(
    captions: CaptionTable, normalised_N: NDArray[np.float64], reward_N: NDArray[np.float64], rows: NDArray[np.int64]
) -> list[dict[str, Any]]:
    return [
        {
            "caption": captions.texts[row],
            "normalised": float(normalised_N[row]),
            "reward": float(reward_N[row]),
            "count": int(captions.counts[row]),
        }
        for row in rows.tolist()
    ]


def _histogram(normalised_N: NDArray[np.float64], cut: float | None) -> dict[str, Any]:
    counts, edges = np.histogram(normalised_N, bins=_BINS)
    return {"edges": edges.tolist(), "counts": counts.tolist(), "threshold": cut}


def _contested(
    table: RewardTable, captions: CaptionTable, answers: PreferenceTable, temperature: float, shown: int
) -> list[dict[str, Any]]:
    """First the pairs on which the model is surest of the side that the annotator did not choose.

    Then ties of which the model makes no tie, and decided pairs of which it is not sure.
    """
    rows = np.flatnonzero(~np.isnan(answers.targets())).tolist()
    difference_P, target_P = model_differences(table, captions, answers)
    probability_P = 1.0 / (1.0 + np.exp(np.clip(-difference_P / temperature, -700.0, 700.0)))
    decided_P, sure_P = decided(target_P), np.abs(probability_P - 0.5)
    against_P = decided_P & ((difference_P > 0) != (target_P > 0.5))
    score_P = np.where(against_P, 1.0 + sure_P, np.where(decided_P, 0.5 - sure_P, sure_P))
    row_of = captions.rows()
    found = []
    for place in np.argsort(-score_P, kind="stable")[:shown].tolist():
        preference = answers.preferences[rows[place]]
        first, second = (captions.texts[row_of[int(keys[rows[place]])]] for keys in (answers.first_keys, answers.second_keys))
        found.append(
            {
                "pair": preference.pair,
                "first": first,
                "second": second,
                "annotator": preference.verdict.value,
                "target": float(target_P[place]),
                "model": float(probability_P[place]),
                "disagrees": bool(against_P[place]),
            }
        )
    return found


def _words(transcript: Path, pairs: set[str]) -> dict[str, str]:
    """What the annotator wrote last on these pairs, where it wrote something."""
    exchanges = {pair: entry.get("exchange") for pair, entry in last_entries(transcript).items() if pair in pairs}
    return {pair: str(exchange[-1]) if exchange else "" for pair, exchange in exchanges.items()}


def _health(answers: PreferenceTable, told: Mapping[str, Any]) -> dict[str, Any]:
    """How the annotator did: verdicts, why some are missing, and, where both orders were asked, how often they differ."""
    verdicts = Counter(row.verdict.value for row in answers.preferences)
    reasons = Counter(row.reason or "unreadable" for row in answers.preferences if row.verdict.value == "unparsed")
    orders = told.get("orders") or {}
    return {
        "annotators": sorted({row.annotator for row in answers.preferences}),
        "pairs": len(answers),
        "verdicts": dict(sorted(verdicts.items())),
        "ties": verdicts["tie"] / max(1, len(answers)),
        "unparsed": dict(sorted(reasons.items())),
        "flipped": orders.get("flipped"),
        "stopped": told.get("stopped", ""),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
