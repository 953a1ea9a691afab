"""Real episodes of which every call is kept with the facts at its end, and which one program's ``is_done`` can judge while another drives.

For repair: which skill did not end as expected, and what held then. Two programs can only be compared by one judge; where a task has no
test of its own, that judge is the older program.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maestromotif.agents.cells import Cell, digest, play_cell
from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.records import read_table
from maestromotif.domains.contract import Domain, Facts
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.programs.story import Story, StoryCall
from maestromotif.rl.episodes import ScheduleFactory, ScheduleSources
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["WitnessSchedule", "accomplished", "play_witnessed", "read_stories", "read_witnessed", "witness_schedules", "witness_sources"]

_MAKER = f"{__name__}:witness_schedules"
_LONGEST = 200  # characters of a text among the facts


def witness_sources(policy: str, skill_program: str, judge: str) -> ScheduleSources:
    """Sources of witness schedules.

    Args:
        judge: source of the policy over skills whose ``is_done`` counts; empty: that of ``policy`` itself.
    """
    return ScheduleSources(json.dumps({"policy": policy, "judge": judge}), skill_program, maker=_MAKER)


def witness_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """The maker of ``witness_sources``."""
    names = tuple(spec.name for spec in domain.fact_specs)
    texts = json.loads(sources.policy)

    def program(source: str, seed: int) -> ProgramSchedule:
        return ProgramSchedule(skills, sources.skill_program, source, names, seed, policy_file=sources.policy_file)

    def make(seed: int, guidance: Sequence[float]) -> WitnessSchedule:
        judge = program(texts["judge"], seed) if texts["judge"] else None
        return WitnessSchedule(names, program(texts["policy"], seed), judge)

    return make


class WitnessSchedule:
    """A schedule whose reasons are JSON objects: ``why`` in words, the facts ``after`` the call, and ``before`` of those that changed.

    Args:
        names: of the facts.
        driver: decides which skill is active.
        judge: sees every step too and thinks that it drives; ``claims_done`` is what its ``is_done`` says. None: the driver's.
    """

    def __init__(self, names: Sequence[str], driver: ProgramSchedule, judge: ProgramSchedule | None = None) -> None:
        self._names, self._driver, self._judge = names, driver, judge
        self.faults: Counter[str] = driver.faults
        self.active = self.reason = ""
        self.start: Facts = None
        self.claims_done = self.exhausted = False

    def begin(self, facts: Facts) -> str:
        self.reason = ""
        self.active = self._driver.begin(facts)
        if self._judge is not None:
            self._judge.begin(facts)
        self._follow()
        return self.active

    def advance(self, facts: Facts, ended: EndCause, elapsed: int = 1) -> tuple[EndCause, str]:
        start = self.start
        cause, self.active = self._driver.advance(facts, ended, elapsed)
        if self._judge is not None:
            self._judge.advance(facts, ended, elapsed)
        self._follow()
        if cause or self.claims_done:
            self.reason = self._tell(self._driver.reason if cause else "is_done said True", start, facts)
        return cause, self.active

    def _follow(self) -> None:
        self.start, self.exhausted = self._driver.start, self._driver.exhausted
        self.claims_done = (self._judge or self._driver).claims_done

    def _tell(self, why: str, start: Facts, facts: Facts) -> str:
        after = {name: _plain(getattr(facts, name)) for name in self._names}
        before = {name: _plain(getattr(start, name)) for name in self._names}
        changed = {name: value for name, value in before.items() if value != after[name]}
        return json.dumps({"why": why, "claimed": self._driver.claims_done, "after": after, "before": changed})


def _plain(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value


def play_witnessed(
    setting: Setting, folder: Path, name: str, task: str, source: str, judge: str, episodes: int, place: str, progress: Progress
) -> None:
    """Have the trained network play one program; writes ``folder/<name>.*`` unless they are there for the same program and weights.

    Args:
        judge: source of the program whose ``is_done`` is the only judge of a free task; not used where the task has criteria.
        place: keeps the seeds apart; the same place gives every program the same episodes and chances.

    Raises:
        ArtifactError: programs or weights are missing or damaged.
    """
    known = setting.domain.tasks.get(task)
    max_steps = setting.longest(task)
    # A program that is its own judge need not be asked twice.
    other = "" if known or judge == source else judge
    identity = {**setting.cell_identity("trained", source, episodes, max_steps), "place": place, "judge": digest(other)}
    sources = witness_sources(source, setting.skill_program, other)
    watched = {"task": task if known else "", "stop_on_claim": known is None, "progress": progress}
    play_cell(
        folder,
        name,
        identity,
        setting.skills,
        tuple(known.criteria) if known else (),
        lambda: setting.play("trained", sources, episodes, max_steps, place, **watched),
    )


def read_witnessed(folder: Path, name: str) -> Cell:
    """What ``play_witnessed`` left.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    return Cell(name, *(read_table(folder / f"{name}.{part}.parquet") for part in ("episodes", "calls")))


def accomplished(cell: Cell, domain: Domain, task: str) -> list[bool]:
    """For each episode, whether the task was accomplished: by its landmark or first criterion; a free task, by the word of its judge."""
    known = domain.tasks.get(task)
    name = "claimed" if known is None else f"success.{'landmark' if 'landmark' in known.criteria else next(iter(known.criteria))}"
    return [bool(value) for value in cell.episodes.column(name).to_pylist()]


def read_stories(cell: Cell, success: Sequence[bool]) -> list[Story]:
    """The episodes of a cell that was played with witness schedules, in its order.

    Args:
        success: for each episode, whether it accomplished the task.
    """
    calls: dict[int, list[tuple[StoryCall, bool]]] = {}
    for row in cell.calls.to_pylist():
        told = json.loads(row["reason"]) if row["reason"] else {}
        call = StoryCall(
            skill=row["skill"],
            cause=row["cause"],
            steps=row["end"] - row["start"],
            expected=row["success"],
            reason=told.get("why", ""),
            after=told.get("after", {}),
            before=told.get("before", {}),
        )
        calls.setdefault(row["episode"], []).append((call, bool(told.get("claimed"))))
    stories = []
    for row, good in zip(cell.episodes.to_pylist(), success, strict=True):
        own = calls.get(row["episode"], [])
        claimed = bool(own) and own[-1][1]
        stories.append(Story(tuple(call for call, _ in own), bool(good), claimed, row["ended"] == "died", row["steps"]))
    return stories
