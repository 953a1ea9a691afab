"""Skills by rule, for the simulator and the explorer: they follow the ways that the observation shows too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import DomainEnv, Facts
from maestromotif.domains.textgame.env import TextEnv
from maestromotif.domains.textgame.house import THINGS
from maestromotif.domains.textgame.play import HAND, HERE, TARGETS, Play
from maestromotif.domains.textgame.rules import Deed

__all__ = ["AIMS", "TextExplorer", "TextSimulator", "follow", "makes_sense"]


def _takes(thing: str) -> Callable[[Deed], bool]:
    return lambda deed: deed.rule.startswith("take") and deed.things[0] == thing


# Where a skill goes, and what it does there; no target: it does so where it stands.
AIMS: Mapping[str, tuple[str, Callable[[Deed], bool]]] = {
    "explore": ("unseen", lambda deed: False),
    "fetch_key": ("key", _takes("key")),
    "open_door": ("door", lambda deed: deed.rule in ("unlock/d", "open/d") and deed.things[0] == "locked_door"),
    "fetch_food": ("food", _takes("food")),
    "cook_food": ("kitchen", lambda deed: deed.rule == "cook/stove/cooked/needs_cooking"),
    "fetch_treat": ("treat", _takes("treat")),
    "serve": ("kitchen", lambda deed: deed.rule == "put" and deed.things[1] == "table"),
    "eat": ("", lambda deed: deed.rule == "eat"),
    "put_down": ("", lambda deed: deed.rule == "drop"),
}


def _way(play: Play, skill: str) -> str:
    target = AIMS[skill][0]
    return play.view.ways[TARGETS.index(target)] if target else HERE


def makes_sense(play: Play, skill: str) -> bool:
    """Whether a skill has something to do: a known way to its target, and hands that are full or empty as its deed needs it."""
    held = [thing for thing, place in zip(THINGS, play.scene.places, strict=True) if place == HAND]
    if skill.startswith("fetch"):
        fits = len(held) < 2 and skill.removeprefix("fetch_") not in held
    elif skill == "open_door":
        fits = "locked_door" in play.scene.shut and ("key" in held or not play.scene.locked)
    elif skill == "cook_food":
        fits = "food" in held and play.scene.food == 0
    elif skill == "eat":
        fits = "treat" in held or ("food" in held and play.scene.food == 1)
    else:
        fits = skill == "explore" or bool(held)
    return fits and bool(_way(play, skill))


def follow(play: Play, skill: str, rng: np.random.Generator) -> int:
    """The action that brings a skill on; a chance one where none is known, or for a skill that is not known."""
    deeds = play.scene.deeds
    if skill in AIMS:
        way, does = _way(play, skill), AIMS[skill][1]
        for action, deed in enumerate(deeds):
            if does(deed) if way == HERE else deed.command == way:
                return action
    return int(rng.integers(len(deeds)))


class TextSimulator:
    """The house itself, in which one tick is one command of a skill by rule.

    Args:
        slips: chance that a command is a random one.
    """

    def __init__(self, slips: float) -> None:
        self._env = TextEnv(1)
        self._slips = slips
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> Facts:
        self._rng = np.random.default_rng([seed % 2**63, 7])
        self._env.reset([0], [seed])
        return self._env.facts(0)

    def step(self, skill: str) -> tuple[Facts, bool]:
        skilled = "" if self._rng.random() < self._slips else skill
        self._env.step(np.array([follow(self._env.plays[0], skilled, self._rng)], np.int64))
        return self._env.facts(0), False

    def truth(self) -> Mapping[str, Any]:
        return self._env.truth(0)


class TextExplorer:
    """Tries one skill by rule after the other, each until it is done or for a while, and gives a chance command now and then.

    Half of the tries are of what leads into the cellar or to a cooked meal, or else such moments would hardly ever be met.

    Args:
        slips: share of the commands that are given by chance.
    """

    _CHANGES = 0.05
    _CHAINS = ("open_door", "cook_food", "fetch_treat", "fetch_key", "fetch_food")

    def __init__(self, seed: int, slips: float = 0.2) -> None:
        self._rng = np.random.default_rng(seed)
        self._slips = slips
        self._skills: list[str] = []

    def act(self, env: DomainEnv) -> NDArray[np.int64]:
        assert isinstance(env, TextEnv)
        rng = self._rng
        if len(self._skills) != env.num_games:
            self._skills = ["explore"] * env.num_games
        actions_B = np.zeros(env.num_games, np.int64)
        for game, play in enumerate(env.plays):
            if rng.random() < self._CHANGES or not makes_sense(play, self._skills[game]):
                self._skills[game] = self._choose(play)
            skill = "" if rng.random() < self._slips else self._skills[game]
            actions_B[game] = follow(play, skill, rng)
        return actions_B

    def _choose(self, play: Play) -> str:
        possible = [skill for skill in AIMS if makes_sense(play, skill)]
        wanted = [skill for skill in self._CHAINS if skill in possible]
        if wanted and self._rng.random() < 0.5:
            return wanted[0]
        return possible[int(self._rng.integers(len(possible)))] if possible else "explore"
