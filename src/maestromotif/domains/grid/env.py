"""The games: MiniGrid moves the agents, ``sight`` says for all of them at once what they see, and a few numbers tell what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DENSE, DomainEnv, Facts
from maestromotif.domains.grid import sight
from maestromotif.domains.grid import vocabulary as words
from maestromotif.domains.grid.pictures import draw_house
from maestromotif.domains.grid.telling import COLUMNS, NUMBERS, OBSERVATION, THINGS, observe, tell
from maestromotif.domains.grid.world import MOVES, GridHouseWorld, code
from maestromotif.types import Caption, RewardInput

__all__ = ["GridEnv"]

_LEFT, _RIGHT, _FORWARD, _PICK, _PUT, _OPEN = range(6)
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
        self.ways_BT, self._far_BT = (np.zeros((num_games, len(sight.TARGETS)), np.int64) for _ in range(2))
        # Where key, ball and box are, as in AT.
        self._where_B3 = np.zeros((num_games, len(THINGS)), np.int64)
        self._numbers_BF = np.zeros((num_games, len(NUMBERS)), np.int64)
        self._counts = {name: self._numbers_BF[:, column] for name, column in COLUMNS.items()}
        self._event_BE = np.zeros((num_games, len(words.SIZES)), np.int64)
        self._key_B = np.ones(num_games, np.int64)
        self._everybody = np.arange(num_games)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        for game, seed in zip(games, seeds, strict=True):
            world = self._worlds[game]
            world.reset(seed=int(seed) % 2**63)
            self._cells_BS[game] = world.codes()
            self._walls_B2[game] = world.walls
            columns = [int(np.flatnonzero(self._cells_BS[game] == kind)[0]) % self.width for kind in THINGS]
            self._where_B3[game] = [1 + self._room(game, column) for column in columns]
        chosen = np.asarray(games, np.int64)
        for array in (self._known_BS, self._numbers_BF, self.terminated_B):
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
        hand = 1 + THINGS.index(code(world.carrying or held))
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
        """Facts, events and observations of these games after a reset or step."""
        worlds, observation = self._worlds, self.observation
        cells_BS, place_B3, walls_B2, width = self._cells_BS, self._place_B3, self._walls_B2, self.width
        place_B3[games] = [(*worlds[game].agent_pos, worlds[game].agent_dir) for game in games.tolist()]
        sight.look(games, cells_BS, self._known_BS, place_B3, width, observation["view"], self._fresh_B, self._kinds_B)
        sight.find_ways(games, cells_BS, self._known_BS, place_B3, walls_B2, width, self.ways_BT, self._far_BT)
        news = self._fresh_B, self._kinds_B, self.ways_BT, self._where_B3
        tell(games, deeds, cells_BS, place_B3, walls_B2, width, *news, self._numbers_BF, self._event_BE, self._key_B)
        bags = observation["ways"], observation["status"], observation[DENSE], observation[ACTION_MASK]
        observe(games, self._numbers_BF, self.ways_BT, self._far_BT, *bags)

    def carrying(self, game: int) -> str:
        """What is in the hand, one of ``HANDS``."""
        return words.HANDS[self._counts["carrying"][game]]

    def facts(self, game: int) -> Facts:
        return words.make_facts(self._numbers_BF[game].tolist(), words.message(self._event_BE[game].tolist()))

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._numbers_BF, COLUMNS

    def reward_key(self, game: int) -> int:
        return int(self._key_B[game])

    def reward_keys(self) -> list[int]:
        keys: list[int] = self._key_B.tolist()
        return keys

    def discount_key(self, game: int) -> int:
        # What comes into view for the first time cannot be had twice, however often it feels the same.
        return 0 if self._event_BE[game, 2] else int(self._key_B[game])

    def discount_keys(self) -> list[int]:
        keys: list[int] = np.where(self._event_BE[:, 2] > 0, 0, self._key_B).tolist()
        return keys

    def caption(self, game: int) -> Caption:
        return words.caption(self._event_BE[game].tolist())

    def reward_input(self, game: int) -> RewardInput:
        return words.reward_input(self._event_BE[game].tolist())

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

    def picture(self, game: int) -> NDArray[np.uint8]:
        """The whole house; dark where the agent has not looked yet."""
        return draw_house(self._worlds[game], self._known_BS[game])
