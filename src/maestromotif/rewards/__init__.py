"""Phase 1b: preferences become one Bradley-Terry reward model per skill, and transitions become rewards.

What runs beside the games (``RewardTable``, ``CountDiscount``) needs numpy and safetensors only; fitting is loaded when named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.lazy import lazily
from maestromotif.rewards.discount import CountDiscount
from maestromotif.rewards.table import RewardTable

if TYPE_CHECKING:
    from maestromotif.rewards.config import RewardConfig
    from maestromotif.rewards.fitting import SkillFit, fit

__all__ = ["CountDiscount", "RewardConfig", "RewardTable", "SkillFit", "fit"]

__getattr__ = lazily(
    __name__,
    config=["RewardConfig"],
    fitting=["SkillFit", "fit"],
)
