"""Checks of the environment itself: seeds, layout, masks, and the scripted player."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from maestromotif.domains.checks.tools import GAMES, SEEDS, STEPS, Check, Nothing, fact_values, fail, legal, play
from maestromotif.domains.contract import ACTION_MASK, COMMANDS, DENSE, Bag, Domain, DomainEnv

__all__ = ["GAME_CHECKS"]


def _same_seed(domain: Domain) -> str:
    """The same seeds and actions, in two environments, give the same observations, facts, keys and captions."""
    for step, (first, second) in enumerate(zip(play(domain, 150), play(domain, 150), strict=True)):
        (env_a, moments_a, actions_a), (env_b, moments_b, actions_b) = first, second
        if not np.array_equal(actions_a, actions_b):
            fail(f"step {step}: the action masks differ between two runs of the same seeds")
        for name, array in env_a.observation.items():
            if not np.array_equal(array, env_b.observation[name]):
                fail(f"step {step}: observation {name!r} differs between two runs of the same seeds")
        for game, (a, b) in enumerate(zip(moments_a, moments_b, strict=True)):
            if fact_values(a.facts, domain.fact_specs) != fact_values(b.facts, domain.fact_specs):
                fail(f"step {step}, game {game}: the facts differ between two runs of the same seeds")
            if (a.key, a.reward_input, a.text, a.terminated) != (b.key, b.reward_input, b.text, b.terminated):
                fail(f"step {step}, game {game}: key, caption or end differ between two runs of the same seeds")
    return f"{GAMES} games and 150 steps were the same twice"


def _other_seed(domain: Domain) -> str:
    """Some other seed gives another game."""
    env = domain.make_env(1)
    try:
        seen = set()
        for seed in range(12):
            env.reset([0], [seed])
            rng = np.random.default_rng(0)
            for _ in range(5):
                if not env.terminated_B[0]:
                    env.step(legal(env, domain.observation_spec, rng))
            seen.add(tuple(array.tobytes() for array in env.observation.values()))
        if len(seen) < 2:
            fail("12 seeds gave one and the same game")
        return f"12 seeds gave {len(seen)} different beginnings"
    finally:
        env.close()


def _games_are_independent(domain: Domain) -> str:
    """A game's trajectory does not depend on the games beside it."""
    single, many = domain.make_env(1), domain.make_env(3)
    try:
        single.reset([0], [21])
        many.reset(range(3), [20, 21, 22])
        rng = np.random.default_rng(6)
        for step in range(60):
            if single.terminated_B[0]:
                break
            actions = legal(many, domain.observation_spec, rng)
            single.step(actions[1:2])
            many.step(actions)
            for name, array in single.observation.items():
                if not np.array_equal(array[0], many.observation[name][1]):
                    fail(f"step {step}: observation {name!r} depends on the games beside it")
            for game in (0, 2):
                if many.terminated_B[game]:
                    many.reset([game], [100 + step])
        return "the middle one of three games went as it goes alone"
    finally:
        single.close()
        many.close()


def _observations(domain: Domain) -> str:
    """Arrays have the shapes and types of the layout; indices lie in range; dense values are finite; some action is allowed."""
    spec = domain.observation_spec
    if spec.actions != len(domain.actions):
        fail(f"observation_spec has {spec.actions} actions, the domain names {len(domain.actions)}")
    for name in spec.skip:
        if name not in spec.bags:
            fail(f"skip names the bag {name!r}, which does not exist")
    for step, (env, _, _) in enumerate(play(domain, 200)):
        layout = spec.layout()
        if set(env.observation) != set(layout):
            fail(f"the observation has the arrays {sorted(env.observation)}, the spec {sorted(layout)}")
        for name, (shape, dtype) in layout.items():
            array = env.observation[name]
            if array.shape != (GAMES, *shape) or array.dtype != dtype:
                fail(f"observation {name!r} is {array.shape} {array.dtype}, the spec says {(GAMES, *shape)} {dtype}")
        for name, bag in spec.bags.items():
            array = env.observation[name]
            if array.min() < 0 or array.max() >= bag.size:
                fail(f"step {step}: bag {name!r} holds an index outside [0, {bag.size})")
        if spec.commands is not None:
            _commands(step, env, spec.commands)
        if spec.dense and not np.isfinite(env.observation[DENSE]).all():
            fail(f"step {step}: a dense value is not finite")
        if spec.dense and np.abs(env.observation[DENSE]).max() > 100:
            fail(f"step {step}: a dense value is larger than 100; scale it to about [-1, 1]")
        alive = ~env.terminated_B
        if not spec.continuous and not (env.observation[ACTION_MASK][alive] > 0).any(1).all():
            fail(f"step {step}: the mask forbids every action of a living game")
    return "200 steps keep to the layout"


def _commands(step: int, env: DomainEnv, words: Bag) -> None:
    """Every command that can be given has words, and a name that tells it from the others."""
    indices, allowed = env.observation[COMMANDS], env.observation[ACTION_MASK] > 0
    if indices.min() < 0 or indices.max() >= words.size:
        fail(f"step {step}: {COMMANDS!r} holds an index outside [0, {words.size})")
    if not (indices > 0).sum(2)[allowed].all():
        fail(f"step {step}: the mask allows a command that has no words")
    for game in range(env.num_games):
        names, count = env.action_names(game), int(allowed[game].sum())
        if names is None or len(names) < count or len(set(names)) < len(names):
            fail(f"step {step}: game {game} allows {count} commands, action_names tells {names}")


