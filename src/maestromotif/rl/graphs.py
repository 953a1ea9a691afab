"""A gradient step recorded once on a GPU and played back for every further minibatch: one launch in place of thousands.

At the size of these networks a GPU computes a step several times as fast as Python can ask for its parts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["GraphedStep"]

_log = logging.getLogger(__name__)
_WARM_UP = 3  # steps before the recording, in which libraries choose their ways and gradients get their places

Step = Callable[[Mapping[str, Tensor], Tensor], dict[str, Tensor]]


class GraphedStep:
    """Does what ``step`` does, from its fourth call on by a CUDA graph.

    Args:
        step: changes weights by the rows (its second argument) of some tensors (its first); must do the same operations in every call,
            and never wait for the GPU.

    Where a step cannot be recorded, a warning says why, and it goes on as it is.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._inputs: dict[str, Tensor] = {}
        self._rows = torch.empty(0)
        self._outputs: dict[str, Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls, self._recordable = 0, True

    def bind(self, inputs: Mapping[str, Tensor]) -> None:
        """From now on rows are taken from these tensors, always of the same shapes; they are copied."""
        if not self._inputs:
            self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        else:
            for name, tensor in inputs.items():
                self._inputs[name].copy_(tensor)

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        """One step; its results are overwritten by the next.

        Args:
            rows: int64 ``[N]``; other numbers than that of the first call are done without the graph.
        """
        if not len(self._rows):
            self._rows = rows.clone()
        if not self._recordable or len(rows) != len(self._rows):
            return self._step(self._inputs, rows)
        self._rows.copy_(rows)
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._aside()
        if self._graph is None and not self._record():
            return self._step(self._inputs, self._rows)
        assert self._graph is not None
        self._graph.replay()
        return self._outputs

    def _aside(self) -> dict[str, Tensor]:
        """A step on a stream of its own, as is asked for before a recording."""
        side: torch.cuda.Stream = torch.cuda.Stream(self._rows.device)  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._rows.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            outputs = self._step(self._inputs, self._rows)
        current.wait_stream(side)
        return outputs

    def _record(self) -> bool:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._outputs = self._step(self._inputs, self._rows)
        # Which operations can be recorded depends on versions; none of it needs to stop a training.
        except RuntimeError as error:
            _log.warning("gradient steps cannot be recorded on this GPU and are done one by one (%s)", str(error).partition("\n")[0])
            self._recordable = False
            return False
        self._graph = graph
        return True
