"""Sentence embeddings of the message from a frozen model of sentence-transformers, beside the signs.

The model itself is needed where a message is new: torch and sentence-transformers are imported at the first of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.files import write_atomically
from maestromotif.rewards.encoders.base import Floats, Reader, Rows, one_hot, require_shapes
from maestromotif.types import RewardInput

__all__ = ["Dense", "SentenceReader", "SentenceScorer", "model_digest"]

Vectors = NDArray[np.float32]
# Vectors kept in memory by a reader, some 30 MB; then it starts afresh.
_MOST_VECTORS = 20_000


@dataclass(frozen=True)
class Dense:
    """Vector of the message and one-hot signs of each input, float32 ``[N, D + S]``."""

    values: Vectors

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Rows) -> Self:
        return type(self)(self.values[chosen])


@dataclass(frozen=True)
class SentenceReader:
    """Reads vectors of messages and signs. An empty message is the vector 0.

    Attributes:
        sign_sizes: numbers of values of the domain's signs.
        model: a folder, or a name of the hub.
        digest: of the model's files, as ``model_digest`` gives it.
        cache: folder in which the vectors of a corpus are kept; None for none.
    """

    sign_sizes: tuple[int, ...]
    model: str
    digest: str
    cache: Path | None = None
    _known: dict[str, Vectors] = field(default_factory=dict, init=False, repr=False, compare=False)
    _loaded: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def read(self, inputs: Sequence[RewardInput]) -> Dense:
        """Raises:
        ConfigError: the model or its package is not there.
        ArtifactError: the model is not the one that the reward models were fitted with.
        """
        messages = list(dict.fromkeys(given.message.strip() for given in inputs))
        vectors = self._vectors([message for message in messages if message])
        size = len(next(iter(vectors.values()))) if vectors else self._embed(["a"]).shape[1]
        nothing = np.zeros(size, np.float32)
        found = np.stack([vectors.get(given.message.strip(), nothing) for given in inputs]) if inputs else np.zeros((0, size), np.float32)
        return Dense(np.concatenate([found, one_hot(inputs, self.sign_sizes)], axis=1))

    def card(self) -> dict[str, str]:
        return {"name": "sentence", "model": self.model, "digest": self.digest}

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {}

    def same(self, other: Reader) -> bool:
        return isinstance(other, SentenceReader) and (self.model, self.digest) == (other.model, other.digest)

    def _vectors(self, messages: Sequence[str]) -> dict[str, Vectors]:
        if self.cache is not None:
            return dict(zip(messages, self._cached(self.cache, messages), strict=True))
        if len(self._known) > _MOST_VECTORS:
            self._known.clear()
        new = [message for message in messages if message not in self._known]
        if new:
            self._known.update(zip(new, self._embed(new), strict=True))
        return {message: self._known[message] for message in messages}

    def _cached(self, folder: Path, messages: Sequence[str]) -> Vectors:
        name = hashlib.sha256(repr((self.model, self.digest, tuple(messages))).encode()).hexdigest()[:16]
        path = folder / f"{name}.safetensors"
        try:
            vectors: Vectors = load_tensors(path.read_bytes())["vectors"]
        except (OSError, SafetensorError, KeyError):  # not there, or damaged: made again
            vectors = self._embed(messages)
            write_atomically(path, dump_tensors({"vectors": vectors}))
        return vectors

    def _embed(self, messages: Sequence[str]) -> Vectors:
        encoder = self._encoder()
        found = encoder.encode(list(messages), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(found, np.float32).reshape(len(messages), -1)

    def _encoder(self) -> Any:
        if not self._loaded:
            try:
                from sentence_transformers import SentenceTransformer
            except ImportError as error:
                problem = f"the encoder 'sentence' of [reward] needs a package that cannot be imported ({error})"
                raise ConfigError(problem, "Run `pip install 'maestromotif[embedding]'`") from error
            if model_digest(self.model) != self.digest:
                problem = f"the sentence model {self.model} is not the one that the reward models were fitted with"
                raise ArtifactError(problem, "Bring it back, or run `maestromotif reward --again`")
            try:
                # Weights as safetensors only: other formats may run code.
                self._loaded.append(SentenceTransformer(self.model, device="cpu", model_kwargs={"use_safetensors": True}))
            except (OSError, ValueError, RuntimeError) as error:
                line = " ".join(str(error).split())[:160]
                problem = f"[reward] sentence_model: {self.model} cannot be loaded ({line})"
                raise ConfigError(problem, "Name a folder with a sentence-transformers model, or a model of the hub") from error
        return self._loaded[0]


@dataclass(frozen=True)
class SentenceScorer:
    """The small head at rest: ``linear`` float32 ``[D + S]``, ``hidden`` ``[D + S, H]``, ``bias`` and ``out`` ``[H]``."""

    NAMES: ClassVar[tuple[str, ...]] = ("linear", "hidden", "bias", "out")
    linear: NDArray[np.float32]
    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    out: NDArray[np.float32]

    def raws(self, features: Dense) -> Floats:
        value = features.values @ self.linear + np.maximum(features.values @ self.hidden + self.bias, 0.0) @ self.out
        return np.asarray(value, np.float64)

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.NAMES}

    def check(self, reader: Any) -> None:
        size, width = len(self.linear), len(self.out)
        if size <= sum(reader.sign_sizes):
            raise ValueError("the head is too narrow for the domain's signs")
        require_shapes(self.tensors(), {"linear": (size,), "hidden": (size, width), "bias": (width,)})


def model_digest(model: str) -> str:
    """Of the files of a model in a folder; empty for a name of the hub, which stands for itself."""
    folder = Path(model)
    if not folder.is_dir():
        return ""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(repr((str(path.relative_to(folder)), path.stat().st_size)).encode())
        with open(path, "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
