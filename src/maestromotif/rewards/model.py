"""A reward model at rest and at work: numpy and safetensors only, so that a worker loads it in a blink."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.rewards.encoders import Reader, Scorer, read_tensors
from maestromotif.rewards.features import FEATURE_VERSION

__all__ = ["Ensemble", "RewardModel", "Seen", "read_card", "reward_paths", "save_model"]

Floats = NDArray[np.float64]
_REMEDY = "Delete it and run `maestromotif reward`"


@dataclass(frozen=True)
class Ensemble:
    """Members that were fitted to different draws of the same pairs.

    raw = mean - pessimism * standard deviation over the members' raw rewards, each less its mean over the distinct captions (preferences
    say nothing of a common addend). One member is taken as it is.

    Attributes:
        members: at least one.
        offsets: float64 ``[M]``, the members' means; 0 for a single one.
        pessimism: standard deviations that are subtracted.
    """

    members: tuple[Scorer, ...]
    offsets: Floats
    pessimism: float = 0.0

    @classmethod
    def build(cls, members: Sequence[Scorer], features: Any, pessimism: float = 0.0) -> Ensemble:
        """With offsets over these features."""
        offsets = [float(member.raws(features).mean()) for member in members] if len(members) > 1 else [0.0]
        return cls(tuple(members), np.array(offsets), pessimism)

    def raws(self, features: Any) -> Floats:
        """Raw rewards, float64 ``[N]``."""
        return self.judge(features)[0]

    def judge(self, features: Any) -> tuple[Floats, Floats]:
        """Raw rewards and the members' disagreement about them (their standard deviation; 0 for one member), float64 ``[N]`` each."""
        if len(self.members) == 1:
            raw_N = self.members[0].raws(features)
            return raw_N, np.zeros_like(raw_N)
        raw_MN = np.stack([member.raws(features) - offset for member, offset in zip(self.members, self.offsets, strict=True)])
        spread_N = raw_MN.std(axis=0, ddof=1)
        return raw_MN.mean(axis=0) - self.pessimism * spread_N, spread_N


@dataclass(frozen=True)
class Seen:
    """What was computed for the captions of the interactions: keys (int64 ``[N]``), raw rewards and disagreement (float64 ``[N]``)."""

    keys: NDArray[np.int64]
    raw: Floats
    spread: Floats


@dataclass(frozen=True)
class RewardModel:
    """One skill's model: what reads, what scores, and what is known already (None: nothing, all is computed when asked for)."""

    reader: Reader
    ensemble: Ensemble
    seen: Seen | None = None

    def to_bytes(self, skill: str) -> bytes:
        """As safetensors. Tensors of the second and further members have names that end in .1, .2 and so on."""
        tensors = self.reader.tensors()
        for number, member in enumerate(self.ensemble.members):
            tensors |= {name if number == 0 else f"{name}.{number}": tensor for name, tensor in member.tensors().items()}
        if len(self.ensemble.members) > 1:
            tensors["offsets"] = self.ensemble.offsets
        if self.seen is not None:
            tensors |= {"seen.keys": self.seen.keys, "seen.raw": self.seen.raw, "seen.spread": self.seen.spread}
        # One key only: safetensors writes several in random order, and the same weights must be the same bytes.
        note = {"maestromotif": json.dumps({"skill": skill, "feature_version": FEATURE_VERSION})}
        return dump_tensors({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, note)

    def card(self) -> dict[str, Any]:
        """What ``from_bytes`` needs besides the bytes."""
        return {"encoder": self.reader.card(), "members": len(self.ensemble.members), "pessimism": self.ensemble.pessimism}

    @classmethod
    def from_bytes(cls, content: bytes, path: Path, card: Mapping[str, Any], sign_sizes: Sequence[int]) -> RewardModel:
        """Raises:
        ArtifactError: truncated, incomplete, or with numbers that are none.
        """
        try:
            tensors = load_tensors(content)
            broken = [name for name, tensor in tensors.items() if not np.all(np.isfinite(tensor))]
            if broken:
                raise ValueError(f"not all numbers of {', '.join(sorted(broken))} are finite")
            members = int(card["members"])
            reader, scorers = read_tensors(card["encoder"], members, sign_sizes, tensors)
            offsets = tensors["offsets"] if members > 1 else np.zeros(1)
            if offsets.shape != (members,):
                raise ValueError(f"{len(offsets)} offsets for {members} members")
            seen = None
            if "seen.keys" in tensors:
                seen = Seen(tensors["seen.keys"], tensors["seen.raw"], tensors["seen.spread"])
                if not seen.keys.shape == seen.raw.shape == seen.spread.shape:
                    raise ValueError("what was computed for captions does not fit their keys")
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path} is truncated or no reward model ({error})", _REMEDY) from error
        return cls(reader, Ensemble(scorers, offsets, float(card["pessimism"])), seen)

    @classmethod
    def load(cls, folder: Path, skill: str, card: Mapping[str, Any]) -> RewardModel:
        """Read a skill's model and compare it with its card.

        Raises:
            ArtifactError: missing, truncated, or not the file that the card speaks of.
        """
        path, card_path = reward_paths(folder, skill)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error.strerror})", "Run `maestromotif reward`") from error
        try:
            kind, sizes, sha256 = card.get("model", _PLAIN), [len(values) for _, values in card["signs"]], str(card["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{card_path} is damaged ({error!r})", _REMEDY) from error
        model = cls.from_bytes(content, path, kind, sizes)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArtifactError(f"{path} is not the file that its card was written for", _REMEDY)
        return model


# Cards of version 0.1 tell no encoder, since there was one alone.
_PLAIN: Mapping[str, Any] = {"encoder": {"name": "hashed"}, "members": 1, "pessimism": 0.0}


def reward_paths(folder: Path, skill: str) -> tuple[Path, Path]:
    """Weights and card of a skill's reward model."""
    return folder / f"reward-{skill}.safetensors", folder / f"reward-{skill}.json"


def save_model(model: RewardModel, folder: Path, skill: str, card: dict[str, Any]) -> None:
    """Write weights, then the card with their hash: a card stands for a complete model."""
    weights, card_path = reward_paths(folder, skill)
    content = model.to_bytes(skill)
    write_atomically(weights, content)
    full = {**card, "model": model.card(), "sha256": hashlib.sha256(content).hexdigest()}
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
