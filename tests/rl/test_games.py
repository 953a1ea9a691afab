"""Games in one process and in workers give the same trajectories; what goes wrong in a worker is told."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.domains.registry import load_domain
from maestromotif.errors import ProgramError, TrainingError
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.vector import Games, ParallelGames, SerialGames
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

from . import worlds


def _spec(num_games: int = 6, **changes: Any) -> GamesSpec:
    domain, skills = worlds.corridor(length=7, slip=0.2, light=60)
    spec = GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=worlds.sources(),
        rewards=".",
        reward_maker=worlds.REWARDS,
        num_games=num_games,
        seed=4,
        first_episodes=(0,) * num_games,
        episode_steps=45,
    )
    return replace(spec, **changes)


def _allowed(mask_BA: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    allowed: NDArray[np.int64] = np.argmax(rng.random(mask_BA.shape) * (mask_BA > 0), axis=1)
    return allowed


def _trajectory(games: Games, steps: int = 130, actions: int = 3) -> list[Any]:
    rng = np.random.default_rng(0)
    trace: list[Any] = []
    try:
        games.reset()
        arrays = games.arrays
        for _ in range(steps):
            arrays.action[...] = _allowed(arrays.observation[ACTION_MASK], rng) if actions > 3 else rng.integers(3, size=games.num_games)
            for group in range(len(games.groups)):
                games.send(group)
            for group in range(len(games.groups)):
                games.wait(group)
            row: list[Any] = [
                arrays.reward,
                arrays.cause,
                arrays.skill,
                arrays.fresh,
                arrays.episode,
                arrays.time,
                *arrays.observation.values(),
            ]
            trace.append([array.copy().tolist() for array in row])
        trace.append(
            [getattr(arrays, name).sum(0).round(9).tolist() for name in ("calls", "call_steps", "call_return", "measured", "steps", "ends")]
        )
    finally:
        games.close()
    return trace


def test_serial_and_parallel_games_are_the_same() -> None:
    domain, _ = worlds.corridor(length=7, slip=0.2, light=60)
    serial = _trajectory(SerialGames(_spec(), domain))
    assert serial == _trajectory(SerialGames(_spec(), domain, num_groups=2))
    assert serial == _trajectory(ParallelGames(_spec(), domain, num_groups=1, workers=2))
    assert serial == _trajectory(ParallelGames(_spec(), domain, num_groups=2, workers=2))
    assert serial != _trajectory(SerialGames(_spec(seed=5), domain))


_NETHACK_PROGRAM = """
def can_start(skill, facts):
    return skill != "merchant" or facts.shopkeeper_near
def is_over(skill, facts, start):
    if facts.depth != start.depth:
        return True
    return skill == "discoverer" and facts.hostiles_near == 0 and facts.squares_seen_here > start.squares_seen_here + 60
"""
_NETHACK_POLICY = """
import random
class PolicyOverSkills:
    def __init__(self):
        self.fled = 0
    def interrupt(self, facts, skill):
        return skill != "ascender" and self.fled < 9 and facts.hp * 2 < facts.max_hp
    def next_skill(self, facts, finished, startable):
        self.fled += 1
        return random.choice(startable)
