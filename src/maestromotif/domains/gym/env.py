"""Games of any Gymnasium environment, stepped one after another and written into arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import gymnasium
import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DENSE, DomainEnv, Facts, ObservationSpec
from maestromotif.domains.gym.actions import Actions
from maestromotif.domains.gym.adapter import Adapter
from maestromotif.domains.gym.loading import where
from maestromotif.domains.gym.observations import ObservationReader
from maestromotif.domains.gym.pictures import smaller
from maestromotif.errors import DomainError, MaestroError
from maestromotif.types import Caption, RewardInput

__all__ = ["BAG", "BEGINNING", "GymEnv"]

BAG = "features"
BEGINNING = "The episode begins."
_SEEDS = 2**31
_MOST_KEYS = 200_000
_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
_REMEDY = "Mend it; `maestromotif check` explains what is expected"


class GymEnv(DomainEnv):
    """``num_games`` environments of one kind.

    An environment's own limit of steps is left out, since the caller cuts episodes; one that truncates by itself all the same is over.

    Args:
        num_games: how many.
        make: makes one environment, with further arguments of its own.
        adapter: its words; ``file`` is where it was defined, for messages.
        actions, reader, spec: of the spaces.
        make_facts: a class made from values in the order of the adapter's facts and the standard ones.

    Raises:
        DomainError: from ``reset`` and ``step``, where the environment or the adapter fails, or gives what it should not.
    """

    def __init__(
        self,
        num_games: int,
        make: Callable[..., gymnasium.Env[Any, Any]],
        adapter: Adapter,
        file: Path | None,
        actions: Actions,
        reader: ObservationReader,
        spec: ObservationSpec,
        make_facts: Callable[..., Facts],
    ) -> None:
        self.num_games = num_games
        self.observation = spec.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._envs = [make() for _ in range(num_games)]
        self._make = make
        self._adapter, self._file, self._actions, self._reader = adapter, file, actions, reader
        self._make_facts = make_facts
        self._names = [fact.name for fact in adapter.fact_specs]
        self._types = [_TYPES.get(fact.type, object) for fact in adapter.fact_specs]
        self._no_dense, self._no_bag = np.zeros(0, np.float32), np.zeros(0, np.int32)
        self._facts: list[Facts] = [None] * num_games
        self._inputs = [RewardInput(BEGINNING, (0,) * len(adapter.sign_specs))] * num_games
        self._keys, self._key_of = [0] * num_games, dict[RewardInput, int]()
        self._steps, self._seeds = [0] * num_games, [0] * num_games
        self._score, self._truth = [0.0] * num_games, [dict[str, Any]() for _ in range(num_games)]

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        for game, seed in zip(games, seeds, strict=True):
            self._at(game)
            self._seeds[game], self._steps[game], self._score[game] = int(seed) % _SEEDS, 0, 0.0
            self.terminated_B[game] = False
            try:
                observation, info = self._envs[game].reset(seed=self._seeds[game])
            except Exception as error:  # whatever somebody's environment raises
                self._fail(game, "reset of the environment", error)
            self._see(game, observation, info, 0.0, False)
            self._tell(game, RewardInput(BEGINNING, (0,) * len(self._adapter.sign_specs)))

    def step(self, actions_B: NDArray[Any]) -> None:
        for game, action in enumerate(actions_B):
            self._at(game)
            before = self._facts[game]
            self._steps[game] += 1
            try:
                observation, reward, terminated, truncated, info = self._envs[game].step(self._actions.value(action))
            except Exception as error:  # whatever somebody's environment raises
                self._fail(game, f"step of the environment with the action {self._actions.name(action)!r}", error)
            over = bool(terminated) or bool(truncated)
            self.terminated_B[game] = over
            self._score[game] += float(reward)
            self._see(game, observation, info, float(reward), over)
            self._describe(game, before, self._actions.name(action))

    def _at(self, game: int) -> None:
        if self.playing is not None:
            self.playing[0] = game

    def _see(self, game: int, observation: Any, info: Mapping[str, Any], reward: float, over: bool) -> None:
        """Write the arrays, and read the facts."""
        arrays = self.observation
        dense = arrays[DENSE][game] if DENSE in arrays else self._no_dense
        bag = arrays[BAG][game] if BAG in arrays else self._no_bag
        self._reader.write(observation, dense, bag)
        if not isinstance(info, Mapping):
            raise DomainError(f"the environment's info is a {type(info).__name__}, not a dictionary", "Mend the environment")
        self._truth[game] = {"reward": reward, "score": self._score[game], "info": info}
        if not self._actions.continuous:
            self._mask(arrays[ACTION_MASK][game], info, over)
        self._read_facts(game, observation, info, over)

    def _mask(self, mask: NDArray[np.uint8], info: Mapping[str, Any], over: bool) -> None:
        """Write which actions the environment allows."""
        given = info.get("action_mask") if self._actions.maskable else None
        if given is None or over:
            mask[...] = 1
        else:
            allowed = np.asarray(given)
            if allowed.shape != mask.shape or not (allowed > 0).any():
                raise DomainError(
                    f"info['action_mask'] has the shape {allowed.shape} and allows {int((allowed > 0).sum())} of {len(mask)} actions",
                    "Let the mask allow one action at least in every state that is not the last",
                )
            mask[...] = allowed > 0

    def _read_facts(self, game: int, observation: Any, info: Mapping[str, Any], over: bool) -> None:
        try:
            values = self._adapter.facts(observation, info)
            found = [values[name] for name in self._names]
        except Exception as error:  # whatever somebody's adapter raises
            self._fail(game, "facts()", error)
        if len(values) > len(found):
            extra = ", ".join(sorted(set(values) - set(self._names)))
            problem = f"{self._file or 'adapter'}: facts() gives {extra}, which fact_specs does not list"
            raise DomainError(problem, "List it, or leave it out")
        for name, value, kind in zip(self._names, found, self._types, strict=True):
            if type(value) is not kind:
                raise DomainError(
                    f"{self._file or 'adapter'}: the fact {name} is a {type(value).__name__}, fact_specs says {kind.__name__}",
                    f"Write {kind.__name__}(...) around it in facts()",
                )
        self._facts[game] = self._make_facts(*found, *(self._steps[game], over))

    def _describe(self, game: int, before: Facts, action: str) -> None:
        adapter, after = self._adapter, self._facts[game]
        try:
            message = adapter.caption(before, after, action)
        except Exception as error:  # whatever somebody's adapter raises
            self._fail(game, "caption()", error)
        if not isinstance(message, str) or not message.strip():
            what = "an empty text" if isinstance(message, str) else f"a {type(message).__name__}"
            raise DomainError(f"{self._file or 'adapter'}: caption() returned {what}", "Return a sentence for every step")
        try:
            words = adapter.signs(before, after, action)
            signs = tuple([spec.values.index(words[spec.name]) for spec in adapter.sign_specs])
        except Exception as error:  # whatever somebody's adapter raises
            self._fail(game, "signs()", error)
        self._tell(game, RewardInput(message, signs))

    def _tell(self, game: int, reward_input: RewardInput) -> None:
        key = self._key_of.get(reward_input)
        if key is None:
            if len(self._key_of) >= _MOST_KEYS:
                self._key_of.clear()
            text = repr((reward_input.message, reward_input.signs)).encode()
            key = self._key_of[reward_input] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        self._inputs[game], self._keys[game] = reward_input, key

    def _fail(self, game: int, what: str, error: Exception) -> NoReturn:
        if isinstance(error, MaestroError):
            raise error
        raise DomainError(
            f"{where(error, self._file)}: {what} failed: {type(error).__name__}: {error} "
            f"(seed {self._seeds[game]}, step {self._steps[game]})",
            _REMEDY,
        ) from error

    def facts(self, game: int) -> Facts:
        return self._facts[game]

    def reward_key(self, game: int) -> int:
        return self._keys[game]

    def reward_keys(self) -> list[int]:
        return self._keys.copy()

    def reward_input(self, game: int) -> RewardInput:
        return self._inputs[game]

    def caption(self, game: int) -> Caption:
        return Caption(self._inputs[game].message, self._inputs[game])

    def truth(self, game: int) -> Mapping[str, Any]:
        return self._truth[game]

    def record(self, game: int, folder: Path) -> None:
        """Have a game draw from now on, where it can: the environment is made anew, since Gymnasium's draw only if made for it."""
        env = self._envs[game]
        if env.render_mode is None and "rgb_array" in (env.metadata.get("render_modes") or ()):
            self._envs[game] = self._make(render_mode="rgb_array")
            env.close()  # type: ignore[no-untyped-call]

    def picture(self, game: int) -> NDArray[np.uint8] | None:
        """See ``DomainEnv.picture``; None until ``record`` has been called. Large ones are made smaller.

        Raises:
            DomainError: the environment cannot draw here.
        """
        env = self._envs[game]
        if env.render_mode != "rgb_array":
            return None
        try:
            return smaller(env.render())
        except Exception as error:  # whatever somebody's environment raises
            self._fail(game, "drawing of the environment", error)

    def close(self) -> None:
        for env in self._envs:
            env.close()  # type: ignore[no-untyped-call]
