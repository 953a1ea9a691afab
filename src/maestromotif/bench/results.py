"""What a bench found, as plain values: rates and counts with intervals, over runs and over tasks, and where chains of skills broke."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from maestromotif.bench.aggregate import iqm_over_episodes, iqm_over_runs, mean_and_error
from maestromotif.bench.cells import BenchOrder, Cell, main_criterion
from maestromotif.bench.log import row_story
from maestromotif.bench.paired import compare_paired
from maestromotif.bench.stats import bootstrap_mean, wilson
from maestromotif.domains.contract import Domain
from maestromotif.programs.story import chain, chain_failures, typical

__all__ = ["bench_results"]

_COUNTS = ("steps", "calls")
_SPENT = ("tokens", "cost")  # of a language model that plays, for each episode
_SEED = 0  # of the bootstrap
Rows = Mapping[tuple[str, int], dict[str, Any]]
Episodes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Run:
    """One program of a task under one policy of one training: the episodes of all seeds, in order."""

    label: str
    program: str
    keys: tuple[str, ...]
    episodes: Episodes

    def rate(self, criterion: str) -> float:
        return float(np.mean([row["success"][criterion] for row in self.episodes]))


def bench_results(
    domain: Domain, orders: Sequence[BenchOrder], cells: Sequence[Cell], rows: Rows, confidence: float = 0.95
) -> dict[str, Any]:
    """Everything, ready for JSON.

    A run is one program of a task with one training. Rates of a single run have Wilson intervals, counts bootstrap intervals. Several
    runs give means with standard errors besides; runs that are the same episodes (chance knows no training) count once. ``all tasks``
    holds interquartile means over tasks.

    Args:
        cells: of all orders.
        rows: played episodes by key and number; those that are missing are not waited for.
    """
    first = orders[0]
    runs: dict[tuple[str, str], list[_Run]] = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        for policy in first.policies:
            mine = [cell for cell in cells if (cell.task, cell.policy) == (task, policy)]
            runs[task, policy] = _runs(mine, rows, first.episodes)
    tasks = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        longest = next(cell.max_steps for cell in cells if cell.task == task)
        tasks[task] = _task(domain, task, longest, {policy: runs[task, policy] for policy in first.policies}, confidence)
    return {
        "trainings": [order.label for order in orders],
        "policies": list(first.policies),
        "seeds": list(first.seeds),
        "episodes": first.episodes,
        "confidence": confidence,
        "complete": all((cell.key, index) in rows for cell in cells for index in range(first.episodes)),
        "tasks": tasks,
        "all tasks": _all_tasks(domain, list(tasks), first.policies, runs, confidence),
    }


def _runs(cells: Sequence[Cell], rows: Rows, count: int) -> list[_Run]:
    found: dict[tuple[str, ...], _Run] = {}
    for label, program in dict.fromkeys((cell.label, cell.program) for cell in cells):
        keys = tuple(cell.key for cell in cells if (cell.label, cell.program) == (label, program))
        episodes = [rows[key, index] for key in keys for index in range(count) if (key, index) in rows]
        if episodes:
            found.setdefault(keys, _Run(label, program, keys, episodes))
    return list(found.values())


def _task(domain: Domain, task: str, longest: int, runs: Mapping[str, list[_Run]], confidence: float) -> dict[str, Any]:
    known = domain.tasks[task]
    main = main_criterion(known)
    counted = sorted({name for own in runs.values() for run in own for row in run.episodes for name in row.get("counts", ())})
    asked = {policy: [run for run in own if all("llm" in row for row in run.episodes)] for policy, own in runs.items()}
    names = (*_COUNTS, *(f"{name} count" for name in counted))
    rng = np.random.default_rng(_SEED)
    counts = {name: {policy: _count(own, name, rng, confidence) for policy, own in runs.items()} for name in names}
    if any(asked.values()):
        priced = any(row["llm"]["cost"] for own in asked.values() for run in own for row in run.episodes)
        for name in _SPENT if priced else _SPENT[:1]:
            counts[name] = {policy: _count(own, name, rng, confidence) for policy, own in asked.items()}
    return {
        "max_steps": longest,
        "own_limit": known.max_steps,
        "cut": longest < known.max_steps,
        "accomplished": main,
        "criteria": {
            name: {
                "paper": known.paper.get(name),
                "policies": {policy: _rate(own, name, confidence) for policy, own in runs.items()},
            }
            for name in known.criteria
        },
        "counts": counts,
        "llm": {policy: _spent(own) for policy, own in asked.items() if own},
        "paired": _paired(runs, main, confidence),
        "failures": {policy: _failures(own, main) for policy, own in runs.items()},
    }


def _rate(runs: Sequence[_Run], criterion: str, confidence: float) -> dict[str, Any]:
    won = [bool(row["success"][criterion]) for run in runs for row in run.episodes]
    interval = wilson(sum(won), len(won), confidence)
    found: dict[str, Any] = {"successes": sum(won), "episodes": len(won), "rate": _number(float(np.mean(won)) if won else math.nan)}
    # Episodes of different runs are no sample of one rate.
    found |= {"low": interval.low, "high": interval.high} if len(runs) < 2 else {"low": None, "high": None}
    return {**found, **_over_runs(runs, [run.rate(criterion) for run in runs])}


def _count(runs: Sequence[_Run], name: str, rng: np.random.Generator, confidence: float) -> dict[str, Any]:
    def value(row: Mapping[str, Any]) -> float:
        if name in _SPENT:
            spent = row["llm"]
            return float(spent["cost"] if name == "cost" else spent["prompt_tokens"] + spent["completion_tokens"])
        if name in _COUNTS:
            return float(row["steps"] if name == "steps" else len(row["calls"]))
        return float(row.get("counts", {}).get(name.removesuffix(" count"), 0))

    def values(run: _Run) -> list[float]:
        return [value(row) for row in run.episodes]

    every = [value for run in runs for value in values(run)]
    interval = bootstrap_mean(every, rng, confidence=confidence)
    single = len(runs) < 2
    return {
        "mean": _number(float(np.mean(every)) if every else math.nan),
        "low": _number(interval.low) if single else None,
        "high": _number(interval.high) if single else None,
        **_over_runs(runs, [float(np.mean(values(run))) for run in runs]),
    }


def _spent(runs: Sequence[_Run]) -> dict[str, Any]:
    """What a language model was asked in all these episodes, and how often it made no choice of its own, by reason."""
    rows = [row for run in runs for row in run.episodes]
    found: dict[str, Any] = {"episodes": len(rows), "steps": sum(row["steps"] for row in rows)}
    for name in ("decisions", "retried", "calls", "prompt_tokens", "completion_tokens", "cost"):
        found[name] = sum(row["llm"][name] for row in rows)
    defaults: Counter[str] = Counter()
    for row in rows:
        defaults.update(row["llm"]["defaults"])
    return {**found, "defaults": dict(sorted(defaults.items()))}


def _over_runs(runs: Sequence[_Run], values: Sequence[float]) -> dict[str, Any]:
    found = mean_and_error(values)
    each = [{"training": run.label, "program": run.program, "mean": value} for run, value in zip(runs, values, strict=True)]
    return {"runs": found.runs, "mean_of_runs": _number(found.mean), "standard_error": _number(found.error), "each": each}


def _paired(runs: Mapping[str, list[_Run]], main: str, confidence: float) -> dict[str, Any]:
    """How the first policy does beside each other one on the very same episodes; only where there is one run of each."""
    (first, own), *others = runs.items()
    found = {}
    for policy, other in others:
        if len(own) != 1 or len(other) != 1:
            continue
        theirs, ours = ({(row["seed"], row["episode"]): row["success"][main] for row in run[0].episodes} for run in (other, own))
        both = sorted(theirs.keys() & ours.keys())
        compared = compare_paired([theirs[episode] for episode in both], [ours[episode] for episode in both], confidence)
        found[policy] = {"better": first, **asdict(compared)}
    return found


def _failures(runs: Sequence[_Run], main: str) -> dict[str, Any]:
    """Which calls did not do what their skills are for, and at which calls chains broke, in failed episodes."""
    rows = [row for run in runs for row in run.episodes]
    stories = [row_story(row, main) for row in rows]
    failed = [row for row in rows if not row["success"][main]]
    broke: dict[str, int] = {}
    for row in failed:
        call = row["calls"][row["broke"]] if row["broke"] is not None else None
        kind = f"{call[0]} {call[3]}" if call else "before any skill was called"
        broke[kind] = broke.get(kind, 0) + 1
    kinds = [asdict(kind) for kind in chain_failures(stories, ())]
    example = typical([story for story in stories if not story.success])
    return {
        "episodes": len(rows),
        "failed": len(failed),
        "broke_at": dict(sorted(broke.items(), key=lambda item: (-item[1], item[0]))),
        "typical": chain(example) if example else None,
        "calls": [{key: value for key, value in kind.items() if key != "facts"} for kind in kinds],
    }


def _all_tasks(
    domain: Domain, tasks: Sequence[str], policies: Sequence[str], runs: Mapping[tuple[str, str], list[_Run]], confidence: float
) -> dict[str, Any]:
    """Interquartile means over the tasks that have a criterion, for each criterion and policy."""
    found: dict[str, Any] = {}
    for criterion in dict.fromkeys(name for task in tasks for name in domain.tasks[task].criteria):
        having = [task for task in tasks if criterion in domain.tasks[task].criteria]
        for policy in policies:
            mine = [runs[task, policy] for task in having]
            if not all(mine):
                continue
            rng = np.random.default_rng(_SEED)
            count = min(map(len, mine))
            if count > 1 and count == max(map(len, mine)):
                scores = np.array([[own[run].rate(criterion) for own in mine] for run in range(count)])
                value, interval, over = *iqm_over_runs(scores, rng, confidence=confidence), "runs"
            else:
                outcomes = [[row["success"][criterion] for run in own for row in run.episodes] for own in mine]
                value, interval, over = *iqm_over_episodes(outcomes, rng, confidence=confidence), "episodes"
            ends = {"low": interval.low, "high": interval.high}
            found.setdefault(criterion, {})[policy] = {"iqm": value, **ends, "tasks": len(having), "runs": count, "drawn": over}
    return found


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
