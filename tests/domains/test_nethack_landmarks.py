"""Every success criterion in the real game: what must count, and what comes close and must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("nle")

from maestromotif.domains.nethack.tasks import TASKS
from tests.domains.wizard import Wizard

SEED = 3  # Oracle on level 5, Minetown on the third level of the Mines
LEVEL_ONE, ORACLE, MINETOWN = b"a", b"c", b">w"  # in the menu of levels of this seed
SHOP = (29, 15)  # inside Minetown's hardware store


@pytest.fixture(scope="module")
def made() -> Iterator[Wizard]:
    wizard = Wizard(SEED)
    yield wizard
    wizard.close()


@pytest.fixture
def wizard(made: Wizard) -> Wizard:
    made.begin(SEED)
    return made


class Watch:
    """Both criteria of a task, updated after everything that is done."""

    def __init__(self, wizard: Wizard, task: str) -> None:
        self.wizard = wizard
        self.criteria = {name: make() for name, make in TASKS[task].criteria.items()}
        self.look()

    def look(self) -> tuple[bool, bool]:
        """(proxy, landmark) now."""
        facts, truth = self.wizard.facts, self.wizard.truth
        met = {name: criterion.update(facts, truth) for name, criterion in self.criteria.items()}
        return met["proxy"], met["landmark"]

    @property
    def counts(self) -> tuple[int, int]:
        return self.criteria["proxy"].count, self.criteria["landmark"].count  # type: ignore[attr-defined]


def test_the_oracles_level_is_told_from_another_level_seven(wizard: Wizard) -> None:
    watch = Watch(wizard, "delphi")
    wizard.level(7)
    assert (wizard.facts.branch, wizard.facts.depth) == ("main", 7)
    assert watch.look() == (True, False)
    wizard.special(ORACLE)
    assert wizard.facts.depth == 5
    assert watch.look() == (True, True)


def test_minetown_is_told_from_other_levels_of_the_mines(wizard: Wizard) -> None:
    wizard.special(MINETOWN)
    assert (wizard.facts.branch, wizard.facts.branch_level) == ("mines", 3)
    assert Watch(wizard, "minetown").look() == (True, True)
    assert wizard.facts.minetown_seen
    wizard.begin(SEED)
    wizard.special(MINETOWN[:1] + b"x")  # the end of the Mines, from where their other levels can be reached
    watch = Watch(wizard, "minetown")
    assert (wizard.facts.branch, wizard.facts.branch_level) == ("mines", 8)
    assert watch.look() == (False, False)
    wizard.level(6)
    assert wizard.facts.branch_level == 4
    assert watch.look() == (True, False)
    wizard.keys(b"\x06")  # the whole level is shown
    wizard.act("search")
    assert not wizard.facts.minetown_seen
    wizard.level(5)
    assert watch.look() == (True, True)


def test_the_third_level_of_the_main_branch_is_not_minetown(wizard: Wizard) -> None:
    watch = Watch(wizard, "minetown")
    wizard.level(3)
    assert watch.look() == (False, False)
    mines = Watch(wizard, "gnomish_mines")
    assert mines.look() == (False, False)
    wizard.special(MINETOWN)
    assert mines.look() == (True, True)


def in_the_shop(wizard: Wizard, *things: str) -> None:
    """The level is the same for the same seed only where nothing was left to chance before it was made."""
    wizard.special(MINETOWN)
    wizard.square(*SHOP)
    for thing in things:
        wizard.wish(thing)
    wizard.act("search")
    assert wizard.facts.shopkeeper_near


def test_a_sale_is_told_from_a_refused_offer_and_from_no_offer(wizard: Wizard) -> None:
    in_the_shop(wizard, "scroll of light", "bag of holding", "2 tin openers", "magic lamp")
    watch = Watch(wizard, "transactions")
    wizard.act("drop")
    assert "uninterested" in wizard.facts.message
    watch.look()
    wizard.keys(b"d" + bytes(wizard.letters()[:1]) + b"n")
    assert " offers " in wizard.facts.message
    assert watch.look() == (False, False)
    gold = wizard.facts.gold
    wizard.act("drop")
    assert "You sold" in wizard.facts.message
    assert watch.look() == (True, True)
    assert wizard.facts.gold > gold
    while wizard.letters():
        wizard.act("drop")
        watch.look()
    assert watch.counts[0] == watch.counts[1] >= 2
    counts = watch.counts
    wizard.act("drop")  # nothing is left: no message, and above all not the last one again
    watch.look()
    assert wizard.facts.message == ""
    assert watch.counts == counts


def test_gold_that_is_found_is_no_sale(wizard: Wizard) -> None:
    in_the_shop(wizard)
    watch = Watch(wizard, "transactions")
    wizard.wish("50 gold pieces")
    assert wizard.facts.gold == 50
    assert watch.look() == (False, False)


def test_an_offer_for_an_unknown_kind_is_told_from_others(wizard: Wizard) -> None:
    in_the_shop(wizard, "scroll of light", "tin opener", "bag of holding", "bag of holding", "magic lamp")
    watch = Watch(wizard, "price_identification")
    wizard.act("drop")
    assert watch.look() == (False, False), "no offer for a scroll"
    wizard.act("drop")
    assert "for your tin opener" in wizard.facts.message
    assert watch.look() == (True, False), "everybody knows a tin opener"
    wizard.keys(b"d" + bytes(wizard.letters()[:1]) + b"n")
    assert "for your bag" in wizard.facts.message
    assert watch.look() == (True, True)
    assert watch.counts[1] == 1
    wizard.act("drop")
    watch.look()
    assert watch.counts[1] == 1, "the same kind again"
    wizard.act("drop")
    assert "for your lamp" in wizard.facts.message
    watch.look()
    assert watch.counts[1] == 2


def test_what_an_altar_tells_is_told_from_what_was_known(wizard: Wizard) -> None:
    wizard.level(2)
    for thing in ("altar", "blessed orange potion", "uncursed scroll of light", "cursed magic lamp"):
        wizard.wish(thing)
    assert wizard.facts.unknown_buc_items == 3
    watch = Watch(wizard, "buc_identification")
    for told, word in enumerate(("amber flash", "lands on the altar", "black flash"), 1):
        wizard.act("drop")
        assert word in wizard.facts.message
        assert watch.look() == (True, True)
        assert watch.counts == (told, told)
    wizard.keys(b",,\r")
    wizard.act("search")
    watch.look()
    assert len(wizard.letters()) == 3
    assert wizard.facts.unknown_buc_items == 0
    for again in range(4, 7):
        wizard.act("drop")
        watch.look()
        assert watch.counts == (again, 3), wizard.facts.message


def test_a_drop_beside_the_altar_tells_nothing(wizard: Wizard) -> None:
    wizard.level(2)
    wizard.wish("blessed orange potion")
    watch = Watch(wizard, "buc_identification")
    wizard.act("drop")
    assert wizard.facts.new_items == 0
    assert watch.look() == (False, False)


def kill_newts(wizard: Wizard, number: int, watch: Watch) -> None:
    """Without leaving the square."""
    wanted = wizard.facts.kills + number
    for _ in range(40 * number + 1):
        if wizard.facts.kills == wanted:
            return
        way = wizard.env.monster_direction(0)
        if way < 0:
            wizard.create("newt")
        else:
            wizard.keys(b"F" + b"kljhunby"[way : way + 1])
        assert watch.look() == (False, False)
    pytest.fail("the newts got away")


@pytest.mark.parametrize(("gold", "kills", "met"), [(20, 25, True), (20, 24, False), (19, 25, False), (0, 0, False)])
def test_an_exit_needs_the_gold_and_the_kills(wizard: Wizard, gold: int, kills: int, met: bool) -> None:
    watch = Watch(wizard, "golden_exit")
    for depth in (3, 2):
        wizard.level(depth)
        watch.look()
    wizard.level(1)
    wizard.experience(10)
    if gold:
        wizard.wish(f"{gold} gold pieces")
    kill_newts(wizard, kills, watch)
    wizard.keys(b"\x06")
    for _ in range(200):
        way = wizard.env.path_direction(0, "stairs_up")
        beside = wizard.env.monster_direction(0)
        if way == 8 or wizard.facts.on_stairs_up:
            break
        wizard.keys(b"kljhunby"[beside if beside >= 0 else way :][:1] if beside < 0 else b"F" + b"kljhunby"[beside : beside + 1])
        watch.look()
    assert wizard.facts.on_stairs_up
    assert wizard.facts.gold == gold
    if kills == 24 and wizard.facts.kills > 24:
        pytest.skip("another monster came by")
    wizard.act("up")
    wizard.act("up")
    assert wizard.truth["escaped"]
    assert watch.look() == (met, met)


def survive(wizard: Wizard, watch: Watch, steps: int) -> None:
    for _ in range(steps):
        wizard.keys(b"\x12")  # a step in which no time passes
        watch.look()


@pytest.mark.parametrize(("where", "experience", "landmark"), [(1, 4, True), (1, 3, False), (2, 4, False)])
def test_growing_up_on_the_first_level_then_selling_then_surviving(wizard: Wizard, where: int, experience: int, landmark: bool) -> None:
    in_the_shop(wizard)
    wizard.special(LEVEL_ONE)
    watch = Watch(wizard, "level_up_and_sell")
    wizard.level(where)
    watch.look()
    wizard.experience(experience)
    assert wizard.facts.experience_level == experience
    watch.look()
    in_the_shop(wizard, "magic lamp")
    watch.look()
    survive(wizard, watch, 301)
    assert watch.look() == (False, False), "nothing was sold"
    wizard.act("drop")
    assert "You sold" in wizard.facts.message
    watch.look()
    survive(wizard, watch, 298)
    assert watch.look() == (False, False)
    survive(wizard, watch, 2)
    assert watch.look() == (True, landmark)


def grow_hungry(wizard: Wizard, watch: Watch) -> None:
    """Wait, and fight what comes."""
    for _ in range(1000):
        if wizard.facts.hunger not in ("satiated", "not hungry"):
            break
        way = wizard.env.monster_direction(0)
        wizard.keys(b"F" + b"kljhunby"[way : way + 1]) if way >= 0 else wizard.act("wait")
        assert watch.look() == (False, False)
    assert wizard.facts.hunger == "hungry"


def test_a_hungry_meal_in_the_mines_then_the_oracle(wizard: Wizard) -> None:
    wizard.experience(14)
    wizard.special(MINETOWN)
    watch = Watch(wizard, "discovery_hunger")
    wizard.act("eat")
    watch.look()
    assert wizard.facts.meals_in_mines == 1
    wizard.special(ORACLE)
    assert watch.look() == (False, False), "eaten without hunger"
    wizard.special(MINETOWN)
    grow_hungry(wizard, watch)
    wizard.special(ORACLE)
    assert watch.look() == (False, False), "hungry, but nothing eaten"
    wizard.act("eat")
    watch.look()
    for _ in range(10):
        wizard.act("search")
        assert watch.look() == (False, False), "eaten at the Oracle's"
    wizard.special(MINETOWN)
    grow_hungry(wizard, watch)
    for _ in range(20):
        if wizard.facts.hunger == "not hungry":
            break
        wizard.act("eat")
        watch.look()
    assert wizard.facts.meals_in_mines >= 2
    wizard.level(7)
    assert wizard.facts.branch == "mines"
    assert watch.look() == (False, False)
    wizard.special(ORACLE)
    assert watch.look() == (False, True)
    wizard.level(7)
    assert watch.look() == (True, True)
