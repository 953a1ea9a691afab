"""What a bench plays: a cell for each training, task, program, driving policy and seed, and playing what is missing of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maestromotif.agents.cells import digest
from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.llm_policy import LLM_POLICIES, cell_identity
from maestromotif.bench.log import EpisodeLog, episode_row
from maestromotif.domains.contract import Task
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources

__all__ = ["FORMAT", "BenchOrder", "Cell", "cells_of", "main_criterion", "measure_rate", "play_cells"]

FORMAT = 1


@dataclass(frozen=True)
class BenchOrder:
    """What is to be played of one training; plain values, so that it can cross to another process.

    Attributes:
        label: names the training in rows and tables.
        programs: source of every program of a task, by task id and name of the program.
        policies: see ``agents.POLICIES`` and ``agents.llm_policy.LLM_POLICIES``; seeds: each is a series of episodes of its own.
        episodes: of every cell.
        max_steps: where episodes are cut before the task's own limit; 0: nowhere.
        player: ``player_identity`` of the language model, where one plays; it needs no program of a task.
    """

    label: str
    programs: Mapping[str, Mapping[str, str]]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: int
    max_steps: int = 0
    player: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BenchOrder:
        return cls(**{**values, "policies": tuple(values["policies"]), "seeds": tuple(values["seeds"])})


@dataclass(frozen=True)
class Cell:
    """Episodes that differ in nothing but their number.

    Attributes:
        key: digest of everything that decides the episodes; equal keys mean the same episodes, of whichever training.
        max_steps: where its episodes are cut.
    """

    label: str
    task: str
    program: str
    policy: str
    seed: int
    max_steps: int
    key: str
    source: str = field(repr=False)

    @property
    def where(self) -> dict[str, Any]:
        """What each of its rows begins with."""
        names = {"training": self.label, "task": self.task, "program": self.program, "policy": self.policy, "seed": self.seed}
        return {"cell": self.key, **names}

    @property
    def place(self) -> str:
        """The place of its seeds. It names the task alone: whatever plays it meets the same episodes with the same chances."""
        return f"bench/{self.task}"


def cells_of(setting: Setting, order: BenchOrder) -> list[Cell]:
    """All cells, task by task; the same for whoever asks.

    Raises:
        ArtifactError: programs or weights are missing.
    """
    return list(_cells(setting, order))


def _cells(setting: Setting, order: BenchOrder) -> Iterator[Cell]:
    # Rewards are not looked at here.
    setting = replace(setting, rewards=None)
    for task, programs in order.programs.items():
        own = setting.domain.tasks[task].max_steps
        longest = min(own, order.max_steps or own)
        for name, source in programs.items():
            for policy in order.policies:
                if policy in LLM_POLICIES:
                    identity = cell_identity(setting, policy, order.player, longest)
                else:
                    identity = setting.cell_identity(policy, source, 0, longest)
                for seed in order.seeds:
                    key = digest(json.dumps({**identity, "format": FORMAT, "task": task, "seed": seed}, sort_keys=True, default=str))
                    yield Cell(order.label, task, name, policy, seed, longest, key, source)


def main_criterion(task: Task) -> str:
    """The criterion that says whether the task was accomplished."""
    return "landmark" if "landmark" in task.criteria else next(iter(task.criteria))


def play_cells(setting: Setting, order: BenchOrder, log: EpisodeLog, progress: Progress) -> dict[str, float]:
    """Play every episode that has no row yet, and add its row as soon as it has ended. For language models see ``bench.llm``.

    Returns:
        Steps each second, by task; only where something was played.
    """
    cells = [cell for cell in cells_of(setting, order) if cell.policy not in LLM_POLICIES]
    log.open()
    done = set(log.read())
    total, before = len(cells) * order.episodes, 0
    rates = {}
    for cell in cells:
        missing = [index for index in range(order.episodes) if (cell.key, index) not in done]
        had = order.episodes - len(missing)
        if missing:
            rates[cell.task] = _play(setting, cell, missing, log, _within(progress, cell, before + had, len(missing), total))
            done.update((cell.key, index) for index in missing)
        before += order.episodes
    progress(1.0, f"{total} episodes")
    return rates


def _within(progress: Progress, cell: Cell, before: int, count: int, total: int) -> Progress:
    def report(fraction: float, text: str) -> None:
        progress((before + fraction * count) / total, f"{cell.task}, {cell.policy}: {text}")

    return report


def _play(setting: Setting, cell: Cell, missing: list[int], log: EpisodeLog, progress: Progress) -> float:
    main, where = main_criterion(setting.domain.tasks[cell.task]), cell.where

    def finished(result: EpisodeResult) -> None:
        log.add(episode_row(result, setting.skills, main, **where))

    pace = _Pace()
    _episodes(setting, cell, missing, progress=progress, finished=finished, paced=pace)
    return pace.rate


def _episodes(setting: Setting, cell: Cell, indices: list[int], **watch: Any) -> None:
    own = replace(setting, rewards=None, config=setting.config.model_copy(update={"seed": cell.seed}))
    sources = ScheduleSources(cell.source, own.skill_program, f"{cell.task}.py")
    options = {"task": cell.task, "stop_on_claim": False, "indices": indices}
    own.play(cell.policy, sources, len(indices), cell.max_steps, cell.place, **options, **watch)


class _Pace:
    """The latest steps and seconds of a play."""

    def __init__(self, enough: float = float("inf")) -> None:
        self._enough, self.rate = enough, 0.0

    def __call__(self, steps: float, seconds: float) -> None:
        self.rate = steps / max(seconds, 1e-9)
        if seconds >= self._enough:
            raise _Enough


class _Enough(Exception):
    pass


def measure_rate(setting: Setting, cell: Cell, episodes: int, seconds: float = 5.0) -> float:
    """Steps each second in the first seconds of a cell; nothing is kept."""
    pace = _Pace(seconds)
    with contextlib.suppress(_Enough):
        _episodes(setting, cell, list(range(episodes)), paced=pace)
    return pace.rate
