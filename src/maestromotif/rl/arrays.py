"""What crosses the border between games and network in each step, in memory that processes can share."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ObservationSpec

__all__ = ["CAUSES", "Layout", "SharedBuffer", "StepArrays", "Where", "carve", "room"]

CAUSES = 6
_ALIGN = 64
# Shape and type of arrays, by name.
Layout = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


class Where(IntEnum):
    """What a part of the games is doing; read when its process has died or hangs."""

    WAITING = 0
    ENVIRONMENT = 1
    PROGRAMS = 2
    BEGINNING = 3

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Where.WAITING: "between two steps",
    Where.ENVIRONMENT: "in the environment",
    Where.PROGRAMS: "in the programs or rewards",
    Where.BEGINNING: "at the beginning of an episode",
}


@dataclass(frozen=True, slots=True)
class StepArrays:
    """Per-game arrays ``[B, ...]`` and per-part counters ``[parts, ...]``; a part is a set of games that step together.

    Attributes:
        observation: what the network sees now; after the end of an episode, the first observation of the next.
        last: the final observation of an episode that was cut, for the game whose ``cause`` is ``CUT``.
        action: as ``ObservationSpec.action`` says, written by the network's side, as is ``guidance``; everything else is written by the
            games' side.
        reward: float32, of the step just made, for the skill that acted.
        cause: int8, ``EndCause`` of the step just made.
        skill: int64, index of the skill that is to act now.
        fresh: uint8, 1 where the observation begins an episode.
        episode: int64, index of the episode being played; -1 where a game has nothing left to play.
        time: int64, steps made in the episode.
        given: float64 ``[B, K + 1]``, the guidance that the episode began with.
        guidance: float64 ``[K + 1]``, one for all games, for episodes that are yet to begin: the weight of each skill, and then 1
            where a skill is drawn for a whole episode, 0 where it is drawn for each call. Written only while no game steps.
        calls, call_steps, call_return, measured, steps: float64 ``[parts, K]``, running sums per skill: calls ended, their
            steps, returns and successes by the skill's measure, and steps played.
        ends: float64 ``[parts, K, 6]``, calls ended by cause.
        games: float64 ``[parts, 5]``: episodes ended, their steps, processor seconds in the environment and beside it, and steps
            after which another skill went on.
        where: int64 ``[parts, 3]``: ``Where``, the place of the game within its part (-1: unknown), and a number that grows while
            there is progress.
    """

    observation: dict[str, NDArray[Any]]
    last: dict[str, NDArray[Any]]
    action: NDArray[Any]
    reward: NDArray[np.float32]
    cause: NDArray[np.int8]
    skill: NDArray[np.int64]
    fresh: NDArray[np.uint8]
    episode: NDArray[np.int64]
    time: NDArray[np.int64]
    given: NDArray[np.float64]
    guidance: NDArray[np.float64]
    calls: NDArray[np.float64]
    call_steps: NDArray[np.float64]
    call_return: NDArray[np.float64]
    measured: NDArray[np.float64]
    steps: NDArray[np.float64]
    ends: NDArray[np.float64]
    games: NDArray[np.float64]
    where: NDArray[np.int64]

    @staticmethod
    def layout(spec: ObservationSpec, num_games: int, num_skills: int, parts: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and type of every array; observations are named ``observation/NAME`` and ``last/NAME``."""
        layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for home in ("observation", "last"):
            for name, (shape, dtype) in spec.layout().items():
                layout[f"{home}/{name}"] = ((num_games, *shape), dtype)
        types = {"reward": "f4", "cause": "i1", "skill": "i8", "fresh": "u1", "episode": "i8", "time": "i8"}
        for name, code in types.items():
            layout[name] = ((num_games,), np.dtype(code))
        shape, dtype = spec.action
        layout["action"] = ((num_games, *shape), dtype)
        layout["given"] = ((num_games, num_skills + 1), np.dtype("f8"))
        layout["guidance"] = ((num_skills + 1,), np.dtype("f8"))
        for name in ("calls", "call_steps", "call_return", "measured", "steps"):
            layout[name] = ((parts, num_skills), np.dtype("f8"))
        layout["ends"] = ((parts, num_skills, CAUSES), np.dtype("f8"))
        layout["games"] = ((parts, 5), np.dtype("f8"))
        layout["where"] = ((parts, 3), np.dtype("i8"))
        return layout

    @classmethod
    def size(cls, spec: ObservationSpec, num_games: int, num_skills: int, parts: int) -> int:
        """Bytes that ``over`` needs."""
        return room(cls.layout(spec, num_games, num_skills, parts))

    @classmethod
    def over(cls, buffer: Any, spec: ObservationSpec, num_games: int, num_skills: int, parts: int) -> StepArrays:
        """Arrays over a writable buffer of at least ``size`` bytes; the same arguments give the same places."""
        arrays: dict[str, Any] = {"observation": {}, "last": {}}
        for name, array in carve(buffer, cls.layout(spec, num_games, num_skills, parts)).items():
            home, _, leaf = name.rpartition("/")
            if home:
                arrays[home][leaf] = array
            else:
                arrays[name] = array
        return cls(**arrays)

    def part(self, index: int, games: slice) -> StepArrays:
        """Views of one part's games and of its own row of counters."""
        view: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "guidance":
                view[name] = value
            elif isinstance(value, dict):
                view[name] = {leaf: array[games] for leaf, array in value.items()}
            else:
                view[name] = value[index : index + 1] if name in _COUNTERS else value[games]
        return StepArrays(**view)


_COUNTERS = frozenset({"calls", "call_steps", "call_return", "measured", "steps", "ends", "games", "where"})


def room(layout: Layout) -> int:
    """Bytes that ``carve`` needs for arrays of these shapes and types."""
    return sum(_padded(shape, dtype) for shape, dtype in layout.values())


def carve(buffer: Any, layout: Layout) -> dict[str, NDArray[Any]]:
    """Arrays over a writable buffer, one after the other; the same layout gives the same places."""
    arrays: dict[str, NDArray[Any]] = {}
    offset = 0
    for name, (shape, dtype) in layout.items():
        arrays[name] = np.ndarray(shape, dtype, buffer, offset)
        offset += _padded(shape, dtype)
    return arrays


def _padded(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return -(-int(np.prod(shape)) * dtype.itemsize // _ALIGN) * _ALIGN


class SharedBuffer:
    """Zeroed memory shared with the processes that inherit ``fd``. It has no name, so that nothing can leak or outlive them."""

    def __init__(self, size: int, fd: int | None = None) -> None:
        if fd is None:
            home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - memory, not a temporary file
            with tempfile.TemporaryFile(dir=home) as file:
                file.truncate(size)
                fd = os.dup(file.fileno())
        self.fd, self.size = fd, size
        self.memory = mmap.mmap(fd, size)

    def close(self) -> None:
        """Close the descriptor; the memory goes when the last array over it does."""
        os.close(self.fd)
