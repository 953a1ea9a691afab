"""Many NetHack games in one process, stepped together: the ``DomainEnv`` of NetHack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DENSE, DomainEnv, Facts
from maestromotif.domains.nethack import features, levels, masks, memory, pictures, squares, ttyrec
from maestromotif.domains.nethack.captions import caption_text, sign_code
from maestromotif.domains.nethack.facts import NetHackFacts
from maestromotif.domains.nethack.game import BUFFERS, CURSOR, MOVES, NAMES, Game, OptionsFile, names_on_demand
from maestromotif.domains.nethack.glyphs import CROP_TOKENS, TOWN_OF
from maestromotif.domains.nethack.layout import FACT, MESSAGE_TOKENS, OBSERVATION_SETS, SIGN, TARGETS, TEXT, TRIP
from maestromotif.domains.nethack.live import shown
from maestromotif.domains.nethack.messages import MessageReader, ReadMessage
from maestromotif.domains.nethack.trips import TRIPS
from maestromotif.domains.nethack.vocabulary import ACTIONS, BRANCHES, SIGN_BITS, SIGNS
from maestromotif.domains.screens import TextScreen
from maestromotif.types import Caption, RewardInput

__all__ = ["NetHackEnv"]

_SHAPES: Mapping[str, tuple[tuple[int, ...], type]] = {
    "glyphs": ((21, 79), np.int16),
    "blstats": ((27,), np.int64),
    "message": ((256,), np.uint8),
    "misc": ((3,), np.int32),
    "inv_letters": ((55,), np.uint8),
    "inv_oclasses": ((55,), np.uint8),
    "chars": ((21, 79), np.uint8),
    "colors": ((21, 79), np.uint8),
    NAMES: ((55, 80), np.uint8),
}
_PRAY, _MORE, _EAT = (ACTIONS.index(name) for name in ("pray", "more", "eat"))
_TRIP_TARGETS = np.array([TARGETS.index(target) for target in TRIPS.values()])  # targets of the actions that follow the others
_AUTOPICKUP = ord("@")  # switches it off and on; takes no time
_WHERE_AND_WHEN = [0, 1, 20]  # of blstats: x, y, turn
_MINES = BRANCHES.index("mines")
_STEPPED_ONTO = SIGNS[SIGN["altar"]].values.index("stepped onto")
_SCORE, _ORDINARY = 9, 1000.0  # of blstats: the score on the bottom line; about what an episode of the explorer earns
_PRAYER_AFTER = 110  # turns before the first prayer is heard
_F = FACT
_WIDTH = max(FACT.values()) + 1


class NetHackEnv(DomainEnv):
    """See ``DomainEnv``.

    Args:
        num_games: games in this process.
        character: see ``OptionsFile``.
        window: statistics of a caption compare with this many steps earlier.
        mask: ``masks.MASK_NONE``, ``MASK_HARM`` (forbid actions that only harm or do nothing in the present state) or ``MASK_ALL``
            (in need, forbid all but the remedy besides).
        actions: one of ``ACTION_SETS``.
    """

    def __init__(
        self,
        num_games: int,
        character: str = "mon-hum-neu-mal",
        window: int = 1,
        mask: int = masks.MASK_HARM,
        actions: str = "reference",
    ) -> None:
        self.num_games = num_games
        self._specs = OBSERVATION_SETS[actions]
        self.observation = self._specs["small"].allocate(num_games)
        # What the features are written into; arrays that nobody sees are kept apart.
        self._seen = self.observation
        self._pictures: list[tuple[NDArray[np.int16], NDArray[Any]]] = []
        self._text: NDArray[np.uint8] | None = None
        self._shown: list[ReadMessage | None] = [None] * num_games
        self.terminated_B = np.zeros(num_games, np.bool_)
        self._mask, self._travels = int(mask), actions == "travel"
        self._trips = np.full(num_games, -1, np.int64)  # which trip the last action was, -1 if none
        # Where and when a trip led nowhere: until something changes, it is not offered again.
        self._stalls = np.full((num_games, len(TRIPS), len(_WHERE_AND_WHEN)), -1, np.int64)
        self._minding = np.zeros(num_games, np.bool_)  # whether autopickup is off
        kinds = BUFFERS if names_on_demand() else (*BUFFERS, NAMES)
        shapes = {name: _SHAPES[name] for name in kinds}
        self._raw: dict[str, NDArray[Any]] = {name: np.zeros((num_games, *shape), dtype) for name, (shape, dtype) in shapes.items()}
        self._options = OptionsFile(character)
        self.games = [Game({name: array[game] for name, array in self._raw.items()}, self._options) for game in range(num_games)]
        # What most steps need of a game, so that its object stays untouched.
        self._presses, self._overs, self._waits = [one.press for one in self.games], [one.over for one in self.games], [False] * num_games
        self._memory = memory.new_memory(num_games, window)
        self._inputs = memory.Inputs(
            self._raw["glyphs"],
            self._raw["blstats"],
            self._raw["inv_letters"],
            self._raw["inv_oclasses"],
            np.zeros((num_games, 256), np.uint8),
            np.full(num_games, -1, np.int64),
            np.zeros(num_games, np.int64),
            np.zeros((num_games, MESSAGE_TOKENS), np.int16),
            np.zeros(num_games, np.int64),
            np.full(num_games, -1, np.int64),
            np.zeros(num_games, np.int64),
            np.zeros(num_games, np.uint8),
            np.zeros(num_games, np.uint8),
            np.zeros(num_games, np.uint8),
            np.zeros(num_games, np.uint8),
        )
        # Each message as one value of numpy, which ends where its zeros begin.
        self._texts_B = self._raw["message"].view("S256")[:, 0]
        self._facts_BF = np.zeros((num_games, _WIDTH), np.int64)
        self._renamed = np.zeros(num_games, np.bool_)
        self._signs_BS = np.zeros((num_games, len(SIGN)), np.int64)
        self._reader = MessageReader()
        self._messages: list[ReadMessage] = [self._reader.empty] * num_games
        self._previous: list[ReadMessage] = [self._reader.empty] * num_games
        self._rows: memoryview | None = None
        self._codes: list[int] | None = None
        self._facts: list[NetHackFacts | None] = [None] * num_games
        self._scores_B = np.zeros(num_games)
        self._priced: list[set[str]] = [set() for _ in range(num_games)]  # appearances for which shopkeepers have made offers

    def bind(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See ``DomainEnv.bind``; the arrays of any of ``layout.OBSERVATION_SETS``."""
        spec = next((spec for spec in self._specs.values() if spec.layout().keys() == arrays.keys()), self._specs["small"])
        allocated = spec.allocate(self.num_games)
        self.observation = {**allocated, **{name: self._seen[name] for name in allocated.keys() & self._seen.keys()}}
        super().bind(arrays)
        self._seen = {**self._seen, **{name: arrays[name] for name in arrays.keys() & self._seen.keys()}}
        self._pictures = [(pictures.PICTURES[name], arrays[name]) for name in spec.grids]
        self._text, self._shown = arrays.get("message"), [None] * self.num_games

    # --- life of a game

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        inputs, playing = self._inputs, self.playing
        for game, seed in zip(games, seeds, strict=True):
            if playing is not None:
                playing[0] = game
            message = self._reader.read(self.games[game].reset(int(seed)))
            self._waits[game] = False
            self._trips[game], self._stalls[game], self._minding[game] = -1, -1, False
            memory.forget(self._memory, game)
            self._facts_BF[game] = 0
            self._priced[game].clear()
            self._messages[game], self._previous[game] = message, self._reader.empty
            inputs.actions[game], inputs.prompts[game], inputs.kills[game], inputs.bumps[game] = -1, 0, 0, -1
            inputs.words[game], inputs.confident[game] = message.words, message.confident
            inputs.feet[game], inputs.refused[game], inputs.sold[game] = message.feet, 0, 0
            inputs.prayed[game] = _PRAYER_AFTER - masks.PRAYERS_APART
            inputs.started[game] = 0
            inputs.started[game, list(self.games[game].initial_letters)] = 1
            self.terminated_B[game] = False
        self._refresh(np.asarray(games, np.int64))

    def record(self, game: int, folder: Path) -> Callable[[], int]:
        """See ``DomainEnv.record``; the file is nle's own recording, which its tools play too."""
        counter = self.games[game].record(folder / ttyrec.FILE)
        self._presses[game] = self.games[game].press
        return lambda: counter.keys

    def screen(self, game: int) -> TextScreen:
        """The map, with the message above it and the most important numbers below."""
        raw = self._raw
        return shown(raw["message"][game], raw["chars"][game], raw["colors"][game], raw["blstats"][game])

    def step(self, actions_B: NDArray[np.int64]) -> None:
        inputs, games, playing = self._inputs, self.games, self.playing
        inputs.actions[:] = actions_B
        if self._travels:
            self._begin_trips(actions_B)
        inputs.kills[:] = 0
        inputs.bumps[:] = -1
        inputs.prompts[:] = 0
        inputs.confident[:] = 0
        inputs.feet[:] = 0
        inputs.refused[:] = 0
        inputs.sold[:] = 0
        actions = actions_B.tolist()
        self._mind_goods()
        # First the keys of all games, so that the processor keeps the game's code at hand; then what they say. Most actions are one
        # key, after which the game asks nothing.
        texts: list[list[bytes] | None] = [None] * self.num_games
        waits, moves = self._waits, MOVES
        for game, (press, action) in enumerate(zip(self._presses, actions, strict=True)):
            if playing is not None:
                playing[0] = game
            if action < len(moves) and not waits[game]:
                press(moves[action])
            elif action < len(ACTIONS):
                if action == _EAT:
                    games[game].corpse = self._memory.meal[game] == levels.HERE
                texts[game] = games[game].start(action)
            else:
                texts[game] = self._travel(game, action - len(ACTIONS))
        asking, said = self._raw["misc"].max(1).tolist(), self._texts_B.tolist()
        known, read, empty = self._reader.known, self._reader.read, self._reader.empty
        before, messages = self._messages, []
        ended = []
        for game, (over, asks, raw, seen, last) in enumerate(zip(self._overs, asking, said, texts, before, strict=True)):
            if seen is not None or asks or CURSOR in raw or over():
                if playing is not None:
                    playing[0] = game
                one = games[game]
                raw = one.settle(seen or [])
                self._after(game, one, actions[game])
                if one.done:
                    ended.append(game)
            message = (known.get(raw) or read(raw)) if raw else empty
            if message is not last:
                inputs.words[game] = message.words
            messages.append(message)
            if message.notable:
                self._note(game, message, actions[game])
        self._previous, self._messages = before, messages
        for game in ended:
            self._end(game)
        self._refresh(np.flatnonzero(~self.terminated_B))

    def _mind_goods(self) -> None:
        """What lies in a shop is not picked up: whoever has unpaid things is not let out."""
        for game in np.flatnonzero(self._memory.shop != self._minding).tolist():
            if not self._waits[game] and not self.terminated_B[game]:
                if self.playing is not None:
                    self.playing[0] = game
                self._presses[game](_AUTOPICKUP)
                self._minding[game] = self._memory.shop[game]

    def _after(self, game: int, one: Game, action: int) -> None:
        """What else an action that was more than a key has left behind."""
        self._inputs.prompts[game] = one.asks_direction
        self._waits[game] = one.waits
        if action == _PRAY:
            self._inputs.prayed[game] = self._raw["blstats"][game, 20]
        if not one.done:
            facts = self._facts_BF[game]
            facts[_F["meals_in_mines"]] += (one.meals - facts[_F["meals"]]) * (facts[_F["branch"]] == _MINES)
            facts[_F["meals"]] = one.meals

    def _note(self, game: int, message: ReadMessage, action: int) -> None:
        inputs = self._inputs
        inputs.kills[game] = message.kills
        inputs.confident[game] = message.confident
        inputs.feet[game] = message.feet
        inputs.refused[game] = message.refused
        inputs.sold[game] = message.sold > 0
        facts = self._facts_BF[game]
        facts[_F["items_sold"]] += message.sold
        facts[_F["buc_identified_items"]] += message.told
        if message.priced:
            self._priced[game].update(message.priced)
            facts[_F["priced_items"]] = len(self._priced[game])
        if message.locked and action < len(MOVES):
            inputs.bumps[game] = action % 8
        elif message.locked and action >= len(ACTIONS):
            inputs.bumps[game] = self._memory.ways[game, _TRIP_TARGETS[action - len(ACTIONS)]]

    # --- trips

    def _begin_trips(self, actions_B: NDArray[np.int64]) -> None:
        """Note who travels and from where. For ``features`` a trip is no action: it knows the actions that all sets have."""
        self._trips[:] = np.maximum(actions_B - len(ACTIONS), -1)
        travelling = np.flatnonzero(self._trips >= 0)
        self._inputs.actions[travelling] = -1
        self._stalls[travelling, self._trips[travelling]] = self._raw["blstats"][travelling][:, _WHERE_AND_WHEN]

    def _travel(self, game: int, trip: int) -> list[bytes]:
        """Send the character on a trip. The game's own trips open no doors, so one that begins at a closed door opens it instead.

        Without a known way the game is left alone, but for an open prompt.
        """
        one, target = self.games[game], _TRIP_TARGETS[trip]
        x, y = self._raw["blstats"][game, :2].tolist()
        way = int(self._memory.ways[game, target])
        if way >= levels.HERE:
            return one.start(_MORE)
        slot = self._memory.slot[game]
        if self._memory.terrain[game, slot, y + levels.DY[way], x + levels.DX[way]] == squares.CLOSED_DOOR:
            return [*one.start(_MORE), *one.start(way)]
        row, column = divmod(int(self._memory.places[game, target]), memory.COLUMNS)
        return one.travel(column - x, row - y)

    def _write_trips(self, games: NDArray[np.int64]) -> None:
        """The last trip, and which ones lead somewhere now."""
        trips, (position, index) = self._trips[games], TRIP
        self._seen["state"][games, position] = np.where(trips >= 0, index + trips, 0)
        if self._mask:
            stalled = (self._stalls[games] == self._raw["blstats"][games][:, None, _WHERE_AND_WHEN]).all(2)
            leads = self._memory.ways[games][:, _TRIP_TARGETS] < levels.HERE
            free = self._seen[ACTION_MASK][games, levels.SEARCH_ACTION] > 0  # no need forbids all but its remedy
            self._seen[ACTION_MASK][games, len(ACTIONS) :] = leads & ~stalled & free[:, None]

    def _end(self, game: int) -> None:
        """The last transition of a game: there is no new state, only a message and the way it ended.

        Whoever leaves the dungeon is told nothing but the question that was asked before, too; it would be taken for the leaving itself.
        """
        self.terminated_B[game] = True
        self._signs_BS[game] = 0
        self._facts_BF[game, _F["kills"]] += self._inputs.kills[game]
        self._facts_BF[game, _F["steps"]] += 1
        if self.games[game].escaped:
            self._signs_BS[game, SIGN["level"]] = 3
            self._messages[game] = self._reader.empty
        else:
            self._signs_BS[game, SIGN["alive"]] = 1
            self._facts_BF[game, _F["hp"]] = 0

    def _refresh(self, games: NDArray[np.int64]) -> None:
        if len(games):
            observation = self._seen
            outputs = memory.Outputs(
                observation["view"],
                observation["map"],
                observation["state"],
                observation[DENSE],
                self._facts_BF,
                self._signs_BS,
                observation[ACTION_MASK],
                self._renamed,
            )
            features.update(games, self._inputs, self._memory, outputs, CROP_TOKENS)
            if self._mask:
                masks.allow(games, self._inputs, self._memory, outputs, self._mask)
            if self._travels:
                self._write_trips(games)
            for game in games[self._renamed[games]].tolist():
                self._facts_BF[game, _F["unknown_buc_items"]] = self.games[game].unknown_buc()
            self._look_for_town(games)
            for table, picture in self._pictures:
                pictures.draw(games, self._raw["glyphs"], self._raw["blstats"], table, picture)
            if self._text is not None:
                self._write_text(self._text, games)
        self._rows = self._codes = None
        self._facts = [None] * self.num_games

    def _look_for_town(self, games: NDArray[np.int64]) -> None:
        """What only Minetown has among the levels where it can lie; looked for until it has been seen."""
        level = self._facts_BF[games, _F["branch_level"]]
        there = (self._facts_BF[games, _F["branch"]] == _MINES) & ((level == 3) | (level == 4))
        for game in games[there].tolist():
            facts = self._facts_BF[game]
            if not facts[_F["minetown_seen"]]:
                facts[_F["minetown_seen"]] = TOWN_OF[self._raw["glyphs"][game]].any()

    def _write_text(self, text_BL: NDArray[np.uint8], games: NDArray[np.int64]) -> None:
        """The last message, as bytes; written only where it is another one."""
        for game in games.tolist():
            message = self._messages[game]
            if message is not self._shown[game]:
                text = message.text.encode("latin-1")[:TEXT]
                text_BL[game, : len(text)] = np.frombuffer(text, np.uint8)
                text_BL[game, len(text) :] = 0
                self._shown[game] = message

    # --- language

    def facts(self, game: int) -> Facts:
        found = self._facts[game]
        if found is None:
            if self._rows is None:
                self._rows = memoryview(self._facts_BF.tobytes()).cast("q")
            first = game * _WIDTH
            found = self._facts[game] = NetHackFacts(self._rows[first : first + _WIDTH], self._messages[game])
        return found

    def reward_key(self, game: int) -> int:
        if self._codes is None:
            self._codes = sign_code(self._signs_BS).tolist()
        return self._messages[game].key << SIGN_BITS | self._codes[game]

    def discount_key(self, game: int) -> int:
        """The message, as in the paper; where there is none, that an altar was stepped onto. Other progress that comes without a message
        cannot be repeated and is not discounted."""
        onto = self._signs_BS[game, SIGN["altar"]] == _STEPPED_ONTO
        return self._messages[game].key or int(onto) * _STEPPED_ONTO

    def reward_keys(self) -> list[int]:
        codes = self._codes
        if codes is None:
            codes = self._codes = sign_code(self._signs_BS).tolist()
        return [message.key << SIGN_BITS | code for message, code in zip(self._messages, codes, strict=True)]

    def discount_keys(self) -> list[int]:
        keys = [message.key for message in self._messages]
        for game in np.flatnonzero(self._signs_BS[:, SIGN["altar"]] == _STEPPED_ONTO).tolist():
            keys[game] = self.discount_key(game)
        return keys

    def fact_numbers(self) -> tuple[NDArray[np.int64], Mapping[str, int]]:
        return self._facts_BF, FACT

    def reward_input(self, game: int) -> RewardInput:
        return RewardInput(self._messages[game].normal, tuple(self._signs_BS[game].tolist()))

    def caption(self, game: int) -> Caption:
        given = self.reward_input(game)
        text = caption_text(self._previous[game].text, self._messages[game].text, given.signs, self.facts(game))
        return Caption(text, given)

    # --- for scripts and success criteria

    def path_direction(self, game: int, target: str) -> int:
        """First step of the shortest known path to a target (see ``layout.TARGETS``): 0-7, 8 = here, -1 = none."""
        way = int(self._memory.ways[game, TARGETS.index(target)])
        return -1 if way == memory.NO_WAY else way

    def path_length(self, game: int, target: str) -> int:
        """Length of that path in moves, or -1."""
        length = int(self._memory.distances[game, TARGETS.index(target)])
        return -1 if length == memory.UNREACHED else length

    def monster_direction(self, game: int) -> int:
        """Way (0-7) to an adjacent monster that may be fought, or -1."""
        beside = int(self._memory.beside[game])
        return (beside & -beside).bit_length() - 1

    def prompt_open(self, game: int) -> bool:
        """The game asks for a direction."""
        return self.games[game].asks_direction

    def truth(self, game: int) -> Mapping[str, Any]:
        one, facts = self.games[game], self._facts_BF[game]
        here = (int(facts[_F["branch"]]), int(facts[_F["branch_level"]]))
        return {
            "dnum": here[0],
            "dlevel": here[1],
            "on_oracle_level": not one.done and one.oracle_level() == here,
            "on_minetown_level": not one.done and here[0] == _MINES and one.minetown_level() == here[1],
            "escaped": one.escaped,
            "died": one.done and not one.escaped,
        }

    def scores(self) -> NDArray[np.float64]:
        """The score of the game's bottom line in thousands: experience, gold beyond what was there at the beginning, and 50 points for
        each level below the first. A game that is over has none any more, so its last one stands."""
        playing = ~self.terminated_B
        self._scores_B[playing] = self._raw["blstats"][playing, _SCORE] / _ORDINARY
        return self._scores_B

    def close(self) -> None:
        for one in self.games:
            one.close()
        self._options.close()
