"""Contract tests of generated programs: on facts of real play, and on drawn ones that can occur, do they keep what docs/programs.md asks?

They run in a trial's throw-away process, before the simulated episodes (``simulate``). Simulation shows what a program does in the
states that its own decisions lead to; these tests show what it does in the others.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from maestromotif.domains.contract import Domain, Facts, FactSpec, facts_class
from maestromotif.programs.guards import OutOfFuel
from maestromotif.programs.sandbox import Program, describe_fault, load
from maestromotif.programs.schedule import POLICY_CLASS, ProgramSchedule
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["Findings", "Programs", "Scenes", "check_policy", "check_skills", "make_scenes"]

_DRAWN = 40  # drawn episodes
_DRAWN_STEPS = 4
_STRIDE = 25  # recorded steps between the beginnings of the calls that is_over is asked about
_SIMULATED, _TICKS = 4, 40  # episodes of the simulator, where nothing is recorded
_MOST_FAULTS = 10  # of one function; then it is not called any more
_WORK = 2_000_000  # fuel that one function may use in these tests
_SLOW_US = {"next_skill": 500.0}
_SLOW_STEP_US = 50.0  # of what is called in every step
_MOST_FUEL = 0.5  # share of a step's fuel that one call may use
_SWITCHES = 0.4  # share of steps at which a policy over skills changes the skill
_CHOICES = 0.25  # share of steps at which a policy is asked, whoever would be active
_SHOWN = 6  # facts, faults
_BALLAST = 4_000  # objects


@dataclass(frozen=True)
class Programs:
    """What is tested.

    Attributes:
        skill_program, policy: sources; None where there is none.
        tested: the skills that a test of the skill program is about.
        fuel: of one step.
    """

    skills: SkillSet
    skill_program: str | None
    policy: str | None
    tested: tuple[str, ...]
    seed: int
    fuel: int
    skill_file: str
    policy_file: str


@dataclass(frozen=True)
class Scenes:
    """The facts on which programs are tested.

    Attributes:
        recorded: episodes of consecutive facts: of real play, or, where the domain has none, of its simulator.
        drawn: short episodes of drawn facts that can occur; empty where the domain cannot tell what can.
        real: whether the recorded ones are of real play.
    """

    specs: tuple[FactSpec, ...]
    recorded: tuple[tuple[Facts, ...], ...]
    drawn: tuple[tuple[Facts, ...], ...]
    real: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs)

    @property
    def episodes(self) -> tuple[tuple[Facts, ...], ...]:
        return self.recorded + self.drawn

    @property
    def moments(self) -> int:
        return sum(map(len, self.episodes))


@dataclass
class Findings:
    """What the tests found.

    Attributes:
        faults: each kind of failure as the schedule words it, with the facts that caused it.
        doubts: in words that help the coder.
        costs: of each function: ``calls``, mean microseconds of processor time ``us``, mean and greatest ``fuel`` and ``most_fuel``.
        over: of each tested skill, whether ``is_over`` was True for some facts.
        moments: facts on which it was tested.
    """

    faults: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    over: dict[str, bool] = field(default_factory=dict)
    moments: int = 0


# --- facts


def make_scenes(domain: Domain, skills: SkillSet, recorded: Sequence[Sequence[Facts]], seed: int) -> Scenes:
    """What ``recorded_facts`` gave, or simulated episodes in its place, and drawn facts."""
    specs = domain.fact_specs
    generator = random.Random(seed)  # noqa: S311 - repeatable on purpose
    episodes = tuple(tuple(episode) for episode in recorded if episode)
    real = bool(episodes)
    if not real:
        episodes = tuple(_simulated(domain, skills, generator) for _ in range(_SIMULATED))
    return Scenes(specs, episodes, tuple(_drawn(domain, episodes, generator)), real)


def _simulated(domain: Domain, skills: SkillSet, generator: random.Random) -> tuple[Facts, ...]:
    simulator = domain.simulator()
    episode = [simulator.reset(generator.randrange(2**31))]
    for _ in range(_TICKS):
        facts, over = simulator.step(generator.choice(skills.ids))
        episode.append(facts)
        if over:
            break
    return tuple(episode)


def _drawn(domain: Domain, recorded: Sequence[Sequence[Facts]], generator: random.Random) -> Iterator[tuple[Facts, ...]]:
    """Each begins, as every episode does, with facts of a reset."""
    specs = domain.fact_specs
    make = facts_class("DrawnFacts", specs)
    known = {spec.name: sorted({getattr(facts, spec.name) for episode in recorded for facts in episode}) for spec in specs}
    draws: tuple[_Draw, ...] = (_least, _most, _random, _seen, _mixed)
    for number in range(_DRAWN):
        episode: list[Facts] = [generator.choice(recorded)[0]]
        before = _values(episode[0], specs)
        for step in range(_DRAWN_STEPS):
            # The extremes first, each also after one another; then, mostly, mixtures.
            draw = draws[(number + step) % len(draws)] if number < 2 * len(draws) else _mixed
            values = domain.possible_facts({spec.name: draw(spec, known[spec.name], generator) for spec in specs}, before)
            if values is None:
                return
            before = dict(values)
            episode.append(make(**before))
        yield tuple(episode)


_Draw = Callable[[FactSpec, Sequence[Any], random.Random], Any]
_ODD_TEXTS = ("", " ", "{} %s \\ \" '", "\xc9\n#1.", "x" * 1_000)


def _least(spec: FactSpec, known: Sequence[Any], generator: random.Random) -> Any:
    if spec.type in ("int", "float"):
        return spec.least if spec.type == "int" else float(spec.least)
    return False if spec.type == "bool" else (spec.values or _ODD_TEXTS)[0]


def _most(spec: FactSpec, known: Sequence[Any], generator: random.Random) -> Any:
    if spec.type in ("int", "float"):
        most = max(10, 10 * max(known)) if spec.most is None else spec.most
        return int(most) if spec.type == "int" else float(most)
    return True if spec.type == "bool" else (spec.values or _ODD_TEXTS)[-1]


def _random(spec: FactSpec, known: Sequence[Any], generator: random.Random) -> Any:
    if spec.type == "int":
        return generator.randint(spec.least, _most(spec, known, generator))
    if spec.type == "float":
        return generator.uniform(spec.least, _most(spec, known, generator))
    return generator.random() < 0.5 if spec.type == "bool" else generator.choice(spec.values or _ODD_TEXTS)


def _seen(spec: FactSpec, known: Sequence[Any], generator: random.Random) -> Any:
    return generator.choice(known)


def _mixed(spec: FactSpec, known: Sequence[Any], generator: random.Random) -> Any:
    return generator.choice((_least, _most, _random, _seen, _seen))(spec, known, generator)


def _values(facts: Facts, specs: Sequence[FactSpec]) -> dict[str, Any]:
    return {spec.name: getattr(facts, spec.name) for spec in specs}


# --- calls


class _Probe:
    """One function of a program: what its calls cost, and the first arguments with which it failed in each way.

    Args:
        part: its name in messages.
        kind: exact type of its answers; None: any.
    """

    def __init__(self, program: Program, part: str, function: Callable[..., Any], kind: type | None) -> None:
        self.part, self.function, self.kind = part, function, kind
        self._program = program
        self.calls = self.nanoseconds = self.fuel = self.most_fuel = self.faults = 0
        self.failures: dict[str, tuple[Any, ...]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Its answer; None where it failed, or where enough is known of it."""
        if self.faults >= _MOST_FAULTS or self.fuel > _WORK:
            return None
        answer, failure = self.attempt(*arguments)
        if failure:
            self.faults += 1
            self.failures.setdefault(failure, arguments)
        return answer

    def attempt(self, *arguments: Any) -> tuple[Any, str]:
        """Its answer and how it failed: nothing where it did not."""
        meter = self._program.meter
        meter.refill()
        full = meter.left()
        began = time.thread_time_ns()
        try:
            answer = self.function(*arguments)
        except (Exception, OutOfFuel) as error:
            return None, f"{self.part}: {describe_fault(error, self._program.filename)}"
        finally:
            self.nanoseconds += time.thread_time_ns() - began
            used = full - meter.left()
            self.calls, self.fuel, self.most_fuel = self.calls + 1, self.fuel + used, max(self.most_fuel, used)
        if not meter.left():
            return None, f"{self.part}: OutOfFuel: used up and hidden by a finally block"
        if self.kind is not None and type(answer) is not self.kind:
            wanted = "True or False" if self.kind is bool else "the id of a skill"
            return None, f"{self.part}: TypeError: must return {wanted}, not {type(answer).__name__}"
        return answer, ""

    @property
    def costs(self) -> dict[str, float]:
        calls = max(1, self.calls)
        return {
            "calls": self.calls,
            "us": round(self.nanoseconds / calls / 1_000, 2),
            "fuel": round(self.fuel / calls, 1),
            "most_fuel": self.most_fuel,
        }


