"""Phase 1b: preferences become one Bradley-Terry reward model per skill, and transitions become rewards."""

from maestromotif.rewards.discount import CountDiscount
from maestromotif.rewards.table import RewardTable

__all__ = ["CountDiscount", "RewardTable"]
