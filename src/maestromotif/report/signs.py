"""Signs of failure in what a project has so far, said in one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maestromotif.report.programs import ProgramPart
from maestromotif.report.results import Results
from maestromotif.report.rewards import RewardPart

__all__ = ["Sign", "find_signs"]

_SHORT_CALL = 2.5  # environment steps; below this, skills are switched rather than used
_MOSTLY = 0.9
_FEW_CALLS = 20


@dataclass(frozen=True)
class Sign:
    """One sign: where it comes from (a section of the page), and what it says."""

    where: str
    text: str


def find_signs(
    rewards: Sequence[RewardPart], programs: Sequence[ProgramPart], metrics: Sequence[Mapping[str, Any]], results: Results
) -> list[Sign]:
    """All signs, in the order of the page's sections, each once.

    Args:
        metrics: lines of metrics.jsonl.
    """
    found = [*_of_rewards(rewards), *_of_programs(programs), *_of_training(metrics), *_of_evaluation(results)]
    return _once(found)


def _once(found: Sequence[Sign]) -> list[Sign]:
    """Each sign once. What is also said with the file or skill before it ("skills.py: ...") is said so only."""
    return [
        sign
        for sign in dict.fromkeys(found)
        if not any(other.where == sign.where and other.text.endswith(f": {sign.text}") for other in found)
    ]


def _of_rewards(rewards: Sequence[RewardPart]) -> Iterable[Sign]:
    for part in rewards:
        for document in (part.preferences, part.card):
            for text in (document or {}).get("warnings") or ():
                yield Sign("rewards", str(text))
        if part.shift and part.shift["warning"]:
            yield Sign("rewards", str(part.shift["warning"]))
        if "fallback" in str((part.preferences or {}).get("source", "")):
            text = f"{part.skill.id}: the package has no recorded judge for this skill; a generic one, which only compares words, was used"
            yield Sign("rewards", text)


def _of_programs(programs: Sequence[ProgramPart]) -> Iterable[Sign]:
    for part in programs:
        for text in part.warnings:
            yield Sign("programs", text)
        for name, trial in part.trials.items():
            for reason in trial.get("fatal") or ():
                yield Sign("programs", f"{name}: {reason}")


def _of_training(metrics: Sequence[Mapping[str, Any]]) -> Iterable[Sign]:
    if not metrics:
        return
    for sign in metrics[-1].get("warnings") or ():
        yield Sign("training", str(sign.get("text", "")))
    faults = metrics[-1].get("faults") or {}
    for kind, count in sorted(faults.items(), key=lambda item: -item[1])[:5]:
        yield Sign("programs", f"while training, a program failed {count:,} times: {kind}")


def _of_evaluation(results: Results) -> Iterable[Sign]:
    for kind, count in list((results.policies.get("trained", {}).get("faults") or {}).items())[:5]:
        yield Sign("programs", f"while being evaluated, a program failed {count:,} times: {kind}")
    for row in results.skills:
        found = row.details.get("trained")
        if found is None:
            continue
        calls, causes = int(found["trials"]), found.get("causes") or {}
        if not calls:
            yield Sign("flow", f"{row.skill} was never called in {found['episodes']} episodes: its initiation or the policy may be wrong")
            continue
        if calls >= _FEW_CALLS and found["mean_steps"] is not None and found["mean_steps"] < _SHORT_CALL:
            yield Sign("flow", f"calls of {row.skill} last {found['mean_steps']:.1f} steps: its termination may hold at once")
        if calls >= _FEW_CALLS and causes.get("timed out", 0) > _MOSTLY * calls:
            yield Sign("flow", f"{causes['timed out'] / calls:.0%} of the calls of {row.skill} time out: its termination may never hold")
    for task in results.tasks:
        claims = (task.details.get("trained") or {}).get("claims")
        if claims and claims["claimed_but_false"]:
            yield Sign(
                "tasks",
                f"{task.task}: its program claimed success {claims['claimed_but_false']} times in {task.episodes} episodes without it",
            )
