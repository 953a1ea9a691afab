"""The first layer: sums of embedding rows. Its gradient is the one operation for which torch has no fast way on a CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

__all__ = ["bag_sum", "has_fast_backward"]

_log = logging.getLogger(__name__)
Kernel = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], None]


def bag_sum(weight: Tensor, indices: Tensor) -> Tensor:
    """Sum of the rows of ``weight`` named in each bag.

    Args:
        weight: float ``[size, width]``. Row 0 stands for padding: it must be zero, and its gradient is zero.
        indices: int32 or int64 ``[N, length]``.

    Returns:
        ``[N, width]``.
    """
    return _BagSum.apply(weight, indices)  # type: ignore[no-any-return, no-untyped-call]


class _BagSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, indices: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.weight = weight
        # Without padding_idx torch takes its fast path; row 0 is zero anyway.
        return embedding_bag(indices, weight, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        (indices,), weight = ctx.saved_tensors, ctx.weight
        kernel = _load_kernel() if gradient.device.type == "cpu" and gradient.dtype == torch.float32 else None
        if kernel is not None:
            # Where a gradient is kept from step to step it is added to in place: a new one is megabytes of fresh memory.
            result = torch.zeros_like(weight) if weight.grad is None else weight.grad
            kernel(indices.numpy(), gradient.contiguous().numpy(), result.numpy())
            return (result if weight.grad is None else None), None
        with torch.enable_grad():
            leaf = weight.detach().requires_grad_()
            (result,) = torch.autograd.grad(embedding_bag(indices, leaf, mode="sum"), leaf, gradient)
        result[0] = 0
        return result, None


def has_fast_backward() -> bool:
    """Whether numba is installed, with which the first layer's gradient is several times as fast on a CPU."""
    return _load_kernel() is not None


@cache
def _load_kernel() -> Kernel | None:
    """Torch sorts all indices before it adds; adding rows one after the other, unsorted, is far faster and deterministic."""
    try:
        from numba import njit
    except ImportError:
        _log.info("numba is not installed; training works without it, at a lower speed")
        return None
    kernel: Kernel = njit(_scatter_rows, fastmath=True, nogil=True)
    # Compiled here, once, so that no measured step pays for it.
    for dtype in (np.int32, np.int64):
        kernel(np.zeros((1, 1), dtype), np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
    return kernel


def _scatter_rows(indices: NDArray[Any], gradient: NDArray[Any], result: NDArray[Any]) -> None:
    """``result[indices[n, l]] += gradient[n]`` for every index but 0."""
    for row in range(indices.shape[0]):
        for place in range(indices.shape[1]):
            index = indices[row, place]
            if index > 0:
                for column in range(gradient.shape[1]):
                    result[index, column] += gradient[row, column]
