"""A house to be played in words: TextWorld's cooking world, with a list of commands that changes from step to step."""

from maestromotif.domains.textgame.domain import TextHouse

__all__ = ["TextHouse"]
