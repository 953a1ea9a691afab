"""How many workers, games and groups train fastest on this machine: found by training for a moment with some of them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from maestromotif.errors import TrainingError
from maestromotif.files import write_atomically
from maestromotif.rl.actors import acts_in_workers
from maestromotif.rl.config import AUTO, SettledConfig, TrainConfig, cores

__all__ = ["CALIBRATION", "settle"]

CALIBRATION = "calibration.json"
_NAMES = ("workers", "games", "groups")
# Something more complicated must be faster than what was tried before by at least this, or it is not worth its trouble.
_BETTER = 1.05
_SECONDS = 25.0  # after which no further combination is tried
_GAMES = (64, 128, 256)
_log = logging.getLogger(__name__)


def settle(config: TrainConfig, out: Path, measure: Callable[[SettledConfig], float], tell: Callable[[str], None]) -> SettledConfig:
    """Numbers in place of every ``"auto"`` among workers, games and groups.

    With ``workers = 0`` nothing is tried, so that a seed fixes everything. Otherwise they are read from ``calibration.json`` if they
    were found on a machine with as many cores and for the same settings; the number of games is kept in any case, since the games of
    a training go on. If they are not there, one number after the other is varied, and the fastest kept; the file tells the whole table.

    Args:
        out: the training's folder.
        measure: trains for a moment; steps per second.
        tell: told, in words, what goes on.
    """
    if config.workers == 0 or not list(_axes(config)):
        return config.settled()
    given = {name: getattr(config, name) for name in _NAMES}
    known = _read(out / CALIBRATION)
    if known is not None:
        if known["cores"] == cores() and known["given"] == given:
            return config.settled(**known["choice"])
        if config.games == AUTO:
            config = config.model_copy(update={"games": known["choice"]["games"]})
    table = _Table(config, measure, tell)
    best = config.settled(workers=1 if config.workers == AUTO else None)
    table.speed(best)
    for name, candidates in _axes(config):
        for value in candidates:
            best = table.better(best, name, value)
    choice = {name: getattr(best, name) for name in _NAMES}
    found = {"cores": cores(), "given": given, "choice": choice, "tried": table.rows}
    write_atomically(out / CALIBRATION, json.dumps(found, indent=1) + "\n")
    groups = f" in {best.groups} groups" if best.groups > 1 else ""
    tell(f"{best.workers} workers x {best.games} games{groups}: {table.speed(best):,.0f} steps/s, of {len(table.rows)} combinations tried")
    return best


def _axes(config: TrainConfig) -> Iterable[tuple[str, list[int]]]:
    """What to vary, in this order, from the simple to the more complicated."""
    if config.workers == AUTO:
        number = cores()
        yield "workers", sorted({max(1, number // 2), max(1, number - 1), number} - {1})
    if config.games == AUTO:
        yield "games", list(_GAMES[1:])
    if config.groups == AUTO and not acts_in_workers(config):
        # Where the workers act, nobody waits for the network, and groups change nothing.
        yield "groups", [2]


class _Table:
    """Combinations that were tried, and their speeds."""

    def __init__(self, config: TrainConfig, measure: Callable[[SettledConfig], float], tell: Callable[[str], None]) -> None:
        self._measure, self._tell = measure, tell
        self._began = time.monotonic()
        self.rows: list[dict[str, Any]] = []

    def speed(self, config: SettledConfig) -> float:
        """Steps per second; 0 if it does not work at all."""
        place = {name: getattr(config, name) for name in _NAMES}
        for row in self.rows:
            if place.items() <= row.items():
                return float(row["steps_per_second"])
        self._tell(f"calibrating: {place['workers']} workers x {place['games']} games, groups: {place['groups']}")
        try:
            speed = self._measure(config)
        except TrainingError as error:
            _log.warning("calibration: %s: %s", place, error)
            speed = 0.0
        self.rows.append({**place, "steps_per_second": round(speed)})
        return speed

    def better(self, best: SettledConfig, name: str, value: int) -> SettledConfig:
        """The better of a combination and its variant; the combination itself where time is up or the variant cannot be."""
        variant = best.model_copy(update={name: value})
        if time.monotonic() - self._began > _SECONDS or variant.games < variant.groups * variant.workers:
            return best
        return variant if self.speed(variant) > _BETTER * self.speed(best) else best


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        complete = {"cores", "given", "choice"} <= set(found) and set(found["choice"]) == set(_NAMES)
    except (OSError, ValueError, TypeError):
        return None
    return found if complete else None
