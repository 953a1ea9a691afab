"""Actions of any Gymnasium environment as a policy gives them: numbers in [-1, 1], or an index in a list.

Spaces that are continuous in all of their parts take a vector (``ActionVector``). All others are made a list (``ActionTable``): each
elementary choice (a discrete action, one dimension of a continuous one) has a few named options. If there are at most ``MOST``
combinations, each is an action; else each action moves one choice away from where it does nothing, and leaves the others there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maestromotif.errors import DomainError

__all__ = ["MOST", "ActionTable", "ActionVector", "Actions", "read_actions"]

MOST = 256
_FEW = 3  # values of a continuous dimension beside discrete choices, where the adapter names no number


class Actions(Protocol):
    """How what a policy gives becomes what an environment takes.

    Attributes:
        names: of the actions, or of the dimensions of a vector.
        continuous: an action is a vector.
        maskable: a mask that the environment gives belongs to these actions.
    """

    names: tuple[str, ...]
    continuous: bool
    maskable: bool

    def value(self, action: Any) -> Any:
        """The action as the environment takes it; new arrays each time."""
        ...

    def name(self, action: Any) -> str:
        """For captions and messages."""
        ...

    def sample(self, rng: np.random.Generator) -> Any:
        """Any action."""
        ...


def read_actions(space: gymnasium.Space[Any], bins: int = 0, names: Sequence[str] = (), meanings: Sequence[str] = ()) -> Actions:
    """The actions of a space.

    Args:
        bins: values of each continuous dimension; 0: a space that is continuous in all of its parts takes vectors.
        names, meanings: see ``ActionTable``.

    Raises:
        DomainError: a kind of space that is not known, or names that do not fit.
    """
    if not bins and _is_continuous(space):
        return ActionVector(space, names)
    return ActionTable(space, bins or _FEW, names, meanings)


def _is_continuous(space: gymnasium.Space[Any]) -> bool:
    if isinstance(space, spaces.Tuple):
        return all(map(_is_continuous, space.spaces))
    if isinstance(space, spaces.Dict):
        return all(map(_is_continuous, space.spaces.values()))
    return isinstance(space, spaces.Box) and np.dtype(space.dtype).kind == "f"


@dataclass(frozen=True)
class _Choice:
    """One elementary choice: a label, (name, value) of each option, and the option that does least."""

    label: str
    options: Sequence[tuple[str, Any]]
    neutral: int


class ActionTable:
    """The actions of a space, as a list.

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
        self.continuous = False
        self.maskable = isinstance(space, spaces.Discrete)
        self._options = [choice.options for choice in choices]

    def __len__(self) -> int:
        return len(self._values)

    def value(self, action: int) -> Any:
        return self._assemble([options[index][1] for options, index in zip(self._options, self._values[action], strict=True)])

    def name(self, action: int) -> str:
        return self.names[action]

    def sample(self, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self)))


class ActionVector:
    """Vectors whose numbers in [-1, 1] are spread over each dimension's bounds; where it has none, they are taken as they are.

    Args:
        space: continuous (``Box`` of floats), or tuples and dictionaries of such.
        names: of all dimensions; empty: made from the space.

    Raises:
        DomainError: names that do not fit.
    """

    def __init__(self, space: gymnasium.Space[Any], names: Sequence[str] = ()) -> None:
        choices: list[_Choice] = []
        # The two ends of each dimension are its bounds.
        self._assemble = _plan(space, "", 2, choices)
        self._low, self._high = (np.array([choice.options[end][1] for choice in choices], np.float64) for end in (0, 1))
        default = [choice.label for choice in choices]
        if names and len(names) != len(default):
            problem = f"the adapter names {len(names)} actions, the environment's have {len(default)} dimensions: {_short(default)}"
            raise DomainError(problem, "Name each dimension, in this order, or set bins to choose from a few values instead")
        self.names = tuple(names) or tuple(default)
        self.continuous, self.maskable = True, False

    def value(self, action: NDArray[Any]) -> Any:
        values = self._low + (np.clip(action.astype(np.float64), -1, 1) + 1) / 2 * (self._high - self._low)
        return self._assemble(values.tolist())

    def name(self, action: NDArray[Any]) -> str:
        return ", ".join(f"{name} {number:.2f}" for name, number in zip(self.names, action.tolist(), strict=True))

    def sample(self, rng: np.random.Generator) -> NDArray[Any]:
        return rng.uniform(-1, 1, len(self.names)).astype(np.float32)


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
