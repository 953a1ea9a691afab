"""A test-suite that any domain can run against itself: does it keep the ``Domain`` contract?

``check_domain`` returns one result per check. A check that found nothing to look at (a domain without tasks, a mask that
never forbids anything) is ``vacuous``: it says so instead of passing. With pytest, inherit ``DomainContract`` and give it a
``make_domain``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DENSE, Criterion, Domain, DomainEnv, Facts, FactSpec
from maestromotif.errors import ChatError, ConfigError
from maestromotif.llm.recorded import RecordedAnswer, RecordedChat
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

__all__ = ["CHECKS", "CheckResult", "DomainContract", "Outcome", "check_domain"]

_GAMES = 4
_STEPS = 400
_SEEDS = (11, 12, 13, 14)
_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


class Outcome(enum.StrEnum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    VACUOUS = "vacuous"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of the contract: its name, how it went, and why."""

    name: str
    outcome: Outcome
    why: str


class _Broken(Exception):
    """The contract is broken; the message says how."""


class _Nothing(Exception):
    """There was nothing to check; the message says what was missing."""


Check = Callable[[Domain], str]


def check_domain(domain: Domain) -> list[CheckResult]:
    """Run every check. An exception raised by the domain itself is a failure of that check, not of the suite."""
    return [_run(name, check, domain) for name, check in CHECKS.items()]


def _run(name: str, check: Check, domain: Domain) -> CheckResult:
    try:
        return CheckResult(name, Outcome.PASSED, check(domain))
    except _Nothing as nothing:
        return CheckResult(name, Outcome.VACUOUS, str(nothing))
    except _Broken as broken:
        return CheckResult(name, Outcome.FAILED, str(broken))
    except Exception as error:  # whatever a third party's domain raises is a finding
        return CheckResult(name, Outcome.FAILED, f"{type(error).__name__}: {error}")


def _fail(why: str) -> NoReturn:
    raise _Broken(why)


@dataclass(slots=True)
class _Moment:
    """What one game shows after a reset or step."""

    facts: Facts
    key: int
    reward_input: RewardInput
    text: str
    terminated: bool


Step = tuple[DomainEnv, list[_Moment], NDArray[np.int64]]  # the environment, what each game shows, the actions just played


def _play(domain: Domain, steps: int = _STEPS, explorer_seed: int | None = None) -> Iterator[Step]:
    """Play ``_GAMES`` games: by the explorer, or, without a seed for it, by random legal actions. Yields after every step."""
    env = domain.make_env(_GAMES)
    try:
        rng = np.random.default_rng(5)
        explorer = None if explorer_seed is None else domain.explorer(explorer_seed)
        env.reset(range(_GAMES), _SEEDS)
        seed = max(_SEEDS)
        for _ in range(steps):
            actions_B = explorer.act(env) if explorer else _legal(env.observation[ACTION_MASK], rng)
            env.step(actions_B)
            yield env, [_moment(env, game) for game in range(_GAMES)], actions_B
            for game in np.flatnonzero(env.terminated_B).tolist():
                seed += 1
                env.reset([game], [seed])
    finally:
        env.close()


def _moment(env: DomainEnv, game: int) -> _Moment:
    caption = env.caption(game)
    return _Moment(env.facts(game), env.reward_key(game), caption.reward_input, caption.text, bool(env.terminated_B[game]))


