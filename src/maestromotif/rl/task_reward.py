"""A task's own reward, and a part of the game's score: what baselines learn from that know nothing of rewards from language.

Each game is watched beside its steps, as an evaluation watches it, with the criterion that will judge the task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.domains.contract import Criterion, Domain, DomainEnv
from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.skills import SkillSet

__all__ = ["TASK_REWARD_FILE", "TaskPayments", "TaskReward", "load_task_reward", "write_task_reward"]

TASK_REWARD_FILE = "task-reward.json"


@dataclass(frozen=True, slots=True)
class TaskReward:
    """What pays, whichever skill is active: 1 in the step in which the task is accomplished, or for each thing that its criterion counts,
    and ``score`` times what the game's score rises (or falls) by.

    Attributes:
        make: makes a criterion for an episode.
        score: weight of ``DomainEnv.scores``.
    """

    make: Callable[[], Criterion]
    score: float

    def payments(self, env: DomainEnv) -> TaskPayments:
        """For games that step together."""
        return TaskPayments(self, env)


class TaskPayments:
    """As ``rl.pay.Payments``, of a task's own reward."""

    def __init__(self, reward: TaskReward, env: DomainEnv) -> None:
        self._reward, self._env = reward, env
        self._criteria = [reward.make() for _ in range(env.num_games)]
        self._earned = [0.0] * env.num_games
        self._score_B = np.zeros(env.num_games)

    def begin(self, game: int) -> None:
        """A new episode begins in this game; what holds at once pays nothing."""
        self._criteria[game] = self._reward.make()
        self._earned[game] = self._look(game)
        scores = self._env.scores()
        if scores is not None:
            self._score_B[game] = scores[game]

    def step(self, skills: Sequence[int], games: Callable[[int], bool]) -> Iterator[tuple[int, float]]:
        """Games whose step has paid something, with the reward; see ``rl.pay.Payments.step``."""
        scores = self._env.scores()
        gains = [0.0] * len(self._criteria)
        if scores is not None:
            gains = (self._reward.score * (scores - self._score_B)).tolist()
            self._score_B[:] = scores
        for game, gain in enumerate(gains):
            if not games(game):
                continue
            earned = self._look(game)
            reward = earned - self._earned[game] + gain
            self._earned[game] = earned
            if reward:
                yield game, reward

    def _look(self, game: int) -> float:
        """What the episode's criterion has earned up to now."""
        criterion = self._criteria[game]
        holds = criterion.update(self._env.facts(game), self._env.truth(game))
        return float(getattr(criterion, "count", holds))


@dataclass(frozen=True, slots=True)
class _File:
    task: str
    criterion: str
    score: float


def write_task_reward(folder: Path, task: str, criterion: str, score: float) -> None:
    """Write ``task-reward.json``, which makes ``rl.build.load_rewards`` load a task's own reward in place of reward models."""
    write_atomically(folder / TASK_REWARD_FILE, json.dumps(asdict(_File(task, criterion, score)), indent=1) + "\n")


def load_task_reward(folder: Path, domain: Domain, skills: SkillSet) -> TaskReward:
    """Read ``task-reward.json``.

    Raises:
        ArtifactError: the file is damaged, or the domain has no such task or criterion.
    """
    path = folder / TASK_REWARD_FILE
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = _File(str(values["task"]), str(values["criterion"]), float(values["score"]))
        return TaskReward(domain.tasks[found.task].criteria[found.criterion], found.score)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: names no task, criterion and score of the domain {domain.id} ({error!r})", "Delete it") from error