"""


@pytest.mark.parametrize("world", ["corridor", "nethack"])
def test_asking_schedules_only_where_facts_change_is_asking_them_always(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if world == "nethack":
        pytest.importorskip("nle")
        domain = load_domain("nethack")
        skills = SkillSet.parse(domain.skills_toml)
        sources = ScheduleSources(_NETHACK_POLICY, _NETHACK_PROGRAM)
        spec = _spec(domain=describe_domain(domain), options={}, skills=tuple(skills), sources=sources, episode_steps=300)
    else:
        domain, _ = worlds.corridor(length=7, slip=0.2, light=60)
        spec = _spec()
    spec = replace(spec, reward_maker=worlds.KEY_REWARDS)
    actions, asked = len(domain.actions), Counter[bool]()
    advance = ProgramSchedule.advance

    def play(always: bool) -> list[Any]:
        def counted(*arguments: Any) -> Any:
            asked[always] += 1
            return advance(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(ProgramSchedule, "advance", counted)
            if always:
                patch.setattr(ProgramSchedule, "deciding", None)
                patch.setattr("maestromotif.rl.pay.CountDiscount", type("Other", (), {}))
            return _trajectory(SerialGames(spec, domain), 700, actions)

    first, second = play(True), play(False)
    assert first == second
    assert asked[True] == 6 * 700
    assert asked[False] < asked[True] * (0.3 if world == "nethack" else 0.9)
    causes = Counter(cause for step in first[:-1] for cause in step[1])
    assert causes[EndCause.OVER] > 2
    assert causes[EndCause.CUT] > 2
    assert sum(reward != 0 for step in first[:-1] for reward in step[0]) > 100


def test_counters_add_up_and_causes_are_told_apart() -> None:
    domain, _ = worlds.corridor(length=7, slip=0.2, light=60)
    games = SerialGames(_spec(), domain)
    trace = _trajectory(games, 200)
    arrays = games.arrays
    assert arrays.steps.sum() == 6 * 200
    assert arrays.ends.sum() == arrays.calls.sum()
    # Episodes are cut at 45 steps, before the light goes out, and calls of up to 40 steps time out.
    for cause in (EndCause.OVER, EndCause.TIMED_OUT, EndCause.CUT):
        assert arrays.ends[..., cause].sum() > 0
    assert arrays.ends[..., EndCause.DIED].sum() == 0
    assert arrays.measured.sum() == arrays.ends[..., EndCause.OVER].sum()
    rewards = sum(sum(step[0]) for step in trace[:-1])
    assert rewards > 0


def test_a_game_that_dies_begins_anew_and_a_cut_one_keeps_its_last_observation() -> None:
    domain, _ = worlds.corridor(length=7, slip=0.2, light=60)
    for limit, cause in ((45, EndCause.CUT), (1000, EndCause.DIED)):
        games = SerialGames(_spec(episode_steps=limit), domain)
        games.reset()
        arrays = games.arrays
        for step in range(1, 61):
            arrays.action[...] = 2
            places = arrays.observation["place"].copy()
            games.send(0)
            if step == min(limit, 60):
                assert (arrays.cause == cause).all()
                assert (arrays.fresh == 1).all()
                assert (arrays.time == 0).all()
                if cause is EndCause.CUT:
                    assert (arrays.last["place"] == places).all()
                    assert not (arrays.observation["place"] == places).all()
                break
            assert not arrays.fresh.any()
        games.close()


def _step_thrice(games: Games) -> None:
    for _ in range(3):
        games.arrays.action[...] = 0
        games.send(0)
        games.wait(0)


def test_a_dead_worker_is_named_with_its_signal() -> None:
    domain, _ = worlds.corridor()
    games = ParallelGames(_spec(options={}), domain, workers=2, restarts=0)
    try:
        games.reset()
        process = games._workers[1].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(TrainingError, match=r"worker 1 was killed by signal 9.*The last checkpoint is kept"):
            _step_thrice(games)
    finally:
        games.close()


def test_errors_of_a_worker_keep_their_class_and_words() -> None:
    domain, _ = worlds.corridor()
    bad = worlds.sources("import os\n")
    with pytest.raises(ProgramError) as serial:
        SerialGames(_spec(sources=bad, options={}), domain).reset()
    games = ParallelGames(_spec(sources=bad, options={}), domain, workers=1)
    try:
        with pytest.raises(ProgramError) as parallel:
            games.reset()
    finally:
        games.close()
    assert str(parallel.value) == str(serial.value)


def test_workers_do_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    # Programs refuse to load where a secret is in the environment, so that a worker which runs them has none.
    monkeypatch.setenv("SOME_API_KEY", "hidden")
    domain, _ = worlds.corridor()
    games = ParallelGames(_spec(options={}), domain, workers=1)
    try:
        games.reset()
        assert (games.arrays.fresh == 1).all()
    finally:
        games.close()
