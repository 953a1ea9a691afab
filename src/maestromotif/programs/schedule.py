"""Which skill is active in one game: the call-and-return loop of options, driven by generated programs.

One object per game, one ``advance`` per environment step; nothing here raises because of a program. Options as in
Sutton, Precup & Singh 1999: initiation (``can_start``), termination (``is_over``), and a policy over skills that is asked
whenever a call ends.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

from maestromotif.domains.contract import Facts
from maestromotif.errors import ProgramError
from maestromotif.programs.guards import FUEL, Meter, OutOfFuel
from maestromotif.programs.reads import dispatched, facts_read
from maestromotif.programs.sandbox import Program, ProgramFault, describe_fault, load
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["FAULT_LIMIT", "POLICY_CLASS", "ProgramSchedule", "Schedule"]

FAULT_LIMIT = 100
POLICY_CLASS = "PolicyOverSkills"

_FAULTS = (Exception, OutOfFuel)
_CONTINUES, _OVER, _INTERRUPTED, _TIMED_OUT = EndCause.CONTINUES, EndCause.OVER, EndCause.INTERRUPTED, EndCause.TIMED_OUT


class Schedule(Protocol):
    """Which skill is active in one game.

    Attributes:
        active: id of the active skill; ``""`` outside an episode.
        start: the facts when the active skill's call began.
        claims_done: whether the policy over skills says that its task has been accomplished.
        exhausted: whether there is nothing left to do, so that the episode may be cut.
        reason: why the last call ended, in words.
        faults: how often programs failed, by kind and line.

    A schedule may also have ``deciding`` and ``remaining``, see ``ProgramSchedule``; one without them is asked after every step.
    """

    active: str
    start: Facts
    claims_done: bool
    exhausted: bool
    reason: str
    faults: Counter[str]

    def begin(self, facts: Facts) -> str:
        """Start an episode; returns the first active skill."""
        ...

    def advance(self, facts: Facts, ended: EndCause, elapsed: int = 1) -> tuple[EndCause, str]:
        """After one step.

        Args:
            facts: of the new state.
            ended: ``CONTINUES``, or how the episode ended at this step (``DIED`` or ``CUT``).
            elapsed: environment steps since the last call (more than one in simulations).

        Returns:
            How the active skill's call ended at this step (``CONTINUES``: not yet), and the skill active from now on
            (``""`` if the episode ended).
        """
        ...


class _Calls:
    """The life of calls, with the decisions left to the subclass."""

    def __init__(self, skills: SkillSet, seed: int) -> None:
        if not len(skills):
            raise ValueError("a schedule needs at least one skill")
        self._ids = skills.ids
        self._limits = {skill.id: skill.max_steps for skill in skills}
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.faults: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.active = ""
        self.start: Facts = None
        self.claims_done = False
        self.exhausted = False
        self.reason = ""
        self._left = 0

    def _close(self, ended: EndCause) -> tuple[EndCause, str]:
        self.reason = "the character died or the episode ended" if ended == EndCause.DIED else "the episode was cut"
        self.active = ""
        return EndCause(ended), ""

    def _next(self, cause: EndCause, facts: Facts) -> tuple[EndCause, str]:
        finished = self.active
        if cause is _TIMED_OUT:
            self.reason = f"{finished} took {self._limits[finished]} steps"
        elif cause is _OVER:
            self.reason = f"{finished} is over"
        else:
            self.reason = f"the policy over skills interrupted {finished}"
        return cause, self._call(facts, finished)

    def _call(self, facts: Facts, finished: str) -> str:
        self.active = active = self._choose(facts, finished)
        self.start = facts
        self._left = self._limits[active]
        return active

    def _choose(self, facts: Facts, finished: str) -> str:
        raise NotImplementedError


class ProgramSchedule(_Calls):
    """Skills started, ended and chosen by generated programs.

    A fault never raises. Its effect: ``is_over`` -> the skill is over; ``can_start`` -> not startable; ``next_skill``, an
    unknown id or one that may not start -> the active skill goes on if it may start, else the first startable skill;
    ``interrupt``, ``is_done`` -> False; ``observe`` -> nothing. Where nothing may start, the first skill starts. After
    ``fault_limit`` faults a program is set aside: its skills start anywhere and end by ``max_steps``, or the choice is uniform.

    Args:
        skills: the project's skills.
        skill_program: source with ``can_start`` and ``is_over``; None: everything may start, and ends by ``max_steps``.
        policy: source with the class ``PolicyOverSkills``; None: one of the skills that may start is drawn, all with equal chances.
        fact_names: the domain's fact names.
        seed: of the programs' ``random`` and of the uniform fallback.
        faults: a counter to share with other games.

    Attributes:
        offered: how often each skill was startable when a choice was made.
        refused: choices of skills that may not start, in words.
        deciding: names of facts, or None. While none of these facts changes and fewer than ``remaining`` steps pass, ``advance`` would
            say again what it has just said and change nothing, so that it need not be called; the next call tells how many steps passed.
        remaining: steps left to the present call.

    Raises:
        ProgramError: a program is not allowed, cannot be loaded, or lacks a part of the contract.
    """

    def __init__(
        self,
        skills: SkillSet,
        skill_program: str | None,
        policy: str | None,
        fact_names: Collection[str],
        seed: int = 0,
        *,
        fuel: int = FUEL,
        fault_limit: int = FAULT_LIMIT,
        faults: Counter[str] | None = None,
        skill_file: str = "skills.py",
        policy_file: str = "policy.py",
    ) -> None:
        super().__init__(skills, seed)
        if faults is not None:
            self.faults = faults
        self.offered: Counter[str] = Counter()
        self._limit = fault_limit
        self._meter = Meter(fuel)
        self._fuel = fuel
        self._skill_faults = self._policy_faults = 0
        self._skills = (
            self._load(skill_program, skill_file, fact_names, seed, ("can_start", "is_over")) if skill_program is not None else None
        )
        self._can_start = self._skills.get("can_start") if self._skills else None
        self._is_over = self._skills.get("is_over") if self._skills else None
        self._names = frozenset(fact_names)
        self._sources = skill_program, policy
        # In a module as it is assembled, a skill's own function can be called without the dispatch.
        self._own_over = dispatched(skill_program, "is_over") if skill_program is not None else {}
        self._over: Callable[..., Any] | None = None
        self._settled = False
        self._policy_file = policy_file
        self._program = self._load(policy, policy_file, fact_names, seed + 1, (POLICY_CLASS,)) if policy is not None else None
        self._make_policy = self._program.get(POLICY_CLASS) if self._program else None
        self._policy_off = False
        self._bind_policy(None)
        if self._program and not callable(getattr(self._make_policy, "next_skill", None)):
            raise ProgramError(
                f"{policy_file}: class {POLICY_CLASS} has no next_skill", "Define next_skill(self, facts, finished, startable)"
            )

    @classmethod
    def many(
        cls,
        games: int,
        skills: SkillSet,
        skill_program: str | None,
        policy: str,
        fact_names: Collection[str],
        seed: int = 0,
        *,
        faults: Counter[str] | None = None,
        **more: Any,
    ) -> list[ProgramSchedule]:
        """One schedule for each game, with a seed of its own; compiled once, faults counted together."""
        shared: Counter[str] = Counter() if faults is None else faults
        return [cls(skills, skill_program, policy, fact_names, seed + 7919 * game, faults=shared, **more) for game in range(games)]

    def _load(self, source: str, file: str, names: Collection[str], seed: int, required: tuple[str, ...]) -> Program:
        return load(source, file, names=names, seed=seed, meter=self._meter, required=required)

    # The policy object

    def _bind_policy(self, policy: Any) -> None:
        self._next_skill: Callable[..., Any] | None = getattr(policy, "next_skill", None)
        self._observe: Callable[..., Any] | None = getattr(policy, "observe", None)
        self._interrupt: Callable[..., Any] | None = getattr(policy, "interrupt", None)
        self._is_done: Callable[..., Any] | None = getattr(policy, "is_done", None)
        self._decided: dict[str, frozenset[str] | None] = {}

    # What has to be asked

    @property
    def deciding(self) -> frozenset[str] | None:
        if not self._settled:
            return None
        skill = self.active
        if skill not in self._decided:
            self._decided[skill] = self._decisive(skill)
        return self._decided[skill]

    @property
    def remaining(self) -> int:
        return self._left

    def _decisive(self, skill: str) -> frozenset[str] | None:
        """The facts on which the end of a skill's call depends; None if on anything else."""
        skill_program, policy = self._sources
        parts: list[frozenset[str] | None] = []
        if self._observe is not None:
            return None
        if skill_program is not None:
            own = self._own_over.get(skill)
            parts.append(
                facts_read(skill_program, self._names, "is_over", (1, 2))
                if own is None
                else facts_read(skill_program, self._names, own, (0, 1))
            )
        for name, method in (("interrupt", self._interrupt), ("is_done", self._is_done)):
            if policy is not None and method is not None:
                parts.append(facts_read(policy, self._names, name, (1,), POLICY_CLASS))
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None

    def _call(self, facts: Facts, finished: str) -> str:
        active = super()._call(facts, finished)
        self._settled = False
        if self._is_over is None or self._skills is None:
            self._over = None
        else:
            own = self._skills.get(self._own_over[active]) if active in self._own_over else None
            self._over = own or partial(self._is_over, active)
        return active

    def _new_policy(self) -> None:
        if self._policy_off or self._program is None or self._make_policy is None:
            return
        try:
            policy = self._program.call(self._make_policy)
        except ProgramFault as fault:
            self._policy_fault("__init__", fault)
            policy = None
        self._bind_policy(policy)

    # One step

    def begin(self, facts: Facts) -> str:
        self.claims_done = False
        self.reason = ""
        self.active = ""
        self._new_policy()
        self._watch(facts)
        self._refuel()
        return self._call(facts, "")

    def advance(self, facts: Facts, ended: EndCause, elapsed: int = 1) -> tuple[EndCause, str]:
        # Written out rather than split into functions: this may run once per environment step and game.
        self._settled = True
        if self._observe is not None:
            try:
                self._observe(facts)
            except _FAULTS as error:
                self._policy_fault("observe", error)
        if self._is_done is not None:
            try:
                self._judge(self._is_done(facts))
            except _FAULTS as error:
                self._policy_fault("is_done", error)
        if ended:
            self._refuel()
            return self._close(ended)
        cause = _CONTINUES
        if self._over is not None:
            try:
                over = self._over(facts, self.start)
                if over is True:
                    cause = _OVER
                elif over is not False:
                    raise TypeError(f"must return True or False, not {type(over).__name__}")
            except _FAULTS as error:
                self._skill_fault(f"is_over({self.active})", error)
                cause = _OVER
        if self._meter.left() < self._fuel and self._refuel():
            cause = _OVER
        if self._interrupt is not None and cause is _CONTINUES:
            try:
                wanted = self._interrupt(facts, self.active)
                if wanted is True:
                    cause = _INTERRUPTED
                elif wanted is not False:
                    raise TypeError(f"must return True or False, not {type(wanted).__name__}")
            except _FAULTS as error:
                self._policy_fault("interrupt", error)
            # The next step begins with full fuel, whatever this method has used.
            self._refuel()
        self._left -= elapsed
        if cause is not _CONTINUES:
            return self._next(cause, facts)
        if self._left <= 0:
            return self._next(_TIMED_OUT, facts)
        return _CONTINUES, self.active

    def _watch(self, facts: Facts) -> None:
        """``observe`` and ``is_done`` on the first facts of an episode."""
        try:
            if self._observe is not None:
                self._observe(facts)
        except _FAULTS as error:
            self._policy_fault("observe", error)
        try:
            if self._is_done is not None:
                self._judge(self._is_done(facts))
        except _FAULTS as error:
            self._policy_fault("is_done", error)

    def _judge(self, done: object) -> None:
        if done is True:
            self.claims_done = True
        elif done is not False:
            raise TypeError(f"must return True or False, not {type(done).__name__}")

    def is_over_now(self, skill: str, facts: Facts) -> bool:
        """Whether a call that began here would be over at once; for trials, faults are not counted."""
        if self._is_over is None or self._skills is None:
            return False
        try:
            return self._skills.call(self._is_over, skill, facts, facts) is True
        except ProgramFault:
            return False

    # The end of a call

    def _choose(self, facts: Facts, finished: str) -> str:
        startable = [skill for skill in self._ids if self._may_start(skill, facts)]
        self.offered.update(startable)
        return self._pick(facts, finished, startable)

    def _pick(self, facts: Facts, finished: str, startable: list[str]) -> str:
        """The next skill, given those that may start."""
        if not startable:
            return self._ids[0]
        if self._next_skill is None:
            return self._random.choice(startable)
        default = finished if finished in startable else startable[0]
        try:
            chosen = self._next_skill(facts, finished, list(startable))
        except _FAULTS as error:
            self._policy_fault("next_skill", error)
            return default
        if self._refuel():
            return default
        if type(chosen) is not str:
            self._policy_fault("next_skill", TypeError(f"must return the id of a skill, not {type(chosen).__name__}"))
        elif chosen in startable:
            return chosen
        elif chosen in self._limits:
            self.refused[f"chose {chosen!r}, which may not start there"] += 1
        else:
            self._policy_fault("next_skill", ProgramFault(f"names an unknown skill {chosen[:60]!r}; known: {', '.join(self._ids)}"))
        return default

    def _may_start(self, skill: str, facts: Facts) -> bool:
        if self._can_start is None:
            return True
        try:
            may = self._can_start(skill, facts)
            if may is not True and may is not False:
                raise TypeError(f"must return True or False, not {type(may).__name__}")
        except _FAULTS as error:
            self._skill_fault(f"can_start({skill})", error)
            return False
        return may and not self._refuel()

    # Faults

    def _refuel(self) -> bool:
        """Fill the meter if it is low; True if it had run dry behind a program's back."""
        left = self._meter.left()
        if left < self._fuel:
            self._meter.refill()
            if not left:
                self.faults["OutOfFuel: used up and hidden by a finally block"] += 1
                self._skill_faults += 1
                self._policy_faults += 1
                self._set_aside()
                return True
        return False

    def _skill_fault(self, part: str, error: BaseException) -> None:
        self._count(part, error, self._skills.filename if self._skills else "")
        self._skill_faults += 1
        self._set_aside()

    def _policy_fault(self, part: str, error: BaseException) -> None:
        self._count(part, error, self._policy_file)
        self._policy_faults += 1
        self._set_aside()

    def _count(self, part: str, error: BaseException, filename: str) -> None:
        text = str(error) if isinstance(error, ProgramFault) else describe_fault(error, filename)
        key = f"{part}: {text}"
        # Texts may carry values; beyond a few hundred kinds only the kind of error is told apart.
        self.faults[key if key in self.faults or len(self.faults) < 300 else f"{part}: {type(error).__name__}"] += 1
        if not self._meter.left():
            self._meter.refill()

    def _set_aside(self) -> None:
        self._settled = False
        if self._skill_faults >= self._limit:
            self._can_start = self._is_over = self._over = None
        if self._policy_faults >= self._limit:
            self._policy_off = True
            self._bind_policy(None)
