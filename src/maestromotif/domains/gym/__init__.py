"""Any Gymnasium environment, with words from a small adapter; see docs/own-domain.md."""

from maestromotif.domains.contract import Facts, FactSpec, SignSpec
from maestromotif.domains.gym.adapter import TREND, Adapter, Goal, trend, trends
from maestromotif.domains.gym.domain import GymDomain
from maestromotif.domains.gym.found import LEAST
from maestromotif.domains.gym.pictures import bright_column, bright_row, brightness

__all__ = [
    "LEAST",
    "TREND",
    "Adapter",
    "FactSpec",
    "Facts",
    "Goal",
    "GymDomain",
    "SignSpec",
    "bright_column",
    "bright_row",
    "brightness",
    "trend",
    "trends",
]
