"""A small abstract dungeon on which programs are tried before they drive an agent.

One tick stands for ``TICK_STEPS`` environment steps of a skill. Geometry is left out: a level is a number of squares to be seen,
with stairs, a shop, an altar, monsters, gold and items among them, and exploring finds each with the probability of the share of
squares just seen. What programs can get wrong is kept: two staircases down where the Mines begin, levels with a hidden part, falls
through trap doors, an altar or shop that is on another level, skills that take random time or fail, hunger, death, and the first
level's way out. Sokoban and vaults are not modelled.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maestromotif.domains.contract import Facts, facts_class
from maestromotif.domains.nethack.vocabulary import BRANCHES, FACTS, HUNGER

__all__ = ["TICK_STEPS", "DungeonFacts", "DungeonSimulator"]

TICK_STEPS = 20
DungeonFacts = facts_class("DungeonFacts", FACTS)

Place = tuple[str, int]  # branch and level number inside it
_SURFACE: Place = ("main", 0)
_MAIN_LEVELS, _MINES_LEVELS = 25, 8
_NUTRITION = 900  # at the start; hungry below 150, weak below 50, fainting below 0, starved below -150
_HUNGER_LIMITS = ((150, "not hungry"), (50, "hungry"), (0, "weak"), (-150, "fainting"))
_MEAL = 400
_PRAYER_TIMEOUT = 1000
_FLASHES = (
    "There is an amber flash as a potion hits the altar.",
    "There is a black flash as a potion hits the altar.",
    "A potion lands on the altar.",
)


@dataclass(slots=True)
class _Stair:
    down: bool
    target: Place
    known: bool = False


@dataclass(slots=True)
class _Level:
    """What lies on a level, and what of it has been seen."""

    depth: int
    squares: int
    stairs: list[_Stair]
    shop: bool = False
    altar: bool = False
    shop_known: bool = False
    altar_known: bool = False
    monsters: int = 0
    gold: list[int] = field(default_factory=list)
    loot: int = 0
    hidden: int = 0  # ticks of searching before the last squares can be reached
    seen: int = 0
    steps: int = 0
    kills: int = 0

    def stairs_known(self, down: bool) -> list[_Stair]:
        return [stair for stair in self.stairs if stair.down is down and stair.known]

    @property
    def open_squares(self) -> int:
        """Squares that can be walked to and were not seen yet; the rest lies behind the hidden passage."""
        reach = self.squares * 6 // 10 if self.hidden else self.squares
        return max(0, reach - self.seen)


class DungeonSimulator:
    """See the module.

    Args:
        perfect: skills never fail, no part of a level is hidden, and nobody dies; to tell a wrong program from bad luck.
    """

    def __init__(self, perfect: bool = False) -> None:
        self.perfect = perfect
        self.reset(0)

    def reset(self, seed: int) -> Facts:
        """Begin a game in a new dungeon; the same seed and skills give the same game."""
        self._rng = random.Random(seed)  # noqa: S311 - a game, not a secret
        rng = self._rng
        self._mines_entrance = rng.randint(2, 4)
        self._oracle = rng.randint(5, 9)
        self._minetown = rng.randint(3, 4)
        self._levels: dict[Place, _Level] = {}
        self._turn, self._steps = 1, 0
        self._max_hp = self._hp = rng.randint(12, 16)
        self._experience = 1
        self._prayed = -700  # the first prayer is safe from about turn 300 on
        self._gold = self._gold_collected = 0
        self._nutrition = _NUTRITION
        self._kills = self._sold = self._meals = self._meals_in_mines = self._priced = self._told = 0
        self._town_seen = False
        self._starting_food, self._new_food, self._known_items, self._unknown_items = 3, 0, 0, 0
        self._mines_entrance_known = False
        self._hostiles = 0
        self._near_shop = self._on_altar = False
        self._stair: _Stair | None = None
        self._message = "Hello, welcome to NetHack!  You are a neutral male human Monk."
        self._escaped = self._died = False
        self._place: Place = ("main", 1)
        self._max_depth = 1
        self._level = self._enter(("main", 1))
        self._stair = self._level.stairs_known(down=False)[0]
        return self._facts()

    def step(self, skill: str) -> tuple[Facts, bool]:
        """One tick of a skill. After the episode is over, nothing changes any more."""
        if self._escaped or self._died:
            return self._facts(), True
        self._message = ""
        self._steps += TICK_STEPS
        self._level.steps += TICK_STEPS
        self._turn += self._rng.randint(12, TICK_STEPS)
        if skill != "worshipper":
            self._on_altar = False
        act = getattr(self, f"_{skill}", None) if skill in _SKILLS else None
        if act is None:
            self._wander(0.3)
        elif self.perfect or self._rng.random() > 0.2:
            act()
        else:
            self._stair = None  # walked about in vain
        self._body()
        return self._facts(), self._escaped or self._died

    def truth(self) -> Mapping[str, Any]:
        branch, number = self._place
        return {
            "dnum": BRANCHES.index(branch),
            "dlevel": number,
            "on_oracle_level": self._place == ("main", self._oracle) and not self._escaped,
            "on_minetown_level": self._place == ("mines", self._minetown) and not self._escaped,
            "escaped": self._escaped,
            "died": self._died,
        }

    # What skills do in one tick.

    def _discoverer(self) -> None:
        self._wander(1.0)
        self._fight(0.8)

    def _descender(self) -> None:
        self._take_stairs(down=True)

    def _ascender(self) -> None:
        self._take_stairs(down=False)

    def _merchant(self) -> None:
        if not (self._level.shop and self._level.shop_known):
            self._wander(0.3)
            return
        self._near_shop = True
        if self._known_items + self._unknown_items and (self.perfect or self._rng.random() < 0.5):
            price = self._rng.randint(2, 100)
            self._priced += 1
            self._lose_item()
            self._sold += 1
            self._gold += price
            offer = f"Asidonhopo offers {price} gold pieces for your scroll labeled ZELGO MER.  Sell it?"
            self._message = f"{offer}  You sold a scroll labeled ZELGO MER for {price} gold pieces."

    def _worshipper(self) -> None:
        if not (self._level.altar and self._level.altar_known):
            self._wander(0.3)
            return
        if not self._on_altar:
            self._on_altar, self._stair = True, None
            self._message = "There is an altar to Chih Sung-tzu (neutral) here."
        elif self._unknown_items:
            self._unknown_items -= 1
            self._known_items += 1
            self._told += 1
            self._message = self._rng.choice(_FLASHES)

    def _take_stairs(self, down: bool) -> None:
        known = self._level.stairs_known(down)
        if not known or self._rng.random() < 0.35:
            self._wander(0.7)
            self._fight(0.5)
            return
        here = self._stair
        # One who stands on a staircase takes that one; from elsewhere the nearest is as good as random.
        stair = here if here in known and self._rng.random() < 0.8 else self._rng.choice(known)
        if stair is None or stair.target == _SURFACE:
            self._escaped = True
            self._message = "You climb up the stairs and leave the dungeon."
            return
        origin = self._place
        if stair.target[0] != origin[0] and origin[0] == "main":
            self._mines_entrance_known = True
        self._level = self._enter(stair.target)
        self._stair = next(back for back in self._level.stairs if back.target == origin)
        self._stair.known = True
        self._message = "You climb down the stairs." if down else "You climb up the stairs."

    # The world.

    def _wander(self, effort: float) -> None:
        """See some more squares, and find what lies there."""
        level, rng = self._level, self._rng
        self._stair = None
        self._near_shop = level.shop and level.shop_known and rng.random() < 0.3
        before = level.squares - level.seen
        if before and not level.open_squares and level.hidden:
            level.hidden = max(0, level.hidden - 1)
            return
        new = min(level.open_squares, int(effort * rng.randint(10, 60)))
        level.seen += new
        share = 1.0 if new == before else new / max(1, before)
        for stair in level.stairs:
            stair.known = stair.known or rng.random() < share
        if level.shop and not level.shop_known and rng.random() < share:
            level.shop_known = self._near_shop = True
        level.altar_known = level.altar_known or (level.altar and rng.random() < share)
        if level.monsters > self._hostiles and rng.random() < share + 0.1:
            self._hostiles += 1
        if rng.random() < 0.2:
            level.monsters += 1  # one new monster in about 70 turns
        self._pick_up(share)
        if not self.perfect and level.depth < _MAIN_LEVELS and rng.random() < 0.002:
            self._fall()

    def _pick_up(self, share: float) -> None:
        level, rng = self._level, self._rng
        if level.gold and rng.random() < share + 0.05:
            amount = level.gold.pop()
            self._gold += amount
            self._gold_collected += amount
            self._message = f"$ - {amount} gold pieces."
        if level.loot and rng.random() < share + 0.05:
            level.loot -= 1
            if rng.random() < 0.3:
                self._new_food += 1
                self._message = "o - a food ration."
            else:
                self._unknown_items += 1
                self._message = "p - a scroll labeled ZELGO MER."

    def _fight(self, chance: float) -> None:
        rng = self._rng
        if not self._hostiles or rng.random() > chance:
            return
        self._hp -= rng.randint(0, 2 + self._level.depth // 3)
        self._hostiles -= 1
        self._level.monsters -= 1
        self._kills += 1
        self._level.kills += 1
        self._message = "You kill the newt!"
        if self._kills in (3, 6, 12, 24, 48, 96):
            self._experience += 1
            growth = rng.randint(2, 6)
            self._max_hp += growth
            self._hp += growth
            self._message += f"  Welcome to experience level {self._experience}."
        if rng.random() < 0.1:
            self._level.loot += 1

    def _fall(self) -> None:
        branch, number = self._place
        if branch == "main" or number < _MINES_LEVELS:
            self._level = self._enter((branch, number + 1))
            self._stair = None
            self._message = "A trap door opens up under you!"

    def _lose_item(self) -> None:
        if self._known_items:
            self._known_items -= 1
        else:
            self._unknown_items -= 1

    def _body(self) -> None:
        """Healing, hunger and death."""
        rng = self._rng
        hungry = self._nutrition < 150  # as facts have told: nobody eats of hunger before feeling it
        self._nutrition -= rng.randint(12, TICK_STEPS)
        if rng.random() < 0.5:
            self._hp = min(self._max_hp, self._hp + rng.randint(1, 1 + self._experience))
        if hungry and (self.perfect or rng.random() < 0.3) and (self._new_food or self._starting_food):
            if self._new_food:
                self._new_food -= 1
            else:
                self._starting_food -= 1
            self._nutrition += _MEAL
            self._meals += 1
            self._meals_in_mines += self._place[0] == "mines"
            self._message = "This food ration is delicious!"
        if (self._nutrition < 50 or self._hp * 7 < self._max_hp) and (self.perfect or self._turn - self._prayed > _PRAYER_TIMEOUT):
            self._prayed = self._turn
            self._nutrition, self._hp = max(self._nutrition, _NUTRITION), self._max_hp
            self._message = "You begin praying to Chih Sung-tzu.  You feel much better."
        if self.perfect:
            self._hp = max(self._hp, 1)
            return
        if self._hostiles and rng.random() < 0.15:
            self._hp -= rng.randint(0, 1 + self._level.depth // 2)
        if not self._escaped and (self._hp <= 0 or self._nutrition < _HUNGER_LIMITS[-1][0] or rng.random() < 0.0001 * self._level.depth):
            self._hp = min(self._hp, 0)
            self._died = True
            self._message = "You die..."

    def _enter(self, place: Place) -> _Level:
        if place not in self._levels:
            self._levels[place] = self._make(place)
        self._place, level = place, self._levels[place]
        self._hostiles = 0
        self._near_shop = self._on_altar = False
        self._max_depth = max(self._max_depth, level.depth)
        if place[0] == "mines":
            self._mines_entrance_known = True
        return level

    def _make(self, place: Place) -> _Level:
        branch, number = place
        rng = self._rng
        if branch == "mines":
            above = ("mines", number - 1) if number > 1 else ("main", self._mines_entrance)
            stairs = [_Stair(False, above)] + ([_Stair(True, ("mines", number + 1))] if number < _MINES_LEVELS else [])
            depth, town = self._mines_entrance + number, number == self._minetown
            level = _Level(depth, rng.randint(300, 700), stairs, shop=town, altar=town, monsters=rng.randint(4, 12))
        else:
            stairs = [_Stair(False, ("main", number - 1))]
            if number < _MAIN_LEVELS:
                stairs.append(_Stair(True, ("main", number + 1)))
            if number == self._mines_entrance:
                stairs.append(_Stair(True, ("mines", 1)))
            shop, altar = number > 1 and rng.random() < 0.25, rng.random() < 0.12
            level = _Level(number, rng.randint(250, 600), stairs, shop=shop, altar=altar, monsters=rng.randint(2, 5 + number))
            if not self.perfect and rng.random() < 0.15:
                level.hidden = rng.randint(3, 15)
        level.gold = [rng.randint(3, 20 * level.depth) for _ in range(rng.randint(0, 3))]
        level.loot = rng.randint(0, 4)
        level.seen = level.squares // 20
        if place == ("main", 1):
            stairs[0].known = True
        return level

    def _hunger(self) -> str:
        for limit, name in _HUNGER_LIMITS:
            if self._nutrition >= limit:
                return name
        return HUNGER[-1]

    def _facts(self) -> Facts:
        level, (branch, number) = self._level, self._place
        new_items = self._known_items + self._unknown_items + self._new_food
        down, up = level.stairs_known(True), level.stairs_known(False)
        town = self._place == ("mines", self._minetown) and (self._near_shop or level.altar_known)
        self._town_seen = self._town_seen or town
        at_oracle = self._place == ("main", self._oracle) and level.seen * 3 > level.squares
        return DungeonFacts(
            depth=level.depth,
            branch=branch,
            branch_level=number,
            mines_entrance_depth=self._mines_entrance if self._mines_entrance_known else 0,
            max_depth=self._max_depth,
            levels_visited=len(self._levels),
            turn=self._turn,
            steps=self._steps,
            hp=self._hp,
            max_hp=self._max_hp,
            experience_level=self._experience,
            gold=self._gold,
            gold_collected=self._gold_collected,
            hunger=self._hunger(),
            kills=self._kills,
            kills_here=level.kills,
            steps_here=level.steps,
            items=4 + self._starting_food + new_items,
            new_items=new_items,
            food_items=self._starting_food + self._new_food,
            unknown_buc_items=self._unknown_items,
            items_sold=self._sold,
            meals=self._meals,
            shopkeeper_near=self._near_shop,
            altar_near=level.altar and level.altar_known,
            on_altar=self._on_altar,
            stairs_down_known=bool(down),
            stairs_up_known=bool(up),
            stairs_down_count=len(down),
            on_stairs_down=self._stair is not None and self._stair.down,
            on_stairs_up=self._stair is not None and not self._stair.down,
            unexplored_reachable=level.open_squares > 0,
            squares_seen_here=level.seen,
            hostiles_near=self._hostiles,
            oracle_near=at_oracle,
            minetown_seen=self._town_seen,
            meals_in_mines=self._meals_in_mines,
            priced_items=self._priced,
            buc_identified_items=self._told,
            message=self._message,
        )


_SKILLS = frozenset({"discoverer", "descender", "ascender", "merchant", "worshipper"})
