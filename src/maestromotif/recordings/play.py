"""Playing an episode again, exactly as a bench plays it, while the game and every step of it are recorded."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from maestromotif import __version__
from maestromotif.agents.cells import digest
from maestromotif.agents.config import POLICIES
from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.explorer import EXPLORER
from maestromotif.agents.llm_policy import LLM_POLICIES, SKILLS, LLMPolicyConfig, cell_identity
from maestromotif.agents.llm_policy.player import load_mind
from maestromotif.agents.llm_policy.playing import LLMGames
from maestromotif.bench.cells import Cell
from maestromotif.bench.log import episode_row
from maestromotif.domains.contract import Domain, DomainEnv
from maestromotif.errors import ArtifactError, DomainError
from maestromotif.recordings.pictures import PICTURES_FILE, Album
from maestromotif.recordings.staging import Staged, decided, driven, explored
from maestromotif.recordings.store import folder_name, read_card, write_card
from maestromotif.recordings.track import TRACK_FILE, Track
from maestromotif.rl.build import GamesSpec, PlaySpec, describe_domain
from maestromotif.rl.driving import Mind
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.skills import SkillSet

__all__ = ["CLAIM", "FORMAT", "RECORDABLE", "Only", "RecordOrder", "free_cell", "record_episodes"]

FORMAT = 1
RECORDABLE = (*POLICIES, EXPLORER, *LLM_POLICIES)
"""What may play a recorded episode."""
_TOLD = 500  # steps between two words on how far it is
Only = Literal["", "failed", "successful"]
CLAIM = "claimed"
"""The criterion of a free task: its program's own claim."""


@dataclass(frozen=True)
class RecordOrder:
    """What is to be recorded; plain values, so that it can cross to another process.

    Attributes:
        task: its id; criterion: which of its criteria says whether it was accomplished.
        source: of the program that drives.
        policy: what acts: one of ``RECORDABLE``.
        seed: of the series of episodes.
        place: keeps the seeds of different evaluations apart, see ``Setting.play``.
        candidates: numbers of episodes to be looked at, in this order, until there are ``enough``.
        only: keep only episodes that went so.
        max_steps: where an episode is cut.
        key: of the bench's cell that the episodes belong to.
        choices: of a language model that plays: what it chose in each candidate, by the number of the episode as text.
        player, llm_policy: what it was known by, and how it was asked, as ``[llm_policy]`` says.
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
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    player: Mapping[str, Any] = field(default_factory=dict)
    llm_policy: Mapping[str, Any] = field(default_factory=dict)

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
    """One game, what plays it, and what is kept of them."""

    def __init__(self, setting: Setting, order: RecordOrder, ready: Callable[[], object]) -> None:
        self._setting = setting = replace(setting, config=setting.config.model_copy(update={"seed": order.seed}))
        self._order, domain = order, setting.domain
        self._called, self._spec = self._plan()
        self._env = domain.make_env(1)
        self._mind: Mind | None = None
        weights = setting.weights(order.policy)
        if weights is not None:
            self._mind, network = load_mind(domain, setting.skills, weights, 1)
            self._spec = replace(self._spec, observation=network)
        self._draws, undrawn = _draw_once(domain)
        self._card |= {"undrawn": undrawn} if undrawn else {}
        ready()

    def _plan(self) -> tuple[SkillSet, GamesSpec]:
        """What the episodes' calls are calls of, and the game of every episode. Files are read here: later they may be out of reach."""
        setting, order = self._setting, self._order
        known = order.task in setting.domain.tasks
        seed = episode_seed(order.seed, *order.place.encode())
        if order.policy in LLM_POLICIES:
            identity = cell_identity(replace(setting, rewards=None), order.policy, order.player, order.max_steps)
            program = setting.skill_program if order.policy == SKILLS else ""
            config = LLMPolicyConfig(**order.llm_policy)
            games = LLMGames(setting.domain, setting.skills, order.policy, order.task, order.max_steps, seed, config, program)
            called, spec = games.called, games.spec([0])
        else:
            identity = setting.cell_identity(order.policy, order.source, 0, order.max_steps)
            called = setting.skills
            spec = GamesSpec(
                domain=describe_domain(setting.domain),
                options=dict(setting.domain.options),
                skills=tuple(called),
                sources=ScheduleSources(order.source, setting.skill_program, f"{order.task}.py"),
                rewards="",
                reward_maker="",
                num_games=1,
                seed=seed,
                first_episodes=(),
                episode_steps=order.max_steps,
                play=PlaySpec((0,), order.task if known else "", True, not known),
            )
        self._card = {"format": FORMAT, "code": __version__, **identity}
        rewards = setting.rewards
        if rewards is not None and called is setting.skills and any(rewards.glob("reward-*")):
            spec = replace(spec, rewards=str(rewards.resolve()), reward_maker="maestromotif.rl.build:load_rewards")
        return called, spec

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
        domain, order = self._setting.domain, self._order
        results: list[EpisodeResult] = []
        staged = self._staged(episode, results.append)
        watcher = _Watcher(self._env, folder, [fact.name for fact in domain.fact_specs], staged.arrays.reward, self._draws)
        staged.games.listener = watcher.heard
        staged.games.reset()
        watcher.keep("")
        told = 0
        for _ in staged.play:
            if len(watcher.track) > told:
                tell(f"{order.task}: episode {episode}, {len(watcher.track) - 1:,} steps")
                told = len(watcher.track) + _TOLD
        watcher.write(folder, domain.fact_specs)
        # The game's own file is whole: an idle game was begun after the episode.
        return _row(results[0], self._called, order)

    def _staged(self, episode: int, finished: Callable[[EpisodeResult], None]) -> Staged:
        domain, order, env = self._setting.domain, self._order, self._env
        assert self._spec.play is not None
        spec = replace(self._spec, play=replace(self._spec.play, indices=(episode,)))
        mind = None if self._mind is None else replace(self._mind, memory=np.zeros_like(self._mind.memory))
        if order.policy in LLM_POLICIES:
            return decided(spec, domain, env, finished, mind, order.choices[str(episode)], LLMPolicyConfig(**order.llm_policy).repeat)
        if order.policy == EXPLORER:
            return explored(spec, domain, env, finished)
        return driven(spec, domain, env, finished, mind)


