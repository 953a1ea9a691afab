"""Whether any sequence of actions traps NetHack's environment in a prompt: adversarial play, with what must hold checked after every step.

Plays sequences of eight actions for several characters, with both settings of the mask, whose advice is ignored: one action over and
over, two in turn (all pairs come up), a kick and anything, trips and anything, and pure chance. Between them the games go down, so that
states differ. Ends with an error at the first state that must not be, and prints the figures as JSON.

    python benchmarks/prompts.py --sequences 100000
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.trips import ACTION_SETS
from maestromotif.domains.nethack.vocabulary import ACTIONS

LENGTH = 8
CHARACTERS = ("mon-hum-neu-mal", "wiz-elf-cha-fem", "arc-dwa-law-mal", "pri-hum-law-fem", "sam-hum-law-mal", "tou-hum-neu-fem")
NAMES = ACTION_SETS["travel"]
KICK, UP, DOWN, SEARCH = (ACTIONS.index(name) for name in ("kick", "up", "down", "search"))
PROBE_EVERY = 5  # steps
DOWN_EVERY, DOWN_STEPS = 15, 120  # between so many rounds of sequences, games go down for so many steps
ESCAPE = 27


class Broken(Exception):
    """Something that must hold does not."""


def sequences(env: NetHackEnv, first: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Actions ``[B, LENGTH]``; ``first`` numbers the sequences, so that all pairs come up."""
    count, kinds = len(NAMES), np.arange(first, first + env.num_games)
    plans = rng.integers(count, size=(env.num_games, LENGTH))
    for game, number in enumerate(kinds.tolist()):
        kind, pair = number % 5, number // 5
        if kind == 0:
            plans[game] = pair % count
        elif kind == 1:
            plans[game, ::2], plans[game, 1::2] = pair % count, pair // count % count
        elif kind == 2:
            plans[game, ::2] = KICK
        elif kind == 3:
            plans[game, ::2] = rng.integers(len(ACTIONS), count, size=LENGTH // 2)
    return plans


def way_down(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    """Actions ``[B]`` towards unknown places and deeper ones, so that states differ."""
    actions = np.zeros(env.num_games, np.int64)
    for game in range(env.num_games):
        ways = [env.monster_direction(game), env.path_direction(game, "stairs_down"), env.path_direction(game, "unexplored")]
        ways += [env.path_direction(game, "search_spot"), int(rng.integers(8))]
        way = next(way for way in ways if way >= 0) if rng.random() < 0.95 else int(rng.integers(8))
        on_stairs = env.path_direction(game, "stairs_down") == 8
        actions[game] = DOWN if way == 8 and on_stairs else SEARCH if way == 8 else way
    return actions


def check(env: NetHackEnv, actions: NDArray[np.int64], turns: NDArray[np.int64]) -> None:
    """What holds after every step, whatever was played.

    Raises:
        Broken: a prompt is open that nobody knows of, time ran backwards, or nothing is allowed.
    """
    alive = ~env.terminated_B
    asks = env._raw["misc"].any(1) & alive
    for game in np.flatnonzero(asks).tolist():
        if not env.games[game].asks_direction:
            raise Broken(f"a prompt is open after {NAMES[actions[game]]!r}: {env.facts(game).message!r}")
    for game in np.flatnonzero(alive).tolist():
        one = env.games[game]
        if one.asks_direction and actions[game] != KICK:
            raise Broken(f"a direction is asked for after {NAMES[actions[game]]!r}")
        if env._waits[game] != one.waits or (one.waits and not one.asks_direction and actions[game] != UP):
            raise Broken(f"the macro waits after {NAMES[actions[game]]!r}")
    if (env._raw["blstats"][alive, 20] < turns[alive]).any():
        raise Broken("time ran backwards")
    if not env.observation["action_mask"][alive].any(1).all():
        raise Broken("no action is allowed")


def probe(env: NetHackEnv, actions: NDArray[np.int64]) -> int:
    """Ask each game for the inventory, which costs no time and only answers to a command; returns how many were asked.

    Raises:
        Broken: a game waits for something else.
    """
    asked = 0
    for game, one in enumerate(env.games):
        if env.terminated_B[game] or one.asks_direction:
            continue
        buffers = {name: array[game].copy() for name, array in env._raw.items()}
        one.press(ord("i"))
        shown = env._raw["misc"][game, 2] or b"Not carrying" in env._raw["message"][game].tobytes()
        while env._raw["misc"][game, 2] and not one.over():
            one.press(ESCAPE)
        if not shown or one.over():
            raise Broken(f"the game waits for something else than a command after {NAMES[actions[game]]!r}")
        for name, array in buffers.items():
            env._raw[name][game] = array
        asked += 1
    return asked


class Player:
    """Plays games and keeps figures of them."""

    def __init__(self, env: NetHackEnv, seed: int) -> None:
        self.env, self.rng, self._seed = env, np.random.default_rng(seed), seed << 24
        self.figures: Counter[str] = Counter()
        self.deepest, self.slowest, self._steps = 0, 0.0, 0
        self._begin(list(range(env.num_games)))

    def _begin(self, games: list[int]) -> None:
        self.env.reset(games, range(self._seed, self._seed + len(games)))
        self._seed += len(games)

    def play(self, total: int) -> None:
        """Play at least so many sequences."""
        rounds = 0
        while self.figures["sequences"] < total:
            if rounds % DOWN_EVERY == 0:
                for _ in range(DOWN_STEPS):
                    self._step(way_down(self.env, self.rng))
            for actions in sequences(self.env, self.figures["sequences"], self.rng).T:
                self._step(actions)
            self.figures["sequences"] += self.env.num_games
            rounds += 1

    def _step(self, actions: NDArray[np.int64]) -> None:
        env, figures = self.env, self.figures
        turns = env._raw["blstats"][:, 20].copy()
        began = time.perf_counter()
        env.step(actions)
        self.slowest = max(self.slowest, time.perf_counter() - began)
        check(env, actions, turns)
        self._steps += 1
        figures["actions"] += env.num_games
        figures["directions asked for"] += sum(one.asks_direction for one in env.games)
        if self._steps % PROBE_EVERY == 0:
            figures["probes"] += probe(env, actions)
        self.deepest = max(self.deepest, int(env._raw["blstats"][:, 12].max()))
        over = np.flatnonzero(env.terminated_B).tolist()
        figures["games ended"] += len(over)
        self._begin(over)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--games", type=int, default=16, help="games stepped together")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    figures: Counter[str] = Counter()
    deepest, slowest = 0, 0.0
    arms = [(character, mask) for character in CHARACTERS for mask in (False, True)]
    for index, (character, mask) in enumerate(arms):
        player = Player(NetHackEnv(given.games, character, mask=mask, actions="travel"), given.seed * len(arms) + index)
        player.play(-(-given.sequences // len(arms)))
        player.env.close()
        figures.update(player.figures)
        deepest, slowest = max(deepest, player.deepest), max(slowest, player.slowest)
    print(
        json.dumps({**figures, "deepest": deepest, "slowest step s": round(slowest, 3), "seconds": round(time.perf_counter() - began, 1)})
    )


if __name__ == "__main__":
    main()
