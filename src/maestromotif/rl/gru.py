"""A gated recurrent unit over time whose memory can be emptied on the way, with its gradient written out.

Torch's own GRU cannot forget in the middle of a sequence, and a cell in a loop spends most of its time, on a CPU and at this size, in
bookkeeping of the gradient. The gradient by hand needs few operations a step; a test equates it with the cell in a loop.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["gru_sequence", "gru_step"]


def gru_step(inputs: Tensor, back: Tensor, memory: Tensor) -> Tensor:
    """One step of a gated recurrent unit (Cho et al. 2014).

    Args:
        inputs, back: ``[N, 3H]``, the products of input and memory with their biases, in the order reset, update, new.
        memory: ``[N, H]``.

    Returns:
        The new memory, which is also the output.
    """
    width = memory.shape[1]
    gates = torch.sigmoid(inputs[:, : 2 * width] + back[:, : 2 * width])
    new = torch.tanh(torch.addcmul(inputs[:, 2 * width :], gates[:, :width], back[:, 2 * width :]))
    return torch.lerp(new, memory, gates[:, width:])


def gru_sequence(inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Outputs of a GRU over ``T`` steps, ``[N, T, H]``.

    Args:
        inputs: ``[N, T, 3H]``, as in ``gru_step``.
        memory: ``[N, H]`` before the first step; no gradient flows into it.
        keep: ``[N, T]``, 0 where the memory is emptied before the step, else 1.
        weight, bias: ``[3H, H]`` and ``[3H]`` of the recurrent products.
    """
    return _GRU.apply(inputs, memory, keep, weight, bias)  # type: ignore[no-any-return, no-untyped-call]


class _GRU(torch.autograd.Function):
    """Inside, time comes first, so that every step works on one contiguous block."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        count, steps, width = inputs.shape[0], inputs.shape[1], memory.shape[1]
        before = inputs.new_empty(steps, count, width)
        gates = inputs.new_empty(steps, count, 2 * width)
        new = inputs.new_empty(steps, count, width)
        back = inputs.new_empty(steps, count, 3 * width)
        outputs = inputs.new_empty(count, steps, width)
        transposed = weight.t()
        views = zip(
            keep.t()[:, :, None].unbind(),
            inputs[..., : 2 * width].unbind(1),
            inputs[..., 2 * width :].unbind(1),
            before.unbind(),
            gates.unbind(),
            gates[..., :width].unbind(),
            gates[..., width:].unbind(),
            new.unbind(),
            back.unbind(),
            back[..., : 2 * width].unbind(),
            back[..., 2 * width :].unbind(),
            outputs.unbind(1),
            strict=True,
        )
        state = memory
        for kept, in_gates, in_new, held, gate, reset, update, fresh, product, back_gates, back_new, output in views:
            torch.mul(state, kept, out=held)
            torch.addmm(bias, held, transposed, out=product)
            torch.add(in_gates, back_gates, out=gate).sigmoid_()
            torch.addcmul(in_new, reset, back_new, out=fresh).tanh_()
            state = torch.lerp(fresh, held, update, out=output)
        ctx.save_for_backward(before, gates, new, back, keep, weight)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, Tensor, Tensor]:
        before, gates, new, back, keep, weight = ctx.saved_tensors
        steps, count, width = before.shape
        reset, update = gates[..., :width], gates[..., width:]
        kept = keep.t()[:, :, None]
        # What does not depend on the running gradient is computed for all steps at once.
        to_update = (before - new).mul_(update).mul_(1 - update)
        to_new = (1 - update).mul_(torch.addcmul(torch.ones_like(new), new, new, value=-1))
        to_reset = torch.mul(back[..., 2 * width :], reset).mul_(1 - reset)
        carried = update * kept
        products = torch.empty_like(back)
        d_inputs = gradient.new_empty(count, steps, 3 * width)
        inner = torch.empty_like(new)
        running = gradient.new_zeros(count, width)
        views = zip(
            gradient.unbind(1),
            to_new.unbind(),
            to_reset.unbind(),
            to_update.unbind(),
            reset.unbind(),
            carried.unbind(),
            kept.unbind(),
            inner.unbind(),
            products.unbind(),
            products[..., :width].unbind(),
            products[..., width : 2 * width].unbind(),
            products[..., 2 * width :].unbind(),
            strict=True,
        )
        for given, by_new, by_reset, by_update, opened, carry, keeps, d_new, all_of, d_reset, d_update, d_back in reversed(list(views)):
            running = running + given
            torch.mul(running, by_new, out=d_new)
            torch.mul(d_new, by_reset, out=d_reset)
            torch.mul(running, by_update, out=d_update)
            torch.mul(d_new, opened, out=d_back)
            running = torch.addcmul((all_of @ weight).mul_(keeps), running, carry)
        d_inputs[..., : 2 * width] = products[..., : 2 * width].transpose(0, 1)
        d_inputs[..., 2 * width :] = inner.transpose(0, 1)
        flat = products.view(steps * count, 3 * width)
        d_weight = flat.t() @ before.view(steps * count, width)
        return d_inputs, None, None, d_weight, flat.sum(0)
