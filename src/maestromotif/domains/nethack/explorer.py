"""A scripted player that moves sensibly, so that captions worth comparing are seen before anything has been trained.

It explores levels, fights what stands next to it, takes stairs both ways, walks over items, enters shops by walking to what
lies there, drops things on altars and in shops, searches dead ends, kicks locked doors, eats when hungry, prays when weak, and now
and then leaves the dungeon. A share of its moves is random: a policy in training will do such things too, and its captions must not
be foreign to the reward models.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DomainEnv, Facts
from maestromotif.domains.nethack import squares
from maestromotif.domains.nethack.layout import SECTIONS
from maestromotif.domains.nethack.vocabulary import ACTIONS

if TYPE_CHECKING:
    from maestromotif.domains.nethack.env import NetHackEnv

__all__ = ["NetHackExplorer"]

_UP, _DOWN, _WAIT, _KICK, _EAT, _SEARCH, _CAST, _ENHANCE, _PRAY, _QUAFF, _DROP = (
    ACTIONS.index(name) for name in ("up", "down", "wait", "kick", "eat", "search", "cast", "enhance", "pray", "quaff", "drop")
)
_HERE = 8  # what path_direction says where the target lies underfoot
_FAR = 8  # a far move is the plain one plus this
_NOISE = 0.04
_PATIENCE = 3  # steps in which the game's clock may stand still before something else is tried
_SHOP_STEPS = 60  # steps of trading on a level, all visits together
_ITEM_STEPS = 80  # steps spent walking to items on a level; some lie there that are never picked up
_PEACE = 12  # steps for which a peaceful monster is left alone
_LEAVES = 0.3  # how often it leaves the dungeon when it has come back to the first level
_BESIDE, _FIRST_BESIDE = SECTIONS["beside_terrain"]


class _Player:
    """Plans and memory of one game."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a game, not a secret
        self._steps = -1
        self._begin()

    def _begin(self) -> None:
        self._goal = self._rng.randint(2, 8)  # depth at which it turns back
        self._place: tuple[str, int] = ("", 0)
        self._explore_until = 0
        self._heading = _DOWN
        self._leaves = False
        self._turn, self._still = -1, 0
        self._lost = 0  # random moves still to be made
        self._peace_until = 0
        self._fetched: dict[tuple[str, int], int] = {}
        self._traded: dict[tuple[str, int], int] = {}

    def act(self, env: NetHackEnv, game: int) -> int:
        facts: Facts = env.facts(game)
        if facts.steps <= self._steps:
            self._begin()
        self._steps = facts.steps
        if (facts.branch, facts.branch_level) != self._place:
            self._arrive(facts)
        if env.prompt_open(game):
            return self._direction(env, game)
        self._watch(facts)
        action = self._choose(env, game, facts)
        allowed = env.observation[ACTION_MASK][game]
        return action if allowed[action] else self._anywhere(env, game)

    def _arrive(self, facts: Facts) -> None:
        """Plan the visit of a level: how long to explore it, and by which staircase to leave."""
        rng = self._rng
        self._place = (facts.branch, facts.branch_level)
        self._explore_until = facts.steps + (0 if rng.random() < 0.35 else rng.randint(50, 500))
        deep = facts.depth >= self._goal
        self._leaves = facts.depth == 1 and facts.max_depth > 1 and rng.random() < _LEAVES
        self._heading = _UP if self._leaves or (facts.depth > 1 and rng.random() < (0.8 if deep else 0.3)) else _DOWN

    def _watch(self, facts: Facts) -> None:
        """Notice what leads nowhere: a clock that stands still, a peaceful monster, stairs that are none."""
        self._still = self._still + 1 if facts.turn == self._turn else 0
        self._turn = facts.turn
        if self._still > _PATIENCE:
            self._still, self._lost = 0, self._rng.randint(2, 6)
        message = facts.message
        if message.startswith("Really attack"):
            self._peace_until = facts.steps + _PEACE
        elif message.startswith("You can't go "):
            self._explore_until = facts.steps + 100

    def _direction(self, env: NetHackEnv, game: int) -> int:
        """Where to kick: at a monster, else at a locked door, else anywhere."""
        way = env.monster_direction(game)
        if way >= 0:
            return way
        beside = env.observation["state"][game, _BESIDE : _BESIDE + 4].tolist()
        for way, index in enumerate(beside):
            if index == _FIRST_BESIDE + way * squares.TERRAINS + squares.LOCKED_DOOR:
                return way
        return self._anywhere(env, game)

    def _choose(self, env: NetHackEnv, game: int, facts: Facts) -> int:
        rng = self._rng
        if self._lost > 0:
            self._lost -= 1
            return rng.randrange(8)
        if rng.random() < _NOISE:
            return self._whim(env, game)
        need = self._need(env, game, facts)
        if need >= 0:
            return need
        way = env.monster_direction(game)
        if way >= 0 and facts.steps >= self._peace_until and rng.random() < 0.95:
            return way
        if facts.new_items:
            trade = self._trade(env, game, facts)
            if trade >= 0:
                return trade
        return self._travel(env, game, facts)

    def _whim(self, env: NetHackEnv, game: int) -> int:
        """Something random; kicks are rare, since walls hurt."""
        rng = self._rng
        if rng.random() < 0.7:
            return rng.randrange(16)
        choices = np.flatnonzero(env.observation[ACTION_MASK][game])
        action = int(choices[rng.randrange(len(choices))])
        return rng.randrange(8) if action in (_KICK, _PRAY) or (action == _UP and self._place == ("main", 1)) else action

    def _anywhere(self, env: NetHackEnv, game: int) -> int:
        """A step in a random way that the mask allows, or a search."""
        ways = np.flatnonzero(env.observation[ACTION_MASK][game][:8])
        return int(ways[self._rng.randrange(len(ways))]) if len(ways) else _SEARCH

    @staticmethod
    def _need(env: NetHackEnv, game: int, facts: Facts) -> int:
        """What the body asks for, or -1."""
        allowed = env.observation[ACTION_MASK][game]
        if allowed[_PRAY] and (facts.hp * 7 < facts.max_hp or facts.hp < 6 or facts.hunger in ("weak", "fainting")):
            return _PRAY
        if allowed[_EAT] and facts.hunger in ("hungry", "weak", "fainting") and not facts.hostiles_near:
            return _EAT
        if allowed[_ENHANCE] and facts.message.find("confident") >= 0:
            return _ENHANCE
        return -1

    def _trade(self, env: NetHackEnv, game: int, facts: Facts) -> int:
        """Altars and shops: go there and drop things, or -1."""
        if facts.altar_near and facts.unknown_buc_items:
            if facts.on_altar:
                return _DROP
            way = env.path_direction(game, "altar")
            if 0 <= way < 8:
                return way
        way = env.path_direction(game, "shop")
        if way >= 0:
            spent = self._traded.get(self._place, 0)
            if spent < _SHOP_STEPS:
                self._traded[self._place] = spent + 1
                return _DROP if way == _HERE else way
        return -1

    def _travel(self, env: NetHackEnv, game: int, facts: Facts) -> int:
        """Explore for as long as planned, then make for the chosen staircase, exploring where it is not known."""
        if facts.steps >= self._explore_until:
            up = self._heading == _UP and (self._leaves or facts.depth > 1)
            way = env.path_direction(game, "stairs_up" if up else "stairs_down")
            if way == _HERE:
                return _UP if up else _DOWN
            if way >= 0:
                return self._move(way)
            if up and not facts.unexplored_reachable:
                self._heading = _DOWN
        fetched = self._fetched.get(self._place, 0)
        if fetched < _ITEM_STEPS and self._traded.get(self._place, 0) < _SHOP_STEPS:
            way = env.path_direction(game, "item")
            if 0 <= way < 8:
                self._fetched[self._place] = fetched + 1
                return self._move(way)
        way = env.path_direction(game, "unexplored")
        if 0 <= way < 8:
            return self._move(way)
        self._explore_until = min(self._explore_until, facts.steps + 100)
        return self._look_for_more(env, game)

    def _look_for_more(self, env: NetHackEnv, game: int) -> int:
        """Everything open has been seen: kick locked doors, and search where a hidden way is likely."""
        rng = self._rng
        door, spot = env.path_direction(game, "door"), env.path_direction(game, "search_spot")
        if door == _HERE and rng.random() < 0.8:
            return _KICK
        if 0 <= door < 8:
            return self._move(door)
        if spot == _HERE:
            return _WAIT if rng.random() < 0.2 else _SEARCH
        if spot >= 0:
            return self._move(spot)
        if env.path_direction(game, "stairs_down") >= 0 or env.path_direction(game, "stairs_up") >= 0:
            self._explore_until = 0
        return _SEARCH if rng.random() < 0.3 else rng.randrange(16)

    def _move(self, way: int) -> int:
        return way + _FAR if self._rng.random() < 0.1 else way


class NetHackExplorer:
    """See the module. One object plays all games of an environment; episodes may begin and end at any time.

    Args:
        seed: the same seed and the same games give the same actions.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = random.Random(seed)  # noqa: S311 - a game, not a secret
        self._players: list[_Player] = []

    def act(self, env: DomainEnv) -> NDArray[np.int64]:
        """The next action of every game, int64 ``[B]``."""
        while len(self._players) < env.num_games:
            self._players.append(_Player(self._seeds.getrandbits(62)))
        games = cast("NetHackEnv", env)
        return np.array([player.act(games, game) for game, player in enumerate(self._players[: env.num_games])], np.int64)
