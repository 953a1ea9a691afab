"""A house of three rooms in MiniGrid: a world in which the whole method can be seen to work within minutes."""

from maestromotif.domains.grid.domain import GridHouse
from maestromotif.domains.grid.env import GridEnv

__all__ = ["GridEnv", "GridHouse"]