def _bind(domain: Domain) -> str:
    """``bind`` makes the environment write into the caller's arrays, which may begin as zeros (shared memory does)."""
    env = domain.make_env(2)
    try:
        arrays = domain.observation_spec.allocate(2)
        for array in arrays.values():
            array[...] = 0
        env.bind(arrays)
        env.reset(range(2), (1, 2))
        spec = domain.observation_spec
        if not spec.continuous and not (arrays[ACTION_MASK] > 0).any(1).all():
            fail("after bind to zeroed arrays and a reset, the mask forbids every action")
        env.step(legal(env, spec, np.random.default_rng(0)))
        for name, array in env.observation.items():
            if array is not arrays[name]:
                fail(f"after bind, the observation {name!r} is another array than the one that was given")
        if not any(array.any() for name, array in arrays.items() if name != ACTION_MASK):
            fail("after bind and reset, the given arrays are still all zero")
        return "observations are written into given arrays"
    finally:
        env.close()


def _explorer(domain: Domain) -> str:
    """The explorer returns actions of the right shape and type within their bounds, and the same seed plays the same."""
    shape, dtype = domain.observation_spec.action
    for step, ((env_a, _, actions_a), (_, _, actions_b)) in enumerate(zip(play(domain, 150, 7), play(domain, 150, 7), strict=True)):
        if actions_a.shape != (env_a.num_games, *shape) or actions_a.dtype != dtype:
            fail(f"the explorer returned {actions_a.dtype} {actions_a.shape} instead of {dtype} {(env_a.num_games, *shape)}")
        if domain.observation_spec.continuous:
            if not (np.abs(actions_a) <= 1).all():
                fail(f"step {step}: the explorer's action has a number outside [-1, 1]")
        elif actions_a.min() < 0 or actions_a.max() >= len(domain.actions):
            fail(f"step {step}: the explorer chose an action that does not exist")
        if not np.array_equal(actions_a, actions_b):
            fail(f"step {step}: two explorers with the same seed acted differently")
    return "150 steps of legal actions, the same twice"


def _explorer_masked(domain: Domain) -> str:
    """The explorer never chooses what the mask forbids."""
    if domain.observation_spec.continuous:
        return "actions are vectors, which no mask forbids"
    env = domain.make_env(GAMES)
    try:
        explorer = domain.explorer(8)
        env.reset(range(GAMES), SEEDS)
        masked = 0
        for step in range(200):
            allowed = env.observation[ACTION_MASK].copy()
            masked += int((allowed == 0).sum())
            actions_B = explorer.act(env)
            bad = np.flatnonzero(allowed[np.arange(GAMES), actions_B] == 0)
            if len(bad):
                fail(f"step {step}: the explorer chose {domain.actions[int(actions_B[bad[0]])]!r}, which the mask forbids")
            env.step(actions_B)
            for game in np.flatnonzero(env.terminated_B).tolist():
                env.reset([game], [1000 + step])
        if not masked:
            raise Nothing("the mask never forbade anything")
        return "200 steps within the mask"
    finally:
        env.close()


def _all_at_once(domain: Domain) -> str:
    """Keys of all games are those of each game, and no fact changes where its number stays the same."""
    meant: dict[tuple[str, int], object] = {}
    columns: Mapping[str, int] = {}
    for step, (env, moments, _) in enumerate(play(domain, 150, 9)):
        if env.reward_keys() != [moment.key for moment in moments]:
            fail(f"step {step}: reward_keys differs from reward_key of each game")
        if env.discount_keys() != [env.discount_key(game) for game in range(GAMES)]:
            fail(f"step {step}: discount_keys differs from discount_key of each game")
        numbers_BF, columns = env.fact_numbers() or (np.zeros((GAMES, 0), np.int64), {})
        for name, column in columns.items():
            for game, moment in enumerate(moments):
                number, value = int(numbers_BF[game, column]), getattr(moment.facts, name)
                if meant.setdefault((name, number), value) != value:
                    fail(f"step {step}, game {game}: fact {name!r} is {value!r} where its number is {number}; it was something else before")
    return f"150 steps; {len(columns)} facts have numbers"


def _reset_lives(domain: Domain) -> str:
    """``reset`` begins an episode that is not over, also in a game that has just been over."""
    env, rng = domain.make_env(GAMES), np.random.default_rng(4)
    try:
        env.reset(range(GAMES), SEEDS)
        ends = 0
        for step in range(STEPS):
            if env.terminated_B.shape != (GAMES,) or env.terminated_B.dtype != np.bool_:
                fail(f"terminated_B is {env.terminated_B.shape} {env.terminated_B.dtype}, it must be {(GAMES,)} bool")
            over = np.flatnonzero(env.terminated_B).tolist()
            if over:
                env.reset(over, [step * GAMES + game for game in over])
                ends += len(over)
            if env.terminated_B.any():
                fail(f"step {step}: a game is terminated right after its reset")
            env.step(legal(env, domain.observation_spec, rng))
        return f"{GAMES + ends} episodes began alive" if ends else f"no game ended by itself within {STEPS} steps"
    finally:
        env.close()


GAME_CHECKS: Mapping[str, Check] = {
    "observations": _observations,
    "a reset game lives": _reset_lives,
    "bind": _bind,
    "same seed, same game": _same_seed,
    "other seed, other game": _other_seed,
    "games are independent": _games_are_independent,
    "all games at once": _all_at_once,
    "explorer": _explorer,
    "explorer keeps to the mask": _explorer_masked,
}
