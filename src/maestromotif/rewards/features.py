"""What a reward model sees of a transition: a set of named binary features, each hashed to a number.

Words and neighbouring words of the message (numbers are all alike), the whole message, each sign that says that
something happened, and every two such signs together.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable

from maestromotif.types import RewardInput

__all__ = ["FEATURE_VERSION", "feature_hashes"]

# To be raised whenever the same input gets other features: models of another version are refused.
FEATURE_VERSION = 1

_TOKEN = re.compile(r"[a-z]+|\d+")


def feature_hashes(given: RewardInput) -> list[int]:
    """The features of an input: different 32-bit numbers, in a fixed order.

    The hash is CRC-32 of the feature's name; with the tens of thousands of features of a large corpus, a collision touches
    about one feature in a hundred thousand.
    """
    return list(dict.fromkeys(zlib.crc32(name.encode()) for name in _names(given)))


def _names(given: RewardInput) -> Iterable[str]:
    tokens = ["0" if token[0].isdigit() else token for token in _TOKEN.findall(given.message.lower())]
    for token in tokens:
        yield f"word {token}"
    for one, other in itertools.pairwise(tokens):
        yield f"words {one} {other}"
    if tokens:  # an empty message is no feature: what is unknown must look like nothing
        yield f"message {' '.join(tokens)}"
    happened = [f"{index}={value}" for index, value in enumerate(given.signs) if value]
    for place, one in enumerate(happened):
        yield f"sign {one}"
        for other in happened[place + 1 :]:
            yield f"signs {one} {other}"
