"""Makers of schedules, named by ``ScheduleSources.maker``."""

from __future__ import annotations

from maestromotif.domains.contract import Domain
from maestromotif.rl.episodes import ScheduleFactory, ScheduleSources
from maestromotif.skills import SkillSet

__all__ = ["program_schedules"]


def program_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """Schedules driven by generated programs, compiled once and metered."""
    from maestromotif.programs.schedule import ProgramSchedule

    names = tuple(spec.name for spec in domain.fact_specs)

    def make(seed: int) -> ProgramSchedule:
        return ProgramSchedule(skills, sources.skill_program, sources.policy, names, seed, policy_file=sources.policy_file)

    return make
