"""Playing an episode again, exactly as a bench plays it, while the game and every step of it are recorded."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from maestromotif import __version__
from maestromotif.agents.cells import digest
from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.bench.cells import Cell
from maestromotif.bench.log import episode_row
from maestromotif.domains.contract import DomainEnv
from maestromotif.errors import ArtifactError
from maestromotif.recordings.pictures import PICTURES_FILE, Album
from maestromotif.recordings.store import folder_name, read_card, write_card
from maestromotif.recordings.track import TRACK_FILE, Track
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, PlaySpec, build_part, describe_domain
from maestromotif.rl.driving import EpisodeDriver, Mind
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.rollout import network_mind

__all__ = ["CLAIM", "FORMAT", "Only", "RecordOrder", "free_cell", "record_episodes"]

FORMAT = 1
Only = Literal["", "failed", "successful"]
CLAIM = "claimed"
"""The criterion of a free task: its program's own claim."""


@dataclass(frozen=True)
class RecordOrder:
    """What is to be recorded; plain values, so that it can cross to another process.

    Attributes:
        task: its id; criterion: which of its criteria says whether it was accomplished.
        source: of the program that drives.
        policy: what acts, see ``agents.POLICIES``.
        seed: of the series of episodes.
        place: keeps the seeds of different evaluations apart, see ``Setting.play``.
        candidates: numbers of episodes to be looked at, in this order, until there are ``enough``.
        only: keep only episodes that went so.
        max_steps: where an episode is cut.
        key: of the bench's cell that the episodes belong to.
    """

    task: str
    criterion: str
    source: str
    policy: str
    seed: int
    place: str
    candidates: tuple[int, ...]
    enough: int
    only: Only
    max_steps: int
    key: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RecordOrder:
        return cls(**{**values, "candidates": tuple(values["candidates"])})

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Whether an episode that went so is to be kept."""
        return not self.only or bool(row["success"][self.criterion]) is (self.only == "successful")


def free_cell(setting: Setting, task: str, source: str, policy: str, seed: int, max_steps: int) -> Cell:
    """What ``bench.cells_of`` gives, for a task that only its program can judge, and that no bench plays."""
    own = setting.longest(task)
    longest = min(own, max_steps or own)
    identity = {**replace(setting, rewards=None).cell_identity(policy, source, 0, longest), "task": task, "seed": seed}
    key = digest(json.dumps(identity, sort_keys=True, default=str))
    return Cell("", task, "own", policy, seed, longest, key, source)


def record_episodes(
    setting: Setting, order: RecordOrder, home: Path, progress: Progress, ready: Callable[[], object] = lambda: None
) -> list[str]:
    """Record what is missing; an episode that was recorded before, by the same network and program, is left as it is.

    Args:
        home: each episode gets a folder in it, which is there only when it is whole.
        ready: called once, when everything has been loaded but the generated programs.

    Returns:
        Names of the folders that were asked for, at most ``order.enough``.

    Raises:
        ArtifactError: programs or weights are missing, or were made for other skills.
    """
    for left in home.glob(".*.part"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    kept: list[str] = []
    with contextlib.ExitStack() as stack:
        player: _Player | None = None
        for episode in order.candidates:
            if len(kept) >= order.enough:
                break
            name = folder_name(order.policy, order.seed, episode)
            row = _recorded(home / name, order.key)
            if row is None:
                # Made late: where everything is there, no network is loaded.
                player = player or stack.enter_context(contextlib.closing(_Player(setting, order, ready)))
                row = player.record(episode, home / name, partial(progress, len(kept) / order.enough))
            if row is not None and order.wants(row):
                kept.append(name)
    return kept


def _recorded(folder: Path, key: str) -> Mapping[str, Any] | None:
    """The episode of a whole recording of this cell."""
    try:
        card = read_card(folder)
    except ArtifactError:
        return None
    row: Mapping[str, Any] = card["row"]
    return row if card["key"] == key and card["format"] == FORMAT else None


class _Player:
    """One game, the network, and what is kept of them."""

    def __init__(self, setting: Setting, order: RecordOrder, ready: Callable[[], object]) -> None:
        self._setting = setting = replace(setting, config=setting.config.model_copy(update={"seed": order.seed}))
        self._order = order
        # Read before programs are loaded, for then files may be out of reach.
        self._sources = ScheduleSources(order.source, setting.skill_program, f"{order.task}.py")
        self._card = {"format": FORMAT, "code": __version__, **setting.cell_identity(order.policy, order.source, 0, order.max_steps)}
        policy = setting.driver(order.policy)
        self._observation = "small" if isinstance(policy, str) else policy.config.network
        self._env = setting.domain.make_env(1)
        self._mind: Mind | None = network_mind(policy, 1) if isinstance(policy, SkillPolicy) else None
        ready()

    def close(self) -> None:
        self._env.close()

    def record(self, episode: int, folder: Path, tell: Callable[[str], None]) -> Mapping[str, Any] | None:
        """Play one episode into a folder; None where it is not of the wanted kind, and nothing is kept.

        Returns:
            The episode as ``bench`` tells it.
        """
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            row = self._play(episode, part, tell)
            if not self._order.wants(row):
                return None
            write_card(part, self._card | {"key": self._order.key, "task": self._order.task, "main": self._order.criterion, "row": row})
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
            return row
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _play(self, episode: int, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
        setting, order = self._setting, self._order
        domain, skills = setting.domain, setting.skills
        shape = (domain.observation_for(self._observation), 1, len(skills), 1)
        arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
        results: list[EpisodeResult] = []
        spec = self._spec(episode)
        part = build_part(spec, domain, arrays.part(0, slice(0, 1)), range(1), [episode], results.append, self._env)
        watcher = _Watcher(self._env, folder, [fact.name for fact in domain.fact_specs])
        part.listener = watcher.heard
        part.reset()
        watcher.keep("")
        driver = EpisodeDriver(part.step, arrays, spec.seed, skills.ids, self._fresh_mind())
        while not results:
            if len(watcher.track) % 500 == 1:
                tell(f"{order.task}: episode {episode}, {len(watcher.track) - 1:,} steps")
            driver.play(1)
            watcher.track.reward[-1] = float(arrays.reward[0])
        watcher.write(folder, domain.fact_specs)
        # The game's own file is whole: an idle game was begun after the episode.
        return _row(results[0], setting, order)

    def _spec(self, episode: int) -> GamesSpec:
        setting, order = self._setting, self._order
        known = order.task in setting.domain.tasks
        rewards = setting.rewards is not None and any(setting.rewards.glob("reward-*"))
        return GamesSpec(
            domain=describe_domain(setting.domain),
            options=dict(setting.domain.options),
            skills=tuple(setting.skills),
            sources=self._sources,
            rewards=str(setting.rewards.resolve()) if setting.rewards is not None and rewards else "",
            reward_maker="maestromotif.rl.build:load_rewards",
            num_games=1,
            seed=episode_seed(order.seed, *order.place.encode()),
            first_episodes=(),
            episode_steps=order.max_steps,
            play=PlaySpec((episode,), order.task if known else "", True, not known),
            observation=self._observation,
        )

    def _fresh_mind(self) -> Mind | None:
        return None if self._mind is None else replace(self._mind, memory=np.zeros_like(self._mind.memory))


class _Watcher:
    """Keeps every state that the game comes to."""

    def __init__(self, env: DomainEnv, folder: Path, names: Sequence[str]) -> None:
        self._env, self._names = env, names
        self._frame = env.record(0, folder)
        self._album = Album()
        self._draws = False
        self.track = Track()

    def heard(self, env: DomainEnv, skills: Sequence[str]) -> None:
        """A listener of ``SkillGames``."""
        self.keep(skills[0])

    def keep(self, skill: str) -> None:
        env = self._env
        facts = env.facts(0)
        picture = env.picture(0) if self._frame is None else None
        if picture is not None:
            self._draws = True
        frame = self._frame() if self._frame is not None else self._album.add(picture) if picture is not None else -1
        self.track.add(skill, frame, env.caption(0).text, {name: getattr(facts, name) for name in self._names})

    def write(self, folder: Path, specs: Any) -> None:
        self.track.write(folder / TRACK_FILE, specs)
        if self._draws:
            self._album.write(folder / PICTURES_FILE)


def _row(result: EpisodeResult, setting: Setting, order: RecordOrder) -> dict[str, Any]:
    if order.criterion == CLAIM:
        step = result.steps if result.claimed else -1
        result = replace(result, success={CLAIM: result.claimed}, success_step={CLAIM: step})
    where = {"cell": order.key, "task": order.task, "policy": order.policy, "seed": order.seed}
    return episode_row(result, setting.skills, order.criterion, **where)
