"""A reward model at rest and at work: numpy and safetensors only, so that a worker loads it in a blink."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.rewards.features import FEATURE_VERSION

__all__ = ["RewardModel", "read_card", "reward_paths", "save_model"]

Floats = NDArray[np.float32]
_REMEDY = "Delete it and run `maestromotif reward`"


@dataclass(frozen=True)
class RewardModel:
    """raw = sum of ``linear`` over the features + ``out`` . relu(sum of ``hidden`` over the features + ``bias``).

    Attributes:
        buckets: int64 ``[V]``, the hashes of the features that the model knows, ascending; others count for nothing.
        linear: float32 ``[V]``.
        hidden: float32 ``[V, H]``; ``H`` may be 0.
        bias: float32 ``[H]``.
        out: float32 ``[H]``.
    """

    buckets: NDArray[np.int64]
    linear: Floats
    hidden: Floats
    bias: Floats
    out: Floats

    def raw(self, rows: NDArray[np.int64]) -> float:
        """The raw reward of an input with the features in these rows of ``buckets``."""
        value = float(self.linear[rows].sum(dtype=np.float64))
        if len(self.out):
            active = np.maximum(self.hidden[rows].sum(axis=0, dtype=np.float64) + self.bias, 0.0)
            value += float(active @ self.out.astype(np.float64))
        return value

    def to_bytes(self, skill: str) -> bytes:
        tensors = {field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}
        # One key only: safetensors writes several in random order, and the same weights must be the same bytes.
        return dump_tensors(tensors, {"maestromotif": json.dumps({"skill": skill, "feature_version": FEATURE_VERSION})})

    @classmethod
    def from_bytes(cls, content: bytes, path: Path) -> RewardModel:
        try:
            tensors = load_tensors(content)
            model = cls(**tensors)
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path} is truncated or no reward model ({error})", _REMEDY) from error
        size, width = len(model.buckets), len(model.out)
        if model.linear.shape != (size,) or model.hidden.shape != (size, width) or model.bias.shape != (width,):
            raise ArtifactError(f"{path} holds tensors that do not fit each other", _REMEDY)
        return model

    @classmethod
    def load(cls, path: Path, sha256: str) -> RewardModel:
        """Read a model and compare it with the hash in its card.

        Raises:
            ArtifactError: missing, truncated, or not the file that the card speaks of.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error.strerror})", "Run `maestromotif reward`") from error
        model = cls.from_bytes(content, path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArtifactError(f"{path} is not the file that its card was written for", _REMEDY)
        return model


def reward_paths(folder: Path, skill: str) -> tuple[Path, Path]:
    """Weights and card of a skill's reward model."""
    return folder / f"reward-{skill}.safetensors", folder / f"reward-{skill}.json"


def save_model(model: RewardModel, folder: Path, skill: str, card: dict[str, Any]) -> None:
    """Write weights, then the card with their hash: a card stands for a complete model."""
    weights, card_path = reward_paths(folder, skill)
    content = model.to_bytes(skill)
    write_atomically(weights, content)
    full = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(card_path, (json.dumps(full, indent=1, ensure_ascii=False) + "\n").encode())


def read_card(folder: Path, skill: str) -> dict[str, Any]:
    """The card of a skill's reward model.

    Raises:
        ArtifactError: missing or damaged.
    """
    path = reward_paths(folder, skill)[1]
    if not path.exists():
        raise ArtifactError(f"{path} does not exist: skill {skill!r} has no reward model", "Run `maestromotif reward`")
    try:
        card = json.loads(path.read_bytes())
        if not isinstance(card, dict):
            raise ValueError("not a table")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is truncated or damaged ({error})", _REMEDY) from error
    return card
