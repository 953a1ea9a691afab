"""The ladder of composite tasks: their ids, goals and English, the criterion, and the recorded program in the simulated dungeon."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from maestromotif.domains.contract import Task
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.ladder import MOST_GOALS, STANDARD, Goal, InOrder, goals_of, ladder_task
from maestromotif.domains.nethack.simulator import DungeonSimulator
from maestromotif.domains.nethack.simulator_rates import Rates, perfect, practised
from maestromotif.domains.nethack.tasks import TASKS
from maestromotif.llm import ChatRequest, RecordedChat
from maestromotif.programs.answers import extract_program
from maestromotif.programs.check import check_source
from maestromotif.programs.sandbox import load
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.types import EndCause
from tests.domains.test_nethack_content import NAMES, SKILLS, skill_program

EPISODES = 10
CHAT = RecordedChat(NetHack().recorded_answers)
NOWHERE = {"dnum": 0, "dlevel": 1, "on_oracle_level": False, "escaped": False}


def task(task_id: str) -> Task:
    found = ladder_task(task_id)
    assert found is not None
    return found


def program(of: Task) -> str:
    reply = CHAT.complete(ChatRequest(f"nethack/task/{of.id}", (), of.description, variables={"task": of.description}))
    source = extract_program(reply.text, ("PolicyOverSkills",))
    assert source is not None
    return source


def test_the_domain_lists_nine_tasks_and_finds_the_ladders() -> None:
    tasks = NetHack().tasks
    assert list(tasks) == list(TASKS)
    assert all(name in tasks and tasks[name].id == name for name in NetHack().further_tasks)
    for wrong in ("ladder", "ladder-g0-h5000-s1", "ladder-g7-h5000-s1", "ladder-g1-h50-s1", "ladder-g1-h5000-s0", "ladder-g1-h5000-s1-n60"):
        assert wrong not in tasks, wrong


def test_ids_say_goals_horizon_number_and_noise() -> None:
    plain, noisy = task("ladder-g3-h2000-s2"), task("ladder-g3-h9000-s2-n10")
    assert (plain.max_steps, plain.noise) == (2_000, 0.0)
    assert (noisy.max_steps, noisy.noise) == (9_000, 0.1)
    assert plain.description == noisy.description
    assert plain.description.count(";") == 2


def test_more_goals_are_the_same_ones_and_one_more() -> None:
    for number in range(1, 60):
        goals = goals_of(number)
        assert [goal.words for goal in goals] == [goal.words for goal in goals_of(number)]
        assert len(goals) == MOST_GOALS
        longest = task(f"ladder-g{MOST_GOALS}-h5000-s{number}").description
        assert all(goal.words in longest for goal in goals)
        assert all(first.words != second.words for first, second in pairwise(goals))
    kinds = {goal.words.split()[0] for number in range(1, 60) for goal in goals_of(number)}
    assert kinds == {"stand", "enter", "carry", "defeat", "reach", "eat", "leave"}
    assert len({task(name).description for name in STANDARD}) == len(STANDARD)


def test_the_recorded_program_reads_every_goal_of_every_task() -> None:
    for number in range(1, 40):
        described = task(f"ladder-g{MOST_GOALS}-h5000-s{number}")
        source = program(described)
        if number == 1:
            check_source(source, NAMES, "ladder.py")
        loaded = load(source, f"ladder-{number}", names=NAMES, required=("goals_in",))
        function = loaded.get("goals_in")
        assert function is not None
        found = loaded.call(function, described.description)
        for (kind, count), goal in zip(found, goals_of(number), strict=True):
            assert kind in ("level", "mines", "oracle", "gold", "kills", "experience", "meal", "exit")
            assert not count or str(count) in goal.words


def moment(**given: Any) -> Any:
    return SimpleNamespace(**{"gold": 0, "kills": 0, "meals": 0, "experience_level": 1, **given})


def named(start: str) -> Goal:
    return next(goal for number in range(1, 60) for goal in goals_of(number) if goal.words.startswith(start))


def test_goals_count_in_their_order_only() -> None:
    criterion = InOrder((named("defeat 3"), named("stand on level 2 of the main"), named("leave")))
    there = {**NOWHERE, "dlevel": 2}
    assert criterion.update(moment(kills=2), NOWHERE) is False
    assert criterion.update(moment(kills=4), there) is False
    assert criterion.reached == 0, "those of before do not count: three more than two"
    assert criterion.update(moment(kills=5), NOWHERE) is False
    assert criterion.reached == 1, "level 2 was left before its turn"
    assert criterion.update(moment(kills=5), {**there, "dnum": 2}) is False
    assert criterion.reached == 1, "that was level 2 of the Mines"
    assert criterion.update(moment(kills=5), there) is False
    assert criterion.update(moment(kills=5), {**NOWHERE, "died": True}) is False
    assert criterion.update(moment(kills=5), {**NOWHERE, "escaped": True}) is True


def test_what_is_so_already_counts_at_once() -> None:
    criterion = InOrder((named("carry at least 10"), named("reach experience level 2"), named("eat")))
    assert criterion.update(moment(gold=30, experience_level=3, meals=1), NOWHERE) is False
    assert criterion.reached == 2, "but a meal of before is none"
    assert criterion.update(moment(meals=2), NOWHERE) is True
    assert criterion.update(moment(), NOWHERE) is True


def simulated(of: Task, rates: Rates, seed: int) -> bool:
    simulator, criterion = DungeonSimulator(rates), of.criteria["landmark"]()
    facts = simulator.reset(seed)
    schedule = ProgramSchedule(SKILLS, SKILL_PROGRAM, program(of), NAMES, seed)
    met, over, active = criterion.update(facts, simulator.truth()), False, schedule.begin(facts)
    while not (met or over) and facts.steps < of.max_steps:
        before = facts.steps
        facts, over = simulator.step(active)
        met = criterion.update(facts, simulator.truth())
        _, active = schedule.advance(facts, EndCause.DIED if over else EndCause.CONTINUES, facts.steps - before)
    assert not schedule.faults
    assert not schedule.refused
    return met


SKILL_PROGRAM = skill_program(SKILLS)


@pytest.mark.parametrize("name", STANDARD)
def test_the_recorded_program_does_it_when_skills_never_fail(name: str) -> None:
    assert sum(simulated(task(name), perfect(), seed) for seed in range(EPISODES)) >= 0.9 * EPISODES


@pytest.mark.slow
def test_the_recorded_program_does_any_task_of_the_ladder_when_skills_never_fail() -> None:
    for number in range(1, 101):
        of = task(f"ladder-g{MOST_GOALS}-h5000-s{number}")
        assert sum(simulated(of, perfect(), seed) for seed in range(EPISODES)) >= 0.9 * EPISODES, of.description


def test_more_goals_are_harder() -> None:
    """With practised skills, in too little time for all."""
    done = [sum(simulated(task(f"ladder-g{goals}-h1000-s{number}"), practised(), 7) for number in range(1, 21)) for goals in (1, 3, 6)]
    assert done[0] > done[1] > done[2]
