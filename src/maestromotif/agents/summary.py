"""From rows to numbers: success rates with intervals, tests, why calls ended, and where chains of skills break."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from maestromotif.agents.cells import Cell
from maestromotif.agents.config import EvaluateConfig
from maestromotif.bench.stats import bootstrap_mean, permutation_test, wilson
from maestromotif.skills import Skill, SkillSet

__all__ = ["compare_skills", "compare_task", "rate", "sum_faults", "summarise_calls", "summarise_task"]


def rate(successes: int, trials: int, confidence: float) -> dict[str, Any]:
    """Successes, trials, their ratio (None without trials) and its Wilson interval."""
    interval = wilson(successes, trials, confidence)
    return {
        "successes": successes,
        "trials": trials,
        "rate": successes / trials if trials else None,
        "low": interval.low,
        "high": interval.high,
    }


def summarise_calls(skill: Skill, calls: pa.Table, episodes: pa.Table, config: EvaluateConfig) -> dict[str, Any]:
    """What became of every call of one skill under one driving policy.

    Calls that the end of the evaluation cut short count as calls without success: leaving them out would favour skills that
    take long. Wilson's interval takes calls as independent, the significance tests do not.
    """
    chosen = _column(calls, "skill") == skill.id
    success = _column(calls, "success").astype(bool)[chosen]
    duration = (_column(calls, "end") - _column(calls, "start"))[chosen]
    returns = np.asarray(_column(episodes, f"return.{skill.id}"), dtype=np.float64)
    spread = bootstrap_mean(returns, np.random.default_rng(config.seed), confidence=config.confidence)
    return {
        **rate(int(success.sum()), int(chosen.sum()), config.confidence),
        "episodes": len(episodes),
        "episodes_with_calls": len(set(_column(calls, "episode")[chosen].tolist())),
        "mean_steps": float(duration.mean()) if len(duration) else None,
        "steps": int(duration.sum()),
        "causes": _counts(_column(calls, "cause")[chosen]),
        "reasons": dict(Counter(str(reason) for reason in _column(calls, "reason")[chosen] if reason).most_common(8)),
        "return_per_episode": {
            "mean": float(returns.mean()) if len(returns) else None,
            "low": _finite(spread.low),
            "high": _finite(spread.high),
        },
    }


def compare_skills(skills: SkillSet, cells: Mapping[str, Cell], config: EvaluateConfig) -> dict[str, Any]:
    """Per skill: does the trained network's success rate per call exceed the others'? One-sided tests that permute episodes."""
    tests = {}
    for skill in skills:
        counts = {policy: _per_episode(cell.calls, skill.id, len(cell.episodes)) for policy, cell in cells.items()}
        tests[skill.id] = _compare(skill.id, counts, config)
    return tests


def compare_task(criteria: Sequence[str], cells: Mapping[str, Cell], config: EvaluateConfig) -> dict[str, Any]:
    """Per criterion: does the trained network succeed in more episodes than the others? One-sided tests."""
    tests = {}
    for name in criteria:
        success = {policy: _column(cell.episodes, f"success.{name}").astype(np.int64) for policy, cell in cells.items()}
        tests[name] = _compare(name, {policy: (found, np.ones_like(found)) for policy, found in success.items()}, config)
    return tests


def _compare(name: str, counts: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]], config: EvaluateConfig) -> dict[str, Any]:
    """Tests of ``trained`` against every other policy; ``counts`` holds successes and trials [episodes] of each."""
    tests = {}
    for other in counts:
        if other == "trained" or "trained" not in counts:
            continue
        rng = np.random.default_rng([config.seed, zlib.crc32(f"{name}/{other}".encode())])
        result = permutation_test(*counts["trained"], *counts[other], rng, alternative="greater", permutations=config.permutations)
        tests[other] = {
            "difference": _finite(result.difference),
            "p_value": result.p_value if result.permutations else None,
            "permutations": result.permutations,
            "alternative": "greater",
        }
    return tests


def summarise_task(
    skills: SkillSet, criteria: Sequence[str], episodes: pa.Table, calls: pa.Table, config: EvaluateConfig
) -> dict[str, Any]:
    """Success by criterion, claims against truth, time per skill, and how the chains of failed episodes broke."""
    total = len(episodes)
    steps, over = _column(episodes, "steps"), _column(episodes, "ended") == "died"
    claims = _column(episodes, "claimed").astype(bool)
    success = {name: _column(episodes, f"success.{name}").astype(bool) for name in criteria}
    truth = success.get("landmark", next(iter(success.values()), None))
    spread = bootstrap_mean(steps, np.random.default_rng(config.seed), confidence=config.confidence)
    return {
        "episodes": total,
        "success": {name: rate(int(found.sum()), total, config.confidence) for name, found in success.items()},
        "steps": {"mean": float(steps.mean()) if total else None, "low": _finite(spread.low), "high": _finite(spread.high)},
        "game_over": rate(int(over.sum()), total, config.confidence),
        "claimed": rate(int(claims.sum()), total, config.confidence),
        "claims": None if truth is None else _confusion(claims, truth),
        "time": _time(skills, calls),
        "calls_per_episode": len(calls) / total if total else None,
        "faults": sum_faults(episodes),
        "failures": [] if truth is None else _failures(episodes, ~truth),
    }


def sum_faults(episodes: pa.Table) -> dict[str, int]:
    """Faults of the programs over all episodes, by kind, most frequent first."""
    total: Counter[str] = Counter()
    for text in episodes.column("faults").to_pylist():
        total.update(json.loads(text))
    return dict(total.most_common())


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False))


def _counts(values: NDArray[Any]) -> dict[str, int]:
    return {str(name): count for name, count in Counter(values.tolist()).most_common()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _per_episode(calls: pa.Table, skill: str, episodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Successes and calls of one skill in every episode, int64 [episodes] each."""
    chosen = _column(calls, "skill") == skill
    where = _column(calls, "episode")[chosen].astype(np.int64)
    good = _column(calls, "success")[chosen].astype(np.int64)
    successes = np.bincount(where, weights=good, minlength=episodes).astype(np.int64)
    return successes, np.bincount(where, minlength=episodes).astype(np.int64)


def _confusion(claims: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, int]:
    return {
        "claimed_and_true": int((claims & truth).sum()),
        "claimed_but_false": int((claims & ~truth).sum()),
        "true_but_unclaimed": int((~claims & truth).sum()),
        "neither": int((~claims & ~truth).sum()),
    }


def _time(skills: SkillSet, calls: pa.Table) -> dict[str, dict[str, Any]]:
    names, duration = _column(calls, "skill"), _column(calls, "end") - _column(calls, "start")
    total = int(duration.sum())
    return {
        skill.id: {
            "calls": int((names == skill.id).sum()),
            "steps": int(duration[names == skill.id].sum()),
            "share": float(duration[names == skill.id].sum() / total) if total else None,
        }
        for skill in skills
    }


def _failures(episodes: pa.Table, failed: NDArray[np.bool_], most: int = 8) -> list[dict[str, Any]]:
    """The skills at work when failed episodes ended, most frequent first."""
    columns = [_column(episodes, name)[failed].tolist() for name in ("last_skill", "last_cause", "last_reason")]
    ends = Counter(zip(*columns, strict=True))
    return [
        {"skill": skill, "cause": cause, "reason": reason, "episodes": count} for (skill, cause, reason), count in ends.most_common(most)
    ]
