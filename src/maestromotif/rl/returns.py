"""Advantages of skills: generalised advantage estimation that knows where a call of a skill ends."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maestromotif.types import EndCause

__all__ = ["Returns", "advantages", "advantages_slow", "standardise"]

Returns = Literal["cut", "renew", "flow"]
Floats = NDArray[np.float32]


def advantages(
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    discount: float,
    lam: float,
    returns: Returns = "cut",
) -> Floats:
    """Generalised advantage estimates (Schulman et al. 2016), float32 ``[T, B]``.

    Args:
        rewards_TB: reward of the skill that was active in the step.
        values_TB: value of the observation before the step, under that skill.
        last_values_B: value of the observation after the last step, under the skill active then.
        causes_TB: ``EndCause`` of the step.
        boots_TB: read only where a return is bootstrapped: the value of the observation after the step, under the skill that
            acted in it; for ``"renew"``, where the call is over, the value of a new call.
        discount: per step.
        lam: lambda.
        returns: ``"cut"``: nothing crosses the end of a call. ``OVER`` and ``DIED`` end the return; the other causes
            bootstrap from the skill's own value. ``"renew"``: as ``"cut"``, but ``OVER`` at a rewarded step bootstraps too, from
            what a new call of the skill is worth. Then success costs nothing: where every step on the way is rewarded, a skill
            whose return ends with it learns never to arrive. An end without reward still ends the return, or a skill would go
            back and forth over its goal. ``"flow"``: only ``DIED`` ends a return and only ``CUT`` bootstraps; everything else
            runs on into the skill that follows (the reference implementation's way).
    """
    terminal, bootstrapped = _ends(causes_TB, rewards_TB, returns)
    steps = rewards_TB.shape[0]
    next_values = np.concatenate([values_TB[1:], last_values_B[None]])
    next_values = np.where(bootstrapped, boots_TB, np.where(terminal, np.float32(0), next_values)).astype(np.float32)
    deltas = (rewards_TB + np.float32(discount) * next_values - values_TB).astype(np.float32, copy=False)
    carry = np.where(terminal | bootstrapped, np.float32(0), np.float32(discount * lam))
    result = np.empty_like(deltas)
    running = np.zeros_like(last_values_B)
    for step in range(steps - 1, -1, -1):
        running = deltas[step] + carry[step] * running
        result[step] = running
    return result


def advantages_slow(
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    discount: float,
    lam: float,
    returns: Returns = "cut",
) -> Floats:
    """The obvious twin of ``advantages``: for each step, the sum of the discounted errors until an end."""
    steps, games = rewards_TB.shape
    result = np.zeros((steps, games), np.float32)
    for game in range(games):
        for start in range(steps):
            total, weight = 0.0, 1.0
            for step in range(start, steps):
                cause = EndCause(int(causes_TB[step, game]))
                follows = float(values_TB[step + 1, game]) if step + 1 < steps else float(last_values_B[game])
                ended = cause in (EndCause.DIED, EndCause.CUT) if returns == "flow" else cause is not EndCause.CONTINUES
                if ended:
                    renewed = returns == "renew" and rewards_TB[step, game] > 0
                    stops = cause is EndCause.DIED or (cause is EndCause.OVER and not renewed)
                    follows = 0.0 if stops else float(boots_TB[step, game])
                total += weight * (float(rewards_TB[step, game]) + discount * follows - float(values_TB[step, game]))
                weight *= discount * lam
                if ended:
                    break
            result[start, game] = total
    return result


def _ends(causes_TB: NDArray[np.int8], rewards_TB: Floats, returns: Returns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a return ends with nothing, and where it ends with a bootstrapped value; both bool ``[T, B]``."""
    died, cut = causes_TB == EndCause.DIED, causes_TB == EndCause.CUT
    if returns == "flow":
        return died, cut
    over = causes_TB == EndCause.OVER
    own = cut | (causes_TB == EndCause.INTERRUPTED) | (causes_TB == EndCause.TIMED_OUT)
    renewed = over & (rewards_TB > 0) if returns == "renew" else np.zeros_like(over)
    return died | (over & ~renewed), own | renewed


def standardise(advantages_TB: Floats, skills_TB: NDArray[np.int64], num_skills: int, floor: float) -> Floats:
    """Centre and scale within each skill, so that skills that are active often or paid well do not drown the others.

    The standard deviation is never taken as less than ``floor``: the noise of a skill that has found no reward yet must not be
    blown up to the size of a signal.
    """
    result = np.zeros_like(advantages_TB)
    for skill in range(num_skills):
        chosen = skills_TB == skill
        if chosen.any():
            mine = advantages_TB[chosen].astype(np.float64)
            result[chosen] = ((mine - mine.mean()) / max(float(mine.std()), floor)).astype(np.float32)
    return result
