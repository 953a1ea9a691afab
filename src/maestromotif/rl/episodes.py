"""Which episodes a game plays, with which seeds and schedules, and what is kept of them."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from maestromotif.domains.contract import Criterion, Domain, Facts
from maestromotif.types import EndCause

__all__ = [
    "Call",
    "Endless",
    "Episode",
    "EpisodeResult",
    "Listed",
    "Plan",
    "Recorder",
    "Schedule",
    "ScheduleFactory",
    "ScheduleSources",
    "episode_seed",
]


class Schedule(Protocol):
    """Decides, for one episode of one game, which skill is active; see ``maestromotif.programs.schedule``."""

    active: str
    claims_done: bool
    exhausted: bool
    reason: str
    faults: Counter[str]

    def begin(self, facts: Facts) -> str: ...

    def advance(self, facts: Facts, ended: EndCause, elapsed: int = 1) -> tuple[EndCause, str]: ...


# Called with the episode's seed and the guidance that it begins with; see ``StepArrays.guidance``.
ScheduleFactory = Callable[[int, Sequence[float]], Schedule]


@dataclass(frozen=True, slots=True)
class ScheduleSources:
    """Where schedules come from, as text, so that it can cross to another process.

    Attributes:
        policy: source of the policy over skills; "": one of the skills that may start is drawn.
        skill_program: source of the initiation and termination functions; None: every skill may start, and is over only by time.
        policy_file: name of the policy's file in messages.
        maker: ``module:function`` called as ``(domain, skills, sources)``, which gives a ``ScheduleFactory``.
    """

    policy: str
    skill_program: str | None = None
    policy_file: str = "policy.py"
    maker: str = "maestromotif.rl.schedules:program_schedules"


def episode_seed(seed: int, *place: int) -> int:
    """A 63-bit seed for an episode (or whatever else ``place`` names), independent of all others."""
    digest = hashlib.blake2b(",".join(map(str, (seed, *place))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode to be played."""

    index: int
    seed: int
    schedule: Schedule


class Plan(Protocol):
    """Hands out episodes."""

    def next(self, game: int, guidance: Sequence[float]) -> Episode | None:
        """The next episode for a game (numbered over all processes), under this guidance; None: nothing is left."""
        ...


class Endless:
    """Training: every game has its own endless series of seeds, so that it does not matter which process plays it.

    Args:
        seed: of the run.
        first: for each game, the number of its first episode; a resumed run goes on where it stopped.
    """

    def __init__(self, factory: ScheduleFactory, seed: int, first: Mapping[int, int]) -> None:
        self._factory, self._seed, self._next = factory, seed, dict(first)

    def next(self, game: int, guidance: Sequence[float]) -> Episode:
        number = self._next[game]
        self._next[game] += 1
        seed = episode_seed(self._seed, game, number)
        return Episode(number, seed, self._factory(seed, guidance))


