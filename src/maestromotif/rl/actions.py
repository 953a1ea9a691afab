"""Kinds of actions, without torch: what chance decides of them, and which are played where no network chooses.

``distributions.py`` has what networks need of the same kinds. Shapes: ``N`` games, ``A`` actions or dimensions of an action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, ObservationSpec

__all__ = ["ActionKind", "Choices", "Vectors", "action_kind", "draw_actions", "kind_of"]

Floats = NDArray[np.float64]
Observation = Mapping[str, NDArray[Any]]

_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


class ActionKind(Protocol):
    """What acting, evaluation and replay ask about actions.

    Attributes:
        shape: of an action, and of the chance that an ``acting.Actor`` needs for it.
        logged: type in which actions are kept for a replay.
    """

    shape: tuple[int, ...]
    logged: np.dtype[Any]

    def chances(self, streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> Floats:
        """Numbers in [0, 1), ``[N, ...]``, that follow from each game's stream and step alone."""
        ...

    def as_noise(self, chances: Floats) -> NDArray[np.float32]:
        """``[N, *shape]`` for an actor."""
        ...

    def anything(self, observation: Observation, chances: Floats) -> NDArray[Any]:
        """Any allowed action of each game, with equal chances."""
        ...

    def something(self, observation: Observation) -> NDArray[Any]:
        """Some allowed action of each game, always the same."""
        ...

    def slip(self, observation: Observation, game: int, draw: Callable[[], float]) -> Any:
        """An allowed action of one game, drawn with as many numbers in [0, 1) as are always needed; None if none is allowed."""
        ...

    def playable(self, actions: NDArray[Any]) -> NDArray[Any]:
        """The actions as the environment takes them."""
        ...


class Choices:
    """One of ``A`` actions by its index; a mask says which are allowed. The chance of a choice is one number in [0, 1)."""

    shape: tuple[int, ...] = ()
    logged = np.dtype(np.int16)

    def chances(self, streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> Floats:
        return _split_mix(streams, steps)

    def as_noise(self, chances: Floats) -> NDArray[np.float32]:
        noise: NDArray[np.float32] = np.minimum(chances.astype(np.float32), _BELOW_ONE)
        return noise

    def anything(self, observation: Observation, chances: Floats) -> NDArray[Any]:
        return draw_actions((observation[ACTION_MASK] != 0).astype(np.float64), chances)

    def something(self, observation: Observation) -> NDArray[Any]:
        actions: NDArray[np.int64] = np.argmax(observation[ACTION_MASK], 1)
        return actions

    def slip(self, observation: Observation, game: int, draw: Callable[[], float]) -> Any:
        which, choices = draw(), np.flatnonzero(observation[ACTION_MASK][game])
        return choices[int(which * len(choices))] if len(choices) else None

    def playable(self, actions: NDArray[Any]) -> NDArray[Any]:
        return actions


class Vectors:
    """``A`` numbers. A network's choice is normally distributed and may lie anywhere; what is played is cut to [-1, 1].

    The chance of an action is a standard normal number for each dimension, made of two uniform ones.
    """

    logged = np.dtype(np.float32)

    def __init__(self, dimensions: int) -> None:
        self.shape: tuple[int, ...] = (dimensions,)
        self._dimensions = dimensions

    def chances(self, streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> Floats:
        count = 2 * self._dimensions
        places = steps[:, None] * count + np.arange(count)
        return _split_mix(streams[:, None], places).reshape(len(streams), 2, self._dimensions)

    def as_noise(self, chances: Floats) -> NDArray[np.float32]:
        # Box and Muller (1958); 1 - u is never 0.
        normal: Floats = np.sqrt(-2 * np.log(1 - chances[:, 0])) * np.cos(2 * np.pi * chances[:, 1])
        return normal.astype(np.float32)

    def anything(self, observation: Observation, chances: Floats) -> NDArray[Any]:
        return (2 * chances[:, 0] - 1).astype(np.float32)

    def something(self, observation: Observation) -> NDArray[Any]:
        return np.zeros((len(next(iter(observation.values()))), self._dimensions), np.float32)

    def slip(self, observation: Observation, game: int, draw: Callable[[], float]) -> Any:
        return np.array([2 * draw() - 1 for _ in range(self._dimensions)], np.float32)

    def playable(self, actions: NDArray[Any]) -> NDArray[Any]:
        clipped: NDArray[np.float32] = np.clip(actions, -1, 1)
        return clipped


def action_kind(spec: ObservationSpec) -> ActionKind:
    """The kind of the actions that a domain has."""
    return Vectors(spec.actions) if spec.continuous else Choices()


def kind_of(actions: NDArray[Any]) -> ActionKind:
    """The kind of the actions that an array ``[N, ...]`` holds."""
    return Vectors(actions.shape[-1]) if actions.dtype.kind == "f" else Choices()


def draw_actions(probabilities: Floats, chances: Floats) -> NDArray[np.int64]:
    """Actions ``[N]`` by inversion of the distributions ``[N, A]``, which need not sum to one: equal chances and equal distributions give
    equal actions."""
    sums = probabilities.cumsum(1)
    chosen = (sums <= chances[:, None] * sums[:, -1:]).sum(1)
    # Rounding must not choose a forbidden action at the end of the line.
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(1)
    actions: NDArray[np.int64] = np.minimum(chosen, last).astype(np.int64)
    return actions


def _split_mix(streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> Floats:
    """A number in [0, 1) for each stream and step (SplitMix64)."""
    with np.errstate(over="ignore"):
        values = streams + (steps.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values = values ^ (values >> np.uint64(31))
    chances: Floats = (values >> np.uint64(11)).astype(np.float64) / 2.0**53
    return chances
