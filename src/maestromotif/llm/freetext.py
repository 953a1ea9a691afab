"""What every reader of a model's free text needs, whatever it looks for: the answer without its thoughts, and values in JSON."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["json_values", "without_thoughts"]

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.IGNORECASE | re.DOTALL)


def without_thoughts(text: str) -> str:
    """The text without what stands between <think> tags, or after one that is never closed."""
    return _THOUGHTS.sub("\n", text)


def json_values(text: str, key: re.Pattern[str]) -> list[Any]:
    """What JSON objects, wherever in the text they stand, hold under keys that fit; in the order of the text.

    Args:
        key: of the whole key, but for blanks around it. Objects within objects are not looked into.
    """
    found: list[Any] = []
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found += [said for name, said in value.items() if key.fullmatch(name.strip())]
        place = text.find("{", end)
    return found
