"""NetHack's texts and recorded answers: they pass the checks that live answers pass, and say what the skills' texts ask for."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maestromotif.domains.nethack as package
from maestromotif.domains.nethack.simulator import DungeonSimulator
from maestromotif.domains.nethack.simulator_rates import perfect as perfect_rates
from maestromotif.domains.nethack.simulator_rates import practised
from maestromotif.domains.nethack.tasks import CALL_MEASURES, TASKS
from maestromotif.domains.nethack.vocabulary import ACTIONS, FACTS, SIGNS
from maestromotif.llm.recorded import RecordedChat, read_answer
from maestromotif.programs.check import check_source
from maestromotif.programs.sandbox import load
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

FOLDER = Path(package.__file__).parent
SKILLS = SkillSet.load(FOLDER / "skills.toml")
CHAT = RecordedChat([FOLDER / "answers"])
NAMES = [spec.name for spec in FACTS]
QUIET = {sign.name: sign.values[0] for sign in SIGNS}
DANCER = Skill("dancer", "Dance.", max_steps=200)


def code(name: str, subject: str = "") -> str:
    """The code block of a recorded answer."""
    answer = CHAT.find(name, subject)
    assert answer is not None
    found = re.search(r"```python\n(.*?)```", answer.text, re.DOTALL)
    assert found
    return found[1]


def skill_program(skills: SkillSet) -> str:
    """The skills' answers put together into one program with dispatch."""
    parts = []
    for skill in skills:
        source = code(f"nethack/programs/{skill.id}", skill.description)
        for name in ("can_start", "is_over"):
            source = source.replace(f"def {name}(", f"def {name}_{skill.id}(")
        parts.append(source)
    starts = ", ".join(f'"{skill.id}": can_start_{skill.id}' for skill in skills)
    ends = ", ".join(f'"{skill.id}": is_over_{skill.id}' for skill in skills)
    parts.append(f"STARTS = {{{starts}}}\nENDS = {{{ends}}}\n\ndef can_start(skill, facts):\n    return STARTS[skill](facts)\n")
    parts.append("def is_over(skill, facts, start):\n    return ENDS[skill](facts, start)\n")
    return "\n\n".join(parts)


def play(
    policy: str, skills: SkillSet, seed: int, perfect: bool = False, ticks: int = 500, task: str = "", module: str = ""
) -> dict[str, Any]:
    """One simulated episode: calls per skill, where each began, ends, faults, criteria; ``module``: other programs of the skills."""
    simulator = DungeonSimulator(perfect_rates() if perfect else practised())
    schedule = ProgramSchedule(skills, module or skill_program(skills), policy, NAMES, seed)
    facts = simulator.reset(seed)
    criteria = {name: make() for name, make in TASKS[task].criteria.items()} if task else {}
    met = {name: criterion.update(facts, simulator.truth()) for name, criterion in criteria.items()}
    active = schedule.begin(facts)
    calls, causes, starts = Counter([active]), Counter[EndCause](), [(active, facts)]
    for _ in range(ticks):
        before = facts.steps
        facts, over = simulator.step(active)
        met = {name: criterion.update(facts, simulator.truth()) for name, criterion in criteria.items()}
        cause, active = schedule.advance(facts, EndCause.DIED if over else EndCause.CONTINUES, facts.steps - before)
        if over or schedule.claims_done:
            break
        if cause is not EndCause.CONTINUES:
            causes[cause] += 1
            calls[active] += 1
            starts.append((active, facts))
    return {
        "calls": calls,
        "causes": causes,
        "starts": starts,
        "faults": schedule.faults,
        "refused": schedule.refused,
        "met": met,
        "claims": schedule.claims_done,
        "facts": facts,
        "truth": simulator.truth(),
    }


def test_the_skills_are_the_papers_five_and_are_measured() -> None:
    assert SKILLS.ids == ("discoverer", "descender", "ascender", "merchant", "worshipper")
    assert all(skill.measure in CALL_MEASURES for skill in SKILLS)
    assert all(skill.prefer.strip() for skill in SKILLS)


def test_every_answer_passes_the_static_check() -> None:
    for path in sorted((FOLDER / "answers").glob("*.md")):
        answer = read_answer(path)
        found = re.search(r"```python\n(.*?)```", answer.text, re.DOTALL)
        assert found, path
        check_source(found[1], [] if "/judge/" in answer.name else NAMES, path.name)


