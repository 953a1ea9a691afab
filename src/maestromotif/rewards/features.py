"""What a reward model sees of a transition: a set of named binary features, each hashed to a number.

Words and neighbouring words of the message (numbers are all alike), the whole message, each sign that says that
something happened, and every two such signs together.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from maestromotif.types import RewardInput

__all__ = ["FEATURE_VERSION", "SIGN_HASHES", "feature_hashes"]

# To be raised whenever the same input gets other features: models of another version are refused.
FEATURE_VERSION = 1

# Hashes of the features of single signs, of as many signs and values as any domain may have.
SIGN_HASHES = np.array([zlib.crc32(f"sign {index}={value}".encode()) for index in range(64) for value in range(1, 16)], np.int64)
_TOKEN = re.compile(r"[a-z]+|\d+")


def feature_hashes(given: RewardInput) -> list[int]:
    """The features of an input: different 32-bit numbers, in a fixed order.

    The hash is CRC-32 of the feature's name; with the tens of thousands of features of a large corpus, a collision touches
    about one feature in a hundred thousand.
    """
    return list(dict.fromkeys((*_message_hashes(given.message), *_sign_hashes(given.signs))))


# Messages and signs each come again and again, if not always together.
@lru_cache(maxsize=8192)
def _message_hashes(message: str) -> tuple[int, ...]:
    tokens = ["0" if token[0].isdigit() else token for token in _TOKEN.findall(message.lower())]
    names = [f"word {token}" for token in tokens]
    names += [f"words {one} {other}" for one, other in itertools.pairwise(tokens)]
    if tokens:  # an empty message is no feature: what is unknown must look like nothing
        names.append(f"message {' '.join(tokens)}")
    return _hashes(names)


@lru_cache(maxsize=8192)
def _sign_hashes(signs: tuple[int, ...]) -> tuple[int, ...]:
    happened = [f"{index}={value}" for index, value in enumerate(signs) if value]
    names = []
    for place, one in enumerate(happened):
        names.append(f"sign {one}")
        names += [f"signs {one} {other}" for other in happened[place + 1 :]]
    return _hashes(names)


def _hashes(names: Iterable[str]) -> tuple[int, ...]:
    return tuple(zlib.crc32(name.encode()) for name in names)
