"""The shipped contract test-suite: it passes on the package's own domains, and it notices broken ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from maestromotif.domains.checks import CHECKS, DomainContract, Outcome, check_domain
from maestromotif.domains.contract import ACTION_MASK, Domain, Explorer, Facts, Simulator, Task
from maestromotif.domains.corridor import Corridor, CorridorEnv
from maestromotif.domains.registry import load_domain
from maestromotif.types import Caption, RewardInput


class TestCorridorContract(DomainContract):
    may_be_vacuous = ("explorer keeps to the mask",)

    def make_domain(self) -> Domain:
        return load_domain("corridor")


class TestNetHackContract(DomainContract):
    def make_domain(self) -> Domain:
        pytest.importorskip("nle")
        return load_domain("nethack")


class _BrokenEnv(CorridorEnv):
    """A corridor with one fault, chosen by name."""

    fault = ""
    made = 0

    def __init__(self, num_games: int) -> None:
        super().__init__(num_games)
        type(self).made += 1
        self.serial = type(self).made

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        if self.fault == "unseeded":
            seeds = [seed + 1000 * self.serial for seed in seeds]
        elif self.fault == "one game":
            seeds = [0 for _ in seeds]
        super().reset(games, seeds)

    def step(self, actions_B: NDArray[np.int64]) -> None:
        super().step(actions_B)
        if self.fault == "out of range":
            self.observation["place"][0, 0] = 10_000
        elif self.fault == "no action":
            self.observation[ACTION_MASK][0] = 0
        elif self.fault == "crosstalk":
            self.observation["place"][:, 0] = self.observation["place"][0, 0]

    def facts(self, game: int) -> Facts:
        facts = super().facts(game)
        if self.fault == "numpy fact":
            object.__setattr__(facts, "position", np.int64(facts.position))
        return facts

    def reward_keys(self) -> list[int]:
        return [key + (self.fault == "other keys") for key in super().reward_keys()]

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        numbers_BF, columns = super().fact_numbers()
        return numbers_BF, {**columns, "rested": columns["bumps"]} if self.fault == "wrong column" else columns

    def reward_key(self, game: int) -> int:
        return 1 if self.fault == "one key" else super().reward_key(game)

    def caption(self, game: int) -> Caption:
        caption = super().caption(game)
        if self.fault == "empty caption":
            return Caption("", caption.reward_input)
        if self.fault == "wild sign":
            return Caption(caption.text, RewardInput(caption.reward_input.message, (7, 0)))
        return caption


class _Mutable:
    def __init__(self, facts: Facts) -> None:
        self.__dict__.update({name: getattr(facts, name) for name in type(facts).__slots__})


class _WritableEnv(CorridorEnv):
    def facts(self, game: int) -> Facts:
        return _Mutable(super().facts(game))


class _BadSimulator:
    def __init__(self, inner: Simulator) -> None:
        self._inner = inner
        self._tick = 0

    def reset(self, seed: int) -> Facts:
        return self._inner.reset(seed)

    def step(self, skill: str) -> tuple[Facts, bool]:
        if skill == "a_skill_nobody_knows":
            raise KeyError(skill)
        return self._inner.step(skill)

    def truth(self) -> Mapping[str, Any]:
        return self._inner.truth()


class _WildExplorer:
    def act(self, env: Any) -> NDArray[np.int64]:
        return np.full(env.num_games, 99, np.int64)


class _AtOnce:
    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        return True


class _Broken(Corridor):
    """A corridor domain with one part replaced."""

    replaced: Mapping[str, Any] = {}

    def make_env(self, num_games: int) -> CorridorEnv:
        env: CorridorEnv = self.replaced.get("env", CorridorEnv)(num_games)
        return env

    def simulator(self) -> Any:
        return _BadSimulator(super().simulator()) if "simulator" in self.replaced else super().simulator()

    def explorer(self, seed: int) -> Any:
        explorer: Explorer = self.replaced.get("explorer", super().explorer)(*([] if "explorer" in self.replaced else [seed]))
        return explorer

    @property
    def tasks(self) -> Mapping[str, Task]:
        tasks: Mapping[str, Task] = self.replaced.get("tasks", super().tasks)
        return tasks

    @property
    def skills_toml(self) -> str:
        return super().skills_toml + str(self.replaced.get("toml", ""))


def _broken(**replaced: Any) -> Domain:
    return type("Broken", (_Broken,), {"replaced": replaced})()  # type: ignore[no-any-return]


def _env(fault: str) -> type[_BrokenEnv]:
    return type("FaultyEnv", (_BrokenEnv,), {"fault": fault, "made": 0})


NO_LANDMARK = {"x": Task("x", "Do it.", {"proxy": _AtOnce}, 10)}
MET_AT_ONCE = {"x": Task("x", "Do it.", {"landmark": _AtOnce}, 10)}
NEW_SKILL = '\n[[skill]]\nid = "sing"\ndescription = "Sing."\n'


@pytest.mark.parametrize(
    ("check", "domain"),
    [
        ("same seed, same game", _broken(env=_env("unseeded"))),
        ("other seed, other game", _broken(env=_env("one game"))),
        ("observations", _broken(env=_env("out of range"))),
        ("observations", _broken(env=_env("no action"))),
        ("games are independent", _broken(env=_env("crosstalk"))),
        ("all games at once", _broken(env=_env("other keys"))),
        ("all games at once", _broken(env=_env("wrong column"))),
        ("facts", _broken(env=_env("numpy fact"))),
        ("facts are snapshots", _broken(env=_WritableEnv)),
        ("reward keys", _broken(env=_env("one key"))),
        ("captions", _broken(env=_env("empty caption"))),
        ("signs", _broken(env=_env("wild sign"))),
        ("explorer", _broken(explorer=_WildExplorer)),
        ("simulator", _broken(simulator=True)),
        ("tasks", _broken(tasks=NO_LANDMARK)),
        ("tasks", _broken(tasks=MET_AT_ONCE)),
        ("recorded answers", _broken(toml=NEW_SKILL)),
        ("words", _broken(toml="[[skill]]\nid = 3\n")),
    ],
)
def test_a_broken_domain_is_noticed(check: str, domain: Domain) -> None:
    (result,) = check_domain(domain, [check])
    assert result.name == check
    assert result.outcome is Outcome.FAILED, result
    assert result.why


def test_every_check_reports_and_says_why() -> None:
    results = check_domain(load_domain("corridor"))
    assert [result.name for result in results] == list(CHECKS)
    assert all(result.why for result in results)


def test_nothing_to_check_is_not_called_a_pass() -> None:
    (result,) = check_domain(load_domain("corridor"), ["explorer keeps to the mask"])
    assert result.outcome is Outcome.VACUOUS
    (result,) = check_domain(_broken(tasks={}), ["tasks"])
    assert result.outcome is Outcome.VACUOUS