def _cheaper(first: _Probe, second: _Probe) -> dict[str, float]:
    """Costs of two equal runs: whatever else the machine did makes a run slower, never faster, even in processor time."""
    return min(first.costs, second.costs, key=lambda costs: costs["us"])


def _costs(findings: Findings, part: str, costs: dict[str, float], fuel: int) -> None:
    findings.costs[part] = costs
    slow = _SLOW_US.get(part, _SLOW_STEP_US)
    if costs["us"] > slow:
        doubt = f"{part} takes {costs['us']:.0f} microseconds on average, more than {slow:.0f}: training calls it millions of times"
        findings.doubts.append(f"{doubt}; keep it to a few comparisons")
    if costs["most_fuel"] > _MOST_FUEL * fuel:
        findings.doubts.append(f"one call of {part} used {costs['most_fuel']:.0f} of the {fuel} loop turns and calls that a step may use")


class _Ballast:
    def __init__(self) -> None:
        self.size = 1


@contextmanager
def _other_memory() -> Iterator[None]:
    """New objects lie elsewhere, and in another order, than in an earlier run: so do they in the sets that hold them."""
    ballast = [_Ballast() for _ in range(_BALLAST)]
    random.Random(0).shuffle(ballast)  # noqa: S311 - repeatable on purpose
    del ballast[::2]
    yield
    ballast.clear()


