"""Fitting one reward model to preferences: Bradley-Terry with ties as one half (Bradley & Terry 1952; paper, section 3).

P(first is better) = sigmoid(raw(first) - raw(second)); the loss is the cross-entropy with 1, 0, or 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.model import RewardModel

__all__ = ["Corpus", "FitResult", "agreement", "build_corpus", "fit_bradley_terry", "raw_rewards"]

Rows = NDArray[np.int64]
# Few pairs make few steps per pass; below this many steps, no early end.
_LEAST_STEPS = 400


@dataclass(frozen=True)
class Corpus:
    """The features of ``N`` inputs as one flat array.

    Attributes:
        buckets: int64 ``[V]``, hashes of the known features, ascending.
        flat: int64, rows of ``buckets``, input after input.
        starts: int64 ``[N + 1]``: input ``i`` has ``flat[starts[i]:starts[i + 1]]``.
    """

    buckets: Rows
    flat: Rows
    starts: Rows

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, one: int) -> Rows:
        return self.flat[self.starts[one] : self.starts[one + 1]]

    def gather(self, chosen: Rows) -> tuple[Rows, Rows]:
        """Features of the chosen inputs, flat, and where each input begins (what an embedding bag wants)."""
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        within = np.arange(int(sizes.sum())) - np.repeat(offsets, sizes)
        return self.flat[np.repeat(self.starts[chosen], sizes) + within], offsets


@dataclass(frozen=True)
class FitResult:
    """A fitted model and what was measured while fitting. ``agreement`` is NaN where no held-out pair was decided."""

    model: RewardModel
    epochs: int
    train_loss: float
    validation_loss: float
    agreement: float
    train_agreement: float
    held_out_pairs: int
    held_out_decided: int


def build_corpus(hashes: Sequence[Sequence[int]], least: int) -> Corpus:
    """Number the features that at least ``least`` inputs have; rarer ones cannot be told from chance and are left out."""
    lengths = np.array([len(one) for one in hashes], np.int64)
    everything = np.fromiter((number for one in hashes for number in one), np.int64, int(lengths.sum()))
    found, counts = np.unique(everything, return_counts=True)
    buckets = found[counts >= least]
    place = np.searchsorted(buckets, everything)
    known = (place < len(buckets)) & (buckets[np.minimum(place, len(buckets) - 1)] == everything) if len(buckets) else place < 0
    owner = np.repeat(np.arange(len(hashes)), lengths)[known]
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(hashes)))))
    return Corpus(buckets, place[known].astype(np.int64), starts.astype(np.int64))


def raw_rewards(model: RewardModel, corpus: Corpus) -> NDArray[np.float64]:
    """Raw rewards of all inputs of a corpus, float64 ``[N]``."""
    return np.array([model.raw(corpus.rows(one)) for one in range(len(corpus))], np.float64)


def agreement(difference_P: NDArray[np.float64], target_P: NDArray[np.float64]) -> float:
    """Share of decided pairs whose difference of rewards has the annotator's sign; NaN if no pair is decided."""
    decided_P = target_P != 0.5
    if not decided_P.any():
        return math.nan
    return float(np.mean((difference_P[decided_P] > 0) == (target_P[decided_P] > 0.5)))


