"""Phase 4: one network learns every skill, while a program decides which skill is active.

Importing this package does not import torch: processes that only run games start in a fraction of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maestromotif.rl.config import NetworkConfig, TrainConfig

if TYPE_CHECKING:
    from maestromotif.rl.networks import SkillPolicy
    from maestromotif.rl.rollout import Call, EpisodeResult, play
    from maestromotif.rl.train import train

__all__ = ["Call", "EpisodeResult", "NetworkConfig", "SkillPolicy", "TrainConfig", "play", "train"]

_HOMES = {"Call": "rollout", "EpisodeResult": "rollout", "play": "rollout", "SkillPolicy": "networks", "train": "train"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
