"""Driving the games of an evaluation: every step's chances follow from the episode and the step alone, whoever acts and wherever.

The same code runs in the process that evaluates and in workers that act for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.rl.acting import Actor
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.episodes import episode_seed
from maestromotif.types import EndCause

__all__ = ["EpisodeDriver", "Mind", "draw_actions"]

_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True, slots=True)
class Mind:
    """A network that drives.

    Attributes:
        memory: float32 ``[B, H]`` of the driven games; written.
        skills: ids that the network was trained for, in its order.
        reset_memory: the memory is emptied where a call ends, not only where an episode does.
    """

    actor: Actor
    memory: NDArray[np.float32]
    skills: Sequence[str]
    reset_memory: bool


class EpisodeDriver:
    """Acts in some games of an evaluation that step together.

    Args:
        step: plays ``arrays.action``.
        arrays: of these games, already reset.
        seed: of the evaluation.
        skills: ids, in the order of ``arrays.skill``.
        mind: the network; None: any allowed action, with equal chances.
    """

    def __init__(self, step: Callable[[], object], arrays: StepArrays, seed: int, skills: Sequence[str], mind: Mind | None) -> None:
        self._step, self._arrays, self._seed, self._mind = step, arrays, seed, mind
        self._index = np.array([mind.skills.index(skill) for skill in skills] if mind else [], np.int64)
        self._streams: dict[int, int] = {}
        count = len(arrays.action)
        self._unused = np.empty(count, np.float32), np.empty(count, np.float32)

    def play(self, steps: int) -> None:
        """So many steps, or fewer once no game has an episode left."""
        arrays = self._arrays
        for _ in range(steps):
            playing = arrays.episode.tolist()
            if max(playing) < 0:
                return
            self._act(self._chances(playing))
            self._step()

    def _chances(self, playing: Sequence[int]) -> NDArray[np.float64]:
        """A number in [0, 1) for each game."""
        streams = self._streams
        for index in playing:
            if index not in streams:
                streams[index] = episode_seed(self._seed, index, 4)
        return _split_mix(np.array([streams[index] for index in playing], np.uint64), self._arrays.time)

    def _act(self, chances: NDArray[np.float64]) -> None:
        arrays, mind = self._arrays, self._mind
        if mind is None:
            allowed = (arrays.observation[ACTION_MASK] != 0).astype(np.float64)
            arrays.action[...] = draw_actions(allowed, chances)
            return
        # What a step led to says whether to forget, so that nothing is lost where another process goes on with these games.
        forget = arrays.fresh != 0
        if mind.reset_memory:
            forget |= arrays.cause != EndCause.CONTINUES
        mind.memory[forget] = 0
        drawn = np.minimum(chances.astype(np.float32), _BELOW_ONE)
        mind.actor.act(arrays.observation, self._index[arrays.skill], mind.memory, drawn, arrays.action, *self._unused)


def draw_actions(probabilities: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Actions ``[B]`` by inversion of the distributions ``[B, A]``, which need not sum to one: equal chances and equal distributions give
    equal actions."""
    sums = probabilities.cumsum(1)
    chosen = (sums <= chances[:, None] * sums[:, -1:]).sum(1)
    # Rounding must not choose a forbidden action at the end of the line.
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(1)
    actions: NDArray[np.int64] = np.minimum(chosen, last).astype(np.int64)
    return actions


def _split_mix(streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each stream and step (SplitMix64)."""
    with np.errstate(over="ignore"):
        values = streams + (steps.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values = values ^ (values >> np.uint64(31))
    chances: NDArray[np.float64] = (values >> np.uint64(11)).astype(np.float64) / 2.0**53
    return chances
