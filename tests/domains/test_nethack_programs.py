"""The recorded programs of every generation, in the simulated dungeon with skills that never fail, and with few skills."""

from __future__ import annotations

from collections import Counter

import pytest

from maestromotif.domains.nethack.tasks import TASKS
from maestromotif.programs.write import questions
from maestromotif.skills import SkillSet
from tests.domains.nethack_generations import GENERATIONS, NETHACK, skill_module, source_of, task_source
from tests.domains.test_nethack_content import SKILLS, play, subset

EPISODES = 10
TICKS = 500
TASKS_OF_THE_PAPER = tuple(TASKS)[:9]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("task", TASKS_OF_THE_PAPER)
def test_programs_solve_their_tasks_when_skills_never_fail(task: str, generation: int) -> None:
    policy, module = task_source(task, generation), skill_module(SKILLS, generation)
    results = [play(policy, SKILLS, seed, perfect=True, ticks=TICKS, task=task, module=module) for seed in range(EPISODES)]
    assert not any(result["faults"] or result["refused"] for result in results)
    assert sum(result["met"]["landmark"] for result in results) >= 0.9 * EPISODES
    assert not any(result["claims"] and not result["met"]["landmark"] for result in results)


FEW = (subset("descender", "ascender"), subset("discoverer"), subset("dancer", "merchant", "descender"))


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("task", TASKS_OF_THE_PAPER)
def test_programs_cope_with_bad_luck_and_missing_skills(task: str, generation: int) -> None:
    for skills in (SKILLS, *FEW):
        for seed in range(2):
            result = play(task_source(task, generation), skills, seed, task=task)
            assert not result["faults"]
            assert not result["refused"]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("skills", [SKILLS, subset(*SKILLS.ids, "dancer"), *FEW], ids=lambda skills: "+".join(skills.ids))
def test_training_policies_cope_with_any_skills(skills: SkillSet, generation: int) -> None:
    policy = source_of(questions(NETHACK, SKILLS)[-1][0], generation)
    calls = Counter[str]()
    for seed in range(4):
        result = play(policy, skills, seed, perfect=seed % 2 == 0)
        assert not result["faults"]
        assert not result["refused"]
        # It ends the game, so not before the end of a journey.
        assert all(facts.max_depth > 1 for skill, facts in result["starts"] if skill == "ascender" and facts.depth == 1)
        calls += result["calls"]
    assert calls["dancer"] >= calls.total() / 20 or "dancer" not in skills.ids


@pytest.mark.parametrize("generation", GENERATIONS)
def test_training_policies_give_every_skill_its_share(generation: int) -> None:
    policy, module = source_of(questions(NETHACK, SKILLS)[-1][0], generation), skill_module(SKILLS, generation)
    results = [play(policy, SKILLS, seed, ticks=300, module=module) for seed in range(12)]
    calls = sum((result["calls"] for result in results), Counter[str]())
    assert min(calls[skill] for skill in SKILLS.ids) >= 10, calls
    assert calls["descender"] / calls.total() > 0.25
    assert calls["ascender"] / calls.total() > 0.2
    depths = [result["facts"].max_depth for result in results]
    assert 3 < sum(depths) / len(depths) < 10, depths


@pytest.mark.parametrize("task", TASKS_OF_THE_PAPER)
def test_exploring_alone_seldom_solves_anything(task: str) -> None:
    """Whoever explores comes upon altars, too, and now and then drops something there."""
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
    assert sum(bool(result["met"]["landmark"]) for result in results) <= (3 if task == "buc_identification" else 0)
