"""Which pair to ask about next: a small Bayesian model of the answers so far, and the questions that would correct it most.

The model is Bradley-Terry over the reward model's own features with a normal prior, by Laplace's method (MacKay 1992, "The evidence
framework applied to classification networks"); ties count as one half. A question is worth what it is expected to explain of the model's
wrong signs over pairs like those that a reward model will have to tell apart; what two captions share cancels out.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maestromotif.feedback.pairs import sample_rows
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards.features import feature_hashes

__all__ = ["Belief", "Design", "choose", "fit_belief"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

# Features beyond these, the rarest, are left out: the model's cost grows with their cube.
_MOST_FEATURES = 1024
# Prior variance of a caption's score, and prior deviation of the preference for what is shown first, in logits.
_VARIANCE, _ORDER = 20.0, 0.5
# Differences below this many logits count as ties, whose order is of no interest.
_CLOSE = 0.3
# Pairs among which the next ones are chosen, and pairs on which their use is estimated.
_CANDIDATES, _TARGETS = 1000, 1000
_NEWTON_STEPS = 25


@dataclass(frozen=True)
class Design:
    """What the model sees of ``N`` captions: ``D`` binary features, scaled so that every weight's prior is standard normal.

    Attributes:
        columns: int64, features of caption after caption.
        starts: int64 ``[N + 1]``: caption ``i`` has ``columns[starts[i]:starts[i + 1]]``.
        scale: float64 ``[D]``.
        group: int64 ``[N]``: the first caption that has the same features, maybe itself.
    """

    columns: Rows
    starts: Rows
    scale: Floats
    group: Rows

    @classmethod
    def of(cls, captions: CaptionTable) -> Design:
        """The commonest features of a table. A feature's prior variance is the square root of its number of captions: what is
        common is rather what the difference is about."""
        hashes = [feature_hashes(captions.reward_input(row)) for row in range(len(captions))]
        lengths = np.array([len(one) for one in hashes], np.int64)
        flat = np.fromiter((number for one in hashes for number in one), np.int64, int(lengths.sum()))
        owner = np.repeat(np.arange(len(hashes)), lengths)
        found, place, counts = np.unique(flat, return_inverse=True, return_counts=True)
        # Features that come together in the very same captions cannot be told apart; one stands for all.
        generator = np.random.default_rng(0)
        print_of = np.bincount(place, weights=generator.random(len(hashes))[owner], minlength=len(found))
        _, first = np.unique(print_of, return_index=True)
        kept = first[np.lexsort((first, -counts[first]))][:_MOST_FEATURES]
        number = np.full(len(found), -1)
        number[kept] = np.arange(len(kept))
        column = number[place.reshape(-1)]
        columns, owner = column[column >= 0], owner[column >= 0]
        sizes = np.bincount(owner, minlength=len(hashes))
        starts = np.concatenate(([0], np.cumsum(sizes)))
        variance = np.sqrt(counts[kept].astype(np.float64))
        total = np.bincount(owner, weights=variance[columns], minlength=len(hashes)).mean()
        scale = np.sqrt(variance * (_VARIANCE / max(total, 1e-12)))
        seen: dict[bytes, int] = {}
        group = [seen.setdefault(np.sort(columns[starts[row] : starts[row + 1]]).tobytes(), row) for row in range(len(hashes))]
        return cls(columns, starts, scale, np.array(group, np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def fresh(self, pairs_P: Rows, asked: Set[tuple[int, int]]) -> Rows:
        """The pairs (int64 ``[P, 2]``) with the first captions of their groups instead, lower row first, each once, less those asked."""
        rows = np.sort(self.group[pairs_P], axis=1)
        unique = dict.fromkeys((low, high) for low, high in rows.tolist() if low != high)
        return np.array([pair for pair in unique if pair not in asked], np.int64).reshape(-1, 2)

    def scores(self, weights: Floats) -> Floats:
        """Scores of all captions, float64 ``[N]``, from weights ``[D + 1]``."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))
        scored = (weights[:-1] * self.scale)[self.columns]
        return np.bincount(owner, weights=scored, minlength=len(self)).astype(np.float64)

    def differences(self, pairs_P: Rows) -> Singles:
        """Float32 ``[P, D + 1]``: first minus second of each pair, and a last column for the order in which they are shown."""
        result = np.zeros((len(pairs_P), len(self.scale) + 1), np.float32)
        for side, sign in ((0, 1.0), (1, -1.0)):
            rows = pairs_P[:, side]
            sizes = self.starts[rows + 1] - self.starts[rows]
            within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            columns = self.columns[np.repeat(self.starts[rows], sizes) + within]
            result[np.repeat(np.arange(len(rows)), sizes), columns] += (sign * self.scale[columns]).astype(np.float32)
        result[:, -1] = _ORDER
        return result


@dataclass(frozen=True)
class Belief:
    """Weights' posterior: mean ``[D + 1]`` and covariance ``[D + 1, D + 1]``."""

    mean: Floats
    covariance: Floats


def fit_belief(design: Design, pairs_P: Rows, target_P: Floats, start: Belief | None = None) -> Belief:
    """The posterior after the answers.

    Args:
        pairs_P: int64 ``[P, 2]``, rows of the captions as they were shown; ``P`` may be 0.
        target_P: float64 ``[P]`` in [0, 1]: how probable it is that the first is better.
        start: an earlier posterior, to begin near the result.
    """
    size = len(design.scale) + 1
    features = design.differences(pairs_P).astype(np.float64)
    mean = np.zeros(size) if start is None else start.mean.copy()
    precision = np.eye(size)
    for _ in range(_NEWTON_STEPS):
        probability_P = _sigmoid(features @ mean)
        curvature_P = probability_P * (1.0 - probability_P)
        precision = (features * curvature_P[:, None]).T @ features
        precision[np.diag_indices(size)] += 1.0
        step = np.linalg.solve(precision, features.T @ (target_P - probability_P) - mean)
        # A step that changes a prediction by more than this would leave what the curvature describes.
        largest = float(np.abs(features @ step).max(initial=0.0))
        mean += step * min(1.0, 4.0 / max(largest, 1e-12))
        if largest < 1e-3:
            break
    return Belief(mean, np.linalg.inv(precision).astype(np.float64))


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
    probability = _sigmoid((ours @ belief.mean.astype(np.float32)).astype(np.float64))
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
    return _sigmoid(0.07056 * value**3 + 1.5976 * value)


def _sigmoid(value: NDArray[np.floating]) -> Floats:
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(value.astype(np.float64), -40.0, 40.0)))
    return result
