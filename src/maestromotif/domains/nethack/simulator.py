"""A small abstract dungeon on which programs are tried before they drive an agent.

Geometry is left out: on a level there are stairs, perhaps a shop, an altar or the Oracle, and monsters, gold and items, which skills find,
take and fight by chance, as often as was measured in real play (``simulator_rates``). One tick stands for ``TICK_STEPS`` environment steps
of a skill, or for fewer where the level changes or the game ends. The dungeon is made by the game's own rules: two staircases down on one
of the levels 2-4, eight levels of Mines with Minetown on the third or fourth, the Oracle on 5-9.
Sokoban and vaults are not modelled.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from maestromotif.domains.contract import Facts, facts_class
from maestromotif.domains.nethack.simulator_rates import AGES, DEPTHS, HITS, HOSTILES, SHARES, Rates, SkillRates, bin_of, measured
from maestromotif.domains.nethack.vocabulary import BRANCHES, FACTS

__all__ = ["TICK_STEPS", "DungeonFacts", "DungeonSimulator"]

TICK_STEPS = 20
DungeonFacts = facts_class("DungeonFacts", FACTS)

_T = TypeVar("_T")
Place = tuple[str, int]  # branch and level number inside it
_SURFACE: Place = ("main", 0)
_MAIN_LEVELS, _MINES_LEVELS = 25, 8
_NUTRITION = 900  # at the start; hungry below 150, weak below 50, fainting below 0
_HUNGER_LIMITS = ((150, "not hungry"), (50, "hungry"), (0, "weak"))
_LEAST_NUTRITION, _MOST_NUTRITION = -150.0, 990.0  # starving is among the measured deaths; nobody eats into satiety
_MOST_SQUARES = 1_500
_FIRST_SQUARES = 30  # seen on arrival
_SEE_TOWN = 0.02  # a step in Minetown shows people, fountains and lit shops; too few were measured there
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
    stairs: list[_Stair]
    shop: bool = False
    altar: bool = False
    oracle: bool = False
    town: bool = False
    altar_known: bool = False
    oracle_seen: bool = False
    open: bool = True  # something unexplored can be walked to
    seen: int = _FIRST_SQUARES
    steps: int = 0
    kills: int = 0

    def stairs_of(self, down: bool, known: bool) -> list[_Stair]:
        return [stair for stair in self.stairs if stair.down is down and stair.known is known]


class DungeonSimulator:
    """See the module.

    Args:
        rates: how often what happens; None: as measured in real play.
    """

    def __init__(self, rates: Rates | None = None) -> None:
        self._rates = measured() if rates is None else rates
        self._world = self._rates.world
        self.reset(0)

    def reset(self, seed: int) -> Facts:
        """Begin a game in a new dungeon; the same seed, rates and skills give the same game."""
        self._rng = rng = random.Random(seed)  # noqa: S311 - a game, not a secret
        self._fork = rng.randint(2, 4)
        self._oracle = rng.randint(5, 9)
        self._minetown = rng.randint(3, 4)
        self._levels: dict[Place, _Level] = {}
        self._turn, self._steps = 1, 0
        self._max_hp = self._hp = max(1, round(self._drawn(self._world.hit_points)))
        self._experience = self._experience_depth = 1
        self._gold = self._gold_collected = 0
        self._nutrition = float(_NUTRITION)
        self._kills = self._sold = self._priced = self._told = self._meals = self._meals_in_mines = 0
        self._town_seen = False
        self._starting_food, self._new_food, self._known_items, self._unknown_items = 3, 0, 0, 0
        self._fork_known = False
        self._message = "Hello, welcome to NetHack!  You are a neutral male human Monk."
        self._escaped = self._died = False
        self._max_depth = 1
        self._stair: _Stair | None = None  # stood on
        self._hostiles = self._visit = 0
        self._near_shop = self._on_altar = False
        self._enter(("main", 1))
        self._arrive(self._level.stairs[0])
        return self._facts()

    def step(self, skill: str) -> tuple[Facts, bool]:
        """One tick of a skill. After the episode is over, nothing changes any more."""
        if self._escaped or self._died:
            return self._facts(), True
        rates = self._rates.skills.get(skill, self._rates.other)
        self._message = ""
        age = bin_of(self._visit, AGES)
        what, steps = self._what_ends(rates, self._moves(rates if skill in self._rates.skills else None, age))
        self._pass(rates, steps)
        if what == "death":
            self._die()
        elif isinstance(what, _Stair):
            self._take(what)
        elif what == "fall":
            self._fall()
        else:
            self._find(rates, steps, age)
            self._trade(rates, steps)
        return self._facts(), self._escaped or self._died

    def truth(self) -> Mapping[str, Any]:
        branch, number = self._place
        return {
            "dnum": BRANCHES.index(branch),
            "dlevel": number,
            "on_oracle_level": self._level.oracle and not self._escaped,
            "on_minetown_level": self._level.town and not self._escaped,
            "escaped": self._escaped,
            "died": self._died,
        }

    # What ends a tick early.

    def _moves(self, rates: SkillRates | None, age: int) -> list[tuple[float, _Stair | str]]:
        """The ways off this level, each with its hazard; None: the skill is unknown, and takes none."""
        if rates is None:
            return []
        ways: list[tuple[float, _Stair | str]] = []
        if self._level.depth < _MAIN_LEVELS and self._place != ("mines", _MINES_LEVELS):
            ways.append((rates.fall, "fall"))
        for down, on, known in ((True, rates.take_down_on, rates.take_down[age]), (False, rates.take_up_on, rates.take_up[age])):
            if self._stair is not None and self._stair.down is down:
                ways.append((on, self._stair))
            else:
                stairs = self._level.stairs_of(down, known=True)
                ways += [(known / len(stairs), stair) for stair in stairs]
        return ways

    def _what_ends(self, rates: SkillRates, ways: list[tuple[float, _Stair | str]]) -> tuple[_Stair | str, int]:
        """What happens first, and after how many steps; "" and a whole tick: nothing."""
        death = max(self._danger(rates.death), self._world.famine if self._nutrition < 0 else 0.0)
        ways = [*ways, (death, "death")]
        total = sum(hazard for hazard, _ in ways)
        steps = math.ceil(self._rng.expovariate(total)) if total > 0 else TICK_STEPS + 1
        if steps > TICK_STEPS:
            return "", TICK_STEPS
        return self._rng.choices([way for _, way in ways], [hazard for hazard, _ in ways])[0], max(1, steps)

    # What a tick brings.

    def _pass(self, rates: SkillRates, steps: int) -> None:
        """Time, hunger, fights, hit points and what is picked up."""
        rng, level, share = self._rng, self._level, steps / TICK_STEPS
        gold = rates.gold[bin_of(level.steps, AGES)]
        self._steps += steps
        level.steps += steps
        self._visit += steps
        turns = max(1, round(share * self._drawn(rates.turns)))
        self._turn += turns
        hungry = self._nutrition < _HUNGER_LIMITS[0][0]  # as facts have told: nobody eats of hunger before feeling it
        self._nutrition = max(_LEAST_NUTRITION, self._nutrition - turns)
        change = share * self._drawn(self._danger(rates.hit_points))
        self._hp = min(self._max_hp, max(1, self._hp + round(change * self._max_hp)))
        for _ in range(self._count(steps * rates.kills[self._hostiles > 0])):
            self._kill()
        self._hostiles = rng.choices(range(HOSTILES), rates.hostiles[self._hostiles])[0]
        self._eat(steps * rates.meals[hungry])
        if self._comes(gold, steps):
            amount = max(1, round(self._drawn(self._world.gold)))
            self._gold += amount
            self._gold_collected += amount
            self._message = f"$ - {amount} gold pieces."
        for _ in range(self._count(steps * rates.gained)):
            if rng.random() < self._world.food:
                self._new_food += 1
                self._message = "o - a food ration."
            else:
                self._unknown_items += 1
                self._message = "p - a scroll labeled ZELGO MER."
        if self._known_items + self._unknown_items and self._comes(rates.lost, steps):
            self._lose_item()

    def _kill(self) -> None:
        self._kills += 1
        self._level.kills += 1
        self._message = "You kill the newt!"
        advance = self._world.advance
        if self._experience <= len(advance) and self._rng.random() < advance[self._experience - 1]:
            self._experience += 1
            self._experience_depth = self._level.depth
            growth = max(0, round(self._drawn(self._world.growth)))
            self._max_hp += growth
            self._hp += growth
            self._message += f"  Welcome to experience level {self._experience}."

    def _eat(self, mean: float) -> None:
        """What is killed can be eaten, so that meals are not bounded by what is carried."""
        for _ in range(self._count(mean)):
            self._meals += 1
            self._meals_in_mines += self._place[0] == "mines"
            self._nutrition = min(_MOST_NUTRITION, self._nutrition + self._world.meal)
            self._message = "This food ration is delicious!"
            if self._rng.random() < 0.2:
                if self._new_food:
                    self._new_food -= 1
                elif self._starting_food:
                    self._starting_food -= 1

    def _find(self, rates: SkillRates, steps: int, age: int) -> None:
        """See some more squares, and what lies there."""
        level, rng = self._level, self._rng
        level.seen = min(_MOST_SQUARES, level.seen + round(self._drawn(rates.squares[age])))
        level.open = not self._comes(rates.close, steps) if level.open else self._comes(rates.reopen, steps)
        for down, first in ((True, rates.find_down[age]), (False, rates.find_up[age])):
            hazard = rates.find_second if down and level.stairs_of(down, known=True) else first
            for stair in level.stairs_of(down, known=False):
                stair.known = self._comes(hazard, steps)
        if self._stair is not None and self._comes(rates.leave, steps):
            self._stair = None
        if self._near_shop:
            self._near_shop = not self._comes(rates.leave_shop, steps)
        else:
            self._near_shop = level.shop and self._comes(rates.see_shop, steps)
        level.altar_known = level.altar_known or (level.altar and self._comes(rates.see_altar, steps))
        self._town_seen = self._town_seen or (level.town and self._comes(_SEE_TOWN, steps))
        level.oracle_seen = level.oracle and self._comes(self._world.oracle, steps)
        if self._on_altar:
            self._on_altar = rng.random() < 0.5 or rates.drop > rates.leave
        elif level.altar_known and self._comes(rates.reach_altar, steps):
            self._on_altar, self._stair = True, None
            self._message = "There is an altar to Chih Sung-tzu (neutral) here."

    def _trade(self, rates: SkillRates, steps: int) -> None:
        """What is done in shops and on altars."""
        if self._near_shop and self._known_items + self._unknown_items and self._comes(rates.sell, steps):
            price = max(1, round(self._drawn(self._world.prices)))
            self._priced += self._known_items + self._unknown_items > self._priced
            self._lose_item()
            self._sold += 1
            self._gold += price
            offer = f"Asidonhopo offers {price} gold pieces for your scroll labeled ZELGO MER.  Sell it?"
            self._message = f"{offer}  You sold a scroll labeled ZELGO MER for {price} gold pieces."
        if self._on_altar and self._unknown_items and self._comes(rates.drop, steps):
            self._unknown_items -= 1
            self._known_items += 1
            self._told += 1
            self._message = self._rng.choice(_FLASHES)

    def _lose_item(self) -> None:
        if self._known_items:
            self._known_items -= 1
        else:
            self._unknown_items -= 1

    def _die(self) -> None:
        self._died, self._hp = True, 0
        self._message = "You die..."

    # Places.

    def _take(self, stair: _Stair) -> None:
        if stair.target == _SURFACE:
            self._escaped = True
            self._message = "You climb up the stairs and leave the dungeon."
            return
        origin = self._place
        self._enter(stair.target)
        self._arrive(next(back for back in self._level.stairs if back.target == origin))
        self._message = "You climb down the stairs." if stair.down else "You climb up the stairs."

    def _arrive(self, stair: _Stair) -> None:
        stair.known = True
        self._stair = stair

    def _fall(self) -> None:
        branch, number = self._place
        self._enter((branch, number + 1))
        self._message = "A trap door opens up under you!"

    def _enter(self, place: Place) -> None:
        if place not in self._levels:
            self._levels[place] = self._make(place)
        self._place, self._level = place, self._levels[place]
        self._stair = None
        self._hostiles = self._visit = 0
        self._near_shop = self._on_altar = False
        self._max_depth = max(self._max_depth, self._level.depth)
        self._fork_known = self._fork_known or place[0] == "mines"

    def _make(self, place: Place) -> _Level:
        branch, number = place
        rng, world = self._rng, self._world
        if branch == "mines":
            above = ("mines", number - 1) if number > 1 else ("main", self._fork)
            stairs = [_Stair(False, above)] + ([_Stair(True, ("mines", number + 1))] if number < _MINES_LEVELS else [])
            town = number == self._minetown
            return _Level(self._fork + number, stairs, shop=town, altar=town, town=town)
        stairs = [_Stair(False, ("main", number - 1))]
        if number < _MAIN_LEVELS:
            stairs.append(_Stair(True, ("main", number + 1)))
        if number == self._fork:
            stairs.append(_Stair(True, ("mines", 1)))
        shop, altar = number > 1 and rng.random() < world.shops * min(1.0, 3 / number), rng.random() < world.altars
        return _Level(number, stairs, shop=shop, altar=altar, oracle=number == self._oracle)

    # Chance.

    def _danger(self, table: tuple[tuple[_T, ...], ...]) -> _T:
        """The entry of a table by hit points and depth."""
        return table[bin_of(self._hp / max(1, self._max_hp), HITS)][bin_of(self._level.depth, DEPTHS)]

    def _comes(self, hazard: float, steps: int) -> bool:
        """Whether something with this hazard for each step comes in so many steps."""
        return hazard > 0 and self._rng.random() < -math.expm1(-hazard * steps)

    def _count(self, mean: float) -> int:
        """A number of this mean, drawn as of events that come independently."""
        count, left = 0, mean
        while left > 0 and (left := left - self._rng.expovariate(1.0)) > 0:
            count += 1
        return count

    def _drawn(self, quantiles: tuple[float, ...]) -> float:
        place = self._rng.random()
        high = bisect_right(SHARES, place)
        low = high - 1
        return quantiles[low] + (place - SHARES[low]) / (SHARES[high] - SHARES[low]) * (quantiles[high] - quantiles[low])

    def _hunger(self) -> str:
        for limit, name in _HUNGER_LIMITS:
            if self._nutrition >= limit:
                return name
        return "fainting"

    def _facts(self) -> Facts:
        level, (branch, number) = self._level, self._place
        new_items = self._known_items + self._unknown_items + self._new_food
        down, up = level.stairs_of(True, known=True), level.stairs_of(False, known=True)
        return DungeonFacts(
            depth=level.depth,
            branch=branch,
            branch_level=number,
            mines_entrance_depth=self._fork if self._fork_known else 0,
            max_depth=self._max_depth,
            levels_visited=len(self._levels),
            turn=self._turn,
            steps=self._steps,
            hp=self._hp,
            max_hp=self._max_hp,
            experience_level=self._experience,
            experience_depth=self._experience_depth,
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
            altar_near=level.altar_known,
            on_altar=self._on_altar,
            stairs_down_known=bool(down),
            stairs_up_known=bool(up),
            stairs_down_count=len(down),
            on_stairs_down=self._stair is not None and self._stair.down,
            on_stairs_up=self._stair is not None and not self._stair.down,
            unexplored_reachable=level.open,
            squares_seen_here=level.seen,
            hostiles_near=self._hostiles,
            oracle_near=level.oracle_seen,
            minetown_seen=self._town_seen,
            meals_in_mines=self._meals_in_mines,
            priced_items=self._priced,
            buc_identified_items=self._told,
            message=self._message,
        )
