"""Games in text houses, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DomainEnv, Facts
from maestromotif.domains.textgame.house import ROOM_NAMES, THINGS, make_house
from maestromotif.domains.textgame.pages import PageLog
from maestromotif.domains.textgame.play import HAND, Play
from maestromotif.domains.textgame.rules import load_rules
from maestromotif.domains.textgame.telling import OBSERVATION, Rows, command_text, door_state, observe, places
from maestromotif.domains.textgame.vocabulary import FACTS, FOODS, make_facts, tell
from maestromotif.types import Caption, RewardInput

__all__ = ["TextEnv"]

# Facts are numbers, but for the message.
_NUMBERS = tuple(spec.name for spec in FACTS if spec.name != "message")
_COLUMNS = {name: column for column, name in enumerate(_NUMBERS)}
_STEPS, _TAKEN = _COLUMNS["steps"], _COLUMNS["taken"]


class TextEnv(DomainEnv):
    """Games in houses that differ from episode to episode. They have no end of their own.

    Action ``i`` gives the ``i``-th of the commands that can be given now, in alphabetic order; ``action_names`` tells them. An action for
    which there is no command does nothing.

    Attributes:
        plays: the games.
    """

    def __init__(self, num_games: int) -> None:
        self.num_games = num_games
        self.observation = OBSERVATION.allocate(num_games)
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._rules = load_rules()
        self.plays = [Play(self._rules, make_house(0)) for _ in range(num_games)]
        self._rows: list[dict[tuple[int, int], Rows]] = [{} for _ in range(num_games)]
        self._numbers_BF = np.zeros((num_games, len(_NUMBERS)), np.int64)
        self._logs: dict[int, PageLog] = {}
        for game in range(num_games):
            self._write(game)

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        for game, seed in zip(games, seeds, strict=True):
            self.plays[game] = Play(self._rules, make_house(int(seed) % 2**63))
            self._rows[game] = {}
            self._numbers_BF[game] = 0
            self.terminated_B[game] = False
            self._write(game)
            if game in self._logs and self._logs[game].begun:
                self._logs.pop(game).close()
            if game in self._logs:
                self._logs[game].add(self.plays[game])

    def step(self, actions_B: NDArray[np.int64]) -> None:
        for game, (play, action) in enumerate(zip(self.plays, actions_B.tolist(), strict=True)):
            numbers = self._numbers_BF[game]
            numbers[_STEPS] += 1
            deeds = play.scene.deeds
            if action >= len(deeds):
                play.wait()
                continue
            deed = deeds[action]
            play.act(deed)
            kind = deed.rule.partition("/")[0]
            if kind == "take":
                numbers[_TAKEN] += 1
            elif kind in ("drop", "insert", "put"):
                numbers[_TAKEN + 1] += 1
                numbers[_TAKEN + 2] += kind == "put" and deed.things[1] == "table"
            elif kind == "eat":
                numbers[_TAKEN + 3] += 1
            self._write(game)

        for game, log in self._logs.items():
            log.add(self.plays[game])

    def _write(self, game: int) -> None:
        """Facts and observations after a reset or step."""
        play = self.plays[game]
        place = play.state, play.seen
        rows = self._rows[game].get(place)
        if rows is None:
            rows = self._rows[game][place] = observe(play)
        for name, row in rows.arrays.items():
            self.observation[name][game] = row
        self.observation[ACTION_MASK][game] = rows.mask
        scene, view = play.scene, play.view
        on_table = [known and at == "table" for at, known in zip(scene.places, view.known, strict=True)]
        hands = 2 - scene.places.count(HAND)
        room = ROOM_NAMES.index(play.house.names[scene.room])
        self._numbers_BF[game, 1:_TAKEN] = (
            room,
            hands,
            view.rooms,
            bool(view.ways[0]),
            door_state(play),
            *places(play),
            scene.food if view.known[1] else 0,
            on_table[1],
            on_table[2],
        )

    def action_names(self, game: int) -> Sequence[str]:
        """The commands that can be given now, by the action that gives them."""
        play = self.plays[game]
        return [command_text(play, deed.command) for deed in play.scene.deeds]

    def facts(self, game: int) -> Facts:
        return make_facts(self._numbers_BF[game].tolist(), self.reward_input(game).message)

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._numbers_BF, _COLUMNS

    def reward_key(self, game: int) -> int:
        return tell(self.plays[game].event).key

    def discount_key(self, game: int) -> int:
        # What is seen for the first time cannot be had twice, however often it feels the same.
        event = self.plays[game].event
        return 0 if event.seen or event.new_room or event.new_inside else tell(event).key

    def caption(self, game: int) -> Caption:
        return tell(self.plays[game].event).caption

    def reward_input(self, game: int) -> RewardInput:
        return tell(self.plays[game].event).caption.reward_input

    def record(self, game: int, folder: Path) -> Callable[[], int]:
        log = self._logs[game] = PageLog(folder)
        return log.frame()

    def close(self) -> None:
        for log in self._logs.values():
            if log.begun:
                log.close()
        self._logs = {}

    def truth(self, game: int) -> Mapping[str, Any]:
        """Where the things are, whether they have been seen or not, by the ids of ``play.Scene``; the state of door and food."""
        play = self.plays[game]
        scene = play.scene
        return {
            **dict(zip(THINGS, scene.places, strict=True)),
            "door_open": "locked_door" not in scene.shut,
            "cooked": FOODS[scene.food] == "cooked",
            "food_state": FOODS[scene.food],
            "room": play.house.names[scene.room],
        }
