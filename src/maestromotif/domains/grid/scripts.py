"""Skills by rule, for the simulator and the explorer: they follow the ways that the observation shows too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, DomainEnv, Facts
from maestromotif.domains.grid import sight
from maestromotif.domains.grid.env import GridEnv
from maestromotif.domains.grid.vocabulary import ACTIONS

__all__ = ["AIMS", "GridExplorer", "GridSimulator", "follow", "makes_sense"]

_LEFT, _RIGHT, _FORWARD, _PICK, _PUT, _OPEN = range(len(ACTIONS))
# Where a skill goes, and what it does there; no target: it does so where it stands.
AIMS: Mapping[str, tuple[str, int]] = {
    "explore": ("unseen", _FORWARD),
    "fetch_key": ("key", _PICK),
    "open_door": ("door", _OPEN),
    "fetch_ball": ("ball", _PICK),
    "fetch_box": ("box", _PICK),
    "put_down": ("", _PUT),
    "bring_home": ("home", _PUT),
    "visit_goal": ("goal", _FORWARD),
}
_STEPS = {sight.AHEAD: _FORWARD, sight.RIGHT: _RIGHT, sight.BEHIND: _RIGHT, sight.LEFT: _LEFT}
_TICK = 4


def follow(env: GridEnv, game: int, skill: str, rng: np.random.Generator) -> int:
    """The action that brings a skill on; a chance one where none is known, or for a skill that is not known."""
    allowed = env.observation[ACTION_MASK][game]
    target, deed = AIMS.get(skill, ("", -1))
    way = env.ways_BT[game, sight.TARGETS.index(target)] if target else sight.HERE
    wish = _STEPS.get(int(way), -1 if way == sight.NOWHERE else deed)
    if wish >= 0 and allowed[wish]:
        return wish
    moves = np.flatnonzero(allowed[: _FORWARD + 1])
    return int(rng.choice(moves))


def makes_sense(env: GridEnv, game: int, skill: str) -> bool:
    """Whether a skill has something to do: a way to its target, and a hand that is empty or full as its deed needs it."""
    target, deed = AIMS[skill]
    way = env.ways_BT[game, sight.TARGETS.index(target)] if target else sight.BEFORE
    full = env.carrying(game)
    fits = {_PICK: full == "nothing", _PUT: full != "nothing", _OPEN: full == "key"}.get(deed, way != sight.HERE)
    return fits and bool(way != sight.NOWHERE)


class GridSimulator:
    """The house itself, in which one tick is up to four steps of a skill by rule.

    Args:
        room: size of the rooms.
        slips: chance that a step is a random one.
    """

    def __init__(self, room: int, slips: float) -> None:
        self._env = GridEnv(1, room)
        self._slips = slips
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> Facts:
        self._rng = np.random.default_rng([seed % 2**63, 7])
        self._env.reset([0], [seed])
        return self._env.facts(0)

    def step(self, skill: str) -> tuple[Facts, bool]:
        before = self._env.facts(0)
        facts = before
        for _ in range(_TICK):
            skilled = "" if self._rng.random() < self._slips else skill
            self._env.step(np.array([follow(self._env, 0, skilled, self._rng)], np.int64))
            facts = self._env.facts(0)
            # A tick ends where a program may want to decide anew.
            if any(getattr(facts, name) != getattr(before, name) for name in ("carrying", "door", "on_goal", "more_to_see")):
                break
        return facts, False

    def truth(self) -> Mapping[str, Any]:
        return self._env.truth(0)


class GridExplorer:
    """Tries one skill by rule after the other, each until it is done or for a while, and steps at random now and then.

    Half of the tries are of what leads into the vault, or else what is in there would hardly ever be met.
    """

    _CHANGES, _SLIPS = 0.05, 0.2
    _VAULT = ("open_door", "fetch_box", "fetch_key")

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._skills: list[str] = []

    def act(self, env: DomainEnv) -> NDArray[np.int64]:
        assert isinstance(env, GridEnv)
        rng = self._rng
        if len(self._skills) != env.num_games:
            self._skills = ["explore"] * env.num_games
        actions_B = np.zeros(env.num_games, np.int64)
        for game in range(env.num_games):
            if rng.random() < self._CHANGES or not makes_sense(env, game, self._skills[game]):
                self._skills[game] = self._choose(env, game)
            if rng.random() < self._SLIPS:
                actions_B[game] = rng.choice(np.flatnonzero(env.observation[ACTION_MASK][game]))
            else:
                actions_B[game] = follow(env, game, self._skills[game], rng)
        return actions_B

    def _choose(self, env: GridEnv, game: int) -> str:
        possible = [skill for skill in AIMS if makes_sense(env, game, skill)]
        wanted = [skill for skill in self._VAULT if skill in possible]
        if wanted and self._rng.random() < 0.5:
            return wanted[0]
        return possible[int(self._rng.integers(len(possible)))] if possible else "explore"