@pytest.mark.parametrize("skill", SKILLS.ids)
def test_answers_fit_the_present_texts(skill: str) -> None:
    for name, subject in (
        (f"nethack/judge/{skill}", SKILLS[skill].preference_text),
        (f"nethack/programs/{skill}", SKILLS[skill].description),
    ):
        found = CHAT.find(name, subject)
        assert found is not None
        assert not found.is_fallback, f"{name} is recorded for an older text"


def scorer(skill: str) -> Any:
    program = load(code(f"nethack/judge/{skill}", SKILLS[skill].preference_text), f"judge-{skill}", required=("score",))
    function = program.get("score")
    assert function is not None

    def score(message: str = "", **changes: str) -> float:
        return float(program.call(function, message, {**QUIET, **changes}))

    return score


# Best first; each moment must score higher than the next.
RANKED: Mapping[str, list[tuple[str, dict[str, str]]]] = {
    "descender": [
        ("You descend the stairs.", {"level": "deeper", "new_squares": "some"}),
        ("", {"stairs_down": "came into view", "new_squares": "few"}),
        ("", {"new_squares": "many"}),
        ("", {"new_squares": "some"}),
        ("", {"new_squares": "few"}),
        ("It's a wall.", {}),
        ("The newt bites!", {"hit_points": "less"}),
        ("You climb up the stairs.", {"level": "higher", "new_squares": "many"}),
        ("You die...", {"alive": "died", "hit_points": "less"}),
    ],
    "ascender": [
        ("You climb up the stairs.", {"level": "higher"}),
        ("", {"stairs_up": "came into view", "new_squares": "few"}),
        ("", {"new_squares": "many"}),
        ("", {"new_squares": "few"}),
        ("You kill the newt!", {}),
        ("", {"hit_points": "less"}),
        ("", {"level": "deeper"}),
        ("You die...", {"alive": "died"}),
    ],
    "discoverer": [
        ("You kill the jackal!  Welcome to experience level 2.", {"experience": "more"}),
        ("You kill the newt!", {}),
        ("$ - # gold pieces.", {"gold": "more"}),
        ("k - a scroll labeled FOO.", {"items": "gained"}),
        ("", {"new_squares": "many"}),
        ("", {"new_squares": "few"}),
        ("You miss the newt.", {}),
        ("", {}),
        ("The newt bites!", {"hit_points": "less"}),
        ("You descend the stairs.", {"level": "deeper", "new_squares": "many"}),
        ("You die...", {"alive": "died"}),
    ],
    "merchant": [
        (
            "You drop a wand. Izchak offers # gold pieces for your wand.  Sell it? You sold a wand for # gold pieces.",
            {"gold": "more", "items": "lost"},
        ),
        ("Izchak offers # gold pieces for your wand.  Sell it? [ynaq] (y)", {}),
        ("", {"shop": "came into view"}),
        ('"Hello, Agent!  Welcome to Izchak\'s lighting store!"', {}),
        ("For you, good sir; only # for this wand.", {}),
        ("You kill the newt!", {}),
        ("", {"level": "deeper"}),
        ("You stole # zorkmids worth of merchandise.", {}),
    ],
    "worshipper": [
        ("There is an amber flash as a potion hits the altar.", {"items": "lost"}),
        ("A potion lands on the altar.", {"items": "lost"}),
        ("", {"altar": "came into view"}),
        ("There is an altar to Chih Sung-tzu (neutral) here.", {}),
        ("You kill the newt!", {}),
        ("You begin praying to Chih Sung-tzu.", {}),
        ("", {"level": "higher"}),
        ("You die...", {"alive": "died"}),
    ],
}


@pytest.mark.parametrize("skill", SKILLS.ids)
def test_judges_rank_as_the_preference_texts_ask(skill: str) -> None:
    score = scorer(skill)
    scores = [score(message, **changes) for message, changes in RANKED[skill]]
    assert all(better > worse for better, worse in itertools.pairwise(scores)), list(zip(scores, RANKED[skill], strict=True))


def test_judges_call_ties() -> None:
    assert scorer("descender")("You hear the footsteps of a guard.") == scorer("descender")("It's a wall.")
    assert scorer("merchant")("", new_squares="many") == scorer("merchant")("You kill the newt!")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.tuples(*(st.sampled_from(sign.values) for sign in SIGNS)))
def test_judges_score_anything(message: str, values: tuple[str, ...]) -> None:
    changes = dict(zip(QUIET, values, strict=True))
    for skill in SKILLS.ids:
        score = SCORERS[skill](message, **changes)
        assert -50 < score < 50