class _Network(torch.nn.Module):
    """The trainable twin of ``RewardModel``."""

    def __init__(self, features: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        # A linear model starts from zero; the hidden layer needs different units, sized for some twenty active features.
        self.linear = torch.nn.Parameter(torch.zeros(features, 1))
        self.hidden = torch.nn.Parameter(torch.randn(features, hidden, generator=generator) * 0.2)
        self.bias = torch.nn.Parameter(torch.zeros(hidden))
        self.out = torch.nn.Parameter(torch.randn(hidden, generator=generator) / math.sqrt(max(1, hidden)))

    def forward(self, flat: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        table = torch.cat([self.linear, self.hidden], dim=1)
        sums = torch.nn.functional.embedding_bag(flat, table, offsets, mode="sum")
        return sums[:, 0] + torch.relu(sums[:, 1:] + self.bias) @ self.out

    def export(self, buckets: Rows) -> RewardModel:
        tensors = [tensor.detach().numpy().copy() for tensor in (self.linear[:, 0], self.hidden, self.bias, self.out)]
        return RewardModel(buckets, *tensors)


def fit_bradley_terry(
    corpus: Corpus,
    pairs_P: Rows,
    target_P: NDArray[np.float64],
    config: RewardConfig,
    seed: int,
    report: Callable[[float], None] = lambda _fraction: None,
) -> FitResult:
    """Fit a model.

    Args:
        corpus: features of the captions.
        pairs_P: int64 ``[P, 2]``, inputs of the corpus; at least three pairs.
        target_P: float64 ``[P]`` in {0, 0.5, 1}.
        seed: of the split, the first weights and the order of the pairs.
        report: gets the fraction done.

    Pairs are split at random into training, validation (which ends the fitting) and held-out pairs (only measured).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one order of sums, whatever the machine: the same seed gives the same weights
    try:
        return _fit(corpus, pairs_P, target_P, config, seed, report)
    finally:
        torch.set_num_threads(threads)


def _fit(
    corpus: Corpus,
    pairs_P: Rows,
    target_P: NDArray[np.float64],
    config: RewardConfig,
    seed: int,
    report: Callable[[float], None],
) -> FitResult:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pairs_P))
    held = max(1, round(config.held_out * len(order)))
    valid = max(1, round(config.validation * len(order)))
    held_out, validation, training = order[:held], order[held : held + valid], order[held + valid :]
    network = _Network(len(corpus.buckets), config.hidden, torch.Generator().manual_seed(seed))
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = -(-len(training) // config.batch_size)
    least = -(-_LEAST_STEPS // steps)
    epochs, patience = max(config.epochs, least), max(config.patience, least // 8)
    best, best_loss, best_epoch, train_loss = network.export(corpus.buckets), math.inf, 0, math.nan
    epoch = 0
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in np.array_split(rng.permutation(training), steps):
            loss = _loss(network, corpus, pairs_P[batch], target_P[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach()) * len(batch)
        train_loss = total / max(1, len(training))
        with torch.no_grad():
            validation_loss = float(_loss(network, corpus, pairs_P[validation], target_P[validation]))
        if validation_loss < best_loss:
            best, best_loss, best_epoch = network.export(corpus.buckets), validation_loss, epoch
        report(epoch / epochs)
        if epoch - best_epoch >= patience and epoch * steps >= _LEAST_STEPS:
            break
    difference_P = _differences(best, corpus, pairs_P)
    return FitResult(
        best,
        best_epoch,
        train_loss,
        best_loss,
        agreement(difference_P[held_out], target_P[held_out]),
        agreement(difference_P[training], target_P[training]),
        len(held_out),
        int(np.sum(target_P[held_out] != 0.5)),
    )


def _loss(network: _Network, corpus: Corpus, pairs_B: Rows, target_B: NDArray[np.float64]) -> torch.Tensor:
    flat, offsets = corpus.gather(pairs_B.T.reshape(-1))
    raw = network(torch.from_numpy(flat), torch.from_numpy(offsets))
    first, second = raw.view(2, -1)
    target = torch.from_numpy(target_B.astype(np.float32))
    return torch.nn.functional.binary_cross_entropy_with_logits(first - second, target)


def _differences(model: RewardModel, corpus: Corpus, pairs_P: Rows) -> NDArray[np.float64]:
    rows, inverse = np.unique(pairs_P, return_inverse=True)
    raw = np.array([model.raw(corpus.rows(row)) for row in rows.tolist()])[inverse.reshape(pairs_P.shape)]
    return np.asarray(raw[:, 0] - raw[:, 1], np.float64)
