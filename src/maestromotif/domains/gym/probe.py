"""Looking at an environment before words for it are written: ``python -m maestromotif.domains.gym.probe``.

A process of its own, since somebody's environment may hang or crash. One JSON object in (``env``, ``arguments``), one out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.errors import DomainError, MaestroError

__all__ = ["Direction", "Found", "probe"]

_GAMES, _STEPS, _SECONDS = 16, 1_200, 10.0
_LONGEST = 200  # steps of an episode
_AFTERWARDS = 5  # an end within so many steps of an event counts as its consequence
_QUANTILES = (10, 30, 50, 70, 90)
# Where a skill may be told to bring a fact: the first of these quantiles that enough random episodes get to.
_TARGETS, _ENOUGH = (90, 95, 98, 99.5, 100, 80, 70, 60, 50), 0.02
_MOST_WORDS = 900


@dataclass(frozen=True)
class Direction:
    """One way in which a fact moves in random play.

    Attributes:
        fact: its name; ``up`` or down.
        target: what it can be brought to, which it is not at when an episode begins.
        border: whose passing means that it is there; a border belongs to what lies above it.
        share: of random episodes that reach it and go on.
    """

    fact: str
    up: bool
    target: float
    border: float
    share: float


@dataclass(frozen=True)
class Found:
    """What a look at an environment has shown.

    Attributes:
        facts: each with ``name``, ``type``, ``doc``, ``least``, ``most`` and ``code``.
        borders: by fact, quantiles of its values in random play; facts that never change are left out.
        directions: the most promising ones first.
        actions: their names; ``continuous`` where they are values of a continuous space.
        observation_space, action_space, about: in words.
        max_steps: the environment's own limit; 0: none.
        speed: steps a second.
    """

    facts: list[dict[str, Any]]
    borders: dict[str, list[float]]
    directions: list[Direction]
    actions: list[str]
    continuous: bool
    observation_space: str
    action_space: str
    about: str
    max_steps: int
    speed: float


def probe(env: str, arguments: Mapping[str, Any], seconds: float = 90.0) -> Found:
    """Look at an environment from another process.

    Raises:
        DomainError: it cannot be made or played, crashes, or does not answer.
    """
    order = json.dumps({"env": env, "arguments": dict(arguments)})
    command = [sys.executable, "-m", "maestromotif.domains.gym.probe"]
    try:
        child = subprocess.run(command, input=order, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise DomainError(
            f"the environment {env} could not be made and played for a few steps within {seconds:.0f} s", "Mend it; reset or step hangs"
        ) from error
    lines = child.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        answer = {}
    if "error" in answer:
        raise DomainError(*answer["error"])
    if not answer:
        said = child.stderr.strip().splitlines()
        raise DomainError(f"the environment {env} ended its process (exit code {child.returncode}): {said[-1] if said else ''}", "Mend it")
    return Found(**{**answer, "directions": [Direction(**direction) for direction in answer["directions"]]})


def _look(env_id: str, arguments: Mapping[str, Any]) -> Found:
    from maestromotif.domains.gym.domain import GymDomain
    from maestromotif.domains.gym.found import find_facts

    domain = GymDomain({"env": env_id, "arguments": dict(arguments)})
    env = domain.make()
    try:
        observed, acted, about, limit = env.observation_space, env.action_space, env.unwrapped.__doc__ or "", domain.max_steps
        facts = [{**asdict(fact.spec), "code": fact.code} for fact in find_facts(observed)]
    finally:
        env.close()  # type: ignore[no-untyped-call]
    names = [fact["name"] for fact in facts if fact["type"] in ("int", "float")]
    episodes, speed = _play(domain, names)
    borders: dict[str, list[float]] = {}
    directions: list[Direction] = []
    for column, name in enumerate(names):
        series = [episode[:, column] for episode, _ in episodes]
        values = np.concatenate(series)
        if values.min() == values.max():
            continue
        whole = next(fact["type"] for fact in facts if fact["name"] == name) == "int"
        mine = [_direction(name, up, series, [over for _, over in episodes], whole) for up in (True, False)]
        directions += [direction for direction in mine if direction is not None]
        marks = [_round(float(mark), whole) for mark in np.percentile(values, _QUANTILES)]
        marks += [direction.border for direction in mine if direction is not None]
        borders[name] = sorted({mark for mark in marks if values.min() < mark <= values.max()})
    borders |= {fact["name"]: [] for fact in facts if fact["type"] in ("bool", "str")}
    kept = [fact["name"] for fact in facts]
    return Found(
        facts,
        {name: borders[name] for name in kept if name in borders},
        sorted(directions, key=lambda direction: -direction.share * (1 - 0.9 * direction.share)),
        list(domain.actions),
        "Box" in str(acted),
        str(observed),
        str(acted),
        _description(about),
        limit,
        speed,
    )


def _play(domain: Any, names: list[str]) -> tuple[list[tuple[NDArray[np.float64], bool]], float]:
    """Episodes of random play: the facts ``[T, F]`` of each, and whether it ended by itself; steps a second."""
    env, explorer = domain.make_env(_GAMES), domain.explorer(0)
    done: list[tuple[NDArray[np.float64], bool]] = []
    rows: list[list[list[float]]] = [[] for _ in range(_GAMES)]
    began, steps, seed = time.monotonic(), 0, _GAMES
    try:
        env.reset(range(_GAMES), range(_GAMES))
        for game in range(_GAMES):
            rows[game] = [[float(getattr(env.facts(game), name)) for name in names]]
        while steps < _STEPS * _GAMES and time.monotonic() - began < _SECONDS:
            env.step(explorer.act(env))
            steps += _GAMES
            for game in range(_GAMES):
                rows[game].append([float(getattr(env.facts(game), name)) for name in names])
                over = bool(env.terminated_B[game])
                if over or len(rows[game]) > _LONGEST:
                    done.append((np.array(rows[game]).reshape(len(rows[game]), len(names)), over))
                    env.reset([game], [seed])
                    seed += 1
                    rows[game] = [[float(getattr(env.facts(game), name)) for name in names]]
    finally:
        env.close()
    done += [(np.array(mine).reshape(len(mine), len(names)), False) for mine in rows if len(mine) > 1]
    return done, steps / (time.monotonic() - began)


def _direction(name: str, up: bool, series: list[NDArray[np.float64]], overs: list[bool], whole: bool) -> Direction | None:
    """Where the fact can be brought to in this direction; None: never beyond where it begins."""
    sign = 1.0 if up else -1.0
    start = max(sign * float(values[0]) for values in series)
    values = sign * np.concatenate(series)
    targets = [_round(float(np.percentile(values, quantile)) * sign, whole) for quantile in _TARGETS]
    shares = {
        target: _share(sign * target, sign, series, overs)
        for target in dict.fromkeys(targets)
        if start < sign * target <= values.max()
    }
    if not shares:
        return None
    best = next((target for target, share in shares.items() if share >= _ENOUGH), max(shares, key=lambda target: shares[target]))
    return Direction(name, up, best, best + 1 if whole and not up else best, shares[best])


def _share(target: float, sign: float, series: list[NDArray[np.float64]], overs: list[bool]) -> float:
    """Of the episodes, how many reach it and are not over soon after."""
    reached = 0
    for one, over in zip(series, overs, strict=True):
        at = np.flatnonzero(sign * one >= target)
        reached += bool(len(at)) and not (over and len(one) - at[0] <= _AFTERWARDS)
    return reached / len(series)


def _round(value: float, whole: bool) -> float:
    """A short number: whole, or of two digits."""
    return float(round(value)) if whole else float(f"{value:.2g}")


def _description(text: str) -> str:
    """The section that describes the environment in its documentation, or its first paragraph, as one line."""
    _, found, rest = text.partition("## Description")
    part = re.split(r"\n\s*#+ ", rest)[0] if found else text.strip().split("\n\n")[0]
    line = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(part.split())).replace('"""', "'").replace("\\", "/")
    return line if len(line) <= _MOST_WORDS else line[:_MOST_WORDS].rsplit(" ", 1)[0] + " ..."


def main() -> None:
    """Read an order, write what was found."""
    order = json.load(sys.stdin)
    try:
        answer = asdict(_look(order["env"], order["arguments"]))
    except MaestroError as error:
        answer = {"error": [error.problem, error.remedy]}
    # Environments print; the last line is ours.
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
