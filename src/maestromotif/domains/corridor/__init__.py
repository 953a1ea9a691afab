"""A corridor one square wide: the smallest world on which the whole system can be seen to work."""

from maestromotif.domains.corridor.domain import Corridor
from maestromotif.domains.corridor.env import CorridorEnv

__all__ = ["Corridor", "CorridorEnv"]
