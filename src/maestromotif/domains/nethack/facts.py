"""NetHack's facts as a light snapshot over one row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maestromotif.domains.nethack.messages import ReadMessage
from maestromotif.domains.nethack.vocabulary import BRANCHES, FACTS, HUNGER

__all__ = ["NetHackFacts"]

_NAMES = {"branch": BRANCHES, "hunger": HUNGER}


class NetHackFacts:
    """The facts of one moment. Values are taken from the row only when they are asked for."""

    __slots__ = ("_message", "_row")

    def __init__(self, row: Sequence[int], message: ReadMessage) -> None:
        _set_row(self, row)
        _set_message(self, message)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"facts are read-only: {name}")

    def __repr__(self) -> str:
        return "NetHackFacts(" + ", ".join(f"{spec.name}={getattr(self, spec.name)!r}" for spec in FACTS) + ")"


# One is made in each environment step, and this is the fastest way past ``__setattr__``.
_set_row = NetHackFacts.__dict__["_row"].__set__
_set_message = NetHackFacts.__dict__["_message"].__set__


def _property(column: int, kind: str, names: tuple[str, ...]) -> property:
    if names:
        return property(lambda self: names[self._row[column]])
    if kind == "bool":
        return property(lambda self: self._row[column] != 0)
    return property(lambda self: self._row[column])


for _column, _spec in enumerate(FACTS):
    if _spec.name == "message":
        setattr(NetHackFacts, "message", property(lambda self: self._message.text))  # noqa: B010
    else:
        setattr(NetHackFacts, _spec.name, _property(_column, _spec.type, _NAMES.get(_spec.name, ())))