# --- skill programs


def check_skills(programs: Programs, scenes: Scenes) -> Findings:
    """Tests of ``can_start`` and ``is_over``: total, exactly bool, repeatable, cheap, and whether a call can end.

    Raises:
        ProgramError: the program cannot be loaded.
    """
    findings = Findings(moments=scenes.moments)
    if programs.skill_program is None:
        return findings
    first, second = (
        load(
            programs.skill_program,
            programs.skill_file,
            names=scenes.names,
            seed=programs.seed,
            fuel=programs.fuel,
            required=("can_start", "is_over"),
        )
        for _ in range(2)
    )
    story = _Story(scenes, programs.skill_program)
    for skill in programs.tested:
        runs = [_run_skill(first, skill, scenes)]
        with _other_memory():
            runs.append(_run_skill(second, skill, scenes))
        (starts, overs, answers), (starts_again, overs_again, answers_again) = runs
        findings.over[skill] = any(answers[1])
        for probe, again in ((starts, starts_again), (overs, overs_again)):
            _costs(findings, probe.part, _cheaper(probe, again), programs.fuel)
            for failure, arguments in list(probe.failures.items())[:_SHOWN]:
                findings.faults[failure] = story.tell(probe, failure, arguments)
        if answers != answers_again:
            findings.doubts.append(f"two runs of {skill} with the same seed and facts differ: use lists or sorted(...), and random only")
    return findings


