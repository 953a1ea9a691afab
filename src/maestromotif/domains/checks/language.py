"""Checks of what language needs of a domain: facts, captions, tasks, simulator, recorded answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from maestromotif.domains.checks.tools import STEPS, TYPES, Check, Nothing, check_facts, fact_values, fail, play
from maestromotif.domains.contract import Criterion, Domain, DomainEnv, Facts
from maestromotif.errors import ChatError, ConfigError
from maestromotif.llm.recorded import RecordedAnswer, RecordedChat
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

__all__ = ["LANGUAGE_CHECKS"]

_MOST_DIFFERENT = 0.9  # share of steps


def _facts(domain: Domain) -> str:
    """Every documented fact is there, with exactly its type, and within its listed values."""
    specs = domain.fact_specs
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        fail("a fact is documented twice")
    for spec in specs:
        if spec.type not in TYPES:
            fail(f"fact {spec.name!r} has the unknown type {spec.type!r}")
        if not spec.doc.strip():
            fail(f"fact {spec.name!r} has no doc")
    for step, (_, moments, _) in enumerate(play(domain, 200, explorer_seed=1)):
        for moment in moments:
            check_facts(moment.facts, specs, f"step {step}")
    return f"{len(specs)} facts keep to their documentation"


def _possible(domain: Domain) -> str:
    """Recorded facts keep to the specs; facts that occur are possible after those before them, and possible ones keep to the specs."""
    specs = domain.fact_specs
    for number, episode in enumerate(domain.recorded_facts()):
        for step, facts in enumerate(episode):
            check_facts(facts, specs, f"recorded episode {number}, step {step}")
    seen = 0
    env, explorer = domain.make_env(1), domain.explorer(6)
    try:
        env.reset([0], [6])
        before: dict[str, Any] | None = None
        for step in range(STEPS):
            values = {spec.name: getattr(env.facts(0), spec.name) for spec in specs}
            possible = domain.possible_facts(values, before)
            if possible is None:
                return "the domain cannot tell which facts are possible"
            changed = [name for name, value in values.items() if possible[name] != value]
            if changed:
                name = changed[0]
                fail(f"step {step}: possible_facts makes {possible[name]!r} of the fact {name} = {values[name]!r}, which has occurred")
            for spec in specs:
                value = values[spec.name]
                if spec.type in ("int", "float") and (value < spec.least or (spec.most is not None and value > spec.most)):
                    fail(f"step {step}: {spec.name} = {value!r} lies outside {spec.least} to {spec.most}")
            seen, before = seen + 1, values
            env.step(explorer.act(env))
            if env.terminated_B[0]:
                break
    finally:
        env.close()
    return f"{seen} moments of play are possible"


def _snapshots(domain: Domain) -> str:
    """Facts are read-only and stay what they were when the game goes on."""
    specs = domain.fact_specs
    kept: list[tuple[Facts, tuple[Any, ...]]] = []
    for _, moments, _ in play(domain, 60, explorer_seed=2):
        for moment in moments:
            kept.append((moment.facts, fact_values(moment.facts, specs)))
    for facts, values in kept:
        if fact_values(facts, specs) != values:
            fail("a facts snapshot changed after further steps")
    facts = kept[0][0]
    try:
        setattr(facts, specs[0].name, getattr(facts, specs[0].name))
    except (AttributeError, TypeError):
        pass
    else:
        fail("facts can be written to")
    if len({values for _, values in kept}) < 2:
        raise Nothing("all facts of 60 steps are equal, so nothing could be seen to change")
    return f"{len(kept)} snapshots stayed what they were"


def _keys(domain: Domain) -> str:
    """Equal reward keys mean equal reward inputs; different inputs have different keys."""
    input_of: dict[int, RewardInput] = {}
    key_of: dict[RewardInput, int] = {}
    for step, (_, moments, _) in enumerate(play(domain, STEPS, explorer_seed=3)):
        for moment in moments:
            if not 0 <= moment.key < 1 << 64:
                fail(f"step {step}: the reward key {moment.key} does not fit 64 bits")
            if input_of.setdefault(moment.key, moment.reward_input) != moment.reward_input:
                fail(f"step {step}: key {moment.key} stands for {input_of[moment.key]} and for {moment.reward_input}")
            if key_of.setdefault(moment.reward_input, moment.key) != moment.key:
                fail(f"step {step}: {moment.reward_input} has two keys")
    if len(input_of) < 2:
        raise Nothing("the explorer saw one reward input only")
    return f"{len(input_of)} reward inputs, as many keys"


def _signs(domain: Domain) -> str:
    """Every reward input has one index per sign, in range; each sign takes more than one value."""
    specs = domain.sign_specs
    seen: list[set[int]] = [set() for _ in specs]
    for step, (_, moments, _) in enumerate(play(domain, STEPS, explorer_seed=3)):
        for moment in moments:
            signs = moment.reward_input.signs
            if len(signs) != len(specs):
                fail(f"step {step}: {len(signs)} signs for {len(specs)} specs")
            for spec, index, values in zip(specs, signs, seen, strict=True):
                if type(index) is not int or not 0 <= index < len(spec.values):
                    fail(f"step {step}: sign {spec.name!r} has the index {index!r}, outside [0, {len(spec.values)})")
                values.add(index)
    if not specs:
        raise Nothing("the domain has no signs")
    still = [spec.name for spec, values in zip(specs, seen, strict=True) if len(values) == 1]
    if len(still) == len(specs):
        raise Nothing(f"no sign changed within {STEPS} steps")
    return "all in range" + (f"; never seen to change: {', '.join(still)}" if still else "")


def _captions(domain: Domain) -> str:
    """Captions are not empty, and there is more than one of them."""
    texts: set[str] = set()
    inputs: set[RewardInput] = set()
    seen = 0
    for step, (_, moments, _) in enumerate(play(domain, 200, explorer_seed=4)):
        for moment in moments:
            if not moment.text.strip():
                fail(f"step {step}: a caption is empty")
            texts.add(moment.text)
            inputs.add(moment.reward_input)
            seen += 1
    if len(texts) < 2:
        fail("the explorer's captions are all the same")
    if len(inputs) > _MOST_DIFFERENT * seen:
        fail(f"{len(inputs)} of {seen} steps have a reward input of their own, so nothing that is learnt of one helps with another")
    return f"{len(texts)} different captions"


def _tasks(domain: Domain) -> str:
    """Tasks have text, a landmark and a limit; their criteria begin as not met, and once met stay met."""
    if not domain.tasks:
        raise Nothing("the domain has no tasks")
    criteria: list[tuple[str, Criterion]] = []
    for name, task in domain.tasks.items():
        if name != task.id:
            fail(f"task {task.id!r} is listed as {name!r}")
        if not task.description.strip() or task.max_steps < 1:
            fail(f"task {name!r} has no description or no limit")
        if "landmark" not in task.criteria:
            fail(f"task {name!r} has no criterion 'landmark'")
        criteria += [(f"{name}/{kind}", make()) for kind, make in task.criteria.items()]
    met: dict[str, bool] = {}
    env = domain.make_env(1)
    try:
        env.reset([0], [1])
        for name, criterion in criteria:
            met[name] = criterion.update(env.facts(0), env.truth(0))
            if type(met[name]) is not bool:
                fail(f"criterion {name} returned {type(met[name]).__name__} instead of bool")
        if all(met.values()):
            fail("every criterion is met at the start")
        explorer = domain.explorer(1)
        for _ in range(200):
            env.step(explorer.act(env))
            for name, criterion in criteria:
                now = criterion.update(env.facts(0), env.truth(0))
                if met[name] and not now:
                    fail(f"criterion {name} was met and then no longer")
                met[name] = now
            if env.terminated_B[0]:
                break
    finally:
        env.close()
    _task_starts(domain)
    return f"{len(criteria)} criteria of {len(domain.tasks)} tasks"


def _task_starts(domain: Domain) -> None:
    """No criterion is met by just being put into the world, whatever the seed."""
    env = domain.make_env(1)
    try:
        for task in domain.tasks.values():
            for kind, make in task.criteria.items():
                if all(_met_at_start(env, make(), seed) for seed in range(4)):
                    fail(f"criterion {task.id}/{kind} is met before anything has been done")
    finally:
        env.close()


def _met_at_start(env: DomainEnv, criterion: Criterion, seed: int) -> bool:
    env.reset([0], [seed])
    return criterion.update(env.facts(0), env.truth(0))


def _simulator(domain: Domain) -> str:
    """Simulated facts keep to the specs, any skill id is taken, the same seed plays the same, and truth has the real keys."""
    skills = [*SkillSet.parse(domain.skills_toml).ids, "a_skill_nobody_knows"]
    first, second = domain.simulator(), domain.simulator()
    env = domain.make_env(1)
    try:
        env.reset([0], [0])
        keys = set(env.truth(0))
    finally:
        env.close()
    rng = np.random.default_rng(9)
    moved = 0
    for seed in range(20):
        facts, twin = first.reset(seed), second.reset(seed)
        start = fact_values(facts, domain.fact_specs)
        for tick in range(60):
            where = f"simulator, seed {seed}, tick {tick}"
            check_facts(facts, domain.fact_specs, where)
            if fact_values(facts, domain.fact_specs) != fact_values(twin, domain.fact_specs):
                fail(f"{where}: the same seed and skills gave different facts")
            skill = skills[int(rng.integers(len(skills)))]
            (facts, over), (twin, _) = first.step(skill), second.step(skill)
            if type(over) is not bool:
                fail(f"{where}: step must return (facts, bool)")
            if over:
                break
        moved += fact_values(facts, domain.fact_specs) != start
        missing = keys - set(first.truth())
        if missing:
            fail(f"the simulator's truth lacks {', '.join(sorted(missing))}")
    if not moved:
        fail("nothing ever happens in the simulator")
    return "20 simulated episodes keep to the facts"


def _measures(domain: Domain) -> str:
    """Call measures return bools, and say no where nothing has happened."""
    if not domain.call_measures:
        raise Nothing("the domain has no call measures")
    for _, moments, _ in play(domain, 1):
        for name, measure in domain.call_measures.items():
            answer = measure(moments[0].facts, moments[0].facts)
            if type(answer) is not bool:
                fail(f"measure {name!r} returned {type(answer).__name__} instead of bool")
    unknown = [skill.id for skill in SkillSet.parse(domain.skills_toml) if skill.measure and skill.measure not in domain.call_measures]
    if unknown:
        fail(f"skills.toml: the measure of {', '.join(unknown)} is unknown")
    return f"{len(domain.call_measures)} measures"


def _words(domain: Domain) -> str:
    """Id, title, knowledge and skills.toml are there and can be read."""
    if not domain.id or not domain.title.strip() or not domain.knowledge.strip():
        fail("id, title and knowledge may not be empty")
    if len(set(domain.actions)) != len(domain.actions):
        fail("two actions have the same name")
    try:
        skills = SkillSet.parse(domain.skills_toml)
    except ConfigError as error:
        fail(str(error))
    return f"{len(skills)} skills in skills.toml"


def _answers(domain: Domain) -> str:
    """Recorded answers can be read, hold one code block that compiles, and cover the shipped skills and tasks."""
    if not domain.recorded_answers:
        raise Nothing("the domain ships no recorded answers")
    try:
        chat = RecordedChat(domain.recorded_answers)
    except ChatError as error:
        fail(str(error))
    for answer in chat.answers:
        source = _code(answer)
        try:
            compile(source, answer.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            fail(f"{answer.path}: {error}")
    wanted = [(f"{domain.id}/training-policy", "")]
    for skill in SkillSet.parse(domain.skills_toml):
        wanted += [(f"{domain.id}/judge/{skill.id}", skill.preference_text), (f"{domain.id}/programs/{skill.id}", skill.description)]
    wanted += [(f"{domain.id}/task/{task.id}", task.description) for task in domain.tasks.values()]
    for name, subject in wanted:
        found = chat.find(name, subject)
        if found is None or (subject and found.is_fallback):
            fail(f"no answer is recorded for {name!r} with its present text")
    return f"{len(wanted)} requests have an answer"


def _code(answer: RecordedAnswer) -> str:
    blocks = answer.text.split("```python\n")[1:]
    if len(blocks) != 1 or "```" not in blocks[0]:
        fail(f"{answer.path} must hold exactly one ```python block")
    return blocks[0].partition("```")[0]


LANGUAGE_CHECKS: Mapping[str, Check] = {
    "words": _words,
    "facts": _facts,
    "facts are snapshots": _snapshots,
    "possible facts": _possible,
    "reward keys": _keys,
    "signs": _signs,
    "captions": _captions,
    "tasks": _tasks,
    "call measures": _measures,
    "simulator": _simulator,
    "recorded answers": _answers,
}
