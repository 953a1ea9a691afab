"""Advantages of skills: generalised advantage estimation and V-trace that know where a call of a skill ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maestromotif.types import EndCause

__all__ = ["Returns", "Total", "advantages", "advantages_slow", "moments", "standardise", "vtrace", "vtrace_slow"]

Returns = Literal["cut", "renew", "flow"]
Floats = NDArray[np.float32]
# Sums an array over all processes that train together.
Total = Callable[[NDArray[np.float64]], NDArray[np.float64]]


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
    deltas, carry = _errors(rewards_TB, values_TB, last_values_B, causes_TB, boots_TB, discount, lam, returns)
    return _accumulate(deltas, carry)


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
                follows, ended = _follows(step, game, rewards_TB, values_TB, last_values_B, causes_TB, boots_TB, returns)
                total += weight * (float(rewards_TB[step, game]) + discount * follows - float(values_TB[step, game]))
                weight *= discount * lam
                if ended:
                    break
            result[start, game] = total
    return result


def vtrace(
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    ratios_TB: Floats,
    discount: float,
    lam: float,
    returns: Returns = "cut",
) -> tuple[Floats, Floats]:
    """V-trace (Espeholt et al. 2018, section 4.1) with lambda, for steps that older weights have played.

    Both clipping thresholds, rho and c, are 1. The advantage of a step is not weighted with the step's own ratio, since the loss of PPO
    does that. Where all ratios are 1, both results are those of ``advantages``, where the other arguments are explained.

    Args:
        values_TB: of the present weights.
        ratios_TB: probability of the action under the present weights, divided by that under the weights that acted.

    Returns:
        Advantages and value targets, both float32 ``[T, B]``.
    """
    deltas, carry = _errors(rewards_TB, values_TB, last_values_B, causes_TB, boots_TB, discount, lam, returns)
    weights: Floats = np.minimum(ratios_TB, np.float32(1))
    carry[:-1] *= weights[1:]
    found = _accumulate(deltas, carry)
    return found, (values_TB + weights * found).astype(np.float32, copy=False)


def vtrace_slow(
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    ratios_TB: Floats,
    discount: float,
    lam: float,
    returns: Returns = "cut",
) -> tuple[Floats, Floats]:
    """The obvious twin of ``vtrace``: for each step the sum of the paper's definition, then advantages from the targets."""
    steps, games = rewards_TB.shape
    found, targets = np.zeros((steps, games), np.float32), np.zeros((steps, games), np.float32)
    for game in range(games):
        for start in range(steps):
            target, product = float(values_TB[start, game]), 1.0
            for step in range(start, steps):
                follows, ended = _follows(step, game, rewards_TB, values_TB, last_values_B, causes_TB, boots_TB, returns)
                delta = float(rewards_TB[step, game]) + discount * follows - float(values_TB[step, game])
                clipped = min(1.0, float(ratios_TB[step, game]))
                target += discount ** (step - start) * product * clipped * delta
                product *= lam * clipped
                if ended:
                    break
            targets[start, game] = target
        for step in range(steps):
            follows, ended = _follows(step, game, rewards_TB, values_TB, last_values_B, causes_TB, boots_TB, returns)
            if not ended and step + 1 < steps:
                follows = (1 - lam) * follows + lam * float(targets[step + 1, game])
            found[step, game] = float(rewards_TB[step, game]) + discount * follows - float(values_TB[step, game])
    return found, targets


def _errors(
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    discount: float,
    lam: float,
    returns: Returns,
) -> tuple[Floats, Floats]:
    """Temporal-difference errors, and how much of the next step's advantage a step takes over; both ``[T, B]``."""
    terminal, bootstrapped = _ends(causes_TB, rewards_TB, returns)
    next_values = np.concatenate([values_TB[1:], last_values_B[None]])
    next_values = np.where(bootstrapped, boots_TB, np.where(terminal, np.float32(0), next_values)).astype(np.float32)
    deltas = (rewards_TB + np.float32(discount) * next_values - values_TB).astype(np.float32, copy=False)
    return deltas, np.where(terminal | bootstrapped, np.float32(0), np.float32(discount * lam))