SCORERS = {skill: scorer(skill) for skill in SKILLS.ids}


def subset(*ids: str) -> SkillSet:
    return SkillSet(tuple(DANCER if skill == "dancer" else SKILLS[skill] for skill in ids))


@pytest.mark.parametrize(
    "skills",
    [
        SKILLS,
        subset(*SKILLS.ids, "dancer"),
        subset("descender", "ascender"),
        subset("descender"),
        subset("discoverer", "merchant", "dancer"),
        subset("dancer"),
    ],
    ids=lambda skills: "+".join(skills.ids),
)
def test_the_training_policy_copes_with_any_skills(skills: SkillSet) -> None:
    calls = Counter[str]()
    for seed in range(8):
        for perfect in (True, False):
            result = play(code("nethack/training-policy"), skills, seed, perfect)
            assert not result["faults"]
            assert not result["refused"]
            # Where the Ascender ends the game, it is called at the end of a journey only.
            assert all(facts.max_depth > 1 for skill, facts in result["starts"] if skill == "ascender" and facts.depth == 1)
            calls += result["calls"]
    assert calls["dancer"] >= calls.total() / 20 or "dancer" not in skills.ids


def test_the_training_policy_shares_its_calls_sensibly() -> None:
    results = [play(code("nethack/training-policy"), SKILLS, seed) for seed in range(30)]
    calls = sum((result["calls"] for result in results), Counter[str]())
    # Journeys may end by leaving the dungeon, so more of the calls go up than down; together they carry the curriculum.
    assert 0.3 < calls["descender"] / calls.total() < 0.6
    assert 0.65 < (calls["descender"] + calls["ascender"]) / calls.total() < 0.85
    assert calls["ascender"] / calls.total() > 0.25
    assert min(calls[skill] for skill in SKILLS.ids) >= 10
    assert sum(result["causes"][EndCause.INTERRUPTED] for result in results) >= 10
    assert sum(result["truth"]["escaped"] for result in results) >= 3  # leaving the dungeon is learned, too
    # Half of the episodes want the Mines; the others may fall into them, and leave at once.
    stays = sum(any(facts.branch == "mines" and facts.branch_level > 1 for _, facts in result["starts"]) for result in results)
    assert 5 <= stays <= 25, stays
    depths = [result["facts"].max_depth for result in results]
    assert max(depths) <= 8
    assert sum(depths) / len(depths) > 3.5


@pytest.mark.parametrize("task", TASKS)
def test_task_programs_solve_their_tasks_with_perfect_skills(task: str) -> None:
    policy = code(f"nethack/task/{task}", TASKS[task].description)
    results = [play(policy, SKILLS, seed, perfect=True, task=task) for seed in range(20)]
    assert not any(result["faults"] or result["refused"] for result in results)
    assert sum(result["met"]["landmark"] for result in results) >= 0.9 * len(results)


@pytest.mark.parametrize("task", TASKS)
def test_task_programs_cope_with_bad_luck_and_missing_skills(task: str) -> None:
    policy = code(f"nethack/task/{task}", TASKS[task].description)
    for seed in range(8):
        for skills in (SKILLS, subset("descender", "ascender"), subset("discoverer"), subset("dancer", "merchant", "descender")):
            result = play(policy, skills, seed, task=task)
            assert not result["faults"]
            assert not result["refused"]


def test_a_claim_is_not_made_before_the_landmark() -> None:
    for task in ("gnomish_mines", "delphi"):
        policy = code(f"nethack/task/{task}", TASKS[task].description)
        results = [play(policy, SKILLS, seed, task=task) for seed in range(20)]
        claims = [result for result in results if result["claims"]]
        assert len(claims) >= 10
        wrong = sum(not result["met"]["landmark"] for result in claims)
        assert wrong <= (2 if task == "delphi" else 0)  # a trap door may lead past the Oracle's level


def test_the_documentation_names_everything() -> None:
    page = Path(__file__).parents[2] / "docs" / "nethack.md"
    text = page.read_text(encoding="utf-8")
    for spec in FACTS:
        assert f"| `{spec.name}` | {spec.type} | {spec.doc}" in text, spec.name
    for sign in SIGNS:
        assert f"| `{sign.name}` | {', '.join(sign.values)} | {sign.doc} |" in text, sign.name
    for name in (*TASKS, *CALL_MEASURES, *(action for action in ACTIONS if not action.startswith("far "))):
        assert f"`{name}`" in text, name
