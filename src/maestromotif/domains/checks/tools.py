"""What the checks share: how a finding is reported, and games played by random legal actions or by the domain's explorer."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, Domain, DomainEnv, Facts, FactSpec, ObservationSpec
from maestromotif.types import Caption, RewardInput

__all__ = [
    "GAMES",
    "SEEDS",
    "STEPS",
    "TYPES",
    "Broken",
    "Check",
    "CheckResult",
    "Moment",
    "Nothing",
    "Outcome",
    "check_facts",
    "fact_values",
    "fail",
    "legal",
    "moment",
    "play",
]

GAMES = 4
STEPS = 400
SEEDS = (11, 12, 13, 14)
TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


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


class Broken(Exception):
    """The contract is broken; the message says how."""


class Nothing(Exception):
    """There was nothing to check; the message says what was missing."""


Check = Callable[[Domain], str]


def fail(why: str) -> NoReturn:
    raise Broken(why)


@dataclass(slots=True)
class Moment:
    """What one game shows after a reset or step."""

    facts: Facts
    key: int
    reward_input: RewardInput
    text: str
    terminated: bool


Step = tuple[DomainEnv, list[Moment], NDArray[Any]]  # the environment, what each game shows, the actions just played


def play(domain: Domain, steps: int = STEPS, explorer_seed: int | None = None) -> Iterator[Step]:
    """Play ``GAMES`` games: by the explorer, or, without a seed for it, by random legal actions. Yields after every step."""
    env = domain.make_env(GAMES)
    try:
        rng = np.random.default_rng(5)
        explorer = None if explorer_seed is None else domain.explorer(explorer_seed)
        env.reset(range(GAMES), SEEDS)
        seed = max(SEEDS)
        for _ in range(steps):
            actions_B = explorer.act(env) if explorer else legal(env, domain.observation_spec, rng)
            env.step(actions_B)
            yield env, [moment(env, game) for game in range(GAMES)], actions_B
            for game in np.flatnonzero(env.terminated_B).tolist():
                seed += 1
                env.reset([game], [seed])
    finally:
        env.close()


def moment(env: DomainEnv, game: int) -> Moment:
    caption = env.caption(game)
    if not isinstance(caption, Caption) or not isinstance(caption.reward_input, RewardInput):
        fail(f"caption returned a {type(caption).__name__}, it must be Caption(text, RewardInput(message, signs))")
    if not isinstance(caption.text, str) or not isinstance(caption.reward_input.message, str):
        parts = type(caption.text).__name__, type(caption.reward_input.message).__name__
        fail(f"the text and the message of a caption must be str, they are {parts[0]} and {parts[1]}")
    return Moment(env.facts(game), env.reward_key(game), caption.reward_input, caption.text, bool(env.terminated_B[game]))


def legal(env: DomainEnv, spec: ObservationSpec, rng: np.random.Generator) -> NDArray[Any]:
    """Random allowed actions of all games."""
    if spec.continuous:
        return rng.uniform(-1, 1, (env.num_games, spec.actions)).astype(np.float32)
    mask_BA = env.observation[ACTION_MASK]
    actions_B: NDArray[np.int64] = np.argmax(rng.random(mask_BA.shape) * (mask_BA > 0), axis=1).astype(np.int64)
    return actions_B


def fact_values(facts: Facts, specs: tuple[FactSpec, ...]) -> tuple[Any, ...]:
    return tuple(getattr(facts, spec.name) for spec in specs)


def check_facts(facts: Facts, specs: tuple[FactSpec, ...], where: str) -> None:
    for spec in specs:
        if not hasattr(facts, spec.name):
            fail(f"{where}: there is no fact {spec.name!r}, which fact_specs documents")
        value = getattr(facts, spec.name)
        if type(value) is not TYPES[spec.type]:
            fail(f"{where}: fact {spec.name!r} is a {type(value).__name__}, its spec says {spec.type}")
        if spec.values and value not in spec.values:
            fail(f"{where}: fact {spec.name!r} is {value!r}, which is none of its listed values")
        number: Any = value
        if spec.type in ("int", "float") and not (spec.least <= number and (spec.most is None or number <= spec.most)):
            fail(f"{where}: fact {spec.name!r} is {value!r}, outside {spec.least} to {'any' if spec.most is None else spec.most}")
