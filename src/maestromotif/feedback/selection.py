"""Which pair to ask about next: a small Bayesian model of the answers so far, and the questions that would correct it most.

The model is that of ``rewards.belief``. A question is worth what it is expected to explain of the model's wrong signs over pairs like those
that a reward model will have to tell apart; what two captions share cancels out.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from maestromotif.feedback.pairs import sample_rows
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards.belief import Belief, Design, sigmoid
from maestromotif.rewards.encoders.hashed import build_corpus
from maestromotif.rewards.features import feature_hashes

__all__ = ["choose", "design_of"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

# Differences below this many logits count as ties, whose order is of no interest.
_CLOSE = 0.3
# Pairs among which the next ones are chosen, and pairs on which their use is estimated.
_CANDIDATES, _TARGETS = 1000, 1000


def design_of(captions: CaptionTable) -> Design:
    """What the model sees of the captions of a table."""
    return Design.of(build_corpus([feature_hashes(captions.reward_input(row)) for row in range(len(captions))], 1))


def choose(
    design: Design, captions: CaptionTable, belief: Belief, asked: Set[tuple[int, int]], number: int, rng: np.random.Generator
) -> Rows:
    """The pairs to ask about next.

    Args:
        asked: pairs of rows, lower first, that are not to be chosen.
        number: how many; fewer come where there are no more.

    Returns:
        Int64 ``[P, 2]``, lower row first, all different; none of two captions with the same features. One by one they are those
        that are expected to explain most of the wrong signs that are left after those before them, whatever their answers.
    """
    candidates = design.fresh(sample_rows(captions, _CANDIDATES, rng), asked)
    targets = design.fresh(sample_rows(captions, _TARGETS, rng), set())
    if not len(candidates) or not len(targets):
        return np.zeros((0, 2), np.int64)
    ours, theirs = design.differences(candidates), design.differences(targets)
    # How candidates are shown is settled by their hash; the order's weight is no part of what they are to tell.
    ours[:, -1] = theirs[:, -1] = 0.0
    covariance = belief.covariance.astype(np.float32)
    spread = ours @ covariance
    across = spread @ theirs.T
    own = np.einsum("cd,cd->c", spread, ours)
    variance = np.maximum(np.einsum("td,td->t", theirs @ covariance, theirs), 1e-9)
    mean = theirs @ belief.mean.astype(np.float32)
    probability = sigmoid((ours @ belief.mean.astype(np.float32)).astype(np.float64))
    noise = (1.0 / np.maximum(probability * (1.0 - probability), 1e-3)).astype(np.float32)
    chosen: list[int] = []
    learnt: list[Singles] = []
    open_ = np.ones(len(candidates), bool)
    for _ in range(min(number, len(candidates))):
        value = (across**2) @ (_wrong(mean, variance) / variance).astype(np.float32) / (own + noise)
        best = int(np.argmax(np.where(open_, value, -1.0)))
        open_[best] = False
        chosen.append(best)
        # What is known after the answer: a rank-one correction of all covariances, kept as a vector where only some are needed.
        column = ours @ spread[best] - sum((known * known[best] for known in learnt), np.float32(0.0))
        column /= np.sqrt(own[best] + noise[best])
        row = across[best] / np.sqrt(own[best] + noise[best])
        learnt.append(column)
        own = np.maximum(own - column**2, 0.0)
        variance = np.maximum(variance - row**2, 1e-9)
        across -= np.outer(column, row)
    return candidates[chosen]


def _wrong(mean: NDArray[np.floating], variance: NDArray[np.floating]) -> Floats:
    """Probability that a pair is no tie and that its sign is not the mean's, for each pair."""
    return _normal(-(np.abs(mean) + _CLOSE) / np.sqrt(variance))


def _normal(value: NDArray[np.floating]) -> Floats:
    """The normal distribution function, to three digits (logistic approximation of Bowling et al. 2009)."""
    return sigmoid(0.07056 * value**3 + 1.5976 * value)
