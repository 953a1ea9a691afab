"""A linear reward model with a prior: what many features might mean, as far as the answers so far tell.

Bradley-Terry over the hashed features with normal weights, by Laplace's method (MacKay 1992, "The evidence framework applied to
classification networks"); ties count as one half, and a last weight is the preference for what is shown first. One answer in twenty is
taken for a slip. Most features mean nothing to a skill: a first fit tells which seem to, and a second one gives their weights a wider prior
(one step of expectation-maximisation for a Student prior; Tipping 2001, "Sparse Bayesian learning"). The model knows how sure it is, which
chooses questions (``feedback.selection``), and it makes more of few or contradictory answers than a network does.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maestromotif.rewards.encoders.hashed import Corpus, HashedScorer
from maestromotif.rewards.features import SIGN_HASHES

__all__ = ["Belief", "Design", "fit_belief", "linear_scorer", "sigmoid"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

# Features beyond these, the rarest, are left out: the model's cost grows with their cube.
_MOST_FEATURES = 1024
# Prior variance of a caption's score, and prior deviation of the preference for what is shown first, in logits.
_VARIANCE, _ORDER = 20.0, 0.5
# Prior variance of a sign's weight against that of a word as common: signs are few, and were chosen because they matter.
_SIGN = 16.0
# Share of answers that are slips, whatever is asked.
_SLIP = 0.05
# Prior of a weight's variance, inverse gamma with shape and scale; most are small.
_SHAPE, _SCALE = 0.5, 0.1
_NEWTON_STEPS = 25


@dataclass(frozen=True)
class Design:
    """What the model sees of ``N`` captions: ``D`` binary features, scaled so that every weight's prior is standard normal.

    Attributes:
        columns: int64, features of caption after caption.
        starts: int64 ``[N + 1]``: caption ``i`` has ``columns[starts[i]:starts[i + 1]]``.
        scale: float64 ``[D]``.
        group: int64 ``[N]``: the first caption that has the same features, maybe itself.
        kept: int64 ``[D]``, which of the corpus's features they are.
    """

    columns: Rows
    starts: Rows
    scale: Floats
    group: Rows
    kept: Rows

    @classmethod
    def of(cls, corpus: Corpus) -> Design:
        """The commonest features of a corpus. A feature's prior variance is the square root of its number of inputs: what is common is
        rather what the difference is about. Single signs have more."""
        owner = np.repeat(np.arange(len(corpus)), np.diff(corpus.starts))
        counts = np.bincount(corpus.flat, minlength=len(corpus.buckets))
        # Features that come together in the very same inputs cannot be told apart; one stands for all.
        generator = np.random.default_rng(0)
        print_of = np.bincount(corpus.flat, weights=generator.random(len(corpus))[owner], minlength=len(corpus.buckets))
        _, first = np.unique(print_of, return_index=True)
        kept = first[np.lexsort((first, -counts[first]))][:_MOST_FEATURES]
        number = np.full(len(corpus.buckets), -1)
        number[kept] = np.arange(len(kept))
        column = number[corpus.flat]
        columns, owner = column[column >= 0], owner[column >= 0]
        starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(corpus)))))
        variance = np.sqrt(counts[kept].astype(np.float64)) * np.where(np.isin(corpus.buckets[kept], SIGN_HASHES), _SIGN, 1.0)
        total = np.bincount(owner, weights=variance[columns], minlength=len(corpus)).mean()
        scale = np.sqrt(variance * (_VARIANCE / max(total, 1e-12)))
        seen: dict[bytes, int] = {}
        group = [seen.setdefault(np.sort(columns[starts[row] : starts[row + 1]]).tobytes(), row) for row in range(len(corpus))]
        return cls(columns, starts, scale, np.array(group, np.int64), kept)

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
    features = design.differences(pairs_P)
    size = features.shape[1]
    mean = np.zeros(size) if start is None else start.mean.copy()
    belief = _laplace(features, target_P, np.ones(size), mean)
    expected = belief.mean**2 + np.diag(belief.covariance)
    prior = (1.0 + 2.0 * _SHAPE) / (expected + 2.0 * _SCALE)
    prior[-1] = 1.0
    return _laplace(features, target_P, prior, belief.mean)


def _laplace(features: Singles, target_P: Floats, prior: Floats, start: Floats) -> Belief:
    """The posterior under the prior precisions ``[D + 1]``, by Newton's method with expected curvature from the weights ``start``."""
    mean = start.copy()
    weighted = features
    for _ in range(_NEWTON_STEPS):
        plain_P = sigmoid(features @ mean.astype(np.float32))
        probability_P = _SLIP + (1.0 - 2.0 * _SLIP) * plain_P
        rise_P = (1.0 - 2.0 * _SLIP) * plain_P * (1.0 - plain_P)
        variance_P = probability_P * (1.0 - probability_P)
        weighted = features * (rise_P / np.sqrt(variance_P)).astype(np.float32)[:, None]
        slope = features.T @ ((target_P - probability_P) * rise_P / variance_P).astype(np.float32)
        step = _times_covariance(weighted, prior, slope.astype(np.float64) - prior * mean)
        # A step that changes a prediction by more than this would leave what the curvature describes.
        largest = float(np.abs(features @ step.astype(np.float32)).max(initial=0.0))
        mean += step * min(1.0, 4.0 / max(largest, 1e-12))
        if largest < 1e-3:
            break
    return Belief(mean, _times_covariance(weighted, prior, np.eye(len(mean))))


def _times_covariance(weighted: Singles, prior: Floats, right: Floats) -> Floats:
    """``(diag(prior) + weighted' weighted)^-1 right``, through the smaller of the two matrices that can be inverted for it (Woodbury)."""
    number, size = weighted.shape
    if 2 * number < size:
        exact = weighted.astype(np.float64)
        scaled = exact / prior
        inner = scaled @ exact.T
        inner[np.diag_indices(number)] += 1.0
        plain = (right.T / prior).T
        return np.asarray(plain - scaled.T @ np.linalg.solve(inner, exact @ plain), np.float64)
    # The product is most of the work, and needs no more than single precision; what follows from it does.
    precision = (weighted.T @ weighted).astype(np.float64)
    precision[np.diag_indices(size)] += prior
    return np.asarray(np.linalg.solve(precision, right), np.float64)


def linear_scorer(design: Design, belief: Belief, features: int) -> HashedScorer:
    """The mean weights as the scorer of a reward model whose reader knows so many features."""
    linear = np.zeros(features, np.float32)
    linear[design.kept] = belief.mean[:-1] * design.scale
    return HashedScorer(linear, np.zeros((features, 0), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))


def sigmoid(value: NDArray[np.floating]) -> Floats:
    """The logistic function, without overflow."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(value.astype(np.float64), -40.0, 40.0)))
    return result
