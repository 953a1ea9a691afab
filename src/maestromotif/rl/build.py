"""A description of games that can cross to another process as JSON, and how games are made from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from maestromotif.domains.contract import Domain, DomainEnv
from maestromotif.errors import DomainError
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.episodes import Endless, EpisodeResult, Listed, Plan, Recorder, ScheduleFactory, ScheduleSources
from maestromotif.rl.games import SkillGames
from maestromotif.rl.pay import Rewards, Watching
from maestromotif.rl.task_reward import TASK_REWARD_FILE, load_task_reward
from maestromotif.skills import Skill, SkillSet

__all__ = [
    "GamesSpec",
    "PlaySpec",
    "build_part",
    "describe_domain",
    "first_episodes",
    "load_part_domain",
    "load_rewards",
    "resolve",
    "split",
]


@dataclass(frozen=True, slots=True)
class PlaySpec:
    """What makes an evaluation of training games.

    Attributes:
        indices: episodes to be played, each once.
        task: see ``Recorder``.
        stop_on_success, stop_on_claim: see ``Recorder``.
    """

    indices: tuple[int, ...]
    task: str
    stop_on_success: bool
    stop_on_claim: bool


@dataclass(frozen=True, slots=True)
class GamesSpec:
    """Everything that determines the games, but not which process plays them.

    Attributes:
        domain: ``module:class`` of the domain; it must take its options as its only argument.
        options: of the domain.
        skills: in their order.
        sources: of the schedules.
        rewards: folder of the reward models; "" for none.
        reward_maker: ``module:function`` called as ``(folder, domain, skills)``.
        num_games: over all parts; first_game: number of the first of them among the games of all trainers.
        seed: of the run.
        first_episodes: for training, the number of each game's first episode.
        episode_steps: an episode is cut after this many steps.
        play: None in training.
        observation: the network for which the games write observations, see ``Domain.observation_for``.
    """

    domain: str
    options: Mapping[str, Any]
    skills: tuple[Skill, ...]
    sources: ScheduleSources
    rewards: str
    reward_maker: str
    num_games: int
    seed: int
    first_episodes: tuple[int, ...]
    episode_steps: int
    play: PlaySpec | None = None
    observation: str = "small"
    first_game: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> GamesSpec:
        values = json.loads(text)
        play = values["play"]
        return cls(
            **{
                **values,
                "skills": tuple(Skill(**skill) for skill in values["skills"]),
                "sources": ScheduleSources(**values["sources"]),
                "first_episodes": tuple(values["first_episodes"]),
                "play": None if play is None else PlaySpec(**{**play, "indices": tuple(play["indices"])}),
            }
        )


def describe_domain(domain: Domain) -> str:
    """``module:class``, from which a worker makes the same domain again."""
    return f"{type(domain).__module__}:{type(domain).__qualname__}"


def resolve(path: str) -> Any:
    """The object named ``module:attribute``."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def load_part_domain(spec: GamesSpec) -> Domain:
    """The domain of a specification."""
    domain = resolve(spec.domain)(dict(spec.options))
    if not isinstance(domain, Domain):
        raise DomainError(f"{spec.domain} did not make a Domain", "Let the domain class take its options as its only argument")
    return domain


def split(total: int, parts: int) -> list[slice]:
    """Contiguous slices of ``range(total)``, as even as can be."""
    bounds = [total * part // parts for part in range(parts + 1)]
    return [slice(low, high) for low, high in pairwise(bounds)]


def first_episodes(spec: GamesSpec, games: slice, part: int, parts: int) -> list[int]:
    """The number of the first episode of each game of a part; in an evaluation, the indices of all episodes that it is to play."""
    if spec.play is None:
        return list(spec.first_episodes[games])
    return list(spec.play.indices[part::parts])


def build_part(
    spec: GamesSpec,
    domain: Domain,
    arrays: StepArrays,
    games: Sequence[int],
    episodes: Sequence[int],
    finished: Callable[[EpisodeResult], None],
    env: DomainEnv | None = None,
) -> SkillGames:
    """The games of one part.

    Args:
        env: as many games, made before; None: they are made here.
        arrays: this part's view.
        games: their places among the games of this trainer.
        episodes: see ``first_episodes``.
        finished: called with the result of every episode of an evaluation.
    """
    skills = SkillSet(spec.skills)
    games = [spec.first_game + game for game in games]
    factory = cast(ScheduleFactory, resolve(spec.sources.maker)(domain, skills, spec.sources))
    rewards = cast(Rewards | Watching, resolve(spec.reward_maker)(Path(spec.rewards), domain, skills)) if spec.rewards else None
    plan: Plan
    recorder, noise = None, 0.0
    if spec.play is None:
        plan = Endless(factory, spec.seed, dict(zip(games, episodes, strict=True)))
    else:
        play = spec.play
        plan = Listed(factory, spec.seed, episodes)
        recorder = Recorder(domain, play.task, play.stop_on_success, play.stop_on_claim, finished)
        noise = domain.tasks[play.task].noise if play.task else 0.0
    env = env or domain.make_env(len(games))
    return SkillGames(env, plan, skills, arrays, games, spec.episode_steps, rewards, domain.call_measures, recorder, noise)


def load_rewards(folder: Path, domain: Domain, skills: SkillSet) -> Rewards | Watching:
    """The reward table that a project's reward stage made; or a task's own reward, where a baseline wants that."""
    if (folder / TASK_REWARD_FILE).exists():
        return load_task_reward(folder, domain, skills)
    from maestromotif.rewards import RewardTable

    return RewardTable.load(folder, domain, skills)
