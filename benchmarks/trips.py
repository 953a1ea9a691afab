"""What whole trips cost and bring: both sets of NetHack's actions, in turns, on the same games.

Three arms: random allowed actions of either set, and for ``travel`` trips wherever one is allowed. A second table lets one script go
down, step by step and by trips: how many levels it enters in the same number of environment steps.

    python benchmarks/trips.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.trips import ACTION_SETS

GAMES, STEPS, ROUNDS, SCRIPT_STEPS = 16, 500, 4, 400
NAMES = ACTION_SETS["travel"]
DOWN, SEARCH = NAMES.index("down"), NAMES.index("search")
TRIP_DOWN, TRIP_ON = NAMES.index("travel down"), NAMES.index("travel unexplored")
Policy: TypeAlias = Callable[[NetHackEnv, np.random.Generator], NDArray[np.int64]]


def chance(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    mask = env.observation["action_mask"]
    chosen: NDArray[np.int64] = (rng.random(mask.shape) * mask).argmax(1)
    return chosen


def trips(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    allowed, others = env.observation["action_mask"], rng.integers(8, size=env.num_games)
    return np.where(allowed[:, TRIP_ON], TRIP_ON, np.where(allowed[:, TRIP_DOWN], TRIP_DOWN, others))


def descend(env: NetHackEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fight, go down, explore, search: by trips where the actions have them."""
    allowed = env.observation["action_mask"]
    actions = rng.integers(8, size=env.num_games)
    for game in np.flatnonzero(rng.random(env.num_games) < 0.95).tolist():
        monster, down, on = env.monster_direction(game), env.path_direction(game, "stairs_down"), env.path_direction(game, "unexplored")
        spot = env.path_direction(game, "search_spot")
        if monster >= 0:
            actions[game] = monster
        elif down >= 0:
            by_trip = allowed.shape[1] > TRIP_DOWN and allowed[game, TRIP_DOWN]
            actions[game] = DOWN if down == 8 else TRIP_DOWN if by_trip else down
        elif on >= 0:
            actions[game] = TRIP_ON if allowed.shape[1] > TRIP_ON and allowed[game, TRIP_ON] else on
        elif spot >= 0:
            actions[game] = SEARCH if spot == 8 else spot
    return actions


def run(actions: str, policy: Policy, steps: int, seed: int) -> dict[str, float]:
    """Steps per second of the environment alone, and levels entered, first ones included."""
    env, rng = NetHackEnv(GAMES, actions=actions), np.random.default_rng(seed)
    env.reset(range(GAMES), range(seed * 1000, seed * 1000 + GAMES))
    spent, fresh, levels = 0.0, seed * 1000 + GAMES, []
    for _ in range(steps):
        chosen = policy(env, rng)
        began = time.perf_counter()
        env.step(chosen)
        spent += time.perf_counter() - began
        over = np.flatnonzero(env.terminated_B).tolist()
        levels += [env.facts(game).levels_visited for game in over]
        env.reset(over, range(fresh, fresh + len(over)))
        fresh += len(over)
    levels += [env.facts(game).levels_visited for game in range(GAMES)]
    env.close()
    return {"steps/s": GAMES * steps / spent, "levels entered per 1,000 steps": sum(levels) / (GAMES * steps / 1000)}


def main() -> None:
    arms: dict[str, tuple[str, Policy, int]] = {
        "reference, chance": ("reference", chance, STEPS),
        "travel, chance": ("travel", chance, STEPS),
        "travel, trips": ("travel", trips, STEPS),
        "reference, script": ("reference", descend, SCRIPT_STEPS),
        "travel, script": ("travel", descend, SCRIPT_STEPS),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for seed in range(1, ROUNDS + 1):
        for name, (actions, policy, steps) in arms.items():
            found[name].append(run(actions, policy, steps, seed))
    for name, figures in found.items():
        print(name, json.dumps({key: round(float(np.median([one[key] for one in figures])), 2) for key in figures[0]}))


if __name__ == "__main__":
    main()
