"""The inside of a trial's throw-away process: contract tests, then programs drive a domain's simulator, and what happened is counted.

Started by ``trial.run_trial`` with one JSON document on standard input; answers with one on standard output.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from maestromotif.domains.contract import Criterion, Domain, Facts, Simulator, Task
from maestromotif.errors import ProgramError
from maestromotif.programs.confine import address_space, confine_or_refuse
from maestromotif.programs.contracts import Findings, Programs, check_policy, check_skills, make_scenes
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

__all__ = ["UNIFORM_POLICY", "limit_process", "main", "simulate"]

UNIFORM_POLICY = """\
import random


class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return random.choice(startable)
"""
_GRACE_TICKS = 20  # after success a program has this long to say that it is done
_CHANGES = 8  # facts shown per line of a trace
_TRACE_LINES = 40


class _Episode:
    """What happened in one simulated episode."""

    def __init__(self, criteria: Mapping[str, Criterion]) -> None:
        self.criteria = criteria
        self.met = dict.fromkeys(criteria, False)
        self.met_at: dict[str, int] = {}
        self.ticks = self.steps = self.calls = 0
        # Where something is counted there is no end that a program could claim: more is always better.
        self.counts = any(getattr(criterion, "count", None) is not None for criterion in criteria.values())
        self.claimed = False
        self.died = False
        self.lines: list[str] = []

    def watch(self, facts: Facts, truth: Mapping[str, Any]) -> None:
        for name, criterion in self.criteria.items():
            self.met[name] = criterion.update(facts, truth) or self.met[name]
            if self.met[name]:
                self.met_at.setdefault(name, self.steps)


class _Run:
    """All episodes of one trial."""

    def __init__(self, job: Mapping[str, Any], domain: Domain, skills: SkillSet, simulator: Simulator) -> None:
        self.job = job
        self.domain = domain
        self.fact_names = tuple(spec.name for spec in domain.fact_specs)
        self.clock = next((name for name in ("steps", "step") if name in self.fact_names), "")
        self.task: Task | None = domain.tasks.get(job["task"] or "")
        self.simulator = simulator
        self.schedule = ProgramSchedule(
            skills,
            job["skill_program"],
            job["policy"] or UNIFORM_POLICY,
            self.fact_names,
            job["seed"],
            fuel=job["fuel"],
            skill_file=job["skill_file"],
            policy_file=job["policy_file"],
        )
        self.calls: Counter[str] = Counter()
        self.call_steps: Counter[str] = Counter()
        self.over_at_start: Counter[str] = Counter()
        self.ends: dict[str, Counter[str]] = {skill: Counter() for skill in skills.ids}

    def episode(self, number: int) -> _Episode:
        schedule, simulator = self.schedule, self.simulator
        criteria = {name: make() for name, make in self.task.criteria.items()} if self.task else {}
        episode = _Episode(criteria)
        facts = simulator.reset(self.job["seed"] * 1_000_003 + number)
        episode.watch(facts, simulator.truth())
        active = schedule.begin(facts)
        self._began(active, facts)
        grace, began = _GRACE_TICKS, 0
        limit = self.task.max_steps if self.task else sys.maxsize
        while not schedule.claims_done and grace:
            before = facts
            facts, done = simulator.step(active)
            elapsed = self._elapsed(before, facts)
            episode.ticks += 1
            episode.steps += elapsed
            episode.watch(facts, simulator.truth())
            grace -= bool(episode.met) and all(episode.met.values())
            cut = episode.ticks >= self.job["max_ticks"] or episode.steps >= limit
            start = schedule.start
            cause, following = schedule.advance(facts, EndCause.DIED if done else EndCause.CUT if cut else EndCause.CONTINUES, elapsed)
            if cause:
                self._ended(active, cause, episode, episode.steps - began)
                episode.lines.append(self._line(episode, active, began, start, facts))
                began = episode.steps
                if following:
                    self._began(following, facts)
            active = following
            episode.died = done
            if done or cut:
                break
        episode.claimed = schedule.claims_done
        return episode

    def _elapsed(self, before: Facts, facts: Facts) -> int:
        """Environment steps that one tick stood for."""
        return max(1, getattr(facts, self.clock) - getattr(before, self.clock)) if self.clock else 1

    def _began(self, skill: str, facts: Facts) -> None:
        self.calls[skill] += 1
        self.over_at_start[skill] += self.schedule.is_over_now(skill, facts)

    def _ended(self, skill: str, cause: EndCause, episode: _Episode, steps: int) -> None:
        episode.calls += 1
        self.ends[skill][cause.name] += 1
        self.call_steps[skill] += steps

    def _line(self, episode: _Episode, skill: str, began: int, start: Facts, facts: Facts) -> str:
        changed = [
            f"{name} {_short(getattr(start, name))} -> {_short(getattr(facts, name))}"
            for name in self.fact_names
            if name != self.clock and getattr(start, name) != getattr(facts, name)
        ]
        more = f", and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
        return f"steps {began}-{episode.steps} {skill}: {self.schedule.reason}; {', '.join(changed[:_CHANGES]) or 'nothing changed'}{more}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _trace(episodes: list[_Episode]) -> list[str]:
    """The episode of middle length among the given ones, with its middle left out if it is long."""
    if not episodes:
        return []
    chosen = sorted(episodes, key=lambda episode: episode.calls)[len(episodes) // 2]
    lines = chosen.lines
    if len(lines) > _TRACE_LINES:
        half = _TRACE_LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} calls left out ...", *lines[-half:]]
    met = ", ".join(f"{name}: {'yes' if value else 'no'}" for name, value in chosen.met.items())
    end = "is_done said True" if chosen.claimed else "the episode ended or the character died" if chosen.died else "the time was up"
    return [*lines, f"end after {chosen.steps} steps: {end}" + (f"; accomplished: {met}" if met else "")]


def simulate(job: Mapping[str, Any]) -> dict[str, Any]:
    """Test the contract and play the job's episodes; the counts of ``trial.TrialReport`` and ``contract``, or ``{"problem": ...}``."""
    module, _, name = job["domain"].partition(":")
    domain: Domain = getattr(importlib.import_module(module), name)(job["options"])
    skills = SkillSet(tuple(Skill(**skill) for skill in job["skills"]))
    simulator = domain.simulator()
    simulator.reset(0)  # what the domain loads lazily is loaded before the limits count
    others = domain.simulators() if job["expected"] else {}
    recorded = domain.recorded_facts()
    limit_process(job["seconds"])
    try:
        confine_or_refuse(memory=address_space() + job["memory_mb"] * 2**20)
    except ProgramError as error:
        return {"unconfined": [error.problem, error.remedy]}
    try:
        contract = _contract(job, domain, skills, recorded)
        run = _Run(job, domain, skills, simulator)
    except ProgramError as error:
        return {"problem": error.problem}
    episodes = [run.episode(number) for number in range(job["episodes"])]
    expected = {name: _expected(job, domain, skills, other) for name, other in others.items()}
    count = len(episodes)
    failed = [episode for episode in episodes if not (any(episode.met.values()) if episode.met else episode.claimed)]
    ticks = sum(episode.ticks for episode in episodes)
    calls = sum(episode.calls for episode in episodes)
    return {
        "episodes": count,
        "mean_steps": sum(episode.steps for episode in episodes) / count,
        "success": {name: sum(episode.met[name] for episode in episodes) / count for name in episodes[0].met},
        "claimed": sum(episode.claimed for episode in episodes) / count,
        "false_claims": sum(episode.claimed and bool(episode.met) and not any(episode.met.values()) for episode in episodes) / count,
        "unclaimed": sum(any(episode.met.values()) and not (episode.claimed or episode.died or episode.counts) for episode in episodes)
        / count,
        "died": sum(episode.died for episode in episodes) / count,
        "faults": dict(run.schedule.faults.most_common(20)),
        "refused": dict(run.schedule.refused.most_common(20)),
        "calls": {skill: run.calls[skill] for skill in skills.ids},
        "offered": {skill: run.schedule.offered[skill] for skill in skills.ids},
        "over_at_start": {skill: run.over_at_start[skill] for skill in skills.ids},
        "ends": {skill: dict(ends) for skill, ends in run.ends.items()},
        "steps_per_call": sum(run.call_steps.values()) / max(1, calls),
        "switch_rate": calls / max(1, ticks),
        "expected": expected,
        "trace": _trace(failed or episodes),
        "contract": asdict(contract),
    }


