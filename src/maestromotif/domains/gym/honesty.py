"""Does an environment keep to its own spaces? The check ``spaces`` of a Gymnasium domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from maestromotif.domains.checks.tools import fail
from maestromotif.domains.gym.actions import Actions
from maestromotif.domains.gym.observations import leaves

__all__ = ["check_spaces"]

_STEPS = 300
_TOLERANCE = 1e-3  # of a bound, for numbers that are rounded


def check_spaces(make: Callable[[], gymnasium.Env[Any, Any]], actions: Actions) -> str:
    """Play at random; every observation lies in its space, and rewards and ends are numbers and bools.

    Args:
        make: makes one environment.
        actions: of its action space.
    """
    env, rng = make(), np.random.default_rng(3)
    try:
        episode = 0
        observation, _ = _pair(env.reset(seed=episode), "reset")
        for step in range(_STEPS):
            _inside(observation, env.observation_space, f"step {step}")
            answer = env.step(actions.value(actions.sample(rng)))
            if not isinstance(answer, tuple) or len(answer) != 5:
                fail(f"step returned {_kind(answer)}, it must be (observation, reward, terminated, truncated, info)")
            observation, reward, terminated, truncated, _ = answer
            if not isinstance(reward, int | float | np.number) or not np.isfinite(reward):
                fail(f"step {step}: the reward is {reward!r}, which is no finite number")
            if not all(isinstance(flag, bool | np.bool_) for flag in (terminated, truncated)):
                fail(f"step {step}: terminated and truncated are {_kind(terminated)} and {_kind(truncated)}, they must be bool")
            if terminated or truncated:
                episode += 1
                observation, _ = _pair(env.reset(seed=episode), "reset")
        return f"{_STEPS} observations lie in their space"
    finally:
        env.close()  # type: ignore[no-untyped-call]


def _pair(answer: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        fail(f"{what} returned {_kind(answer)}, it must be (observation, info)")
    return answer


def _kind(answer: Any) -> str:
    return f"a tuple of {len(answer)}" if isinstance(answer, tuple) else f"a {type(answer).__name__}"


def _inside(observation: Any, space: gymnasium.Space[Any], where: str) -> None:
    for path, leaf in leaves(space):
        name = "observation" + "".join(f"[{key!r}]" for key in path)
        value = observation
        try:
            for key in path:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            fail(f"{where}: {name} is not there, though the observation space has it")
        if not isinstance(leaf, spaces.Box):
            if not leaf.contains(value):
                fail(f"{where}: {name} is {value!r}, which is not in {leaf}")
            continue
        found = np.asarray(value)
        if found.shape != leaf.shape:
            fail(f"{where}: {name} has the shape {found.shape}, its space says {leaf.shape}")
        if found.dtype.kind not in "biuf" or not np.isfinite(found).all():
            fail(f"{where}: {name} holds something that is no finite number")
        # Kinds of whole numbers would wrap around.
        low, high, wide = leaf.low.astype(np.float64), leaf.high.astype(np.float64), found.astype(np.float64)
        out = (wide < low - _TOLERANCE * np.maximum(1, np.abs(low))) | (wide > high + _TOLERANCE * np.maximum(1, np.abs(high)))
        if out.any():
            place = tuple(int(index[0]) for index in np.nonzero(out)) if out.ndim else ()
            at = f"{name}{list(place) if place else ''}"
            fail(f"{where}: {at} is {wide[place]:g}, outside {low[place]:g} to {high[place]:g}, which its space says")
