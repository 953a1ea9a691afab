# ruff: noqa: E501 - programs on one line are easier to read than folded ones
"""Contract tests of programs: what they find, in which words, and that they blame no program for what cannot be."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.domains.contract import Domain, Facts
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.programs.answers import extract_program
from maestromotif.programs.assemble import assemble
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.contracts import Findings, Programs, Scenes, check_policy, check_skills, make_scenes
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.programs.trial import run_trial
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

NETHACK = NetHack()
SKILLS = SkillSet.parse(NETHACK.skills_toml)
SCENES = make_scenes(NETHACK, SKILLS, NETHACK.recorded_facts(), 0)
ANYWHERE = "def can_start(skill, facts):\n    return True\n"
LEVEL = "def is_over(skill, facts, start):\n    return facts.depth != start.depth\n"


def _values(domain: Domain, facts: Facts) -> dict[str, Any]:
    return {spec.name: getattr(facts, spec.name) for spec in domain.fact_specs}


def _programs(skill_program: str | None = None, policy: str | None = None, tested: Sequence[str] = ("descender",)) -> Programs:
    return Programs(SKILLS, skill_program, policy, tuple(tested), 3, 20_000, "skills.py", "policy.py")


def _skill(source: str, scenes: Scenes = SCENES) -> Findings:
    return check_skills(_programs(source), scenes)


def _policy(source: str, scenes: Scenes = SCENES) -> Findings:
    return check_policy(_programs(ANYWHERE + LEVEL, source), scenes)


def _next(body: str, more: str = "", top: str = "") -> str:
    return f"{top}class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        {body}\n{more}"


# --- facts


@pytest.mark.parametrize("domain", [NETHACK, Corridor({})], ids=lambda domain: domain.id)
def test_facts_that_have_occurred_are_possible(domain: Domain) -> None:
    """What drawn facts are mended by leaves real ones alone, or it would forbid what happens."""
    env, explorer = domain.make_env(4), domain.explorer(5)
    env.reset(range(4), range(50, 54))
    before: list[Mapping[str, Any] | None] = [None] * 4
    seen = 0
    try:
        for _ in range(600):
            for game in range(4):
                values = _values(domain, env.facts(game))
                assert domain.possible_facts(values, before[game]) == values
                before[game] = values
                seen += 1
            env.step(explorer.act(env))
            ended = np.flatnonzero(env.terminated_B).tolist()
            env.reset(ended, [100 + game for game in ended])
            for game in ended:
                before[game] = None
    finally:
        env.close()
    assert seen == 2_400


@pytest.mark.parametrize("domain", [NETHACK, Corridor({})], ids=lambda domain: domain.id)
def test_drawn_facts_keep_to_their_documentation(domain: Domain) -> None:
    scenes = make_scenes(domain, SKILLS, domain.recorded_facts(), 1)
    kinds: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
    assert len(scenes.drawn) >= 20
    for episode in scenes.drawn:
        before: Mapping[str, Any] | None = None
        for facts in episode:
            values = _values(domain, facts)
            for spec in domain.fact_specs:
                value = values[spec.name]
                assert isinstance(value, kinds[spec.type]), spec.name
                assert isinstance(value, bool) == (spec.type == "bool"), spec.name
                assert not spec.values or value in spec.values
                assert spec.type != "int" or spec.least <= values[spec.name] <= (spec.most or 10**9), (spec.name, value)
            assert domain.possible_facts(values, before) == values  # mending twice is mending once
            before = values


def test_drawn_facts_reach_where_no_play_has_been() -> None:
    drawn = [facts for episode in SCENES.drawn for facts in episode]
    for spec in NETHACK.fact_specs:
        if spec.type == "bool":
            assert {getattr(facts, spec.name) for facts in drawn} == {True, False}, spec.name
    assert {facts.branch for facts in drawn} >= {"main", "mines", "sokoban", "gehennom"}
    assert {facts.hunger for facts in drawn} >= {"weak", "fainting"}
    assert max(facts.depth for facts in drawn) > 20
    assert any(facts.hp == 0 for facts in drawn)


def test_the_recording_is_of_whole_beginnings_of_games() -> None:
    recorded = NETHACK.recorded_facts()
    assert len(recorded) == 4
    for episode in recorded:
        assert [facts.steps for facts in episode] == list(range(len(episode)))
    moments = [facts for episode in recorded for facts in episode]
    for name in ("shopkeeper_near", "altar_near", "on_altar", "on_stairs_down", "unexplored_reachable", "stairs_down_known"):
        assert {getattr(facts, name) for facts in moments} == {True, False}, name
    assert {facts.branch for facts in moments} >= {"main", "mines"}
    assert any(facts.items_sold for facts in moments)


class _Unknown(Corridor):
    """A domain that has recorded nothing and cannot tell what can occur."""

    possible_facts = Domain.possible_facts

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        return ()


def test_a_domain_that_can_tell_nothing_is_simulated() -> None:
    domain = _Unknown({})
    skills = SkillSet.parse(domain.skills_toml)
    scenes = make_scenes(domain, skills, domain.recorded_facts(), 0)
    assert not scenes.real
    assert not scenes.drawn
    assert scenes.moments > 40
    # Position 99 cannot be, and nobody says so: a program that would fail there is not blamed.
    source = ANYWHERE + "def is_over(skill, facts, start):\n    return [True, False, False, False, False, False, False, False, True][facts.position]\n"
    assert not check_skills(Programs(skills, source, None, ("go_left",), 0, 20_000, "skills.py", "policy.py"), scenes).faults


# --- skill programs


@pytest.mark.parametrize(
    ("is_over", "fault", "where"),
    [
        ("return facts.gold / facts.hp > 1", "is_over(descender): ZeroDivisionError: division by zero (line 4)", "where hp=0"),
        ("return ['a'][facts.mines_entrance_depth // 4] == 'b'", "is_over(descender): IndexError", "where mines_entrance_depth=4"),
        ("return facts.on_altar and {'main': False}[facts.branch]", "is_over(descender): KeyError: 'mines' (line 4)", "where branch='mines'"),
        ("return facts.kills - start.kills", "is_over(descender): TypeError: must return True or False, not int", "on quite usual facts"),
        ("return facts.depth > start.depth or None", "is_over(descender): TypeError: must return True or False, not NoneType", ""),
        ("return len([i for i in range(facts.gold)]) > 9", "is_over(descender): OutOfFuel", "where gold="),
        ("return min(start.hostiles_near, facts.meals) == 100 // (40 - start.hostiles_near)", "ZeroDivisionError", "where start.hostiles_near=40"),
    ],
)
def test_a_function_that_is_not_total_is_told_the_facts(is_over: str, fault: str, where: str) -> None:
    found = _skill(ANYWHERE + f"def is_over(skill, facts, start):\n    {is_over}\n")
    told = {key: text for key, text in found.faults.items() if fault in key}
    assert told, found.faults
    assert any(text.startswith(where) for text in told.values()), told


def test_only_the_facts_that_matter_are_told() -> None:
    """Of all that is unusual, what the failure does not need is left out, even if the program reads it."""
    body = "return 100 // (4 - facts.mines_entrance_depth) < facts.hp + facts.gold + facts.kills + facts.items + facts.depth and False"
    (told,) = _skill(ANYWHERE + f"def is_over(skill, facts, start):\n    {body}\n").faults.values()
    assert told == "where mines_entrance_depth=4"


@pytest.mark.parametrize(
    "body",
    [
        "return facts.hp / facts.max_hp < 0.3",
        "return facts.squares_seen_here // facts.depth > 10 ** 4",
        "return math.sqrt(facts.kills - start.kills) + math.sqrt(facts.steps - start.steps) > 9",
        "return math.log(facts.levels_visited) > 3",
        "return math.sqrt(facts.items - facts.new_items) > 7",
        "return [0] * 54 == [facts.depth] or [True] * 54 == [False] * facts.max_depth",
        "return {'main': 1, 'mines': 2}.get(facts.branch, 0) > 5",
        "return 'altar' in facts.message.lower().split()",
        "return facts.message[:1] == 'Y' and facts.max_depth - facts.depth < 0",
        "return 1 / (facts.turn - 0) > 2",
    ],
)
def test_honest_functions_are_not_blamed_for_what_cannot_be(body: str) -> None:
    found = _skill("import math\n" + ANYWHERE + f"def is_over(skill, facts, start):\n    {body}\n")
    assert not found.faults


def test_whether_a_call_can_end() -> None:
    assert _skill(ANYWHERE + LEVEL).over == {"descender": True}
    assert _skill(ANYWHERE + "def is_over(skill, facts, start):\n    return facts.depth > 60\n").over == {"descender": False}
    assert _skill(ANYWHERE + "def is_over(skill, facts, start):\n    return facts.branch == 'vlad'\n").over == {"descender": True}


def test_costs_are_measured_and_dear_functions_doubted() -> None:
    cheap = _skill(ANYWHERE + LEVEL)
    assert not cheap.doubts
    costs = cheap.costs["is_over(descender)"]
    assert costs["calls"] == SCENES.moments
    assert costs["fuel"] == costs["most_fuel"] == 1
    assert 0 < costs["us"] < 50
    slow = "    return len([a for a in range(3_000)]) < facts.depth and start is None\n"
    found = _skill(ANYWHERE + "def is_over(skill, facts, start):\n" + slow)
    assert found.costs["is_over(descender)"]["fuel"] == pytest.approx(3_048, abs=60)
    assert any(doubt.startswith("is_over(descender) takes ") and "more than 50" in doubt for doubt in found.doubts), found.doubts
    greedy = "    return facts.hp == 0 and len([a for a in range(15_000)]) < 9\n"
    found = _skill(ANYWHERE + "def is_over(skill, facts, start):\n" + greedy)
    assert any("used 15" in doubt and "of the 20000" in doubt for doubt in found.doubts), found.doubts


def _doubted(text: str, find: Callable[[], Sequence[str]]) -> bool:
    """Whether something is doubted in at least one of twenty trials: where objects lie in memory may be the same twice by chance."""
    held: list[object] = []
    for trial in range(20):
        held.append([object() for _ in range(trial * 7)])
        if any(text in doubt for doubt in find()):
            return True
    return False


def test_answers_that_no_seed_fixes_are_doubted() -> None:
    """Objects are put into sets by where they lie in memory."""
    loose = """
