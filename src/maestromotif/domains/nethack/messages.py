"""What a NetHack message says: kills, sales, offers and what altars tell; its words for the network; its normal form for reward models.

Messages repeat, so each distinct one is read once and kept.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.layout import MESSAGE_TOKENS, MESSAGE_VOCABULARY
from maestromotif.domains.nethack.things import blessing_known, unknown_kind
from maestromotif.domains.nethack.vocabulary import SIGN_BITS

__all__ = ["KILL", "SOLD", "MessageReader", "ReadMessage"]

KILL = re.compile(r"\bYou (?:kill|destroy|dispatch) ")
SOLD = re.compile(r"\b[Yy]ou sold (?:(\d+) )?")  # "A scroll of blank paper; you sold it for 20 gold pieces."
# "Asidonhopo offers 50 gold pieces for your orange potion.  Sell it?" One who "offers only" so much is short of money: no price is told.
_OFFER = re.compile(r" offers \d+ gold pieces? for your (.+?)\.\s+Sell (?:it|them)\?")
_CREDIT = re.compile(r"Will you accept \d+ \w+ in credit for your (.+?)\?")
_FLASH = re.compile(r"There is an? (?:amber|black) flash as (.+?) hits? the altar")
_LANDING = re.compile(r"(\w[^.!?]*?) lands? on the altar\.")
_LOCKED = "This door is locked"
# Where things lie on a staircase or an altar, the map never shows it, but the game says so to whoever stands there.
_FEET = re.compile(r"There is an? (?:staircase|ladder) (up|down) here|There is an (altar) to ")
_UNDERFOOT = {"down": squares.STAIRS_DOWN, "up": squares.STAIRS_UP, "altar": squares.ALTAR}
_IN_A_DOOR = "diagonally out of an intact doorway"  # which something had hidden
_PEACEFUL = "Really attack"
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z]+")
_KEEP = 30_000  # distinct messages kept before the cache starts anew


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """One distinct message.

    Attributes:
        text: as shown, pages joined.
        normal: the reward input: numbers replaced by ``#``.
        key: as many bits of a hash of ``normal`` as ``SIGN_BITS`` leave in 63; 0 for an empty message.
        words: int16 ``[MESSAGE_TOKENS]`` hashed words, 0 for none.
        kills, sold: how many it reports.
        priced: appearances of the things of unknown kind for which it makes an offer.
        told: things whose blessing or curse an altar shows in it and was not known before.
        locked: it reports a locked door.
        confident: it says that a skill of the character can be enhanced.
        feet: the staircase, altar or door that it says the character stands on, as one of ``squares``; ``squares.UNKNOWN``: nothing.
        refused: it says that a blow was held back, since the monster is peaceful.
        notable: any of the last eight.
    """

    text: str
    normal: str
    key: int
    words: NDArray[np.int16]
    kills: int
    sold: int
    priced: tuple[str, ...]
    told: int
    locked: bool
    confident: bool
    feet: int
    refused: bool
    notable: bool


class MessageReader:
    """Reads messages, each distinct one once.

    Attributes:
        known: those read so far.
        empty: no message.
    """

    def __init__(self) -> None:
        self.known: dict[bytes, ReadMessage] = {}
        self.empty = self.read(b"")

    def read(self, raw: bytes) -> ReadMessage:
        """The meaning of a message, as bytes of the game."""
        found = self.known.get(raw)
        if found is None:
            if len(self.known) >= _KEEP:
                self.known.clear()
            found = self.known[raw] = _read(raw.decode("latin-1").strip())
        return found


def _read(text: str) -> ReadMessage:
    normal = _NUMBER.sub("#", text)
    words = np.zeros(MESSAGE_TOKENS, np.int16)
    for index, word in enumerate(_WORD.findall(normal.lower())[:MESSAGE_TOKENS]):
        words[index] = 1 + _hash(word) % (MESSAGE_VOCABULARY - 1)
    kills, locked, confident = len(KILL.findall(text)), _LOCKED in text, "confident in your" in text
    sold = sum(int(count or 1) for count in SOLD.findall(text))
    priced = tuple(filter(None, map(unknown_kind, (*_OFFER.findall(text), *_CREDIT.findall(text)))))
    told = sum(not blessing_known(name) for name in (*_FLASH.findall(text), *_LANDING.findall(text)))
    found = _FEET.search(text)
    feet = _UNDERFOOT[found[1] or found[2]] if found else squares.OPEN_DOOR if _IN_A_DOOR in text else squares.UNKNOWN
    refused = _PEACEFUL in text
    return ReadMessage(
        text=text,
        normal=normal,
        key=(_hash(normal) >> SIGN_BITS + 1) | 1 if normal else 0,
        words=words,
        kills=kills,
        sold=sold,
        priced=priced,
        told=told,
        locked=locked,
        confident=confident,
        feet=feet,
        refused=refused,
        notable=bool(kills or sold or priced or told or locked or confident or feet or refused),
    )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("latin-1", "replace"), digest_size=8).digest(), "little")
