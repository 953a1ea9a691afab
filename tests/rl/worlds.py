"""Rewards, schedules and sources that the tests of training use. Workers import this file by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from maestromotif.domains.contract import Domain
from maestromotif.domains.corridor import Corridor
from maestromotif.rewards import CountDiscount
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

REWARDS = f"{__name__}:corridor_rewards"
STEP_REWARDS = f"{__name__}:step_rewards"
KEY_REWARDS = f"{__name__}:key_rewards"
BROKEN_REWARDS = f"{__name__}:broken_rewards"
HUGE_REWARDS = f"{__name__}:huge_rewards"
ENDLESS_REWARDS = f"{__name__}:endless_rewards"

_SIDES = {"go_left": 1, "go_right": 2}


class CorridorRewards:
    """0.1 at the end that the skill is named after. (Reward for every step on the way would pay for never arriving.)"""

    def __init__(self, skills: SkillSet) -> None:
        self._signs = [_SIDES[skill.id] for skill in skills]

    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> Sequence[float]:
        _, arrival = make_input().signs
        return [0.1 if arrival == sign else 0.0 for sign in self._signs]

    def reward(self, skill: int, key: int, make_input: Callable[[], RewardInput]) -> float:
        return self.rewards(key, make_input)[skill]

    def discount(self) -> CountDiscount:
        return CountDiscount()


class _StepRewards(CorridorRewards):
    """A little for every step in the right direction too, however often: arriving ends a stream of reward."""

    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> Sequence[float]:
        move, arrival = make_input().signs
        return [0.1 if arrival == sign else 0.03 if move == sign else 0.0 for sign in self._signs]

    def discount(self) -> CountDiscount:
        return CountDiscount(exponent=0.0)


class _NotANumber(CorridorRewards):
    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> Sequence[float]:
        return [float("nan")] * len(self._signs)


class _Scaled(CorridorRewards):
    def __init__(self, skills: SkillSet, scale: float) -> None:
        super().__init__(skills)
        self._scale = scale

    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> Sequence[float]:
        return [self._scale * reward for reward in super().rewards(key, make_input)]


class _KeyRewards:
    """By reward key, something for one of the first five skills: no world in particular."""

    def reward(self, skill: int, key: int, make_input: Callable[[], RewardInput]) -> float:
        return 0.1 if (key * 2654435761 >> 16) % 5 == skill else 0.0

    def discount(self) -> CountDiscount:
        return CountDiscount(7)


def key_rewards(folder: Path, domain: Domain, skills: SkillSet) -> _KeyRewards:
    return _KeyRewards()


def corridor_rewards(folder: Path, domain: Domain, skills: SkillSet) -> CorridorRewards:
    return CorridorRewards(skills)


def step_rewards(folder: Path, domain: Domain, skills: SkillSet) -> CorridorRewards:
    return _StepRewards(skills)


def huge_rewards(folder: Path, domain: Domain, skills: SkillSet) -> CorridorRewards:
    return _Scaled(skills, 1e20)


def endless_rewards(folder: Path, domain: Domain, skills: SkillSet) -> CorridorRewards:
    return _Scaled(skills, 1e300)


def broken_rewards(folder: Path, domain: Domain, skills: SkillSet) -> CorridorRewards:
    return _NotANumber(skills)


SKILL_PROGRAM = """
def can_start(skill, facts):
    return not (facts.at_left_end if skill == "go_left" else facts.at_right_end)


def is_over(skill, facts, start):
    return facts.at_left_end if skill == "go_left" else facts.at_right_end
"""

TRAINING_POLICY = """
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return startable[(facts.position + facts.steps) % len(startable)]
"""

BOTH_ENDS = """
class PolicyOverSkills:
    def __init__(self):
        self.left = False
        self.done = False

    def observe(self, facts):
        self.left = self.left or facts.at_left_end
        self.done = self.done or (self.left and facts.at_right_end)

    def next_skill(self, facts, finished, startable):
        return "go_right" if self.left else "go_left"

    def is_done(self, facts):
        return self.done
"""


def sources(policy: str = TRAINING_POLICY) -> ScheduleSources:
    return ScheduleSources(policy=policy, skill_program=SKILL_PROGRAM)


def corridor(**options: object) -> tuple[Corridor, SkillSet]:
    domain = Corridor(options)
    return domain, SkillSet.parse(domain.skills_toml)
