"""Phase 4: one network learns every skill, while a program decides which skill is active.

Importing this package imports neither torch nor pydantic: processes that only run games start in a fraction of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maestromotif.rl.config import NetworkConfig, TrainConfig
    from maestromotif.rl.episodes import Call, EpisodeResult, ScheduleSources
    from maestromotif.rl.networks import SkillPolicy
    from maestromotif.rl.rollout import play
    from maestromotif.rl.training import train

__all__ = ["Call", "EpisodeResult", "NetworkConfig", "ScheduleSources", "SkillPolicy", "TrainConfig", "play", "train"]

_HOMES = {
    "Call": "episodes",
    "EpisodeResult": "episodes",
    "NetworkConfig": "config",
    "ScheduleSources": "episodes",
    "SkillPolicy": "networks",
    "TrainConfig": "config",
    "play": "rollout",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
