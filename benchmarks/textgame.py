"""Steps per second in one text house: through TextWorld's gym wrapper, by TextWorld's logic alone, and as the domain plays it.

    python benchmarks/textgame.py [--seconds 10]

All three play the same house with chance commands and tell the admissible commands after every step. Processor time, one thread.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import pstats
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.domains.textgame.env import TextEnv
from maestromotif.domains.textgame.house import make_house
from maestromotif.domains.textgame.original import make_original
from maestromotif.domains.textgame.rules import require_textworld
from maestromotif.errors import DomainError

SEED, EPISODE, GAMES = 3, 100, 32


def rate(step: Callable[[], int], seconds: float) -> float:
    """Steps per second of processor time."""
    step()
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        steps += step()
    return steps / (time.process_time() - began)


def wrapped(folder: Path) -> Callable[[], int]:
    """The compiled game through the gym wrapper; an episode a call."""
    import textworld
    import textworld.gym
    from textworld.generator import compile_game
    from textworld.generator.game import GameOptions

    options = GameOptions()
    options.path = str(folder / "house.z8")
    path = compile_game(make_original(make_house(SEED)), options)
    infos = textworld.EnvInfos(admissible_commands=True, description=True, inventory=True)
    env = textworld.gym.make(textworld.gym.register_game(path, infos, max_episode_steps=EPISODE + 1))
    return lambda: _play(env, random.Random(0))


def logic_only(folder: Path) -> Callable[[], int]:
    """TextWorld's logic without the interpreter of story files; it tells commands, and no text."""
    import textworld

    path = folder / "house.json"
    make_original(make_house(SEED)).save(str(path))
    env = textworld.start(str(path), textworld.EnvInfos(admissible_commands=True))
    rng = random.Random(0)

    def episode() -> int:
        state = env.reset()
        for step in range(EPISODE):
            state, _, over = env.step(rng.choice(state["admissible_commands"]))
            if over:
                return step + 1
        return EPISODE

    return episode


def _play(env: Any, rng: random.Random) -> int:
    _, infos = env.reset()
    for step in range(EPISODE):
        _, _, over, infos = env.step(rng.choice(infos["admissible_commands"]))
        if over:
            return step + 1
    return EPISODE


def domain(seeds: Callable[[int], int]) -> Callable[[], int]:
    """The domain, with observations, facts by number and reward keys; an episode of every game a call."""
    env, rng = TextEnv(GAMES), np.random.default_rng(0)
    count = 0

    def episode() -> int:
        nonlocal count
        env.reset(range(GAMES), [seeds(count + game) for game in range(GAMES)])
        count += GAMES
        for _ in range(EPISODE):
            env.step((rng.random(GAMES) * env.observation[ACTION_MASK].sum(1)).astype(np.int64))
            env.reward_keys()
        return EPISODE * GAMES

    return episode


def shares(step: Callable[[], int]) -> dict[str, float]:
    """Where the gym wrapper's time goes: shares of the interpreter of story files, and of matching rules against facts."""
    profile = cProfile.Profile()
    profile.enable()
    step()
    profile.disable()
    stats = pstats.Stats(profile)
    total = max(row[3] for row in stats.stats.values())  # type: ignore[attr-defined]
    wanted = {"interpreter": ("jericho.py", "step"), "rules": ("logic/__init__.py", "all_applicable_actions")}
    found = {}
    for name, (file, function) in wanted.items():
        # The deepest of the functions of this name is the library's own.
        rows = [row for (where, _, what), row in stats.stats.items() if where.endswith(file) and what == function]  # type: ignore[attr-defined]
        found[name] = round(min(row[3] for row in rows) / total, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    try:
        require_textworld()
    except DomainError as error:
        print(error.problem)
        return
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        gym = wrapped(Path(folder))
        found: dict[str, Any] = {
            "gym_wrapper": rate(gym, given.seconds),
            "logic_only": rate(logic_only(Path(folder)), given.seconds),
            "domain_same_house": rate(domain(lambda number: SEED), given.seconds),
            "domain_other_houses": rate(domain(lambda number: number), given.seconds),
            "gym_wrapper_shares": shares(gym),
        }
    found["ratio"] = found["domain_other_houses"] / found["gym_wrapper"]
    for name, value in found.items():
        print(f"{name:<22}{value:>12,.1f}" if isinstance(value, float) else f"{name:<22}{value}")
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
