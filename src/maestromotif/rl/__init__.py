"""Phase 4: one network learns every skill, while a program decides which skill is active.

Importing this package imports neither torch nor pydantic: processes that only run games start in a fraction of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.lazy import lazily

if TYPE_CHECKING:
    from maestromotif.rl.config import NetworkConfig, TrainConfig
    from maestromotif.rl.episodes import Call, EpisodeResult, ScheduleSources
    from maestromotif.rl.networks import SkillPolicy
    from maestromotif.rl.rollout import play
    from maestromotif.rl.training import train

__all__ = ["Call", "EpisodeResult", "NetworkConfig", "ScheduleSources", "SkillPolicy", "TrainConfig", "play", "train"]

__getattr__ = lazily(
    __name__,
    config=["NetworkConfig", "TrainConfig"],
    episodes=["Call", "EpisodeResult", "ScheduleSources"],
    networks=["SkillPolicy"],
    rollout=["play"],
    training=["train"],
)
