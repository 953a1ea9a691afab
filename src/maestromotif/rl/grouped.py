"""Products in which every row has the weights of its own skill: rows are sorted by skill, so that each skill present is one product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Rows", "linear"]


class Rows:
    """Which rows belong to which skill.

    Args:
        order: int64 ``[N]``, row numbers sorted by skill.
        counts: rows of each skill.

    Attributes:
        parts: (skill, first, last + 1) within the sorted rows, for every skill that has rows.
    """

    def __init__(self, order: Tensor, counts: list[int]) -> None:
        self._order = order
        self.parts: list[tuple[int, int, int]] = []
        first = 0
        for skill, count in enumerate(counts):
            if count:
                self.parts.append((skill, first, first + count))
            first += count
        self._inverse: Tensor | None = None

    @classmethod
    def of(cls, skill: Tensor, count: int) -> Rows:
        """Rows ``[N]`` of ``count`` skills."""
        return cls(skill.argsort(stable=True), torch.bincount(skill, minlength=count).tolist())

    @classmethod
    def each_step(cls, skill: Tensor, count: int) -> list[Rows]:
        """For every step of ``skill`` ``[N, T]``, the rows at that step."""
        steps = torch.arange(skill.shape[1], device=skill.device) * count
        counts = torch.bincount((skill + steps).reshape(-1), minlength=count * skill.shape[1]).view(-1, count).tolist()
        return [cls(order, mine) for order, mine in zip(skill.argsort(dim=0, stable=True).unbind(1), counts, strict=True)]

    def sort(self, rows: Tensor) -> Tensor:
        """``[N, ...]`` sorted by skill."""
        return rows if len(self.parts) == 1 else rows.index_select(0, self._order)

    def unsort(self, rows: Tensor) -> Tensor:
        """Sorted rows in their own order."""
        if len(self.parts) == 1:
            return rows
        if self._inverse is None:
            self._inverse = torch.empty_like(self._order)
            self._inverse[self._order] = torch.arange(len(self._order), device=self._order.device)
        return rows.index_select(0, self._inverse)

    def map(self, function: Callable[[int, dict[str, Tensor]], Tensor], rows: dict[str, Tensor]) -> Tensor:
        """``function(skill, its rows)`` for every skill that has rows; results in the order of the rows."""
        ordered = {name: self.sort(array) for name, array in rows.items()}
        found = [function(skill, {name: array[a:b] for name, array in ordered.items()}) for skill, a, b in self.parts]
        return self.unsort(torch.cat(found) if len(found) > 1 else found[0])


def linear(inputs: Tensor, weight: Tensor, bias: Tensor, rows: Rows | None) -> Tensor:
    """``inputs @ weight.T + bias``, with the weights of each row's skill where there are several.

    Args:
        inputs: ``[N, I]``.
        weight, bias: ``[O, I]`` and ``[O]``, or ``[K, O, I]`` and ``[K, O]``.
        rows: needed in the second case.

    Returns:
        ``[N, O]``.
    """
    if weight.dim() == 2:
        if weight.dtype != bias.dtype:  # a network that was made to act in another precision
            return torch.add(inputs.to(weight.dtype) @ weight.t(), bias)
        return torch.addmm(bias, inputs, weight.t())
    assert rows is not None, "weights of several skills need to know which row is whose"
    # With automatic mixed precision the inputs may come in another type.
    weight, bias = weight.to(inputs.dtype), bias.to(inputs.dtype)
    return rows.unsort(_Grouped.apply(rows.sort(inputs), weight, bias, rows))  # type: ignore[no-untyped-call]


class _Grouped(torch.autograd.Function):
    """Over sorted rows. One gradient array for all skills, zero where a skill has no rows."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, rows: Rows) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.rows = rows
        outputs = inputs.new_empty(len(inputs), weight.shape[1])
        forward(inputs, weight, bias, rows, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        inputs, weight = ctx.saved_tensors
        d_inputs = torch.empty_like(inputs)
        backward(gradient, weight, ctx.rows, d_inputs)
        return d_inputs, *weight_gradients(gradient, inputs, ctx.rows, len(weight)), None


def forward(inputs: Tensor, weight: Tensor, bias: Tensor, rows: Rows, out: Tensor) -> None:
    """Products of sorted rows ``[N, I]``, written to ``out`` ``[N, O]``."""
    for skill, a, b in rows.parts:
        torch.addmm(bias[skill], inputs[a:b], weight[skill].t(), out=out[a:b])


def backward(gradient: Tensor, weight: Tensor, rows: Rows, out: Tensor) -> None:
    """Gradient of the inputs, from that of the outputs; both sorted."""
    for skill, a, b in rows.parts:
        torch.mm(gradient[a:b], weight[skill], out=out[a:b])


def weight_gradients(gradient: Tensor, inputs: Tensor, rows: Rows, count: int) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias, ``[K, O, I]`` and ``[K, O]``, from sorted rows."""
    weight = gradient.new_zeros(count, gradient.shape[1], inputs.shape[1])
    bias = gradient.new_zeros(count, gradient.shape[1])
    for skill, a, b in rows.parts:
        torch.mm(gradient[a:b].t(), inputs[a:b], out=weight[skill])
        torch.sum(gradient[a:b], 0, out=bias[skill])
    return weight, bias
