"""Trying a program by contract tests and on simulated episodes, in a throw-away process without keys that a wall clock can kill."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from maestromotif.domains.contract import Domain
from maestromotif.errors import ProgramError
from maestromotif.programs.child import run_job
from maestromotif.programs.config import ProgramConfig
from maestromotif.skills import SkillSet

__all__ = ["Kind", "TrialReport", "expected_rate", "run_trial"]

Kind = Literal["skill", "training", "task"]

_FEWEST_STEPS = 2.5  # a policy over skills whose calls are shorter than this switches too much
_INTERRUPTED_SHARE = 0.5
_REFUSED_SHARE = 0.2
_FALSE_CLAIMS = 0.1
_FATAL = 6  # reasons told


@dataclass(frozen=True)
class TrialReport:
    """What a program did on simulated episodes. Rates are shares of episodes.

    Attributes:
        kind: ``"skill"`` (skill programs under a uniform policy), ``"training"`` or ``"task"``.
        success: share of episodes that met each of the task's criteria.
        claimed, false_claims: share in which ``is_done`` said True; in which it did and no criterion was met.
        unclaimed: share that met a criterion, of a task that does not count, and went on without ``is_done`` saying True.
        died: share that the simulator ended.
        faults, refused: failures of the programs by kind and line; choices of skills that may not start.
        calls, offered: calls of each skill; how often it was startable when a choice was made.
        over_at_start: calls of each skill that were over in the very state in which they began.
        ends: how the calls of each skill ended, by name of the cause.
        steps_per_call, switch_rate: environment steps per call; calls per tick.
        costs: of each function in the contract tests: ``calls``, mean microseconds ``us``, mean ``fuel`` and ``most_fuel`` of a call.
            Times differ from run to run: they are neither compared nor part of ``as_json``.
        expected: of a task, for each of ``Domain.simulators``: ``episodes``, and ``success_steps``: by criterion, the steps in which
            episodes succeeded, in rising order; ``expected_rate`` makes a rate of it.
        trace: one typical episode that failed (or, if none did, that succeeded), a line for each call.
        fatal: reasons why the program may not be used; weak: reasons to try again.
        contract: those of both that the contract tests found; simulated episodes showed the rest.
    """

    kind: Kind
    episodes: int = 0
    mean_steps: float = 0.0
    success: Mapping[str, float] = field(default_factory=dict)
    claimed: float = 0.0
    false_claims: float = 0.0
    unclaimed: float = 0.0
    died: float = 0.0
    faults: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    offered: Mapping[str, int] = field(default_factory=dict)
    over_at_start: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    steps_per_call: float = 0.0
    switch_rate: float = 0.0
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False)
    expected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trace: tuple[str, ...] = ()
    fatal: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``"good"``, ``"weak"`` (usable, with doubts) or ``"refused"``."""
        return "refused" if self.fatal else "weak" if self.weak else "good"

    @property
    def score(self) -> float:
        """Share of episodes that did what was asked, as far as the simulator can tell."""
        return max(self.success.values()) if self.success else self.claimed

    @property
    def never_called(self) -> tuple[str, ...]:
        return tuple(skill for skill, calls in self.calls.items() if not calls)

    def as_json(self) -> dict[str, Any]:
        costs = {part: {name: value for name, value in cost.items() if name != "us"} for part, cost in self.costs.items()}
        return {"verdict": self.verdict, **asdict(self), "costs": costs, "never_called": list(self.never_called)}


def expected_rate(expected: Mapping[str, Any], criterion: str, max_steps: int) -> float | None:
    """Share of episodes of ``TrialReport.expected`` that succeeded within so many steps; None: this criterion was not watched.

    Args:
        expected: what is kept of one simulator.
    """
    steps = expected["success_steps"].get(criterion)
    return None if steps is None else bisect_right(steps, max_steps) / expected["episodes"]