class Place:
    def __init__(self, name):
        self.name = name
def is_over(skill, facts, start):
    places = {Place(name) for name in "abcdefgh"}
    return [place.name for place in places][facts.steps % 8] < "e"
"""
    assert _doubted("with the same seed and facts differ", lambda: _skill(ANYWHERE + loose).doubts)
    drawn = "import random\n" + ANYWHERE + "def is_over(skill, facts, start):\n    return random.random() < 0.3\n"
    assert not _skill(drawn).doubts


# --- policies over skills


@pytest.mark.parametrize(
    ("policy", "fault", "where"),
    [
        (_next("return ['ascender', 'descender'][facts.mines_entrance_depth // 4] if facts.depth < 60 else 'x'"), "", ""),
        (_next("return {'main': 'descender'}[facts.branch]"), "next_skill: KeyError: 'mines' (line 3)", "where branch='mines'"),
        (_next("return 'delver' if facts.hunger == 'weak' else startable[0]"), "next_skill: names an unknown skill 'delver'", "where hunger='weak'"),
        (_next("return startable"), "next_skill: TypeError: must return the id of a skill, not list", "on quite usual facts"),
        (_next("return startable[0]", "    def interrupt(self, facts, skill):\n        return facts.kills\n"), "interrupt: TypeError: must return", ""),
        (_next("return startable[0]", "    def is_done(self, facts):\n        return 9 // facts.hp > 3\n"), "is_done: ZeroDivisionError", "where hp=0"),
        (_next("return startable[0]", "    def __init__(self):\n        self.n = [][0]\n"), "__init__: IndexError", ""),
    ],
)
def test_a_policy_that_is_not_total_is_told_the_facts(policy: str, fault: str, where: str) -> None:
    found = _policy(policy)
    if not fault:
        assert not found.faults
        return
    told = {key: text for key, text in found.faults.items() if key.startswith(fault)}
    assert told, found.faults
    assert any(text.startswith(where) for text in told.values()), told


def test_a_policy_that_needs_a_certain_skill_is_doubted() -> None:
    """The skill programs of this test let every skill start anywhere; others need not."""
    found = _policy(_next("return [skill for skill in startable if skill != 'ascender'][0]"))
    assert not found.faults
    assert any("IndexError" in doubt and "if only ascender may start there" in doubt for doubt in found.doubts), found.doubts


def test_needless_switching_is_doubted() -> None:
    more = "    def interrupt(self, facts, skill):\n        return True\n"
    found = _policy(_next("return 'ascender' if finished == 'descender' else 'descender'", more))
    assert any(doubt.startswith("it switches skills too often: at 1200 of 1200 steps of real play") for doubt in found.doubts), found.doubts
    # Asked at every step, and content with what goes on: nothing switches.
    assert not _policy(_next("return 'descender'", more)).doubts


def test_policies_that_no_seed_fixes_are_doubted() -> None:
    loose = """
