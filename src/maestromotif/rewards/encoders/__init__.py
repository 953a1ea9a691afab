"""How reward models read their inputs, one file for each encoder: numpy alone, so that a worker loads it in a blink.

``networks`` holds their trainable twins in torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.rewards.encoders.base import Features, Reader, Scorer
from maestromotif.rewards.encoders.characters import CharacterReader, CharacterScorer
from maestromotif.rewards.encoders.hashed import HashedReader, HashedScorer
from maestromotif.rewards.encoders.sentences import SentenceReader, SentenceScorer, model_digest

__all__ = ["Features", "Reader", "Scorer", "make_reader", "read_tensors"]


def make_reader(encoder: str, sign_sizes: Sequence[int], model: str = "", cache: Path | None = None) -> Reader:
    """A reader that needs no captions to be made.

    Args:
        encoder: ``"character-cnn"`` or ``"sentence"``.
        sign_sizes: how many values each of the domain's signs has.
        model: of the encoder ``"sentence"``: a folder or a name of the hub.
        cache: folder for vectors of sentences.
    """
    if encoder == "sentence":
        return SentenceReader(tuple(sign_sizes), model, model_digest(model), cache)
    return CharacterReader(tuple(sign_sizes))


def read_tensors(
    encoder: Mapping[str, Any], members: int, sign_sizes: Sequence[int], tensors: Mapping[str, NDArray[Any]]
) -> tuple[Reader, tuple[Scorer, ...]]:
    """Reader and members from the tensors of a file; ``encoder`` is what ``Reader.card`` gave.

    Raises:
        KeyError, ValueError: a tensor is missing, or does not fit the others.
    """
    reader: Reader
    kind: type[HashedScorer] | type[CharacterScorer] | type[SentenceScorer]
    name = encoder["name"]
    if name == "hashed":
        reader, kind = HashedReader(np.asarray(tensors["buckets"], np.int64)), HashedScorer
    elif name == "character-cnn":
        reader, kind = CharacterReader(tuple(sign_sizes)), CharacterScorer
    elif name == "sentence":
        reader, kind = SentenceReader(tuple(sign_sizes), str(encoder["model"]), str(encoder["digest"])), SentenceScorer
    else:
        raise ValueError(f"unknown encoder {name!r}")
    found = []
    for member in range(members):
        scorer = kind(*[tensors[field if member == 0 else f"{field}.{member}"] for field in kind.NAMES])
        scorer.check(reader)
        found.append(scorer)
    return reader, tuple(found)
