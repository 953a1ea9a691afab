"""Acting with the small network in compiled loops: what torch does in forty small operations, done row by row without it.

Processes that play games act with it without importing torch, and every row's result is independent of the batch it is in, so that it makes
no difference how games are spread over processes. A test equates it with ``SkillPolicy.step``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, COMMANDS, DENSE, ObservationSpec

__all__ = ["FusedActor"]

Floats = NDArray[np.float32]
_FORBIDDEN = np.float32(-1e9)
_LOG_ROOT = np.float32(0.5 * math.log(2 * math.pi))


class FusedActor:
    """See ``acting.Actor``.

    Args:
        spec: bags, and perhaps a dense vector.
        weights: arrays by the names of ``SkillPolicy.state_dict()``; read anew by ``load``. The tables of bags are used where they are.
    """

    def __init__(self, spec: ObservationSpec, weights: Mapping[str, Floats]) -> None:
        self._spec, self._weights = spec, weights
        self._recurrent = "core_back" in weights
        self._features = np.zeros((1, weights["skill"].shape[1]), np.float32)
        # Where actions are commands in words, what the heads make are queries.
        self._outputs = np.zeros((1, spec.actions if spec.commands is None else self._features.shape[1]), np.float32)
        self._small: dict[str, Floats] = {}
        self.load()

    def load(self) -> None:
        names = ("core_in", "core_back", "head")
        self._small = {name: np.ascontiguousarray(self._weights[name].T) for name in names if name in self._weights}

    def act(
        self,
        observation: Mapping[str, NDArray[Any]],
        skill: NDArray[np.int64],
        memory: Floats,
        chance: Floats,
        action: NDArray[Any],
        log_prob: Floats,
        value: Floats,
    ) -> None:
        outputs = self._run(observation, skill, memory, value)
        if self._spec.commands is not None:
            outputs = _score(outputs, self._weights["commands"], observation[COMMANDS])
        if self._spec.continuous:
            _vary(outputs, self._weights["log_std"], skill, chance, action, log_prob)
        else:
            _choose(outputs, observation[ACTION_MASK], chance, action, log_prob)

    def values(self, observation: Mapping[str, NDArray[Any]], skill: NDArray[np.int64], memory: Floats) -> Floats:
        value = np.zeros(len(skill), np.float32)
        self._run(observation, skill, memory.copy(), value)
        return value

    def _run(self, observation: Mapping[str, NDArray[Any]], skill: NDArray[np.int64], memory: Floats, value: Floats) -> Floats:
        weights, small, count = self._weights, self._small, len(skill)
        if count > len(self._features):
            self._features = np.zeros((count, self._features.shape[1]), np.float32)
            self._outputs = np.zeros((count, self._outputs.shape[1]), np.float32)
        features, outputs = self._features[:count], self._outputs[:count]
        _take_rows(weights["skill"], skill, features)
        for name in self._spec.bags:
            _add_rows(weights[f"bags.{name}"], observation[name], features)
        if self._spec.dense:
            _add_product(observation[DENSE], weights["dense"], features)
        if self._recurrent:
            _gru(features, memory, small["core_in"], weights["core_in_bias"], small["core_back"], weights["core_back_bias"])
            core = memory
        else:
            core = _feed_forward(features, small["core_in"], weights["core_in_bias"])
        _heads(features, core, small["head"], weights["head_bias"], skill, weights["value_mean"], weights["value_scale"], outputs, value)
        for name in self._spec.skip:
            _add_skips(weights[f"skips.{name}"], self._spec.bags[name].size, observation[name], skill, outputs)
        return outputs


@njit(cache=True, fastmath=True, nogil=True)
def _take_rows(table: Floats, rows: NDArray[np.int64], out: Floats) -> None:
    for n in range(len(rows)):
        for j in range(out.shape[1]):
            out[n, j] = table[rows[n], j]


@njit(cache=True, fastmath=True, nogil=True)
def _add_rows(table: Floats, indices: NDArray[Any], out: Floats) -> None:
    """``out[n] += table[i]`` for every index but the padding."""
    for n in range(indices.shape[0]):
        for place in range(indices.shape[1]):
            index = indices[n, place]
            if index > 0:
                for j in range(out.shape[1]):
                    out[n, j] += table[index, j]


@njit(cache=True, fastmath=True, nogil=True)
def _add_vector_product(inputs: Floats, weight: Floats, out: Floats) -> None:
    """``out += inputs @ weight``, four inputs at a time, so that the sums are fetched and put back a fourth as often."""
    length = inputs.shape[0]
    whole = length - length % 4
    for k in range(0, whole, 4):
        a, b, c, d = inputs[k], inputs[k + 1], inputs[k + 2], inputs[k + 3]
        if a != 0 or b != 0 or c != 0 or d != 0:
            for j in range(out.shape[0]):
                out[j] += (a * weight[k, j] + b * weight[k + 1, j]) + (c * weight[k + 2, j] + d * weight[k + 3, j])
    for k in range(whole, length):
        for j in range(out.shape[0]):
            out[j] += inputs[k] * weight[k, j]


@njit(cache=True, fastmath=True, nogil=True)
def _add_product(inputs: Floats, weight: Floats, out: Floats) -> None:
    """``out += inputs @ weight``."""
    for n in range(inputs.shape[0]):
        _add_vector_product(inputs[n], weight, out[n])


@njit(cache=True, fastmath=True, nogil=True)
def _tanh(x: Any) -> Any:
    """Hyperbolic tangent to single precision by a quotient of polynomials, which the compiler turns into vector code."""
    x = np.float32(min(max(x, np.float32(-7.9)), np.float32(7.9)))
    y = x * x
    top = np.float32(-2.76076847742355e-16)
    top = top * y + np.float32(2.00018790482477e-13)
    top = top * y + np.float32(-8.60467152213735e-11)
    top = top * y + np.float32(5.12229709037114e-08)
    top = top * y + np.float32(1.48572235717979e-05)
    top = top * y + np.float32(6.37261928875436e-04)
    top = top * y + np.float32(4.89352455891786e-03)
    bottom = np.float32(1.19825839466702e-06)
    bottom = bottom * y + np.float32(1.18534705686654e-04)
    bottom = bottom * y + np.float32(2.26843463243900e-03)
    bottom = bottom * y + np.float32(4.89352518554385e-03)
    return x * top / bottom


@njit(cache=True, fastmath=True, nogil=True)
def _gru(features: Floats, memory: Floats, into: Floats, into_bias: Floats, back: Floats, back_bias: Floats) -> None:
    """Rectifies ``features`` and replaces ``memory`` by the output of a gated recurrent unit; see ``gru.gru_step``."""
    width, inner = features.shape[1], memory.shape[1]
    half = np.float32(0.5)
    given = np.empty(3 * inner, np.float32)
    held = np.empty(3 * inner, np.float32)
    for n in range(features.shape[0]):
        for j in range(3 * inner):
            given[j] = into_bias[j]
            held[j] = back_bias[j]
        for k in range(width):
            features[n, k] = max(features[n, k], np.float32(0))
        _add_vector_product(features[n], into, given)
        _add_vector_product(memory[n], back, held)
        for j in range(inner):
            reset = half + half * _tanh(half * (given[j] + held[j]))
            update = half + half * _tanh(half * (given[inner + j] + held[inner + j]))
            new = _tanh(given[2 * inner + j] + reset * held[2 * inner + j])
            memory[n, j] = new + update * (memory[n, j] - new)


@njit(cache=True, fastmath=True, nogil=True)
def _feed_forward(features: Floats, into: Floats, into_bias: Floats) -> Floats:
    """Rectifies ``features``; the rectified core."""
    core = np.empty((features.shape[0], into.shape[1]), np.float32)
    for n in range(features.shape[0]):
        for j in range(into.shape[1]):
            core[n, j] = into_bias[j]
        for k in range(features.shape[1]):
            features[n, k] = max(features[n, k], np.float32(0))
        _add_vector_product(features[n], into, core[n])
        for j in range(into.shape[1]):
            core[n, j] = max(core[n, j], np.float32(0))
    return core


@njit(cache=True, fastmath=True, nogil=True)
def _heads(
    features: Floats,
    core: Floats,
    head: Floats,
    bias: Floats,
    skill: NDArray[np.int64],
    mean: Floats,
    scale: Floats,
    logits: Floats,
    value: Floats,
) -> None:
    """Logits ``[N, A]`` without skips and mask, and the value of the active skill in units of reward."""
    width, actions = features.shape[1], logits.shape[1]
    outputs = np.empty(head.shape[1], np.float32)
    for n in range(features.shape[0]):
        for j in range(head.shape[1]):
            outputs[j] = bias[j]
        _add_vector_product(features[n], head[:width], outputs)
        _add_vector_product(core[n], head[width:], outputs)
        for j in range(actions):
            logits[n, j] = outputs[j]
        value[n] = outputs[actions + skill[n]] * scale[skill[n]] + mean[skill[n]]


@njit(cache=True, fastmath=True, nogil=True)
def _add_skips(table: Floats, size: int, indices: NDArray[Any], skill: NDArray[np.int64], logits: Floats) -> None:
    for n in range(indices.shape[0]):
        first = skill[n] * size
        for place in range(indices.shape[1]):
            index = indices[n, place]
            if index > 0:
                for j in range(logits.shape[1]):
                    logits[n, j] += table[first + index, j]


@njit(cache=True, fastmath=True, nogil=True)
def _score(query: Floats, table: Floats, commands: NDArray[Any]) -> Floats:
    """Logits ``[N, A]`` of commands, bags of words ``[N, A, length]``: the products of the query and the rows of the words, added up."""
    logits = np.zeros(commands.shape[:2], np.float32)
    for n in range(commands.shape[0]):
        for a in range(commands.shape[1]):
            for place in range(commands.shape[2]):
                word = commands[n, a, place]
                if word > 0:
                    product = np.float32(0)
                    for j in range(query.shape[1]):
                        product += query[n, j] * table[word, j]
                    logits[n, a] += product
    return logits


@njit(cache=True, fastmath=True, nogil=True)
def _choose(logits: Floats, mask: NDArray[np.uint8], chance: Floats, action: NDArray[np.int64], log_prob: Floats) -> None:
    """A draw from the softmax over allowed actions, by inversion of its distribution."""
    actions = logits.shape[1]
    odds = np.empty(actions, np.float32)
    for n in range(logits.shape[0]):
        top = _FORBIDDEN
        for j in range(actions):
            if mask[n, j] == 0:
                logits[n, j] = _FORBIDDEN
            top = max(top, logits[n, j])
        total = np.float32(0)
        for j in range(actions):
            odds[j] = np.float32(math.exp(logits[n, j] - top))
            total += odds[j]
        wanted, reached, chosen = chance[n] * total, np.float32(0), 0
        for j in range(actions):
            if odds[j] > 0:
                # Rounding must not carry the draw past the last allowed action.
                reached, chosen = reached + odds[j], j
                if reached > wanted:
                    break
        action[n] = chosen
        log_prob[n] = logits[n, chosen] - top - np.float32(math.log(total))


@njit(cache=True, fastmath=True, nogil=True)
def _vary(mean: Floats, log_std: Floats, skill: NDArray[np.int64], noise: Floats, action: Floats, log_prob: Floats) -> None:
    """Normally distributed vectors around the mean; see ``distributions.Gaussian``."""
    for n in range(mean.shape[0]):
        total = np.float32(0)
        for j in range(mean.shape[1]):
            width = log_std[skill[n], j]
            action[n, j] = mean[n, j] + np.float32(math.exp(width)) * noise[n, j]
            total -= np.float32(0.5) * noise[n, j] * noise[n, j] + width + _LOG_ROOT
        log_prob[n] = total
