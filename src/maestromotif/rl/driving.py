"""Driving the games of an evaluation: every step's chances follow from the episode and the step alone, whoever acts and wherever.

The same code runs in the process that evaluates and in workers that act for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maestromotif.rl.acting import Actor
from maestromotif.rl.actions import kind_of
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.episodes import episode_seed
from maestromotif.types import EndCause

__all__ = ["EpisodeDriver", "Mind"]


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
        self._kind = kind_of(arrays.action)
        count = len(arrays.skill)
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
        """What chance decides the next action of each game by."""
        streams = self._streams
        for index in playing:
            if index not in streams:
                streams[index] = episode_seed(self._seed, index, 4)
        return self._kind.chances(np.array([streams[index] for index in playing], np.uint64), self._arrays.time)

    def _act(self, chances: NDArray[np.float64]) -> None:
        arrays, mind = self._arrays, self._mind
        if mind is None:
            arrays.action[...] = self._kind.anything(arrays.observation, chances)
            return
        # What a step led to says whether to forget, so that nothing is lost where another process goes on with these games.
        forget = arrays.fresh != 0
        if mind.reset_memory:
            forget |= arrays.cause != EndCause.CONTINUES
        mind.memory[forget] = 0
        drawn = self._kind.as_noise(chances)
        mind.actor.act(arrays.observation, self._index[arrays.skill], mind.memory, drawn, arrays.action, *self._unused)
