"""The trainable twins of the encoders' scorers, in torch. Each gives the same numbers as what it exports, up to rounding."""

from __future__ import annotations

import math
from typing import Any

import torch

from maestromotif.rewards.encoders.base import Features, Scorer
from maestromotif.rewards.encoders.characters import BYTE_SIZE, FILTERS, WIDTH, CharacterScorer, Texts
from maestromotif.rewards.encoders.hashed import Corpus, HashedScorer
from maestromotif.rewards.encoders.sentences import Dense, SentenceScorer

__all__ = ["CharacterNetwork", "DenseNetwork", "HashedNetwork", "Network", "make_network"]


class Network(torch.nn.Module):
    """Gives raw rewards ``[N]`` of features, and a scorer at rest."""

    def forward(self, features: Any) -> torch.Tensor:
        raise NotImplementedError

    def export(self) -> Scorer:
        raise NotImplementedError


class HashedNetwork(Network):
    """Twin of ``HashedScorer``."""

    def __init__(self, features: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        # A linear model starts from zero; the hidden layer needs different units, sized for some twenty active features.
        self.linear = torch.nn.Parameter(torch.zeros(features, 1))
        self.hidden = torch.nn.Parameter(torch.randn(features, hidden, generator=generator) * 0.2)
        self.bias = torch.nn.Parameter(torch.zeros(hidden))
        self.out = torch.nn.Parameter(torch.randn(hidden, generator=generator) / math.sqrt(max(1, hidden)))

    def forward(self, features: Corpus) -> torch.Tensor:
        table = torch.cat([self.linear, self.hidden], dim=1)
        flat, offsets = torch.from_numpy(features.flat), torch.from_numpy(features.starts[:-1])
        sums = torch.nn.functional.embedding_bag(flat, table, offsets, mode="sum")
        return sums[:, 0] + torch.relu(sums[:, 1:] + self.bias) @ self.out

    def export(self) -> HashedScorer:
        return HashedScorer(*_arrays(self.linear[:, 0], self.hidden, self.bias, self.out))


class _Head(Network):
    """A linear part and a hidden layer over ``size`` numbers."""

    def __init__(self, size: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = torch.nn.Parameter(torch.zeros(size))
        self.hidden = torch.nn.Parameter(torch.randn(size, hidden, generator=generator) / math.sqrt(size))
        self.bias = torch.nn.Parameter(torch.zeros(hidden))
        self.out = torch.nn.Parameter(torch.randn(hidden, generator=generator) / math.sqrt(max(1, hidden)))

    def head(self, values: torch.Tensor) -> torch.Tensor:
        return values @ self.linear + torch.relu(values @ self.hidden + self.bias) @ self.out


class DenseNetwork(_Head):
    """Twin of ``SentenceScorer``."""

    def forward(self, features: Dense) -> torch.Tensor:
        return self.head(torch.from_numpy(features.values))

    def export(self) -> SentenceScorer:
        return SentenceScorer(*_arrays(self.linear, self.hidden, self.bias, self.out))


class CharacterNetwork(_Head):
    """Twin of ``CharacterScorer``."""

    def __init__(self, signs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__(FILTERS + signs, hidden, generator)
        table = torch.randn(256, BYTE_SIZE, generator=generator)
        table[0] = 0.0  # what follows a message; ``padding_idx`` keeps it so
        self.bytes = torch.nn.Parameter(table)
        self.filters = torch.nn.Parameter(torch.randn(WIDTH * BYTE_SIZE, FILTERS, generator=generator) / math.sqrt(WIDTH * BYTE_SIZE))
        self.filter_bias = torch.nn.Parameter(torch.zeros(FILTERS))

    def forward(self, features: Texts) -> torch.Tensor:
        windows, _ = features.windows()
        seen = torch.nn.functional.embedding(torch.from_numpy(windows), self.bytes, padding_idx=0).flatten(1) @ self.filters
        largest = torch.segment_reduce(seen, "max", lengths=torch.from_numpy(features.lengths + 1), axis=0)
        return self.head(torch.cat([torch.relu(largest + self.filter_bias), torch.from_numpy(features.signs)], dim=1))

    def export(self) -> CharacterScorer:
        return CharacterScorer(*_arrays(self.bytes, self.filters, self.filter_bias, self.linear, self.hidden, self.bias, self.out))


def make_network(features: Features, hidden: int, generator: torch.Generator) -> Network:
    """The network that fits these features.

    Args:
        hidden: width of the hidden layer.
        generator: of the first weights.
    """
    if isinstance(features, Corpus):
        return HashedNetwork(len(features.buckets), hidden, generator)
    if isinstance(features, Texts):
        return CharacterNetwork(features.signs.shape[1], hidden, generator)
    if isinstance(features, Dense):
        return DenseNetwork(features.values.shape[1], hidden, generator)
    raise TypeError(f"no network for {type(features).__name__}")


def _arrays(*tensors: torch.Tensor) -> list[Any]:
    return [tensor.detach().numpy().copy() for tensor in tensors]