def _expected(job: Mapping[str, Any], domain: Domain, skills: SkillSet, simulator: Simulator) -> dict[str, Any]:
    """The same episodes with other skills: in which step each success came; see ``trial.TrialReport``."""
    run = _Run(job, domain, skills, simulator)
    episodes = [run.episode(number) for number in range(job["episodes"])]
    names = episodes[0].met
    if names:
        steps = {name: sorted(episode.met_at[name] for episode in episodes if name in episode.met_at) for name in names}
    else:
        steps = {"claimed": sorted(episode.steps for episode in episodes if episode.claimed)}
    return {"episodes": len(episodes), "success_steps": steps}


def _contract(job: Mapping[str, Any], domain: Domain, skills: SkillSet, recorded: Sequence[Sequence[Facts]]) -> Findings:
    """Contract tests of the policy, if there is one, else of the skill program."""
    programs = Programs(
        skills,
        job["skill_program"],
        job["policy"],
        tuple(job["tested"]),
        job["seed"],
        job["fuel"],
        job["skill_file"],
        job["policy_file"],
    )
    scenes = make_scenes(domain, skills, recorded, job["seed"])
    return check_skills(programs, scenes) if programs.policy is None else check_policy(programs, scenes)


def limit_process(seconds: float) -> None:
    """Bound this process, from now on; the parent's kill is the last resort."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    limit = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Shows, in the parent's message, at which line a program was when time ran out.
    faulthandler.dump_traceback_later(max(0.1, seconds * 0.8), file=sys.stderr)


def main() -> None:
    """Read a job from standard input, write the outcome to standard output."""
    outcome = simulate(json.load(sys.stdin))
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(json.dumps(outcome))
