"""What the step just made pays: the reward of whichever skill is active in each game, times its count discount."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

from maestromotif.domains.contract import DomainEnv
from maestromotif.rewards.discount import CountDiscount
from maestromotif.types import RewardInput

__all__ = ["Discount", "Paying", "Payments", "Rewards", "Watching", "payments"]

# Keys that pay a skill nothing, about 10 MB; then they are looked up anew.
_MOST_KEYS = 100_000


class Discount(Protocol):
    """``rewards.CountDiscount``: one object per game."""

    def factor(self, discount_key: int) -> float: ...

    def reset(self) -> None: ...


class Rewards(Protocol):
    """``rewards.RewardTable``."""

    def reward(self, skill: int, key: int, make_input: Callable[[], RewardInput]) -> float: ...

    def discount(self) -> Discount: ...


class Paying(Protocol):
    """What ``SkillGames`` asks for rewards: ``begin`` with every episode, ``step`` once after every step."""

    def begin(self, game: int) -> None: ...

    def step(self, skills: Sequence[int], games: Callable[[int], bool]) -> Iterator[tuple[int, float]]: ...


@runtime_checkable
class Watching(Protocol):
    """Rewards that do not follow from a step's reward key, and so watch the games: ``rl.task_reward.TaskReward``."""

    def payments(self, env: DomainEnv) -> Paying: ...


def payments(rewards: Rewards | Watching, env: DomainEnv) -> Paying:
    """What these rewards pay in these games."""
    return rewards.payments(env) if isinstance(rewards, Watching) else Payments(rewards, env)


class Payments:
    """Rewards of games that step together. Most steps pay nothing: their keys are remembered, and one look is enough.

    Args:
        rewards: by the skill's place and the reward key.
        env: the games.
    """

    def __init__(self, rewards: Rewards, env: DomainEnv) -> None:
        self._rewards, self._env = rewards, env
        self._inputs = [partial(env.reward_input, game) for game in range(env.num_games)]
        self._nothing: defaultdict[int, set[int]] = defaultdict(set)
        discount = rewards.discount()
        # The discount of the paper counts steps, so that one list of keys for all games is enough, and counting can wait for a reward.
        self._counted = _Counted(discount, env.num_games) if isinstance(discount, CountDiscount) and discount.kind == "steps" else None
        self._discounts = [] if self._counted else [rewards.discount() for _ in range(env.num_games)]

    def begin(self, game: int) -> None:
        """A new episode begins in this game."""
        if self._counted:
            self._counted.begin(game)
        else:
            self._discounts[game].reset()

    def step(self, skills: Sequence[int], games: Callable[[int], bool]) -> Iterator[tuple[int, float]]:
        """Games whose step has paid something, with the reward. To be called, and used up, once after every step.

        Args:
            skills: for each game, the place of the skill that has acted.
            games: whether a game is to be looked at; called before anything is computed for it.
        """
        env, nothing, counted = self._env, self._nothing, self._counted
        keys, seen = env.reward_keys(), env.discount_keys()
        if counted:
            counted.add(seen)
            factors: Sequence[float] = ()
        else:
            factors = [discount.factor(key) for discount, key in zip(self._discounts, seen, strict=True)]
        sets = [nothing[skill] for skill in skills]
        for game in [game for game, (key, known) in enumerate(zip(keys, sets, strict=True)) if key not in known]:
            if not games(game):
                continue
            reward = self._rewards.reward(skills[game], keys[game], self._inputs[game])
            if reward:
                yield game, reward * (counted.factor(game) if counted else factors[game])
            else:
                if len(sets[game]) >= _MOST_KEYS:
                    sets[game].clear()
                sets[game].add(keys[game])


class _Counted:
    """``CountDiscount`` of kind ``"steps"`` for many games at once."""

    def __init__(self, discount: CountDiscount, games: int) -> None:
        self._recent: deque[list[int]] = deque(maxlen=discount.window)
        self._powers: list[float] = [1.0, *(float(count) ** -discount.exponent for count in range(1, discount.window + 1))]
        self._turn = 0
        self._begun = [0] * games

    def begin(self, game: int) -> None:
        self._begun[game] = self._turn

    def add(self, keys: list[int]) -> None:
        self._recent.appendleft(keys)
        self._turn += 1

    def factor(self, game: int) -> float:
        """For the step that was added last."""
        key = self._recent[0][game]
        if not key:
            return 1.0
        count = 0
        for keys, _ in zip(self._recent, range(self._turn - self._begun[game]), strict=False):
            count += keys[game] == key
        return self._powers[count]
