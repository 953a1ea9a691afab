"""The recorded program of every task, in the simulated dungeon with skills that never fail."""

from __future__ import annotations

import pytest

from maestromotif.domains.nethack.tasks import TASKS
from tests.domains.test_nethack_content import SKILLS, code, play

EPISODES = 10
TICKS = 500


@pytest.mark.parametrize("task", TASKS)
def test_programs_solve_their_tasks_when_skills_never_fail(task: str) -> None:
    policy = code(f"nethack/task/{task}", TASKS[task].description)
    results = [play(policy, SKILLS, seed, perfect=True, ticks=TICKS, task=task) for seed in range(EPISODES)]
    assert not any(result["faults"] or result["refused"] for result in results)
    assert sum(result["met"]["landmark"] for result in results) >= 0.9 * EPISODES
    assert not any(result["claims"] and not result["met"]["landmark"] for result in results)


@pytest.mark.parametrize("task", TASKS)
def test_exploring_alone_solves_nothing(task: str) -> None:
    explorer = """
class PolicyOverSkills:
    def observe(self, facts):
        pass

    def is_done(self, facts):
        return False

    def next_skill(self, facts, finished, startable):
        return "discoverer" if "discoverer" in startable else "ascender"
"""
    results = [play(explorer, SKILLS, seed, perfect=True, ticks=60, task=task) for seed in range(EPISODES)]
    assert not any(result["met"]["landmark"] for result in results)