class Listed:
    """Evaluation: the given episodes, each played once by whichever game is free. The seed depends on the index alone."""

    def __init__(self, factory: ScheduleFactory, seed: int, indices: Sequence[int]) -> None:
        self._factory, self._seed, self._left = factory, seed, deque(indices)

    def next(self, game: int, guidance: Sequence[float]) -> Episode | None:
        if not self._left:
            return None
        index = self._left.popleft()
        seed = episode_seed(self._seed, index)
        return Episode(index, seed, self._factory(seed, guidance))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a skill.

    Attributes:
        skill: id.
        start, end: steps of the episode before and after the call; ``end - start`` is its length.
        cause: how it ended.
        reason: why, in words, where the schedule says so.
        reward: sum of the skill's rewards; 0 where none are computed.
        measures: the domain's call measures, by name.
    """

    skill: str
    start: int
    end: int
    cause: EndCause
    reason: str
    reward: float
    measures: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """One full episode.

    Attributes:
        index, seed: which one.
        steps: its length.
        ended: ``DIED`` (terminated by the environment) or ``CUT``.
        success: by criterion of the task.
        success_step: by criterion, the step of success; -1 if there was none.
        claimed: whether the policy over skills said that the task is done.
        calls: in order.
        facts: plain facts of the last state.
        faults: faults of the programs in this episode, by kind.
        counts: by criterion that counts, its count at the end.
    """

    index: int
    seed: int
    steps: int
    ended: EndCause
    success: Mapping[str, bool]
    success_step: Mapping[str, int]
    claimed: bool
    calls: tuple[Call, ...]
    facts: Mapping[str, Any]
    faults: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def given_up(cls, index: int, seed: int, criteria: Iterable[str], problem: str) -> EpisodeResult:
        """An episode that cannot be played to its end, for this reason; it counts as a failure."""
        return cls(
            index=index,
            seed=seed,
            steps=0,
            ended=EndCause.CUT,
            success=dict.fromkeys(criteria, False),
            success_step=dict.fromkeys(criteria, -1),
            claimed=False,
            calls=(),
            facts={},
            faults={problem: 1},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EpisodeResult:
        calls = tuple(Call(**{**call, "cause": EndCause(call["cause"])}) for call in values["calls"])
        return cls(**{**values, "ended": EndCause(values["ended"]), "calls": calls})


@dataclass(slots=True)
class _Watch:
    """What is known of the episode that a game is playing."""

    episode: Episode
    criteria: dict[str, Criterion]
    success_step: dict[str, int]
    calls: list[Call] = field(default_factory=list)


class Recorder:
    """Keeps every call of every episode, and watches success.

    Args:
        task: id of one of the domain's tasks; "" watches nothing.
        stop_on_success: end an episode once every criterion holds, unless one of them counts.
        stop_on_claim: end an episode when its policy over skills says that the task is done.
        finished: called with each result.
    """

    def __init__(
        self, domain: Domain, task: str, stop_on_success: bool, stop_on_claim: bool, finished: Callable[[EpisodeResult], None]
    ) -> None:
        self._criteria = dict(domain.tasks[task].criteria) if task else {}
        self._measures = dict(domain.call_measures)
        self._facts = tuple(spec.name for spec in domain.fact_specs)
        self._stop_on_success = stop_on_success and bool(self._criteria)
        self.stop_on_claim = stop_on_claim
        self._finished = finished
        self._watches: dict[int, _Watch] = {}

    def begin(self, game: int, episode: Episode, facts: Facts, truth: Mapping[str, Any]) -> None:
        criteria = {name: make() for name, make in self._criteria.items()}
        watch = _Watch(episode, criteria, dict.fromkeys(criteria, -1))
        self._watches[game] = watch
        self._update(watch, facts, truth, 0)

    def step(self, game: int, facts: Facts, truth: Mapping[str, Any], step: int) -> bool:
        """Watch a step; True if the episode may stop."""
        watch = self._watches[game]
        self._update(watch, facts, truth, step)
        return self._stop_on_success and all(found >= 0 for found in watch.success_step.values()) and not _counts(watch.criteria)

    @staticmethod
    def _update(watch: _Watch, facts: Facts, truth: Mapping[str, Any], step: int) -> None:
        for name, criterion in watch.criteria.items():
            if criterion.update(facts, truth) and watch.success_step[name] < 0:
                watch.success_step[name] = step

    def call(self, game: int, skill: str, start: int, end: int, cause: EndCause, reward: float, before: Facts, after: Facts) -> None:
        """Note a call that has ended."""
        watch = self._watches[game]
        measures = {name: bool(measure(before, after)) for name, measure in self._measures.items()}
        watch.calls.append(Call(skill, start, end, cause, str(watch.episode.schedule.reason), reward, measures))

    def end(self, game: int, facts: Facts, steps: int, ended: EndCause) -> None:
        """Note the end of the episode and hand over its result."""
        watch = self._watches.pop(game)
        schedule, found = watch.episode.schedule, watch.success_step
        plain = {name: getattr(facts, name) for name in self._facts}
        self._finished(
            EpisodeResult(
                index=watch.episode.index,
                seed=watch.episode.seed,
                steps=steps,
                ended=ended,
                success={name: step >= 0 for name, step in found.items()},
                success_step=dict(found),
                claimed=bool(schedule.claims_done),
                calls=tuple(watch.calls),
                facts=plain,
                faults=dict(schedule.faults),
                counts=_counts(watch.criteria),
            )
        )


def _counts(criteria: Mapping[str, Criterion]) -> dict[str, int]:
    return {name: int(count) for name, criterion in criteria.items() if (count := getattr(criterion, "count", None)) is not None}