def _run_skill(program: Program, skill: str, scenes: Scenes) -> tuple[_Probe, _Probe, tuple[list[Any], list[Any]]]:
    can_start, is_over = program.get("can_start"), program.get("is_over")
    assert can_start is not None
    assert is_over is not None
    starts = _Probe(program, f"can_start({skill})", lambda facts: can_start(skill, facts), bool)
    overs = _Probe(program, f"is_over({skill})", lambda facts, start: is_over(skill, facts, start), bool)
    may, over = [], []
    for stride, episodes in ((_STRIDE, scenes.recorded), (1, scenes.drawn)):
        for episode in episodes:
            start = episode[0]
            for number, facts in enumerate(episode):
                may.append(starts(facts))
                over.append(overs(facts, start))
                if number % stride == 0:
                    start = facts
    return starts, overs, (may, over)


class _Story:
    """Tells which facts made a program fail: those that it reads, that differ from the usual, and without which it would not fail."""

    def __init__(self, scenes: Scenes, source: str) -> None:
        self._specs = scenes.specs
        self._make = facts_class("ChangedFacts", scenes.specs)
        moments = [facts for episode in scenes.recorded for facts in episode]
        self._usual = {
            spec.name: Counter(getattr(facts, spec.name) for facts in moments).most_common(1)[0][0] for spec in scenes.specs
        }
        read = set(re.findall(r"\.\s*(\w+)", source))
        self._read = tuple(spec.name for spec in scenes.specs if spec.name in read)

    def tell(self, probe: _Probe, failure: str, arguments: tuple[Any, ...]) -> str:
        """For a function without memory, whose arguments are facts."""
        values = [_values(facts, self._specs) for facts in arguments]
        if self._fails(probe, failure, values):
            for given in values:
                for name, usual in self._usual.items():
                    value = given[name]
                    if value != usual:
                        given[name] = usual
                        if not self._fails(probe, failure, values):
                            given[name] = value
        return self.differences(values)

    def _fails(self, probe: _Probe, failure: str, values: list[dict[str, Any]]) -> bool:
        return probe.attempt(*(self._make(**given) for given in values))[1] == failure

    def differences(self, values: Sequence[Mapping[str, Any]]) -> str:
        """In words: what of these facts is unusual; the second ones are those at the start of a call."""
        told = [
            f"{prefix}{name}={_short(given[name])}"
            for prefix, given in zip(("", "start."), values, strict=False)
            for name in self._read
            if given[name] != self._usual[name]
        ]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        return f"where {', '.join(told[:_SHOWN])}{more}" if told else "on quite usual facts"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- policies over skills


def check_policy(programs: Programs, scenes: Scenes) -> Findings:
    """Tests of ``PolicyOverSkills``: total, exact types, skills that exist, repeatable, cheap, and no needless switching.

    Raises:
        ProgramError: a program cannot be loaded.
    """
    findings = Findings(moments=scenes.moments)
    if programs.policy is None:
        return findings
    story = _Story(scenes, programs.policy)
    runs = [_Play(programs, scenes) for _ in range(2)]
    for name, probe in runs[0].probes.items():
        _costs(findings, name, _cheaper(probe, runs[1].probes[name]), programs.fuel)
    # How much of the recorded play its cost allows for; a program that needs fuel by the thousand is not let loose on all of it.
    per_step = sum(costs["fuel"] for costs in findings.costs.values())
    budget = int(_WORK / max(1.0, per_step))
    first = _replay(programs, scenes, story, budget)
    with _other_memory():
        second = _replay(programs, scenes, story, budget)
    findings.faults.update(first.faults)
    if first.decisions != second.decisions:
        findings.doubts.append("two runs with the same seed and facts decide differently: use lists or sorted(...), and random only")
    if first.steps and first.switches > _SWITCHES * first.steps:
        play = "real play" if scenes.real else "simulated play"
        findings.doubts.append(f"it switches skills too often: at {first.switches} of {first.steps} steps of {play}")
    for failure, arguments in runs[0].failures.items():
        if failure not in first.faults:
            few = ", ".join(arguments[2]) if len(arguments) > 2 else ""
            where = story.differences([_values(arguments[0], scenes.specs)])
            findings.doubts.append(f"{failure}, {where}" + (f", if only {few} may start there" if few else ""))
    return findings


