"""Makers of schedules, named by ``ScheduleSources.maker``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from maestromotif.domains.contract import Domain, Facts
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.rl.episodes import ScheduleFactory, ScheduleSources
from maestromotif.skills import SkillSet

__all__ = ["WEIGHTED", "WeightedSchedule", "program_schedules", "weighted_schedules"]

WEIGHTED = f"{__name__}:weighted_schedules"


def program_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """Schedules driven by generated programs, compiled once and metered. Guidance is ignored."""
    names = tuple(spec.name for spec in domain.fact_specs)

    def make(seed: int, guidance: Sequence[float]) -> ProgramSchedule:
        return ProgramSchedule(skills, sources.skill_program, sources.policy or None, names, seed, policy_file=sources.policy_file)

    return make


def weighted_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """Schedules that draw skills as the guidance says, and start and end them as the generated programs say."""
    names = tuple(spec.name for spec in domain.fact_specs)

    def make(seed: int, guidance: Sequence[float]) -> WeightedSchedule:
        return WeightedSchedule(skills, sources.skill_program, names, seed, guidance)

    return make


class WeightedSchedule(ProgramSchedule):
    """Skills drawn by weight among those that may start; where none of these has any weight, all of them are alike.

    Args:
        guidance: ``[K + 1]``, see ``StepArrays.guidance``. With 1 at the end, the first draw holds for the whole episode: the skill's
            calls follow one another as long as it may start, and then the schedule is exhausted.
        Others: see ``ProgramSchedule``.
    """

    def __init__(
        self, skills: SkillSet, skill_program: str | None, fact_names: Collection[str], seed: int, guidance: Sequence[float]
    ) -> None:
        super().__init__(skills, skill_program, None, fact_names, seed)
        *weights, whole = guidance
        self._weights = dict(zip(skills.ids, weights, strict=True))
        self._whole = bool(whole)

    def _pick(self, facts: Facts, finished: str, startable: list[str]) -> str:
        if self._whole and finished:
            self.exhausted = finished not in startable
            return finished
        weights = [self._weights[skill] for skill in startable]
        if not any(weights):
            return super()._pick(facts, finished, startable)
        return self._random.choices(startable, weights)[0]
