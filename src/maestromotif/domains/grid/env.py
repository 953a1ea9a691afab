"""The games: MiniGrid moves the agents, ``sight`` says for all of them at once what they see, and a few numbers tell what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DENSE, Bag, DomainEnv, Facts, ObservationSpec
from maestromotif.domains.grid import sight
from maestromotif.domains.grid import vocabulary as words
from maestromotif.domains.grid.world import BALL, BOX, FLOOR, GOAL, KEY, LOCKED, MOVES, OPEN, SILL, GridHouseWorld, code
from maestromotif.types import Caption, RewardInput

__all__ = ["OBSERVATION", "GridEnv"]

_LEFT, _RIGHT, _FORWARD, _PICK, _PUT, _OPEN = range(6)
_CODES = 9
_WALKABLE = np.isin(np.arange(_CODES), (FLOOR, OPEN, GOAL, SILL))
_THINGS = (KEY, BALL, BOX)  # as in HANDS[1:]
_SEEN_BITS = (KEY, LOCKED, BALL, BOX, GOAL)  # as in THINGS
_PORTABLE = np.zeros(_CODES, np.int64)  # index in HANDS
_PORTABLE[list(_THINGS)] = 1, 2, 3
_NOTED = _PORTABLE.copy()  # index in the sign "before"
_NOTED[LOCKED] = len(_THINGS) + 1
_NOTING = np.isin(np.arange(words.DEEDS), (words.TURNED, words.TURNED + 1, words.WALKED))
_DX, _DY = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])
_WAYS = len(sight.TARGETS)
_UNSEEN, _ON = sight.TARGETS.index("unseen"), sight.TARGETS.index("goal")
# Where each part of the status bag begins: hand, room, door, what is on the next square.
_STATUS = np.cumsum([1, len(words.HANDS), len(words.ROOMS), len(words.DOORS)])

OBSERVATION = ObservationSpec(
    bags={
        "view": Bag(sight.VIEW_BAG, sight.VIEW**2),
        "ways": Bag(1 + _WAYS * sight.HERE, _WAYS),
        "status": Bag(int(_STATUS[-1]) + len(words.BEFORE), len(_STATUS)),
    },
    dense=_WAYS,
    actions=len(words.ACTIONS),
    skip=("ways", "status"),
)

# Numbers from which the facts follow: one for each, but for the message.
_NUMBERS = tuple(spec.name for spec in words.FACTS if spec.name != "message")
_COLUMNS = {name: column for column, name in enumerate(_NUMBERS)}
_HANDED = len(words.AT) - 1


class GridEnv(DomainEnv):
    """Games in houses that differ from episode to episode. They have no end of their own.

    An action that can do nothing is masked: walking into something, picking up where nothing lies or with a full hand, putting down
    where something lies, opening anything but the locked door with the key in hand. Played all the same, it does nothing.

    Attributes:
        ways_BT: for each of ``sight.TARGETS``, where the next step towards it lies (codes of ``sight``).
    """

    def __init__(self, num_games: int, room: int = 5) -> None:
        self.num_games = num_games
        self.observation = OBSERVATION.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._worlds = [GridHouseWorld(room) for _ in range(num_games)]
        self.width = self._worlds[0].width
        size = self.width * self._worlds[0].height
        self._cells_BS = np.ones((num_games, size), np.int8)
        self._known_BS = np.zeros((num_games, size), np.bool_)
        self._place_B3 = np.zeros((num_games, 3), np.int64)
        self._walls_B2 = np.zeros((num_games, 2), np.int64)
        self._fresh_B, self._kinds_B = (np.zeros(num_games, np.int64) for _ in range(2))
        self.ways_BT, self._far_BT = (np.zeros((num_games, _WAYS), np.int64) for _ in range(2))
        # Where key, ball and box are, as in AT, and whether they have been seen.
        self._where_B3 = np.zeros((num_games, len(_THINGS)), np.int64)
        self._seen_B3 = np.zeros((num_games, len(_THINGS)), np.bool_)
        self._numbers_BF = np.zeros((num_games, len(_NUMBERS)), np.int64)
        self._counts = {name: self._numbers_BF[:, column] for name, column in _COLUMNS.items()}
        self._event_B5 = np.zeros((num_games, len(words.SIZES)), np.int64)
        self._key_B = np.ones(num_games, np.int64)
        self._everybody = np.arange(num_games)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        for game, seed in zip(games, seeds, strict=True):
            world = self._worlds[game]
            world.reset(seed=int(seed) % 2**63)
            self._cells_BS[game] = world.codes()
            self._walls_B2[game] = world.walls
            columns = [int(np.flatnonzero(self._cells_BS[game] == kind)[0]) % self.width for kind in _THINGS]
            self._where_B3[game] = [1 + self._room(game, column) for column in columns]
        chosen = np.asarray(games, np.int64)
        for array in (self._known_BS, self._seen_B3, self._numbers_BF, self.terminated_B):
            array[chosen] = 0
        self._write(chosen, np.full(len(chosen), words.LOOK, np.int64))

    def step(self, actions_B: NDArray[np.int64]) -> None:
        allowed = self.observation[ACTION_MASK][self._everybody, actions_B].tolist()
        chosen = zip(actions_B.tolist(), allowed, strict=True)
        deeds = [self._play(game, action) if legal else words.BLOCKED for game, (action, legal) in enumerate(chosen)]
        self._counts["steps"] += 1
        self._write(self._everybody, np.array(deeds, np.int64))

    def _room(self, game: int, column: int) -> int:
        """Index in ROOMS of the room that a column belongs to."""
        return int((self._walls_B2[game] < column).sum())

    def _play(self, game: int, action: int) -> int:
        """Let MiniGrid do something that it can do; what was done, as in ``vocabulary``."""
        world = self._worlds[game]
        held = world.carrying
        world.step(MOVES[action])
        if action < _FORWARD:
            return words.TURNED + action
        if action == _FORWARD:
            return words.WALKED
        x, y = world.front_pos
        self._cells_BS[game, y * self.width + x] = code(world.grid.get(x, y))
        counts = self._counts
        if action == _OPEN:
            counts["door"][game] = words.DOORS.index("open")
            return words.OPENED
        hand = int(_PORTABLE[code(world.carrying or held)])
        if action == _PICK:
            counts["picked_up"][game] += 1
            counts["carrying"][game] = hand
            self._where_B3[game, hand - 1] = _HANDED
            return words.PICKED + hand - 1
        room = self._room(game, x)
        counts["put_down"][game] += 1
        counts["put_down_at_home"][game] += room == 0
        counts["carrying"][game] = 0
        self._where_B3[game, hand - 1] = 1 + room
        return words.PUT + (hand - 1) * len(words.ROOMS) + room

    def _write(self, games: NDArray[np.int64], deeds: NDArray[np.int64]) -> None:
        """Facts, events and observations of these games after a reset or step; ``G`` of them."""
        worlds, place_B3 = self._worlds, self._place_B3
        place_B3[games] = [(*worlds[game].agent_pos, worlds[game].agent_dir) for game in games.tolist()]
        maps = games, self._cells_BS, self._known_BS, place_B3
        sight.look(*maps, self.width, self.observation["view"], self._fresh_B, self._kinds_B)
        sight.find_ways(*maps, self._walls_B2[:, 0].copy(), self.width, self.ways_BT, self._far_BT)
        x, y, facing = place_B3[games].T
        cells = self._cells_BS[games]
        rows = np.arange(len(games))
        before = cells[rows, (y + _DY[facing]) * self.width + x + _DX[facing]].astype(np.int64)
        on_goal = cells[rows, y * self.width + x] == GOAL
        room = (self._walls_B2[games] < x[:, None]).sum(1)
        self._count(games, deeds, {"x": x, "y": y, "facing": facing, "before": before, "on_goal": on_goal, "room": room})
        self._observe(games)

    def _count(self, games: NDArray[np.int64], deeds: NDArray[np.int64], now: Mapping[str, NDArray[Any]]) -> None:
        """Facts and events, from the facts of the state before and what can be read off the present one."""
        counts, began = self._counts, deeds == words.LOOK
        bits = np.zeros(len(games), np.int64)
        for bit, kind in enumerate(_SEEN_BITS):
            bits |= (self._kinds_B[games] >> kind & 1) << bit
        reached = now["on_goal"] & ~(counts["on_goal"][games] > 0)
        entered = np.where(~began & (now["room"] != counts["room"][games]), 1 + now["room"], 0)
        for name, values in now.items():
            counts[name][games] = values
        counts["squares_seen"][games] += self._fresh_B[games]
        counts["more_to_see"][games] = self.ways_BT[games, _UNSEEN] != sight.NOWHERE
        counts["goal_visits"][games] += reached
        counts["goal_seen"][games] |= bits >> words.THINGS.index("goal") & 1
        counts["door"][games] = np.maximum(counts["door"][games], bits >> words.THINGS.index("door") & 1)
        for place, (name, kind) in enumerate(zip(words.HANDS[1:], _THINGS, strict=True)):
            self._seen_B3[games, place] |= (self._kinds_B[games] >> kind & 1) > 0
            counts[f"{name}_at"][games] = np.where(self._seen_B3[games, place], self._where_B3[games, place], 0)
        fresh = self._fresh_B[games]
        event = self._event_B5
        event[games, 0] = deeds
        event[games, 1] = np.where(reached, words.ENTERED_GOAL, entered)
        event[games, 2] = np.searchsorted(words.AMOUNTS, fresh)
        event[games, 3] = bits
        event[games, 4] = np.where(_NOTING[deeds], _NOTED[now["before"]], 0)
        key = event[games, 0]
        for column, size in enumerate(words.SIZES[1:], 1):
            key = key * size + event[games, column]
        self._key_B[games] = key + 1

    def _observe(self, games: NDArray[np.int64]) -> None:
        counts, observation = self._counts, self.observation
        ways = self.ways_BT[games]
        observation["ways"][games] = np.where(ways > 0, ways + np.arange(_WAYS) * sight.HERE, 0)
        status = np.stack([counts[name][games] for name in ("carrying", "room", "door", "before")], 1)
        observation["status"][games] = status + _STATUS
        observation[DENSE][games] = (ways > 0) / (1 + np.maximum(self._far_BT[games], 0))
        hand, before = status[:, 0], status[:, 3]
        mask = observation[ACTION_MASK]
        mask[games, _LEFT] = mask[games, _RIGHT] = 1
        mask[games, _FORWARD] = _WALKABLE[before]
        mask[games, _PICK] = (hand == 0) & (_PORTABLE[before] > 0)
        mask[games, _PUT] = (hand > 0) & (before == FLOOR)
        mask[games, _OPEN] = (before == LOCKED) & (hand == _PORTABLE[KEY])

    def facts(self, game: int) -> Facts:
        return words.make_facts(self._numbers_BF[game].tolist(), words.message(self._event_B5[game].tolist()))

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._numbers_BF, _COLUMNS

    def reward_key(self, game: int) -> int:
        return int(self._key_B[game])

    def reward_keys(self) -> list[int]:
        return self._key_B.tolist()

    def discount_key(self, game: int) -> int:
        # What comes into view for the first time cannot be had twice, however often it feels the same.
        return 0 if self._event_B5[game, 2] else int(self._key_B[game])

    def discount_keys(self) -> list[int]:
        return np.where(self._event_B5[:, 2] > 0, 0, self._key_B).tolist()

    def caption(self, game: int) -> Caption:
        return words.caption(self._event_B5[game].tolist())

    def reward_input(self, game: int) -> RewardInput:
        return words.reward_input(self._event_B5[game].tolist())

    def truth(self, game: int) -> Mapping[str, Any]:
        """Where the things are, whether they have been seen or not; whether the door is open, and where the agent stands."""
        where = zip(words.HANDS[1:], self._where_B3[game].tolist(), strict=True)
        counts = self._counts
        return {
            **{name: words.AT[place] for name, place in where},
            "door_open": bool(counts["door"][game] == words.DOORS.index("open")),
            "room": words.ROOMS[counts["room"][game]],
            "on_goal": bool(counts["on_goal"][game]),
            "put_down": int(counts["put_down"][game]),
        }