class _Play:
    """Direct calls of a policy's methods, with lists of startable skills of all kinds: one skill, some, all."""

    def __init__(self, programs: Programs, scenes: Scenes) -> None:
        assert programs.policy is not None
        program = load(
            programs.policy,
            programs.policy_file,
            names=scenes.names,
            seed=programs.seed,
            fuel=programs.fuel,
            required=(POLICY_CLASS,),
        )
        make = program.get(POLICY_CLASS)
        assert make is not None
        self.probes: dict[str, _Probe] = {}
        self._generator = random.Random(programs.seed)  # noqa: S311 - repeatable on purpose
        ids = programs.skills.ids
        maker = _Probe(program, "__init__", make, None)
        for episode in scenes.episodes:
            policy = maker()
            if policy is None:
                break
            finished = ""
            for facts in episode:
                self._call(program, policy, "observe", None, facts)
                self._call(program, policy, "is_done", bool, facts)
                if finished:
                    self._call(program, policy, "interrupt", bool, facts, finished)
                if not finished or self._generator.random() < _CHOICES:
                    chosen = self._call(program, policy, "next_skill", str, facts, finished, self._startable(ids))
                    finished = chosen if chosen in ids else self._generator.choice(ids)

    def _startable(self, ids: Sequence[str]) -> list[str]:
        wanted = set(self._generator.sample(ids, self._generator.randint(1, len(ids))))
        return [skill for skill in ids if skill in wanted]

    def _call(self, program: Program, policy: Any, name: str, kind: type | None, *arguments: Any) -> Any:
        method = getattr(policy, name, None)
        if method is None:
            return None
        probe = self.probes.setdefault(name, _Probe(program, name, method, kind))
        probe.function = method
        return probe(*arguments)

    @property
    def failures(self) -> dict[str, tuple[Any, ...]]:
        return {failure: arguments for probe in self.probes.values() for failure, arguments in probe.failures.items()}


@dataclass
class _Replay:
    """What a policy decided on the scenes, under the schedule that also drives agents.

    Attributes:
        decisions: the active skill after each step.
        faults: each kind with the facts that caused it.
        steps, switches: of recorded play; steps at which another skill began.
    """

    decisions: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    switches: int = 0


def _replay(programs: Programs, scenes: Scenes, story: _Story, budget: int) -> _Replay:
    schedule = ProgramSchedule(
        programs.skills,
        programs.skill_program,
        programs.policy,
        scenes.names,
        programs.seed,
        fuel=programs.fuel,
        fault_limit=_MOST_FAULTS,
        skill_file=programs.skill_file,
        policy_file=programs.policy_file,
    )
    replay = _Replay()
    own = ("__init__", "observe", "is_done", "interrupt", "next_skill")
    left = {"drawn": budget // 2, "recorded": budget}

    def step(facts: Facts, begin: bool) -> str:
        before = len(schedule.faults)
        active = schedule.begin(facts) if begin else schedule.advance(facts, EndCause.CONTINUES)[1]
        if len(schedule.faults) > before:
            for fault in list(schedule.faults)[before:]:
                if fault.startswith(own) and len(replay.faults) < _SHOWN:
                    replay.faults[fault] = story.differences([_values(facts, scenes.specs)])
        replay.decisions.append(active)
        return active

    for kind, episodes in (("recorded", scenes.recorded), ("drawn", scenes.drawn)):
        for episode in episodes:
            active = ""
            for number, facts in enumerate(episode):
                if left[kind] <= 0:
                    break
                left[kind] -= 1
                previous, active = active, step(facts, number == 0)
                if kind == "recorded" and number:
                    replay.steps += 1
                    replay.switches += active != previous
    return replay
