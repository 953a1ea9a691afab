"""Simulated episodes of a program, told call by call, in a throw-away process.

A trial counts what happened; a rehearsal keeps the order in which skills were called. The module is both sides: ``rehearse`` starts
the process, ``main`` is what runs in it.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from maestromotif.domains.contract import Domain, Facts, Simulator, Task
from maestromotif.errors import ProgramError
from maestromotif.programs.child import run_job
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.confine import address_space, confine_or_refuse
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.programs.simulate import limit_process
from maestromotif.programs.story import Story, StoryCall, cause_name
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

__all__ = ["main", "rehearse"]


def rehearse(
    domain: Domain, skills: SkillSet, skill_program: str, policy: str, *, config: ProgramConfig, seed: int, task_id: str | None, file: str
) -> list[Story]:
    """Let a task's program drive the domain's simulator for as many episodes as a trial has.

    Args:
        skill_program, policy: sources.
        task_id: one of the domain's tasks, whose landmark or first criterion says what was accomplished; None: ``is_done`` does.
        file: the policy's name in messages.

    Raises:
        ProgramError: the program fails, hangs or kills its process, or cannot be confined on this system.
    """
    job = {
        "domain": f"{type(domain).__module__}:{type(domain).__qualname__}",
        "options": dict(domain.options),
        "skills": [asdict(skill) for skill in skills],
        "skill_program": skill_program,
        "policy": policy,
        "task": task_id,
        "file": file,
        "seed": seed,
        **{name: getattr(config, name) for name in ("episodes", "max_ticks", "seconds", "memory_mb", "fuel")},
    }
    outcome = run_job(__name__, job, config.seconds, f"finish {config.episodes} simulated episodes", ("skills.py", file))
    if "problem" in outcome:
        raise ProgramError(f"{file}: {outcome['problem']}", outcome.get("remedy") or "Mend the program, or have it written again")
    return [Story(**{**story, "calls": tuple(StoryCall(**call) for call in story["calls"])}) for story in outcome["stories"]]


class _Stage:
    """What all episodes share."""

    def __init__(self, job: Mapping[str, Any], domain: Domain, skills: SkillSet, simulator: Simulator) -> None:
        self.simulator, self.skills = simulator, skills
        self.names = tuple(spec.name for spec in domain.fact_specs)
        self.clock = next((name for name in ("steps", "step") if name in self.names), "")
        self.measures = domain.call_measures
        self.task: Task | None = domain.tasks.get(job["task"] or "")
        # The thing itself, where a proxy stands beside it.
        criteria = self.task.criteria if self.task else {}
        self.criterion = criteria.get("landmark") or next(iter(criteria.values()), None)
        self.most = job["max_ticks"]
        self.schedule = ProgramSchedule(
            skills, job["skill_program"], job["policy"], self.names, job["seed"], fuel=job["fuel"], policy_file=job["file"]
        )

    def play(self, seed: int) -> Story:
        schedule, simulator = self.schedule, self.simulator
        criterion = self.criterion() if self.criterion else None
        facts = simulator.reset(seed)
        met = criterion.update(facts, simulator.truth()) if criterion else False
        active = schedule.begin(facts)
        calls: list[StoryCall] = []
        steps = began = 0
        died = cut = False
        for tick in range(1, self.most + 1):
            if schedule.claims_done or died or cut:
                break
            before, start = facts, schedule.start
            facts, died = simulator.step(active)
            elapsed = max(1, getattr(facts, self.clock) - getattr(before, self.clock)) if self.clock else 1
            steps += elapsed
            met = (criterion.update(facts, simulator.truth()) if criterion else False) or met
            cut = tick == self.most or (self.task is not None and steps >= self.task.max_steps)
            ended = EndCause.DIED if died else EndCause.CUT if cut else EndCause.CONTINUES
            cause, following = schedule.advance(facts, ended, elapsed)
            if cause or schedule.claims_done:
                calls.append(self._call(active, cause or EndCause.CUT, steps - began, start, facts))
                began = steps
            active = following
        claimed = schedule.claims_done
        return Story(tuple(calls), met if criterion else claimed, claimed, died, steps)

    def _call(self, skill: str, cause: EndCause, steps: int, start: Facts, facts: Facts) -> StoryCall:
        measure = self.measures.get(self.skills[skill].measure)
        expected = bool(measure(start, facts)) if measure else cause is EndCause.OVER
        after = {name: getattr(facts, name) for name in self.names}
        before = {name: getattr(start, name) for name in self.names}
        changed = {name: value for name, value in before.items() if value != after[name]}
        return StoryCall(skill, cause_name(cause), steps, expected, self.schedule.reason, after, changed)


def _rehearse(job: Mapping[str, Any]) -> dict[str, Any]:
    module, _, name = job["domain"].partition(":")
    domain: Domain = getattr(importlib.import_module(module), name)(job["options"])
    skills = SkillSet(tuple(Skill(**skill) for skill in job["skills"]))
    simulator = domain.simulator()
    simulator.reset(0)  # what the domain loads lazily is loaded before the limits count
    limit_process(job["seconds"])
    try:
        confine_or_refuse(memory=address_space() + job["memory_mb"] * 2**20)
        stage = _Stage(job, domain, skills, simulator)
    except ProgramError as error:
        return {"problem": error.problem, "remedy": error.remedy}
    # The same episodes as in a trial.
    return {"stories": [asdict(stage.play(job["seed"] * 1_000_003 + number)) for number in range(job["episodes"])]}


def main() -> None:
    """Read a job from standard input, write the outcome to standard output."""
    outcome = _rehearse(json.load(sys.stdin))
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(json.dumps(outcome))
