"""How fast training is, and where the time goes.

    python benchmarks/train.py --domain nethack --steps 200000
    python benchmarks/train.py --domain synthetic            # NetHack's shapes without NetHack

Four measurements with the same games and processes, each with one thing more: the games with chance for a player; with programs and
rewards; with the network acting; with the network learning. Prints JSON and stores it where ``--out`` says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maestromotif.domains.contract import ACTION_MASK, Domain, Facts
from maestromotif.domains.registry import load_domain
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.episodes import ScheduleFactory, ScheduleSources
from maestromotif.rl.training import Training, read_sources
from maestromotif.rl.vector import Games, make_games
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

_PARTS = ("environment", "inference", "learning", "games_stepping", "games_programs_and_rewards")


class FixedCalls:
    """The cheapest schedule: the skills in turn, a hundred steps each."""

    claims_done = exhausted = False
    reason = ""

    def __init__(self, skills: SkillSet, seed: int) -> None:
        self._ids, self._turn, self._left = skills.ids, seed % len(skills), 100
        self.active, self.start, self.faults = "", None, Counter[str]()

    def begin(self, facts: Facts) -> str:
        self.active = self._ids[self._turn]
        return self.active

    def advance(self, facts: Facts, ended: EndCause) -> tuple[EndCause, str]:
        self._left -= 1
        if ended or self._left:
            return ended, self.active
        self._turn, self._left = (self._turn + 1) % len(self._ids), 100
        self.active = self._ids[self._turn]
        return EndCause.TIMED_OUT, self.active


def fixed_calls(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """For ``ScheduleSources.maker``."""
    return lambda seed, guidance: FixedCalls(skills, seed)


def play_by_chance(games: Games, steps: int) -> float:
    """Seconds for about ``steps`` steps of random allowed actions, after a warm-up."""
    rng = np.random.default_rng(0)
    games.reset()
    mask = games.arrays.observation[ACTION_MASK]
    rounds, warm = max(1, steps // games.num_games), 20
    began = 0.0
    for turn in range(rounds + warm):
        if turn == warm:
            began = time.perf_counter()
        for group, rows in enumerate(games.groups):
            sums = mask[rows].cumsum(1)
            games.arrays.action[rows] = (sums > rng.random((len(sums), 1)) * sums[:, -1:]).argmax(1)
            games.send(group)
        for group in range(len(games.groups)):
            games.wait(group)
    return (time.perf_counter() - began) / (rounds * games.num_games)


def measure_games(
    domain: Domain, skills: SkillSet, sources: ScheduleSources, rewards: Path | None, config: TrainConfig, steps: int
) -> float:
    """Seconds a step without a network."""
    spec = GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=sources,
        rewards=str(rewards.resolve()) if rewards else "",
        reward_maker="maestromotif.rl.build:load_rewards",
        num_games=config.games,
        seed=1,
        first_episodes=(0,) * config.games,
        episode_steps=config.episode_steps,
    )
    games = make_games(spec, domain, config.groups, config.workers)
    try:
        return play_by_chance(games, steps)
    finally:
        games.close()


def measure_training(
    domain: Domain, skills: SkillSet, sources: ScheduleSources, rewards: Path | None, config: TrainConfig, steps: int
) -> dict[str, float]:
    """Seconds a step: acting alone, then all together, with its parts and the processor time of all processes."""
    sums: dict[str, float] = dict.fromkeys(("all", "acting", *_PARTS, "processor"), 0.0)
    updates = max(2, steps // (config.rollout * config.games))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        training = Training(domain, skills, sources, rewards, config, Path(folder), 1, "maestromotif.rl.build:load_rewards", stack)
        training.update()
        for _ in range(updates):
            began = time.perf_counter()
            training.experience.collect()
            sums["acting"] += time.perf_counter() - began
        # Its metrics also cover what was only acted, so they are dropped.
        training.update()
        for _ in range(updates):
            began, used = time.perf_counter(), time.process_time()
            metrics = training.update()
            sums["all"] += time.perf_counter() - began
            sums["processor"] += time.process_time() - used
            for name in _PARTS:
                sums[name] += metrics["time"][name]
            if config.workers:
                sums["processor"] += metrics["time"]["games_stepping"] + metrics["time"]["games_programs_and_rewards"]
    return {name: value / (updates * config.rollout * config.games) for name, value in sums.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="nethack", help="a registered domain, or synthetic")
    parser.add_argument("--steps", type=int, default=200_000, help="of each measurement")
    parser.add_argument("--programs", type=Path, help="folder with skills.py and training_policy.py; without it, skills take turns")
    parser.add_argument("--rewards", type=Path, help="folder of reward models; without it, no rewards are looked up")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of [train], for example games=128 core=ff")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    domain: Domain
    if arguments.domain == "synthetic":
        from synthetic import Synthetic

        domain = Synthetic()
    else:
        domain = load_domain(arguments.domain)
    skills = SkillSet.parse(domain.skills_toml)
    values: dict[str, Any] = dict(item.split("=", 1) for item in arguments.set)
    config = TrainConfig(**{"tensorboard": False, **values})
    cheap = ScheduleSources(policy="", maker="train:fixed_calls")
    sources = read_sources(arguments.programs) if arguments.programs else cheap
    report = measure(domain, skills, cheap, sources, arguments.rewards, config, arguments.steps)
    text = json.dumps({**report, "set": values, "domain": arguments.domain}, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def measure(
    domain: Domain,
    skills: SkillSet,
    cheap: ScheduleSources,
    sources: ScheduleSources,
    rewards: Path | None,
    config: TrainConfig,
    steps: int,
) -> dict[str, Any]:
    """The four measurements, in steps a second, and the parts of the last in microseconds a step."""
    games: Callable[[ScheduleSources, Path | None], float] = lambda which, table: measure_games(domain, skills, which, table, config, steps)  # noqa: E731
    alone, full = games(cheap, None), games(sources, rewards)
    training = measure_training(domain, skills, sources, rewards, config, steps)
    rates = {"environment": alone, "programs_and_rewards": full, "acting": training["acting"], "learning": training["all"]}
    return {
        "steps_per_second": {name: round(1 / value) for name, value in rates.items()},
        "relative_to_environment": {name: round(alone / value, 3) for name, value in rates.items()},
        "microseconds_per_step": {name: round(value * 1e6, 2) for name, value in training.items()},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__},
        "games": config.games,
        "workers": config.workers,
    }


if __name__ == "__main__":
    main()
