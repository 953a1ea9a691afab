"""Facts of real games, kept in a small file: generated programs are tried on them where no game can be played.

``python -m maestromotif.domains.nethack.recording`` plays the games anew and writes ``recorded_facts.jsonl``: of many games of
the explorer, the few whose first steps show most. The first line of the file names the facts; of each game follow the facts of
its first moment, and then, for each step, those that have changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import Facts
from maestromotif.domains.nethack.simulator import DungeonFacts
from maestromotif.domains.nethack.vocabulary import FACTS
from maestromotif.files import write_atomically

__all__ = ["read_recording", "record"]

_FILE = "recorded_facts.jsonl"
_NAMES = tuple(spec.name for spec in FACTS)
_NUMBERS = tuple(spec.name for spec in FACTS if spec.type == "int")
_GAMES, _STEPS, _KEPT = 2_000, 300, 4
_BATCH = 20
_RARE = 5  # a value of a fact with few values is worth so many magnitudes of a number

Moment = tuple[Any, ...]


def read_recording() -> list[list[Facts]]:
    """The recorded games: for each, the facts of consecutive steps from its reset on."""
    games: list[list[Facts]] = []
    values: dict[str, Any] = {}
    lines = (files(__package__) / _FILE).read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        changed = json.loads(line)
        if len(changed) == len(_NAMES):
            games.append([])
            values = changed
        else:
            values.update(changed)
        games[-1].append(DungeonFacts(**values))
    return games


def record(path: Path) -> None:
    """Play ``_GAMES`` games and write the ``_KEPT`` that together show most."""
    played: list[list[Moment]] = []
    for first in range(0, _GAMES, _BATCH):
        played += _play(range(first, first + _BATCH))
    lines = [json.dumps(_NAMES)]
    for game in _chosen([game for game in played if len(game) == _STEPS + 1]):
        before: Moment | None = None
        for moment in game:
            changed = {
                name: value for index, (name, value) in enumerate(zip(_NAMES, moment, strict=True)) if not before or value != before[index]
            }
            lines.append(json.dumps(changed, separators=(",", ":"), ensure_ascii=False))
            before = moment
    write_atomically(path, "\n".join(lines) + "\n")


def _play(seeds: Sequence[int]) -> list[list[Moment]]:
    from maestromotif.domains.nethack.domain import NetHack

    domain = NetHack()
    env, explorer = domain.make_env(len(seeds)), domain.explorer(seeds[0])
    games: list[list[Moment]] = [[] for _ in seeds]
    alive = [True] * len(seeds)
    env.reset(range(len(seeds)), seeds)
    try:
        for step in range(_STEPS + 1):
            for index, game in enumerate(games):
                if alive[index]:
                    facts = env.facts(index)
                    game.append(tuple(getattr(facts, name) for name in _NAMES))
            if step < _STEPS:
                env.step(explorer.act(env))
                ended = [index for index in range(len(seeds)) if env.terminated_B[index]]
                for index in ended:
                    alive[index] = False
                env.reset(ended, [seeds[index] for index in ended])
    finally:
        env.close()
    return games


def _sights(game: Iterable[Moment]) -> set[tuple[str, Any]]:
    """What a game shows: every value of a fact, numbers by their order of magnitude, and every place."""
    seen: set[tuple[str, Any]] = set()
    for moment in game:
        for name, value in zip(_NAMES, moment, strict=True):
            if name in _NUMBERS:
                seen.add((name, value if value < 8 else value.bit_length() + 8))
            elif name != "message":
                seen.add((name, value))
    return seen


def _chosen(games: list[list[Moment]]) -> list[list[Moment]]:
    """Greedily, those that show most that the others do not."""
    sights = [_sights(game) for game in games]
    known: set[tuple[str, Any]] = set()
    chosen: list[int] = []
    for _ in range(_KEPT):
        best = max(range(len(games)), key=lambda index: sum(1 if name in _NUMBERS else _RARE for name, _ in sights[index] - known))
        chosen.append(best)
        known |= sights[best]
    return [games[index] for index in chosen]


if __name__ == "__main__":
    record(Path(__file__).with_name(_FILE))
