"""Recurrent units over time whose memory can be emptied on the way, with their gradients written out.

Torch's own cannot forget in the middle of a sequence, and a cell in a loop spends most of its time, on a CPU and at this size, in
bookkeeping of the gradient. The gradients by hand need few operations a step; tests equate them with torch's cells in a loop.

Recurrent weights are ``[G, H]`` with a bias ``[G]``, or, where every skill has its own, ``[K, G, H]`` and ``[K, G]``; then ``skill`` says
whose row is whose. ``G`` is ``3 H`` for the GRU and ``4 H`` for the LSTM.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from maestromotif.rl import grouped
from maestromotif.rl.grouped import Rows

__all__ = ["gru_sequence", "gru_step", "lstm_sequence", "lstm_step"]


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


def lstm_step(inputs: Tensor, back: Tensor, memory: Tensor) -> Tensor:
    """One step of a long short-term memory (Hochreiter and Schmidhuber 1997, with forget gates).

    Args:
        inputs, back: ``[N, 4H]``, the products of input and output with their biases, in the order input, forget, output, new.
        memory: ``[N, 2H]``: the last output, then the cell.

    Returns:
        The new memory, whose first half is the output.
    """
    width = memory.shape[1] // 2
    total = inputs + back
    opened = torch.sigmoid(total[:, : 3 * width])
    cell = torch.addcmul(opened[:, width : 2 * width] * memory[:, width:], opened[:, :width], torch.tanh(total[:, 3 * width :]))
    return torch.cat([opened[:, 2 * width :] * torch.tanh(cell), cell], 1)


def gru_sequence(inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor, skill: Tensor | None = None) -> Tensor:
    """Outputs of a GRU over ``T`` steps, ``[N, T, H]``.

    Args:
        inputs: ``[N, T, 3H]``, as in ``gru_step``.
        memory: ``[N, H]`` before the first step; no gradient flows into it.
        keep: ``[N, T]``, 0 where the memory is emptied before the step, else 1.
        weight, bias: of the recurrent products.
        skill: int64 ``[N, T]``, needed where every skill has its own weights.
    """
    return _GRU.apply(inputs.to(memory.dtype), memory, keep, weight, bias, skill)  # type: ignore[no-any-return, no-untyped-call]


def lstm_sequence(inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor, skill: Tensor | None = None) -> Tensor:
    """Outputs of an LSTM over ``T`` steps, ``[N, T, H]``; as ``gru_sequence``, with inputs ``[N, T, 4H]`` and memory ``[N, 2H]``."""
    return _LSTM.apply(inputs.to(memory.dtype), memory, keep, weight, bias, skill)  # type: ignore[no-any-return, no-untyped-call]


class _Back:
    """The recurrent product at every step, with one set of weights; in the precision of autocast, where that is on."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        kind = weight.device.type
        self._low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        self._weight = weight if self._low is None else weight.to(self._low)
        self._transposed, self._bias = self._weight.t(), bias

    def forward(self, step: int, held: Tensor, out: Tensor) -> None:
        if self._low is None:
            torch.addmm(self._bias, held, self._transposed, out=out)
        else:
            torch.add(held.to(self._low) @ self._transposed, self._bias, out=out)

    def backward(self, step: int, gradient: Tensor) -> Tensor:
        return gradient @ self._weight if self._low is None else (gradient.to(self._low) @ self._weight).to(gradient.dtype)

    def weight_gradients(self, gradient: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """From all steps, ``[T, N, G]`` and ``[T, N, H]``."""
        flat, held = gradient.flatten(0, 1), held.flatten(0, 1)
        if self._low is None:
            return flat.t() @ held, flat.sum(0)
        return (flat.to(self._low).t() @ held.to(self._low)).to(flat.dtype), flat.sum(0)


class _GroupedBack(_Back):
    """The same with weights for each skill."""

    def __init__(self, weight: Tensor, bias: Tensor, skill: Tensor) -> None:
        self._weight, self._bias, self._skill = weight, bias, skill
        self._steps = Rows.each_step(skill, len(weight))

    def forward(self, step: int, held: Tensor, out: Tensor) -> None:
        rows, product = self._steps[step], torch.empty_like(out)
        grouped.forward(rows.sort(held), self._weight, self._bias, rows, product)
        out.copy_(rows.unsort(product))

    def backward(self, step: int, gradient: Tensor) -> Tensor:
        rows, result = self._steps[step], gradient.new_empty(len(gradient), self._weight.shape[2])
        grouped.backward(rows.sort(gradient), self._weight, rows, result)
        return rows.unsort(result)

    def weight_gradients(self, gradient: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        rows = Rows.of(self._skill.t().reshape(-1), len(self._weight))
        return grouped.weight_gradients(rows.sort(gradient.flatten(0, 1)), rows.sort(held.flatten(0, 1)), rows, len(self._weight))


def _back(weight: Tensor, bias: Tensor, skill: Tensor | None) -> _Back:
    return _Back(weight, bias) if skill is None else _GroupedBack(weight, bias, skill)


class _GRU(torch.autograd.Function):
    """Inside, time comes first, so that every step works on one contiguous block."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor, skill: Tensor | None) -> Tensor:
        count, steps, width = inputs.shape[0], inputs.shape[1], memory.shape[1]
        before = inputs.new_empty(steps, count, width)
        gates = inputs.new_empty(steps, count, 2 * width)
        new = inputs.new_empty(steps, count, width)
        back = inputs.new_empty(steps, count, 3 * width)
        outputs = inputs.new_empty(count, steps, width)
        products = _back(weight, bias, skill)
        views = zip(
            range(steps),
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
        for step, kept, in_gates, in_new, held, gate, reset, update, fresh, product, back_gates, back_new, output in views:
            torch.mul(state, kept, out=held)
            products.forward(step, held, product)
            torch.add(in_gates, back_gates, out=gate).sigmoid_()
            torch.addcmul(in_new, reset, back_new, out=fresh).tanh_()
            state = torch.lerp(fresh, held, update, out=output)
        ctx.save_for_backward(before, gates, new, back, keep)
        ctx.products = products
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, Tensor, Tensor, None]:
        before, gates, new, back, keep = ctx.saved_tensors
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
            range(steps),
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
        for step, given, by_new, by_reset, by_update, gate, carry, keeps, d_new, whole, d_reset, d_update, d_back in reversed(list(views)):
            running = running + given
            torch.mul(running, by_new, out=d_new)
            torch.mul(d_new, by_reset, out=d_reset)
            torch.mul(running, by_update, out=d_update)
            torch.mul(d_new, gate, out=d_back)
            running = torch.addcmul(ctx.products.backward(step, whole).mul_(keeps), running, carry)
        d_inputs[..., : 2 * width] = products[..., : 2 * width].transpose(0, 1)
        d_inputs[..., 2 * width :] = inner.transpose(0, 1)
        return d_inputs, None, None, *ctx.products.weight_gradients(products, before), None


class _LSTM(torch.autograd.Function):
    """As ``_GRU``."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, memory: Tensor, keep: Tensor, weight: Tensor, bias: Tensor, skill: Tensor | None) -> Tensor:
        count, steps, width = inputs.shape[0], inputs.shape[1], memory.shape[1] // 2
        before = inputs.new_empty(steps, count, width)  # outputs, emptied where they are to be
        cells = inputs.new_empty(steps, count, width)  # and cells
        gates = inputs.new_empty(steps, count, 4 * width)
        shown = inputs.new_empty(steps, count, width)  # tanh of the new cells
        outputs = inputs.new_empty(count, steps, width)
        products = _back(weight, bias, skill)
        views = zip(
            range(steps),
            keep.t()[:, :, None].unbind(),
            inputs.unbind(1),
            before.unbind(),
            cells.unbind(),
            gates.unbind(),
            gates[..., : 3 * width].unbind(),
            *(part.unbind() for part in gates.chunk(4, 2)),
            shown.unbind(),
            outputs.unbind(1),
            strict=True,
        )
        state, cell = memory[:, :width], memory[:, width:]
        for step, kept, given, held, held_cell, gate, opened, enter, stay, leave, new, show, output in views:
            torch.mul(state, kept, out=held)
            torch.mul(cell, kept, out=held_cell)
            products.forward(step, held, gate)
            gate.add_(given)
            opened.sigmoid_()
            new.tanh_()
            cell = torch.addcmul(stay * held_cell, enter, new)
            torch.tanh(cell, out=show)
            state = torch.mul(leave, show, out=output)
        ctx.save_for_backward(before, cells, gates, shown, keep)
        ctx.products = products
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, Tensor, Tensor, None]:
        before, cells, gates, shown, keep = ctx.saved_tensors
        steps, count, width = before.shape
        enter, stay, leave, new = gates.chunk(4, 2)
        kept = keep.t()[:, :, None]
        # What does not depend on the running gradients is computed for all steps at once: factors of the cell's gradient for
        # input, forget and new, of the output's gradient for output.
        factors = torch.empty_like(gates)
        to_enter, to_stay, to_leave, to_new = factors.chunk(4, 2)
        torch.mul(new, enter, out=to_enter).mul_(1 - enter)
        torch.mul(cells, stay, out=to_stay).mul_(1 - stay)
        torch.mul(shown, leave, out=to_leave).mul_(1 - leave)
        torch.mul(enter, torch.addcmul(torch.ones_like(new), new, new, value=-1), out=to_new)
        to_cell = torch.addcmul(torch.ones_like(shown), shown, shown, value=-1).mul_(leave)
        carried = stay * kept
        running = gradient.new_zeros(count, width)
        running_cell = gradient.new_zeros(count, width)
        views = zip(
            range(steps),
            gradient.unbind(1),
            factors.unbind(),
            *(part.unbind() for part in factors.chunk(4, 2)),
            to_cell.unbind(),
            carried.unbind(),
            kept.unbind(),
            strict=True,
        )
        for step, given, whole, d_enter, d_stay, d_leave, d_new, by_cell, carry, keeps in reversed(list(views)):
            running = running + given
            running_cell = torch.addcmul(running_cell, running, by_cell)
            d_leave.mul_(running)
            for factor in (d_enter, d_stay, d_new):
                factor.mul_(running_cell)
            running_cell = running_cell * carry
            running = ctx.products.backward(step, whole).mul_(keeps)
        d_inputs = factors.transpose(0, 1).contiguous()
        return d_inputs, None, None, *ctx.products.weight_gradients(factors, before), None
