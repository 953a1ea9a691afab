"""Actions of any Gymnasium environment as a numbered list, which is what the policy chooses from.

Each elementary choice (a discrete action, one dimension of a continuous one) has a few named options. If there are at most ``MOST``
combinations, each is an action; else each action moves one choice away from where it does nothing, and leaves the others there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from maestromotif.errors import DomainError

__all__ = ["MOST", "ActionTable"]

MOST = 256


@dataclass(frozen=True)
class _Choice:
    """One elementary choice: a label, (name, value) of each option, and the option that does least."""

    label: str
    options: Sequence[tuple[str, Any]]
    neutral: int


class ActionTable:
    """The actions of a space.

    Args:
        space: discrete, continuous (``Box``), several of them (``MultiDiscrete``, ``MultiBinary``), or tuples and dictionaries of these.
        bins: values of each continuous dimension, evenly from its lower to its upper bound; where it has none, from -1 to 1.
        names: of all actions; empty: made from the space.
        meanings: of the actions of a discrete space, as the environment names them; may be empty.

    Raises:
        DomainError: another kind of space, or names that do not fit.
    """

    def __init__(self, space: gymnasium.Space[Any], bins: int = 3, names: Sequence[str] = (), meanings: Sequence[str] = ()) -> None:
        if bins < 2:
            raise DomainError(f"bins = {bins}: a continuous action needs two values or more", "Set bins to 3 or 5 in the adapter")
        choices: list[_Choice] = []
        self._assemble = _plan(space, "", bins, choices)
        if isinstance(space, spaces.Discrete) and len(meanings) == space.n:
            options = [(str(meaning), value) for meaning, (_, value) in zip(meanings, choices[0].options, strict=True)]
            choices = [_Choice("", options, 0)]
        self._values = _all_values(choices)
        default = [_name(choices, row) for row in self._values]
        if names and len(names) != len(default):
            problem = f"the adapter names {len(names)} actions, the environment has {len(default)}: {_short(default)}"
            raise DomainError(problem, "Name them all, in this order")
        self.names = tuple(names) or tuple(default)
        # A mask that an environment gives belongs to its discrete actions.
        self.maskable = isinstance(space, spaces.Discrete)
        self._options = [choice.options for choice in choices]

    def __len__(self) -> int:
        return len(self._values)

    def value(self, action: int) -> Any:
        """The action as the environment takes it; new arrays each time."""
        return self._assemble([options[index][1] for options, index in zip(self._options, self._values[action], strict=True)])


def _plan(space: gymnasium.Space[Any], label: str, bins: int, choices: list[_Choice]) -> Callable[[Sequence[Any]], Any]:
    """Append the space's elementary choices; what makes an action of their values."""
    place = len(choices)
    if isinstance(space, spaces.Discrete):
        choices.append(_Choice(label, [(f"action {i}", int(space.start) + i) for i in range(int(space.n))], 0))
        return lambda values: values[place]
    if isinstance(space, spaces.Box):
        low, high = space.low.ravel(), space.high.ravel()
        for i in range(low.size):
            least, most = (float(low[i]), float(high[i])) if np.isfinite([low[i], high[i]]).all() else (-1.0, 1.0)
            values = np.linspace(least, most, bins).tolist()
            choices.append(_Choice(f"{label} {i}".strip(), [(f"{value:g}", value) for value in values], bins // 2))
        return _array(space.shape, np.dtype(space.dtype), place, low.size)
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        counts = space.nvec.ravel().tolist() if isinstance(space, spaces.MultiDiscrete) else [2] * int(np.prod(space.shape))
        starts = space.start.ravel().tolist() if isinstance(space, spaces.MultiDiscrete) else [0] * len(counts)
        for i, (count, start) in enumerate(zip(counts, starts, strict=True)):
            choices.append(_Choice(f"{label} {i}".strip(), [(str(k), start + k) for k in range(count)], 0))
        return _array(space.shape, np.dtype(space.dtype), place, len(counts))
    if isinstance(space, spaces.Tuple):
        parts = [_plan(part, f"{label} {i}".strip(), bins, choices) for i, part in enumerate(space.spaces)]
        return lambda values: tuple(part(values) for part in parts)
    if isinstance(space, spaces.Dict):
        named = {key: _plan(part, f"{label} {key}".strip(), bins, choices) for key, part in space.spaces.items()}
        return lambda values: {key: part(values) for key, part in named.items()}
    remedy = "Wrap the environment so that its actions are Discrete or Box"
    raise DomainError(f"actions of the kind {type(space).__name__} are not known", remedy)


def _array(shape: tuple[int, ...], dtype: np.dtype[Any], place: int, count: int) -> Callable[[Sequence[Any]], Any]:
    return lambda values: np.array(values[place : place + count], dtype).reshape(shape)


def _all_values(choices: Sequence[_Choice]) -> list[tuple[int, ...]]:
    counts = [len(choice.options) for choice in choices]
    if prod(counts) <= MOST:
        return list(product(*map(range, counts)))
    neutral = tuple(choice.neutral for choice in choices)
    moved = [
        (*neutral[:i], option, *neutral[i + 1 :]) for i, count in enumerate(counts) for option in range(count) if option != neutral[i]
    ]
    return [neutral, *moved]


def _name(choices: Sequence[_Choice], row: Sequence[int]) -> str:
    return ", ".join(f"{choice.label} {choice.options[index][0]}".strip() for choice, index in zip(choices, row, strict=True))


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
