"""Several processes ("ranks") that train one network together, each with its own share of the games.

Every rank holds the same weights, and the same state of optimiser and random generators. What is not the same everywhere is summed:
gradients, statistics of advantages and returns, counters. So all ranks take the same step, and any of them could write the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from maestromotif.errors import TrainingError

__all__ = ["Ranks", "open_ranks"]

Number = TypeVar("Number", bound=np.generic)
# How long ranks wait for one another: longer than it takes to restart a game's worker that hangs.
_PATIENCE = timedelta(minutes=10)


class Ranks:
    """One rank's view of all. With one rank, the default, every operation gives back what it was given.

    Args:
        rank: of this process, from 0; rank 0 writes the files.
        count: of processes.

    All operations but ``share`` and ``device`` must be called by all ranks in the same order, and raise ``TrainingError`` where another
    rank has ended.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def first(self) -> bool:
        """Whether this rank writes the files."""
        return self.rank == 0

    def share(self, total: int, name: str, unit: int = 1) -> slice:
        """This rank's part of ``range(total)``.

        Args:
            name: setting that gives the total, for the message; unit: every rank must get a multiple of this.

        Raises:
            TrainingError: it cannot be divided evenly.
        """
        if total % (self.count * unit):
            raise TrainingError(
                f"{name} ({total}) cannot be divided evenly among {self.count} processes" + (f" in units of {unit}" if unit > 1 else ""),
                f"Set train.{name} to a multiple of {self.count * unit}",
            )
        size = total // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def total(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over all ranks, the same bits on each."""
        if self.count == 1:
            return array
        tensor = torch.from_numpy(array.astype(np.float64))
        self._call(lambda: dist.all_reduce(tensor))
        return tensor.numpy()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all ranks, the same bits on each."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self._call(lambda: dist.all_reduce(flat))
        flat /= self.count
        for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether it holds on at least one rank."""
        return bool(self.total(np.array([float(flag)]))[0])

    def gather(self, value: Any) -> list[Any]:
        """One plain (JSON) value of each rank, in their order."""
        if self.count == 1:
            return [value]
        return [json.loads(text) for text in self._bytes(json.dumps(value).encode())]

    def join(self, array: NDArray[Number]) -> NDArray[Number]:
        """The arrays of all ranks one after the other; they may differ in length."""
        if self.count == 1:
            return array
        parts = [np.frombuffer(data, array.dtype).reshape(-1, *array.shape[1:]) for data in self._bytes(array.tobytes())]
        return np.concatenate(parts)

    def _bytes(self, data: bytes) -> list[bytes]:
        lengths = np.zeros(self.count)
        lengths[self.rank] = len(data)
        lengths = self.total(lengths).astype(np.int64)
        room = torch.zeros(self.count, int(lengths.max()), dtype=torch.uint8)
        mine = torch.zeros(room.shape[1], dtype=torch.uint8)
        mine[: len(data)] = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
        self._call(lambda: dist.all_gather(list(room.unbind()), mine))
        return [row[:length].numpy().tobytes() for row, length in zip(room, lengths.tolist(), strict=True)]

    def device(self, name: str) -> str:
        """Where this rank's network is to be: ``"cuda"`` becomes a GPU of its own."""
        return f"cuda:{os.environ['LOCAL_RANK']}" if self.count > 1 and name == "cuda" else name

    def _call(self, operation: Callable[[], object]) -> None:
        try:
            operation()
        except RuntimeError as error:
            raise TrainingError(f"rank {self.rank}: another process of this training has ended or hangs", "See its own message") from error


@contextmanager
def open_ranks(device: str = "cpu") -> Iterator[Ranks]:
    """The ranks that torchrun has started, or a single one where nobody has.

    Args:
        device: that the network will be on; ``"cuda"`` lets gradients be averaged by NCCL, between GPUs.

    Raises:
        TrainingError: the other ranks cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.device(device).type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"rank {os.environ.get('RANK')} does not find the others ({error})", "Start all ranks with torchrun") from error
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
