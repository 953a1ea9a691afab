"""Fitting reward models to preferences by Bradley-Terry (Bradley & Terry 1952; paper, section 3).

P(first is better) = sigmoid(raw(first) - raw(second)). Ties are one half of each side, or an outcome of their own by Davidson's model
(Davidson 1970): the odds of first : tie : second are exp(d / 2) : nu : exp(-d / 2) for a difference d, with nu learned; among decided pairs
that is Bradley-Terry again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from maestromotif.rewards.belief import Design, fit_belief, linear_scorer
from maestromotif.rewards.calibration import Calibration, agreement, calibration_error, decided, fit_temperature, reliability
from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.encoders import Features, Scorer
from maestromotif.rewards.encoders.hashed import Corpus, build_corpus
from maestromotif.rewards.encoders.networks import Network, make_network
from maestromotif.rewards.model import Ensemble

__all__ = ["Corpus", "FitResult", "agreement", "build_corpus", "fit_bradley_terry", "outcomes"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
# Few pairs make few steps per pass; below this many steps, no early end.
_LEAST_STEPS = 400
# Beyond so many pairs the linear model with a prior is fitted only if it is asked for: a network does as well, and in less time.
_MOST_FOR_LINEAR = 20_000


@dataclass(frozen=True)
class FitResult:
    """A fitted model and what was measured while fitting.

    Attributes:
        learner: ``"network"`` or ``"linear"``.
        epochs, train_loss, validation_loss: means over members.
        agreement, train_agreement: on decided pairs (``calibration.decided``), held out and trained on; NaN where there is none.
        tie_weight: Davidson's nu, mean over members; None where ties are halves.
    """

    model: Ensemble
    learner: str
    epochs: float
    train_loss: float
    validation_loss: float
    agreement: float
    train_agreement: float
    held_out_pairs: int
    held_out_decided: int
    calibration: Calibration
    tie_weight: float | None


def outcomes(target_P: Floats) -> Floats:
    """Shares of first, tie and second, float64 ``[P, 3]``: a target of one half is a tie, any other is divided between the two sides."""
    tie_P = target_P == 0.5
    return np.stack([np.where(tie_P, 0.0, target_P), tie_P.astype(np.float64), np.where(tie_P, 0.0, 1.0 - target_P)], axis=1)


def fit_bradley_terry(
    features: Features,
    pairs_P: Rows,
    target_P: Floats,
    config: RewardConfig,
    seed: int,
    report: Callable[[float], None] = lambda _fraction: None,
) -> FitResult:
    """Fit a model.

    Args:
        features: of the captions, as an encoder's reader gives them.
        pairs_P: int64 ``[P, 2]``, inputs of ``features``; at least three pairs.
        target_P: float64 ``[P]`` in [0, 1]: how probable it is that the first is better.
        seed: of the split, the first weights and the order of the pairs.
        report: gets the fraction done.

    Pairs are split at random into training, validation (which ends the fitting) and held-out pairs (only measured). Members of an
    ensemble share the split; each is fitted to training pairs drawn with replacement, with first weights of its own.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one order of sums, whatever the machine: the same seed gives the same weights
    try:
        return _fit(features, pairs_P, target_P, config, seed, report)
    finally:
        torch.set_num_threads(threads)


def _fit(
    features: Features, pairs_P: Rows, target_P: Floats, config: RewardConfig, seed: int, report: Callable[[float], None]
) -> FitResult:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pairs_P))
    held = max(1, round(config.held_out * len(order)))
    valid = max(1, round(config.validation * len(order)))
    held_out, validation, training = order[:held], order[held : held + valid], order[held + valid :]
    fits: list[_Fitted] = []
    for member in range(config.ensemble):

        def part(fraction: float, done: int = member) -> None:
            report((done + fraction) / config.ensemble)

        chosen, weights_seed = training, seed
        if config.ensemble > 1:
            rng = np.random.default_rng([seed, member])
            chosen, weights_seed = rng.choice(training, len(training)), int(rng.integers(2**31))
        if config.learner != "linear":
            network = make_network(features, config.hidden, torch.Generator().manual_seed(weights_seed))
            fits.append(_Member(network, features, pairs_P, target_P, config).fit(chosen, validation, rng, part))
    if config.may_be_linear and isinstance(features, Corpus) and (config.learner == "linear" or len(training) <= _MOST_FOR_LINEAR):
        linear = _fit_linear(features, pairs_P, target_P, training, validation)
        fits = [linear] if not fits or not _clearly_better(fits[0], linear, features, pairs_P[validation], target_P[validation]) else fits
    model = Ensemble.build([fit.scorer for fit in fits], features, config.pessimism)
    raw_N = model.raws(features)
    difference_P = raw_N[pairs_P[:, 0]] - raw_N[pairs_P[:, 1]]
    temperature = fit_temperature(difference_P[validation], target_P[validation]) if config.calibrate else 1.0
    bins, plain = (reliability(difference_P[held_out], target_P[held_out], one) for one in (temperature, 1.0))
    return FitResult(
        model,
        fits[0].learner,
        _mean([fit.epochs for fit in fits]),
        _mean([fit.train_loss for fit in fits]),
        _mean([fit.validation_loss for fit in fits]),
        agreement(difference_P[held_out], target_P[held_out]),
        agreement(difference_P[training], target_P[training]),
        len(held_out),
        int(decided(target_P[held_out]).sum()),
        Calibration(calibration_error(bins), calibration_error(plain), temperature, bins),
        _mean([fit.tie_weight for fit in fits]) if config.ties == "outcome" else None,
    )