def run_trial(
    domain: Domain,
    skills: SkillSet,
    skill_program: str | None,
    policy: str | None,
    *,
    kind: Kind,
    config: ProgramConfig,
    seed: int = 0,
    task_id: str | None = None,
    tested: str | None = None,
    skill_file: str = "skills.py",
    policy_file: str = "policy.py",
) -> TrialReport:
    """Test whether a program keeps its contract, let it drive the domain's simulator, and judge what happens.

    Args:
        skill_program: source; None: skills start anywhere and end by ``max_steps``.
        policy: source of a policy over skills; None: a uniform one.
        task_id: one of the domain's tasks, for its criteria; None: success is what ``is_done`` claims.
        tested: the only skill that the verdict is about (kind ``"skill"``).

    Returns:
        A report; a program that fails, hangs or kills its process is ``refused`` by it, never raised.

    Raises:
        ProgramError: programs cannot be confined on this system.
    """
    names = skills.ids if tested is None else (tested,)
    job = {
        "domain": f"{type(domain).__module__}:{type(domain).__qualname__}",
        "options": dict(domain.options),
        "skills": [asdict(skill) for skill in skills],
        "skill_program": skill_program,
        "policy": policy,
        "tested": names,
        "task": task_id,
        "expected": kind == "task",
        "episodes": config.episodes,
        "max_ticks": config.max_ticks if kind == "task" else config.practice_ticks,
        "fuel": config.fuel,
        "seconds": config.seconds,
        "memory_mb": config.memory_mb,
        "seed": seed,
        "skill_file": skill_file,
        "policy_file": policy_file,
    }
    what = f"finish {config.episodes} simulated episodes"
    outcome = run_job("maestromotif.programs.simulate", job, config.seconds, what, (skill_file, policy_file))
    if "unconfined" in outcome:
        raise ProgramError(*outcome["unconfined"])
    if "problem" in outcome:
        return TrialReport(kind, fatal=(str(outcome["problem"]),))
    contract = outcome.pop("contract")
    trace = tuple(outcome.pop("trace"))
    report = TrialReport(kind, **outcome, costs=contract["costs"], trace=trace)
    file = skill_file if policy is None else policy_file
    told: Mapping[str, str] = contract["faults"]
    broken = [f"{file}: {fault}, {where}" for fault, where in told.items()]
    fatal = [*broken, *(f"{file}: {fault} ({count} times)" for fault, count in report.faults.items() if fault not in told)]
    weak = [*_doubts(report, names, contract), *contract["doubts"]]
    return replace(report, fatal=tuple(fatal[:_FATAL]), weak=tuple(weak), contract=(*broken[:_FATAL], *contract["doubts"]))


def _doubts(report: TrialReport, skills: tuple[str, ...], contract: Mapping[str, Any]) -> list[str]:
    """What a person would frown at, in words that help the coder."""
    doubts: list[str] = []
    calls = sum(report.calls.values())
    if report.kind == "skill":
        for skill in skills:
            called, ends = report.calls[skill], report.ends[skill]
            if not report.offered[skill]:
                doubts.append(f"can_start of {skill} was never True in {report.episodes} simulated episodes")
            elif called >= 10 and not ends.get("OVER") and ends.get("TIMED_OUT"):
                never = "" if contract["over"].get(skill, True) else f" nor for any of {contract['moments']} other facts"
                doubts.append(f"is_over of {skill} was never True in {called} simulated calls{never}; only the time limit ended them")
            elif not ends.get("OVER") and not contract["over"].get(skill, True):
                doubts.append(f"is_over of {skill} was never True for any of {contract['moments']} facts; only the time limit ends a call")
            elif called >= 10 and report.over_at_start[skill] > called / 2:
                doubts.append(f"{skill} was over in the very state in which it began in {report.over_at_start[skill]} of {called} calls")
    else:
        refused = sum(report.refused.values())
        if refused > _REFUSED_SHARE * calls:
            doubts.append(f"{refused} of {calls} choices were of skills that may not start there: choose from startable")
        if calls > report.episodes and report.steps_per_call < _FEWEST_STEPS:
            doubts.append(f"it switches skills too often: a call lasted {report.steps_per_call:.1f} steps on average")
        interrupted = sum(ends.get("INTERRUPTED", 0) for ends in report.ends.values())
        if interrupted > _INTERRUPTED_SHARE * calls:
            doubts.append(f"it switches skills too often: interrupt ended {interrupted} of {calls} calls")
    if report.kind == "training" and report.never_called:
        offered = {skill: report.offered[skill] for skill in report.never_called}
        named = ", ".join(f"{skill} (could have started at {count} choices)" for skill, count in offered.items())
        doubts.append(f"in {report.episodes} simulated episodes these skills were never called: {named}")
    if report.kind == "task":
        if not report.score:
            doubts.append(f"none of {report.episodes} simulated episodes accomplished the task")
        if report.false_claims > _FALSE_CLAIMS:
            doubts.append(f"is_done said True without the task being accomplished in {report.false_claims:.0%} of the episodes")
        if report.unclaimed > _FALSE_CLAIMS:
            doubts.append(f"is_done did not say True though the task was accomplished in {report.unclaimed:.0%} of the episodes")
    return doubts