def _legal(mask_BA: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    actions_B: NDArray[np.int64] = np.argmax(rng.random(mask_BA.shape) * (mask_BA > 0), axis=1).astype(np.int64)
    return actions_B


def _values(facts: Facts, specs: tuple[FactSpec, ...]) -> tuple[Any, ...]:
    return tuple(getattr(facts, spec.name) for spec in specs)


def _same_seed(domain: Domain) -> str:
    """The same seeds and actions, in two environments, give the same observations, facts, keys and captions."""
    for step, (first, second) in enumerate(zip(_play(domain, 150), _play(domain, 150), strict=True)):
        (env_a, moments_a, actions_a), (env_b, moments_b, actions_b) = first, second
        if not np.array_equal(actions_a, actions_b):
            _fail(f"step {step}: the action masks differ between two runs of the same seeds")
        for name, array in env_a.observation.items():
            if not np.array_equal(array, env_b.observation[name]):
                _fail(f"step {step}: observation {name!r} differs between two runs of the same seeds")
        for game, (a, b) in enumerate(zip(moments_a, moments_b, strict=True)):
            if _values(a.facts, domain.fact_specs) != _values(b.facts, domain.fact_specs):
                _fail(f"step {step}, game {game}: the facts differ between two runs of the same seeds")
            if (a.key, a.reward_input, a.text, a.terminated) != (b.key, b.reward_input, b.text, b.terminated):
                _fail(f"step {step}, game {game}: key, caption or end differ between two runs of the same seeds")
    return f"{_GAMES} games and 150 steps were the same twice"


def _other_seed(domain: Domain) -> str:
    """Some other seed gives another game."""
    env = domain.make_env(1)
    try:
        seen = set()
        for seed in range(12):
            env.reset([0], [seed])
            for _ in range(5):
                if not env.terminated_B[0]:
                    env.step(np.argmax(env.observation[ACTION_MASK], axis=1).astype(np.int64))
            seen.add(tuple(array.tobytes() for array in env.observation.values()))
        if len(seen) < 2:
            _fail("12 seeds gave one and the same game")
        return f"12 seeds gave {len(seen)} different beginnings"
    finally:
        env.close()


def _games_are_independent(domain: Domain) -> str:
    """A game's trajectory does not depend on the games beside it."""
    single, many = domain.make_env(1), domain.make_env(3)
    try:
        single.reset([0], [21])
        many.reset(range(3), [20, 21, 22])
        rng = np.random.default_rng(6)
        for step in range(60):
            if single.terminated_B[0]:
                break
            actions = _legal(many.observation[ACTION_MASK], rng)
            single.step(actions[1:2])
            many.step(actions)
            for name, array in single.observation.items():
                if not np.array_equal(array[0], many.observation[name][1]):
                    _fail(f"step {step}: observation {name!r} depends on the games beside it")
            for game in (0, 2):
                if many.terminated_B[game]:
                    many.reset([game], [100 + step])
        return "the middle one of three games went as it goes alone"
    finally:
        single.close()
        many.close()


def _observations(domain: Domain) -> str:
    """Arrays have the shapes and types of the layout; indices lie in range; dense values are finite; some action is allowed."""
    spec = domain.observation_spec
    if spec.actions != len(domain.actions):
        _fail(f"observation_spec has {spec.actions} actions, the domain names {len(domain.actions)}")
    for name in spec.skip:
        if name not in spec.bags:
            _fail(f"skip names the bag {name!r}, which does not exist")
    for step, (env, _, _) in enumerate(_play(domain, 200)):
        layout = spec.layout()
        if set(env.observation) != set(layout):
            _fail(f"the observation has the arrays {sorted(env.observation)}, the spec {sorted(layout)}")
        for name, (shape, dtype) in layout.items():
            array = env.observation[name]
            if array.shape != (_GAMES, *shape) or array.dtype != dtype:
                _fail(f"observation {name!r} is {array.shape} {array.dtype}, the spec says {(_GAMES, *shape)} {dtype}")
        for name, bag in spec.bags.items():
            array = env.observation[name]
            if array.min() < 0 or array.max() >= bag.size:
                _fail(f"step {step}: bag {name!r} holds an index outside [0, {bag.size})")
        if spec.dense and not np.isfinite(env.observation[DENSE]).all():
            _fail(f"step {step}: a dense value is not finite")
        if spec.dense and np.abs(env.observation[DENSE]).max() > 100:
            _fail(f"step {step}: a dense value is larger than 100; scale it to about [-1, 1]")
        alive = ~env.terminated_B
        if not (env.observation[ACTION_MASK][alive] > 0).any(1).all():
            _fail(f"step {step}: the mask forbids every action of a living game")
    return "200 steps keep to the layout"


def _bind(domain: Domain) -> str:
    """``bind`` makes the environment write into the caller's arrays."""
    env = domain.make_env(2)
    try:
        arrays = domain.observation_spec.allocate(2)
        env.bind(arrays)
        env.reset(range(2), (1, 2))
        env.step(_legal(arrays[ACTION_MASK], np.random.default_rng(0)))
        for name, array in env.observation.items():
            if array is not arrays[name]:
                _fail(f"after bind, the observation {name!r} is another array than the one that was given")
        if not any(array.any() for name, array in arrays.items() if name != ACTION_MASK):
            _fail("after bind and reset, the given arrays are still all zero")
        return "observations are written into given arrays"
    finally:
        env.close()


def _facts(domain: Domain) -> str:
    """Every documented fact is there, with exactly its type, and within its listed values."""
    specs = domain.fact_specs
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        _fail("a fact is documented twice")
    for spec in specs:
        if spec.type not in _TYPES:
            _fail(f"fact {spec.name!r} has the unknown type {spec.type!r}")
        if not spec.doc.strip():
            _fail(f"fact {spec.name!r} has no doc")
    for step, (_, moments, _) in enumerate(_play(domain, 200, explorer_seed=1)):
        for moment in moments:
            _check_facts(moment.facts, specs, f"step {step}")
    return f"{len(specs)} facts keep to their documentation"


def _check_facts(facts: Facts, specs: tuple[FactSpec, ...], where: str) -> None:
    for spec in specs:
        value = getattr(facts, spec.name)
        if type(value) is not _TYPES[spec.type]:
            _fail(f"{where}: fact {spec.name!r} is a {type(value).__name__}, its spec says {spec.type}")
        if spec.values and value not in spec.values:
            _fail(f"{where}: fact {spec.name!r} is {value!r}, which is none of its listed values")


def _snapshots(domain: Domain) -> str:
    """Facts are read-only and stay what they were when the game goes on."""
    specs = domain.fact_specs
    kept: list[tuple[Facts, tuple[Any, ...]]] = []
    for _, moments, _ in _play(domain, 60, explorer_seed=2):
        for moment in moments:
            kept.append((moment.facts, _values(moment.facts, specs)))
    for facts, values in kept:
        if _values(facts, specs) != values:
            _fail("a facts snapshot changed after further steps")
    facts = kept[0][0]
    try:
        setattr(facts, specs[0].name, getattr(facts, specs[0].name))
    except (AttributeError, TypeError):
        pass
    else:
        _fail("facts can be written to")
    if len({values for _, values in kept}) < 2:
        raise _Nothing("all facts of 60 steps are equal, so nothing could be seen to change")
    return f"{len(kept)} snapshots stayed what they were"


def _keys(domain: Domain) -> str:
    """Equal reward keys mean equal reward inputs; different inputs have different keys."""
    input_of: dict[int, RewardInput] = {}
    key_of: dict[RewardInput, int] = {}
    for step, (_, moments, _) in enumerate(_play(domain, _STEPS, explorer_seed=3)):
        for moment in moments:
            if not 0 <= moment.key < 1 << 64:
                _fail(f"step {step}: the reward key {moment.key} does not fit 64 bits")
            if input_of.setdefault(moment.key, moment.reward_input) != moment.reward_input:
                _fail(f"step {step}: key {moment.key} stands for {input_of[moment.key]} and for {moment.reward_input}")
            if key_of.setdefault(moment.reward_input, moment.key) != moment.key:
                _fail(f"step {step}: {moment.reward_input} has two keys")
    if len(input_of) < 2:
        raise _Nothing("the explorer saw one reward input only")
    return f"{len(input_of)} reward inputs, as many keys"


def _signs(domain: Domain) -> str:
    """Every reward input has one index per sign, in range; each sign takes more than one value."""
    specs = domain.sign_specs
    seen: list[set[int]] = [set() for _ in specs]
    for step, (_, moments, _) in enumerate(_play(domain, _STEPS, explorer_seed=3)):
        for moment in moments:
            signs = moment.reward_input.signs
            if len(signs) != len(specs):
                _fail(f"step {step}: {len(signs)} signs for {len(specs)} specs")
            for spec, index, values in zip(specs, signs, seen, strict=True):
                if type(index) is not int or not 0 <= index < len(spec.values):
                    _fail(f"step {step}: sign {spec.name!r} has the index {index!r}, outside [0, {len(spec.values)})")
                values.add(index)
    if not specs:
        raise _Nothing("the domain has no signs")
    still = [spec.name for spec, values in zip(specs, seen, strict=True) if len(values) == 1]
    if len(still) == len(specs):
        raise _Nothing(f"no sign changed within {_STEPS} steps")
    return "all in range" + (f"; never seen to change: {', '.join(still)}" if still else "")


def _captions(domain: Domain) -> str:
    """Captions are not empty, and there is more than one of them."""
    texts = set()
    for step, (_, moments, _) in enumerate(_play(domain, 200, explorer_seed=4)):
        for moment in moments:
            if not moment.text.strip():
                _fail(f"step {step}: a caption is empty")
            if not isinstance(moment.reward_input.message, str):
                _fail(f"step {step}: the message of a reward input is not a string")
            texts.add(moment.text)
    if len(texts) < 2:
        _fail("the explorer's captions are all the same")
    return f"{len(texts)} different captions"


def _explorer(domain: Domain) -> str:
    """The explorer returns int64 [B] of allowed actions, and the same seed plays the same."""
    for step, ((env_a, _, actions_a), (_, _, actions_b)) in enumerate(zip(_play(domain, 150, 7), _play(domain, 150, 7), strict=True)):
        if actions_a.shape != (env_a.num_games,) or actions_a.dtype != np.int64:
            _fail(f"the explorer returned {actions_a.dtype} {actions_a.shape} instead of int64 ({env_a.num_games},)")
        if actions_a.min() < 0 or actions_a.max() >= len(domain.actions):
            _fail(f"step {step}: the explorer chose an action that does not exist")
        if not np.array_equal(actions_a, actions_b):
            _fail(f"step {step}: two explorers with the same seed acted differently")
    return "150 steps of legal actions, the same twice"


def _explorer_masked(domain: Domain) -> str:
    """The explorer never chooses what the mask forbids."""
    env = domain.make_env(_GAMES)
    try:
        explorer = domain.explorer(8)
        env.reset(range(_GAMES), _SEEDS)
        masked = 0
        for step in range(200):
            allowed = env.observation[ACTION_MASK].copy()
            masked += int((allowed == 0).sum())
            actions_B = explorer.act(env)
            bad = np.flatnonzero(allowed[np.arange(_GAMES), actions_B] == 0)
            if len(bad):
                _fail(f"step {step}: the explorer chose {domain.actions[int(actions_B[bad[0]])]!r}, which the mask forbids")
            env.step(actions_B)
            for game in np.flatnonzero(env.terminated_B).tolist():
                env.reset([game], [1000 + step])
        if not masked:
            raise _Nothing("the mask never forbade anything")
        return "200 steps within the mask"
    finally:
        env.close()


def _tasks(domain: Domain) -> str:
    """Tasks have text, a landmark and a limit; their criteria begin as not met, and once met stay met."""
    if not domain.tasks:
        raise _Nothing("the domain has no tasks")
    criteria: list[tuple[str, Criterion]] = []
    for name, task in domain.tasks.items():
        if name != task.id:
            _fail(f"task {task.id!r} is listed as {name!r}")
        if not task.description.strip() or task.max_steps < 1:
            _fail(f"task {name!r} has no description or no limit")
        if "landmark" not in task.criteria:
            _fail(f"task {name!r} has no criterion 'landmark'")
        criteria += [(f"{name}/{kind}", make()) for kind, make in task.criteria.items()]
    met: dict[str, bool] = {}
    env = domain.make_env(1)
    try:
        env.reset([0], [1])
        for name, criterion in criteria:
            met[name] = criterion.update(env.facts(0), env.truth(0))
            if type(met[name]) is not bool:
                _fail(f"criterion {name} returned {type(met[name]).__name__} instead of bool")
        if all(met.values()):
            _fail("every criterion is met at the start")
        explorer = domain.explorer(1)
        for _ in range(200):
            env.step(explorer.act(env))
            for name, criterion in criteria:
                now = criterion.update(env.facts(0), env.truth(0))
                if met[name] and not now:
                    _fail(f"criterion {name} was met and then no longer")
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
                    _fail(f"criterion {task.id}/{kind} is met before anything has been done")
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
        start = _values(facts, domain.fact_specs)
        for tick in range(60):
            where = f"simulator, seed {seed}, tick {tick}"
            _check_facts(facts, domain.fact_specs, where)
            if _values(facts, domain.fact_specs) != _values(twin, domain.fact_specs):
                _fail(f"{where}: the same seed and skills gave different facts")
            skill = skills[int(rng.integers(len(skills)))]
            (facts, over), (twin, _) = first.step(skill), second.step(skill)
            if type(over) is not bool:
                _fail(f"{where}: step must return (facts, bool)")
            if over:
                break
        moved += _values(facts, domain.fact_specs) != start
        missing = keys - set(first.truth())
        if missing:
            _fail(f"the simulator's truth lacks {', '.join(sorted(missing))}")
    if not moved:
        _fail("nothing ever happens in the simulator")
    return "20 simulated episodes keep to the facts"


def _measures(domain: Domain) -> str:
    """Call measures return bools, and say no where nothing has happened."""
    if not domain.call_measures:
        raise _Nothing("the domain has no call measures")
    for _, moments, _ in _play(domain, 1):
        for name, measure in domain.call_measures.items():
            answer = measure(moments[0].facts, moments[0].facts)
            if type(answer) is not bool:
                _fail(f"measure {name!r} returned {type(answer).__name__} instead of bool")
    unknown = [skill.id for skill in SkillSet.parse(domain.skills_toml) if skill.measure and skill.measure not in domain.call_measures]
    if unknown:
        _fail(f"skills.toml: the measure of {', '.join(unknown)} is unknown")
    return f"{len(domain.call_measures)} measures"


def _words(domain: Domain) -> str:
    """Id, title, knowledge and skills.toml are there and can be read."""
    if not domain.id or not domain.title.strip() or not domain.knowledge.strip():
        _fail("id, title and knowledge may not be empty")
    if len(set(domain.actions)) != len(domain.actions):
        _fail("two actions have the same name")
    try:
        skills = SkillSet.parse(domain.skills_toml)
    except ConfigError as error:
        _fail(str(error))
    return f"{len(skills)} skills in skills.toml"


def _answers(domain: Domain) -> str:
    """Recorded answers can be read, hold one code block that compiles, and cover the shipped skills and tasks."""
    if not domain.recorded_answers:
        raise _Nothing("the domain ships no recorded answers")
    try:
        chat = RecordedChat(domain.recorded_answers)
    except ChatError as error:
        _fail(str(error))
    for answer in chat.answers:
        source = _code(answer)
        try:
            compile(source, answer.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            _fail(f"{answer.path}: {error}")
    wanted = [(f"{domain.id}/training-policy", "")]
    for skill in SkillSet.parse(domain.skills_toml):
        wanted += [(f"{domain.id}/judge/{skill.id}", skill.preference_text), (f"{domain.id}/programs/{skill.id}", skill.description)]
    wanted += [(f"{domain.id}/task/{task.id}", task.description) for task in domain.tasks.values()]
    for name, subject in wanted:
        found = chat.find(name, subject)
        if found is None or (subject and found.is_fallback):
            _fail(f"no answer is recorded for {name!r} with its present text")
    return f"{len(wanted)} requests have an answer"


def _code(answer: RecordedAnswer) -> str:
    blocks = answer.text.split("```python\n")[1:]
    if len(blocks) != 1 or "```" not in blocks[0]:
        _fail(f"{answer.path} must hold exactly one ```python block")
    return blocks[0].partition("```")[0]


CHECKS: Mapping[str, Check] = {
    "words": _words,
    "observations": _observations,
    "bind": _bind,
    "same seed, same game": _same_seed,
    "other seed, other game": _other_seed,
    "games are independent": _games_are_independent,
    "facts": _facts,
    "facts are snapshots": _snapshots,
    "reward keys": _keys,
    "signs": _signs,
    "captions": _captions,
    "explorer": _explorer,
    "explorer keeps to the mask": _explorer_masked,
    "tasks": _tasks,
    "call measures": _measures,
    "simulator": _simulator,
    "recorded answers": _answers,
}


class DomainContract:
    """For pytest: inherit it in a class ``TestMyDomainContract`` and override ``make_domain``."""

    may_be_vacuous: tuple[str, ...] = ()

    def make_domain(self) -> Domain:
        """The domain under test."""
        raise NotImplementedError

    def test_contract(self) -> None:
        """Every check passes; only those listed in ``may_be_vacuous`` may find nothing to look at."""
        results = check_domain(self.make_domain())
        problems = [f"{result.name}: {result.why}" for result in results if result.outcome is Outcome.FAILED]
        problems += [
            f"{result.name}: vacuous: {result.why}"
            for result in results
            if result.outcome is Outcome.VACUOUS and result.name not in self.may_be_vacuous
        ]
        assert not problems, "\n".join(problems)
