"""What names and messages tell, in the game's own words."""

from __future__ import annotations

import pytest

pytest.importorskip("nle")

from maestromotif.domains.nethack.messages import MessageReader
from maestromotif.domains.nethack.things import blessing_known, unknown_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("an orange potion", "orange potion"),
        ("3 cursed swirly potions", "swirly potion"),
        ("2 scrolls labeled ZELGO MER", "scroll labeled ZELGO MER"),
        ("a long wand named try it", "long wand"),
        ("a bag", "bag"),
        ("2 runed daggers", "runed dagger"),
        ("a white gem", "white gem"),
        ("a pair of old gloves", "old gloves"),
        ("a bag of holding", None),
        ("an oil lamp", None),
        ("a potion of healing", None),
        ("a worthless piece of white glass", None),
        ("a food ration", None),
        ("2 daggers", None),
        ("a potion", None),
    ],
)
def test_kinds_are_unknown_by_their_looks(name: str, kind: str | None) -> None:
    assert unknown_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a blessed orange potion", True),
        ("an uncursed scroll of light", True),
        ("a +2 dagger", True),
        ("a wand of sleep (0:5)", True),
        ("a potion of holy water", True),
        ("20 gold pieces", True),
        ("an orange potion", False),
        ("a +1 cloak of protection", False),
        ("a dagger", False),
        ("a scroll of remove curse", False),
    ],
)
def test_blessings_are_known_by_name(name: str, known: bool) -> None:
    assert blessing_known(name) is known


@pytest.mark.parametrize(
    ("message", "priced", "told", "sold"),
    [
        (b"Asidonhopo offers 50 gold pieces for your orange potion.  Sell it? [ynaq] (y)", ("orange potion",), 0, 0),
        (b"Asidonhopo offers only 5 gold pieces for your orange potion.  Sell it?", (), 0, 0),
        (b"Asidonhopo cannot pay you at present.  Will you accept 50 zorkmids in credit for your bag?", ("bag",), 0, 0),
        (b"Asidonhopo offers 50 gold pieces for your tin opener.  Sell it?  You sold a tin opener for 50 gold pieces.", (), 0, 1),
        (b"There is a black flash as an oak wand hits the altar.", (), 1, 0),
        (b"You see here an altar. 3 swirly potions land on the altar.", (), 1, 0),
        (b"There is an amber flash as a blessed potion hits the altar.", (), 0, 0),
        (b"20 gold pieces land on the altar.", (), 0, 0),
        (b"You drop an orange potion.", (), 0, 0),
    ],
)
def test_messages_tell_offers_sales_and_what_altars_show(message: bytes, priced: tuple[str, ...], told: int, sold: int) -> None:
    read = MessageReader().read(message)
    assert (read.priced, read.told, read.sold) == (priced, told, sold)
    assert read.notable == bool(priced or told or sold)