def _draw_once(domain: Domain) -> tuple[bool, str]:
    """Whether games are drawn, and why they are not although they should be. What is loaded for it is, while files may still be read."""
    with contextlib.closing(domain.make_env(1)) as env, tempfile.TemporaryDirectory() as folder:
        if env.record(0, Path(folder)) is not None:
            return False, ""
        env.reset([0], [0])
        try:
            return env.picture(0) is not None, ""
        except DomainError as error:  # without a graphics library there are still captions and facts
            return False, error.problem


class _Watcher:
    """Keeps every state that the game comes to.

    Args:
        reward: what the last step has earned, float ``[1]``; written by the game after a state has been heard of.
        draws: the game is drawn.
    """

    def __init__(self, env: DomainEnv, folder: Path, names: Sequence[str], reward: NDArray[np.float32], draws: bool) -> None:
        self._env, self._names, self._reward, self._draws = env, names, reward, draws
        self._frame = env.record(0, folder)
        self._album = Album()
        self.track = Track()

    def heard(self, env: DomainEnv, skills: Sequence[str]) -> None:
        """A listener of ``SkillGames``."""
        self.track.reward[-1] = float(self._reward[0])
        self.keep(skills[0])

    def keep(self, skill: str) -> None:
        env = self._env
        facts = env.facts(0)
        picture = env.picture(0) if self._draws else None
        frame = self._frame() if self._frame is not None else self._album.add(picture) if picture is not None else -1
        self.track.add(skill, frame, env.caption(0).text, {name: getattr(facts, name) for name in self._names})

    def write(self, folder: Path, specs: Any) -> None:
        self.track.reward[-1] = float(self._reward[0])
        self.track.write(folder / TRACK_FILE, specs)
        if self._draws:
            self._album.write(folder / PICTURES_FILE)


def _row(result: EpisodeResult, called: SkillSet, order: RecordOrder) -> dict[str, Any]:
    if order.criterion == CLAIM:
        step = result.steps if result.claimed else -1
        result = replace(result, success={CLAIM: result.claimed}, success_step={CLAIM: step})
    where = {"cell": order.key, "task": order.task, "policy": order.policy, "seed": order.seed}
    return episode_row(result, called, order.criterion, **where)
