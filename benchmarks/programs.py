"""Cost of generated programs per environment step: ``python benchmarks/programs.py``.

Prints microseconds per ``advance`` on facts of NetHack (best of 20: machines are noisy), and for the same functions run as plain Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from maestromotif.domains.nethack.facts import NetHackFacts
from maestromotif.domains.nethack.messages import ReadMessage
from maestromotif.domains.nethack.vocabulary import FACTS
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

SKILLS = SkillSet(tuple(Skill(name, name) for name in ("discoverer", "descender", "ascender", "merchant", "worshipper")))
PROGRAM = """
def descender_can_start(facts):
    return True
def descender_is_over(facts, start):
    return facts.depth != start.depth or facts.branch != start.branch or facts.hp * 4 < facts.max_hp
IS_OVER = {"descender": descender_is_over}
def can_start(skill, facts):
    return skill == "descender"
def is_over(skill, facts, start):
    return IS_OVER[skill](facts, start)
"""
POLICY = """
class PolicyOverSkills:
    def __init__(self):
        self.deepest = 0
        self.steps_on_level = {}
        self.kills = 0
    def observe(self, facts):
        if facts.depth > self.deepest:
            self.deepest = facts.depth
        level = (facts.branch, facts.branch_level)
        self.steps_on_level[level] = self.steps_on_level.get(level, 0) + 1
        self.kills = facts.kills
    def next_skill(self, facts, finished, startable):
        return startable[0]
    def interrupt(self, facts, skill):
        return facts.shopkeeper_near and skill != "merchant" and facts.new_items > 0
    def is_done(self, facts):
        return facts.branch == "mines"
"""
STEPS = 200_000


def _facts() -> Any:
    return NetHackFacts([0] * len(FACTS), ReadMessage.__new__(ReadMessage))


def _per_step(step: Callable[[], Any]) -> float:
    runs = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(STEPS // 20):
            step()
        runs.append((time.perf_counter() - began) / (STEPS // 20) * 1e6)
    return min(runs)


def main() -> None:
    facts = _facts()
    names = [spec.name for spec in FACTS]
    variants = {
        "is_over + observe": POLICY.partition("    def interrupt")[0],
        "is_over + observe + interrupt + is_done": POLICY,
    }
    for name, policy in variants.items():
        schedule = ProgramSchedule(SKILLS, PROGRAM, policy, names)
        schedule.begin(facts)
        advance, going = schedule.advance, EndCause.CONTINUES
        print(f"{name}: {_per_step(lambda advance=advance, going=going: advance(facts, going)):.2f} us per step")  # type: ignore[misc]
        assert not schedule.faults
    space: dict[str, Any] = {}
    exec(PROGRAM + POLICY, space)
    policy_object, is_over = space["PolicyOverSkills"](), space["is_over"]

    def plain() -> None:
        policy_object.observe(facts)
        is_over("descender", facts, facts)

    print(f"the same functions, plain exec: {_per_step(plain):.2f} us per step")


if __name__ == "__main__":
    main()
