"""A corridor whose games write down what their process holds. Workers import this file by name."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv
from maestromotif.skills import SkillSet

FOLDER = "MAESTROMOTIF_LOOKING_CORRIDOR"
REPORT = "seen.json"


class LookingEnv(CorridorEnv):
    def step(self, actions_B: NDArray[np.int64]) -> None:
        super().step(actions_B)
        links = Path("/proc/self/fd")
        descriptors = {int(link.name): _target(link) for link in links.iterdir()}
        seen = {"descriptors": descriptors, "environment": dict(os.environ), "parent": os.getppid()}
        Path(os.environ[FOLDER], REPORT).write_text(json.dumps(seen))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return "gone"


class Looking(Corridor):
    @property
    def folders(self) -> tuple[Sequence[Path], Sequence[Path]]:
        return (), (Path(os.environ[FOLDER]),)

    def make_env(self, num_games: int) -> LookingEnv:
        return LookingEnv(num_games, *self._settings)


def looking() -> tuple[Looking, SkillSet]:
    domain = Looking({"length": 7})
    return domain, SkillSet.parse(domain.skills_toml)
