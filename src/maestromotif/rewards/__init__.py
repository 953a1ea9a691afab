"""Phase 1b: preferences become one Bradley-Terry reward model per skill, and transitions become rewards.

What runs beside the games (``RewardTable``, ``CountDiscount``) needs numpy and safetensors only; fitting is loaded when named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maestromotif.rewards.discount import CountDiscount
from maestromotif.rewards.table import RewardTable

if TYPE_CHECKING:
    from maestromotif.rewards.config import RewardConfig
    from maestromotif.rewards.fitting import SkillFit, fit

__all__ = ["CountDiscount", "RewardConfig", "RewardTable", "SkillFit", "fit"]

_HOMES = {"RewardConfig": "config", "SkillFit": "fitting", "fit": "fitting"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