class Wish:
    def __init__(self, skill):
        self.skill = skill
class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        wishes = {Wish(skill) for skill in startable}
        return [wish.skill for wish in wishes][facts.steps % len(startable)]
"""
    more = "    def interrupt(self, facts, skill):\n        return True\n"
    assert _doubted("with the same seed and facts decide differently", lambda: _policy(loose + more).doubts)
    assert not _policy(_next("return random.choice(startable)", top="import random\n")).doubts


def test_a_policy_that_uses_up_its_fuel_is_soon_through() -> None:
    found = _policy(_next("return startable[0]", "    def observe(self, facts):\n        while True:\n            pass\n"))
    assert any(fault.startswith("observe: OutOfFuel") for fault in found.faults)
    assert found.costs["observe"]["calls"] <= 10


# --- what docs/programs.md says of skills that may start


def _starts(allowed: Sequence[str], answer: str = "startable[-1]", policy: bool = True) -> tuple[ProgramSchedule, list[str], list[list[str]]]:
    """A schedule, the skills active after begin and three steps that end every call, and the lists that the policy was given."""
    can_start = f"def can_start(skill, facts):\n    return skill in {list(allowed)!r}\n"
    over = "def is_over(skill, facts, start):\n    return True\n"
    source = f"given = []\nclass PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        given.append(list(startable))\n        return {answer}\n    def is_done(self, facts):\n        raise ValueError(str(given))\n"
    schedule = ProgramSchedule(SKILLS, can_start + over, source if policy else None, [spec.name for spec in NETHACK.fact_specs], 1)
    facts = SCENES.recorded[0][0]
    active = [schedule.begin(facts), *(schedule.advance(facts, EndCause.CONTINUES)[1] for _ in range(3))]
    told = [fault for fault in schedule.faults if fault.startswith("is_done")]
    return schedule, active, ast.literal_eval(re.findall(r"ValueError: (.*) \(line", told[-1])[0]) if told else []


def test_where_nothing_may_start_the_first_skill_does_and_nobody_is_asked() -> None:
    _, active, given = _starts([])
    assert active == [SKILLS.ids[0]] * 4
    assert not given


def test_where_one_may_start_it_does_whatever_is_answered() -> None:
    _, active, given = _starts(["merchant"], "'descender'")
    assert active == ["merchant"] * 4
    assert given == [["merchant"]] * 3
    assert _starts(["merchant"], "'descender'")[0].refused == {"chose 'descender', which may not start there": 4}


def test_where_several_may_start_the_policy_chooses_among_all_of_them() -> None:
    _, active, given = _starts(["worshipper", "descender"])
    both = [skill for skill in SKILLS.ids if skill in ("worshipper", "descender")]
    assert given == [both] * 3
    assert active == [both[-1]] * 4  # the skill that has just ended may be called again
    assert set(_starts(["worshipper", "descender"], policy=False)[1]) == set(both)


def test_what_may_start_is_asked_where_a_call_ends_only() -> None:
    can_start = "def can_start(skill, facts):\n    return skill == 'merchant' and facts.steps == 0\n"
    source = can_start + "def is_over(skill, facts, start):\n    return facts.steps - start.steps >= 5\n"
    schedule = ProgramSchedule(SKILLS, source, None, [spec.name for spec in NETHACK.fact_specs], 1)
    episode = SCENES.recorded[0]
    active = [schedule.begin(episode[0]), *(schedule.advance(facts, EndCause.CONTINUES)[1] for facts in episode[1:7])]
    assert active == ["merchant"] * 5 + [SKILLS.ids[0]] * 2


def test_a_call_lasts_for_at_least_one_step() -> None:
    schedule, active, _ = _starts(["descender"])
    assert schedule.active == active[0] == "descender"
    assert schedule.offered["descender"] == 4


# --- trials


def test_trials_tell_what_the_contract_tests_found() -> None:
    """Simulated episodes of so few ticks never last for 400 steps; drawn ones do."""
    domain = Corridor({})
    skills = SkillSet.parse(domain.skills_toml)
    config = ProgramConfig(episodes=2, practice_ticks=20, seconds=20)
    source = ANYWHERE + "def is_over(skill, facts, start):\n    return 9 // (facts.steps - 400) > 3\n"
    report = run_trial(domain, skills, source, None, kind="skill", config=config)
    assert report.verdict == "refused"
    assert report.fatal[0] == (
        "skills.py: is_over(go_left): ZeroDivisionError: integer division or modulo by zero (line 4), where steps=400"
    )
    never = ANYWHERE + "def is_over(skill, facts, start):\n    return facts.position > facts.length\n"
    report = run_trial(domain, skills, never, None, kind="skill", config=config.model_copy(update={"episodes": 30, "practice_ticks": 150}))
    assert report.verdict == "weak"
    assert any("nor for any of" in doubt and doubt.endswith("only the time limit ended them") for doubt in report.weak), report.weak


def _recorded(domain: Domain) -> tuple[str, dict[str, str]]:
    folder = Path(domain.recorded_answers[0])

    def program(path: Path, wanted: str) -> str:
        source = extract_program(path.read_text(encoding="utf-8"), (wanted,))
        assert source is not None
        return source

    skills = SkillSet.parse(domain.skills_toml)
    module = assemble({skill: program(folder / f"programs-{skill}.md", "is_over") for skill in skills.ids})
    policies = [path for pattern in ("task-*.md", "training-policy.md") for path in sorted(folder.glob(pattern))]
    return module, {path.stem: program(path, "PolicyOverSkills") for path in policies}


@pytest.mark.parametrize("domain", [NETHACK, Corridor({})], ids=lambda domain: domain.id)
def test_all_recorded_programs_keep_the_contract(domain: Domain) -> None:
    skills = SkillSet.parse(domain.skills_toml)
    module, policies = _recorded(domain)
    assert policies
    for seed in range(3):
        scenes = make_scenes(domain, skills, domain.recorded_facts(), seed)
        programs = Programs(skills, module, None, skills.ids, seed, 20_000, "skills.py", "policy.py")
        found = check_skills(programs, scenes)
        assert not found.faults
        assert not found.doubts
        assert all(found.over.values()), found.over
        for name, policy in policies.items():
            found = check_policy(Programs(skills, module, policy, (), seed, 20_000, "skills.py", "policy.py"), scenes)
            assert not found.faults, name
            assert not found.doubts, name


def test_scenes_are_repeatable() -> None:
    again = make_scenes(NETHACK, SKILLS, NETHACK.recorded_facts(), 0)
    assert [_values(NETHACK, facts) for episode in again.episodes for facts in episode] == [
        _values(NETHACK, facts) for episode in SCENES.episodes for facts in episode
    ]
    other = make_scenes(NETHACK, SKILLS, NETHACK.recorded_facts(), random.Random(1).randrange(9, 99))
    assert [facts.gold for episode in other.drawn for facts in episode] != [facts.gold for episode in SCENES.drawn for facts in episode]
