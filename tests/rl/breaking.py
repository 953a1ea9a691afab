"""A corridor whose games break the process that plays them, at a chosen place. Workers import this file by name."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv
from maestromotif.skills import SkillSet

PLAN = "MAESTROMOTIF_BREAKING_CORRIDOR"


def plan(folder: Path, how: str, step: int, times: int = 1, seed: int | None = None) -> dict[str, str]:
    """Variables of the environment that let games break.

    Args:
        folder: where it is counted.
        how: ``exit``, ``signal``, ``hang``, or ``error``.
        step: of the environment, or of the episode where one is named; 0: while games are begun.
        times: how often, over all processes.
        seed: of the only episode that breaks.
    """
    return {PLAN: json.dumps({"folder": str(folder), "how": how, "step": step, "times": times, "seed": seed})}


class BreakingEnv(CorridorEnv):
    def __init__(self, num_games: int, length: int, slip: float, light: int) -> None:
        super().__init__(num_games, length, slip, light)
        self._plan = json.loads(os.environ.get(PLAN, "null"))
        self._steps = 0
        self._seeds: list[int] = [0] * num_games

    def reset(self, games: Sequence[int], seeds: Sequence[int]) -> None:
        super().reset(games, seeds)
        for game, seed in zip(games, seeds, strict=True):
            self._seeds[game] = seed
        if self._plan is not None and self._plan["step"] == 0 and self._take():
            self._break()

    def step(self, actions_B: NDArray[np.int64]) -> None:
        super().step(actions_B)
        self._steps += 1
        if self._plan is None:
            return
        game = 0
        if self._plan["seed"] is None:
            due = self._steps == self._plan["step"]
        else:
            found = [game for game, seed in enumerate(self._seeds) if seed == self._plan["seed"]]
            game = found[0] if found else 0
            due = bool(found) and int(self._counts["steps"][game]) == self._plan["step"]
        if due and self._take():
            assert self.playing is not None
            self.playing[0] = game
            self._break()

    def _take(self) -> bool:
        for number in range(self._plan["times"]):
            try:
                (Path(self._plan["folder"]) / f"broken-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False

    def _break(self) -> None:
        how = self._plan["how"]
        if how == "exit":
            os._exit(7)
        elif how == "signal":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif how == "error":
            raise ValueError("these games are broken")
        # Minutes within one call of compiled code, which nothing in the interpreter can interrupt.
        sum([[0]] * 10**7, [])  # noqa: RUF017 - slow on purpose


class Breaking(Corridor):
    @property
    def folders(self) -> tuple[Sequence[Path], Sequence[Path]]:
        planned = json.loads(os.environ.get(PLAN, "null"))
        return (), () if planned is None else (Path(planned["folder"]),)

    def make_env(self, num_games: int) -> BreakingEnv:
        return BreakingEnv(num_games, *self._settings)


def breaking() -> tuple[Breaking, SkillSet]:
    domain = Breaking({"length": 7})
    return domain, SkillSet.parse(domain.skills_toml)