@dataclass(frozen=True)
class _Fitted:
    scorer: Scorer
    epochs: int
    train_loss: float
    validation_loss: float
    tie_weight: float
    learner: str = "network"


def _fit_linear(features: Corpus, pairs_P: Rows, target_P: Floats, training: Rows, validation: Rows) -> _Fitted:
    """The linear model with a prior; nothing of it depends on chance."""
    design = Design.of(features)
    scorer = linear_scorer(design, fit_belief(design, pairs_P[training], target_P[training]), len(features.buckets))
    # The preference for what is shown first is no part of a reward.
    losses = [float(_losses(scorer, features, pairs_P[chosen], target_P[chosen]).mean()) for chosen in (training, validation)]
    return _Fitted(scorer, 0, losses[0], losses[1], 1.0, "linear")


def _clearly_better(network: _Fitted, linear: _Fitted, features: Corpus, pairs_P: Rows, target_P: Floats) -> bool:
    """Whether the network's loss on these pairs is lower by more than two standard errors: few pairs, or such as were chosen because they
    are hard to decide, favour a model that knows nothing over one that is sure and mostly right."""
    gain_P = _losses(linear.scorer, features, pairs_P, target_P) - _losses(network.scorer, features, pairs_P, target_P)
    return bool(gain_P.mean() > 2.0 * gain_P.std() / math.sqrt(len(gain_P)))


def _losses(scorer: Scorer, features: Corpus, pairs_P: Rows, target_P: Floats) -> Floats:
    """The cross-entropy of each pair, float64 ``[P]``."""
    raw_N = scorer.raws(features)
    difference_P = raw_N[pairs_P[:, 0]] - raw_N[pairs_P[:, 1]]
    return np.asarray(np.logaddexp(0.0, difference_P) - target_P * difference_P, np.float64)


class _Member:
    """One network, its loss and its optimiser."""

    def __init__(self, network: Network, features: Features, pairs_P: Rows, target_P: Floats, config: RewardConfig) -> None:
        self._network, self._features, self._pairs_P, self._config = network, features, pairs_P, config
        self._ties = config.ties == "outcome"
        self._log_nu = torch.nn.Parameter(torch.zeros(()))
        self._target_P = torch.from_numpy((outcomes(target_P) if self._ties else target_P).astype(np.float32))
        groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "weight_decay": config.decay}]
        if self._ties:
            groups.append({"params": [self._log_nu], "weight_decay": 0.0})
        self._optimiser = torch.optim.AdamW(groups, lr=config.rate)

    def fit(self, training: Rows, validation: Rows, rng: np.random.Generator, report: Callable[[float], None]) -> _Fitted:
        """Pass over the pairs ``training`` (int64, rows of the pairs) until the loss of ``validation`` gets no better."""
        config = self._config
        steps = -(-len(training) // config.batch_size)
        least = -(-_LEAST_STEPS // steps)
        epochs, patience = max(config.epochs, least), max(config.patience, least // 8)
        best = _Fitted(self._network.export(), 0, math.nan, math.inf, self._nu())
        train_loss = math.nan
        for epoch in range(1, epochs + 1):
            total = 0.0
            for batch in np.array_split(rng.permutation(training), steps):
                loss = self._loss(batch)
                self._optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self._optimiser.step()
                total += float(loss.detach()) * len(batch)
            train_loss = total / max(1, len(training))
            with torch.no_grad():
                validation_loss = float(self._loss(validation))
            if validation_loss < best.validation_loss:
                best = _Fitted(self._network.export(), epoch, train_loss, validation_loss, self._nu())
            report(epoch / epochs)
            if epoch - best.epochs >= patience and epoch * steps >= _LEAST_STEPS:
                break
        return _Fitted(best.scorer, best.epochs, train_loss, best.validation_loss, best.tie_weight)

    def _loss(self, batch: Rows) -> torch.Tensor:
        raw = self._network(self._features.take(self._pairs_P[batch].T.reshape(-1)))
        first, second = raw.view(2, -1)
        target = self._target_P[torch.from_numpy(batch)]
        if not self._ties:
            return torch.nn.functional.binary_cross_entropy_with_logits(first - second, target)
        half = (first - second) / 2
        logits = torch.stack([half, self._log_nu.expand(len(half)), -half], dim=1)
        return torch.nn.functional.cross_entropy(logits, target)

    def _nu(self) -> float:
        return math.exp(float(self._log_nu.detach()))


def _mean(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else float(np.mean(values))
