"""Games cannot be saved, but they can be played again: seeds and actions fix them. What is kept for that, and how it is compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.rl.actions import ActionKind
from maestromotif.rl.arrays import StepArrays

__all__ = ["ActionLog", "Played", "fingerprints"]


@dataclass(frozen=True, slots=True)
class Played:
    """What was played, of the episodes that ``B`` games are in.

    Attributes:
        episode: int64 ``[B]``, their numbers.
        lengths: int64 ``[B]``, steps so far.
        actions: ``[sum of lengths, ...]``, one game after the other, in the type of ``ActionKind.logged``.
        given: float64 ``[B, K + 1]``, see ``StepArrays``.
    """

    episode: NDArray[np.int64]
    lengths: NDArray[np.int64]
    actions: NDArray[Any]
    given: NDArray[np.float64]

    @property
    def steps(self) -> int:
        return len(self.actions)

    def part(self, games: slice) -> Played:
        """Some of the games."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        actions = self.actions[ends[games.start] : ends[games.stop]]
        return Played(self.episode[games], self.lengths[games], actions, self.given[games])

    def to_bytes(self) -> bytes:
        """For ``from_bytes``; the episodes' numbers, which a plan hands out, are left out."""
        return self.lengths.tobytes() + self.given.tobytes() + self.actions.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, num_games: int, num_skills: int, kind: ActionKind) -> Played:
        lengths = np.frombuffer(data, np.int64, num_games)
        given = np.frombuffer(data, np.float64, num_games * (num_skills + 1), lengths.nbytes).reshape(num_games, -1)
        actions = np.frombuffer(data, kind.logged, offset=lengths.nbytes + given.nbytes).reshape(-1, *kind.shape)
        return cls(np.full(num_games, -1), lengths, actions, given)


class ActionLog:
    """Actions of the episodes that are being played, gathered after each rollout.

    Args:
        longest: steps after which an episode is cut.
        kind: of the actions.
    """

    def __init__(self, num_games: int, longest: int, kind: ActionKind) -> None:
        self._actions = np.zeros((num_games, longest, *kind.shape), kind.logged)

    def add(self, actions: NDArray[Any], time: NDArray[np.int64]) -> None:
        """Take in a rollout.

        Args:
            actions: ``[B, T, ...]``; time: ``[B]``, steps of the present episodes at its end.
        """
        steps = actions.shape[1]
        for game, length in enumerate(time.tolist()):
            new = min(length, steps)
            self._actions[game, length - new : length] = actions[game, steps - new :]

    def restore(self, played: Played) -> None:
        """Begin where a replay ended."""
        for game, log in enumerate(np.split(played.actions, np.cumsum(played.lengths)[:-1])):
            self._actions[game, : len(log)] = log

    def played(self, arrays: StepArrays) -> Played:
        """As of now, between two rollouts."""
        lengths = arrays.time.copy()
        actions = [self._actions[game, :length] for game, length in enumerate(lengths.tolist())]
        return Played(arrays.episode.copy(), lengths, np.concatenate(actions), arrays.given.copy())


def fingerprints(arrays: StepArrays) -> NDArray[np.int64]:
    """``[B]``: equal where a game shows the same observation, in the same place of the same episode, with the same skill active."""
    views: Mapping[str, NDArray[np.generic]] = arrays.observation
    found = np.zeros(len(arrays.time), np.int64)
    for game in range(len(found)):
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(views):
            digest.update(views[name][game].tobytes())
        for array in (arrays.episode, arrays.time, arrays.skill):
            digest.update(array[game].tobytes())
        found[game] = np.frombuffer(digest.digest(), np.int64)[0]
    return found