def _accumulate(deltas_TB: Floats, carry_TB: Floats) -> Floats:
    result = np.empty_like(deltas_TB)
    running = np.zeros_like(deltas_TB[0])
    for step in range(len(deltas_TB) - 1, -1, -1):
        running = deltas_TB[step] + carry_TB[step] * running
        result[step] = running
    return result


def _follows(
    step: int,
    game: int,
    rewards_TB: Floats,
    values_TB: Floats,
    last_values_B: Floats,
    causes_TB: NDArray[np.int8],
    boots_TB: Floats,
    returns: Returns,
) -> tuple[float, bool]:
    """For the slow twins: the value of what follows a step, and whether the return ends there."""
    cause = EndCause(int(causes_TB[step, game]))
    ended = cause in (EndCause.DIED, EndCause.CUT) if returns == "flow" else cause is not EndCause.CONTINUES
    if not ended:
        return float(values_TB[step + 1, game]) if step + 1 < len(values_TB) else float(last_values_B[game]), False
    renewed = returns == "renew" and rewards_TB[step, game] > 0
    stops = cause is EndCause.DIED or (cause is EndCause.OVER and not renewed)
    return (0.0 if stops else float(boots_TB[step, game])), True


def _ends(causes_TB: NDArray[np.int8], rewards_TB: Floats, returns: Returns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a return ends with nothing, and where it ends with a bootstrapped value; both bool ``[T, B]``."""
    died, cut = causes_TB == EndCause.DIED, causes_TB == EndCause.CUT
    if returns == "flow":
        return died, cut
    over = causes_TB == EndCause.OVER
    own = cut | (causes_TB == EndCause.INTERRUPTED) | (causes_TB == EndCause.TIMED_OUT)
    renewed = over & (rewards_TB > 0) if returns == "renew" else np.zeros_like(over)
    return died | (over & ~renewed), own | renewed


def moments(
    values: Floats, skills: NDArray[np.int64], num_skills: int, total: Total = lambda sums: sums
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Count, mean and standard deviation of the values of each skill, float64 ``[K]``; zeros where a skill has none.

    Args:
        values: of any shape; skills: of the same.
        total: sums over the processes that train together.
    """
    flat, index = values.astype(np.float64).ravel(), skills.ravel()
    sums = np.empty((2, num_skills))
    sums[0] = np.bincount(index, minlength=num_skills)
    sums[1] = np.bincount(index, flat, num_skills)
    counts, sums_of_values = total(sums)
    means = sums_of_values / np.maximum(counts, 1)
    squares = total(np.bincount(index, np.square(flat - means[index]), num_skills).astype(np.float64))
    return counts, means, np.sqrt(squares / np.maximum(counts, 1))


def standardise(
    advantages: Floats, skills: NDArray[np.int64], num_skills: int, floor: float, balance: float = 0.0, total: Total = lambda sums: sums
) -> Floats:
    """Centre and scale within each skill, so that skills that are active often or paid well do not drown the others.

    The standard deviation is never taken as less than ``floor``: the noise of a skill that has found no reward yet must not be
    blown up to the size of a signal.

    Args:
        advantages: of any shape; skills: of the same.
        balance: advantages are multiplied with the skill's share of steps to the power of minus this, and then all by one number so
            that the mean weight of a step is 1. With 0, every step weighs the same; with 1, every skill does.
        total: sums over the processes that train together.
    """
    counts, means, deviations = moments(advantages, skills, num_skills, total)
    shares = counts / counts.sum()
    weights = np.where(counts > 0, shares, 1) ** -balance
    scales = weights / (shares @ weights) / np.maximum(deviations, floor)
    result: Floats = ((advantages - means[skills]) * scales[skills]).astype(np.float32)
    return result
