"""Checkpoints: weights, optimiser and random states in safetensors, counters in JSON. A kill at any moment leaves a complete one."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.rl.networks import SkillPolicy

__all__ = ["KEEP", "Counters", "latest", "restore", "save", "sweep"]

KEEP = 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counters:
    """Where a training stands.

    Attributes:
        steps: environment steps made.
        update: updates made.
        elapsed: seconds spent so far, over all sittings.
        first_episodes: for each game, the number of the episode it begins after a resume.
        calls, rewarded: per skill id, calls that ended and the sum of their returns so far; for warnings.
        faults: of the programs so far, by kind and line.
        curriculum: the curriculum's state.
        shape: network, skills and seed, which must be the same in a resumed run.
    """

    steps: int
    update: int
    elapsed: float
    first_episodes: tuple[int, ...]
    calls: Mapping[str, float]
    rewarded: Mapping[str, float]
    faults: Mapping[str, int]
    curriculum: Mapping[str, Any]
    shape: str


def save(
    folder: Path,
    counters: Counters,
    policy: SkillPolicy,
    optimiser: torch.optim.Optimizer,
    generators: Mapping[str, torch.Generator],
    more: Mapping[str, Tensor],
) -> Path:
    """Write a checkpoint and remove all but the last ``KEEP``. The JSON file comes last: without it a checkpoint does not count.

    Args:
        more: further tensors, under names of their own; ``latest`` gives them back.
    """
    tensors = dict(more)
    tensors |= {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    names = dict(zip(map(id, policy.parameters()), (name for name, _ in policy.named_parameters()), strict=True))
    for parameter, state in optimiser.state.items():
        for key, value in state.items():
            tensors[f"optimiser/{names[id(parameter)]}/{key}"] = value
    for name, generator in generators.items():
        tensors[f"generator/{name}"] = generator.get_state()
    stem = folder / f"checkpoint-{counters.steps:012d}"
    weights = stem.with_suffix(".safetensors")
    write_atomically(weights, to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
    write_atomically(stem.with_suffix(".json"), json.dumps(asdict(counters), indent=1))
    for old in sorted(folder.glob("checkpoint-*.json"))[:-KEEP]:
        old.unlink(missing_ok=True)
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    return weights


def sweep(out: Path, folder: Path) -> None:
    """Remove what a kill left half-written in a training's folder, and weights whose JSON file was never written."""
    for half in [*out.glob(".*.tmp"), *folder.glob(".*.tmp")]:
        half.unlink(missing_ok=True)
    for weights in folder.glob("checkpoint-*.safetensors"):
        if not weights.with_suffix(".json").exists():
            weights.unlink()


def latest(folder: Path) -> tuple[Counters, dict[str, Tensor]] | None:
    """The newest complete checkpoint; one that cannot be read is passed over with a warning. None if there is none.

    Raises:
        ArtifactError: there are checkpoints, but none of them can be read.
    """
    found = sorted(folder.glob("checkpoint-*.json"), reverse=True)
    for path in found:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            counters = Counters(**{**values, "first_episodes": tuple(values["first_episodes"])})
            return counters, load_file(path.with_suffix(".safetensors"))
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            _log.warning("%s cannot be read (%s); going back to the one before", path.with_suffix(""), error)
    if found:
        raise ArtifactError(f"{folder}: none of the {len(found)} checkpoints can be read", "Remove the folder to train from the beginning")
    return None


def restore(
    tensors: Mapping[str, Tensor], policy: SkillPolicy, optimiser: torch.optim.Optimizer, generators: Mapping[str, torch.Generator]
) -> None:
    """Put the tensors of a checkpoint back in their places."""
    policy.load_state_dict({name.removeprefix("policy/"): tensor for name, tensor in tensors.items() if name.startswith("policy/")})
    for name, parameter in policy.named_parameters():
        prefix = f"optimiser/{name}/"
        state = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        if state:
            optimiser.state[parameter] = {
                key: tensor if key == "step" and parameter.device.type == "cpu" else tensor.to(parameter.device)
                for key, tensor in state.items()
            }
    for name, generator in generators.items():
        generator.set_state(tensors[f"generator/{name}"])
