"""Full episodes for evaluation: fixed seeds, and the same chances for whatever drives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from maestromotif.domains.contract import ACTION_MASK, Domain
from maestromotif.errors import ArtifactError
from maestromotif.rl.actors import to_tensors
from maestromotif.rl.build import GamesSpec, PlaySpec, describe_domain
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.vector import Games, make_games
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["NetworkDriver", "draw_actions", "play"]


def play(
    domain: Domain,
    skills: SkillSet,
    policy: SkillPolicy | Literal["random"],
    sources: ScheduleSources,
    *,
    episodes: int,
    max_steps: int,
    seed: int,
    num_games: int = 32,
    workers: int = 2,
    task: str = "",
    stop_on_success: bool = True,
    stop_on_claim: bool = True,
    rewards_dir: Path | None = None,
    first_episode: int = 0,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    reward_maker: str = "maestromotif.rl.build:load_rewards",
) -> list[EpisodeResult]:
    """Play full episodes and say how each went.

    Episode ``i`` has a seed that follows from ``(seed, i)`` alone, and draws its actions from numbers that follow from it and the step
    alone. So every policy meets the same episodes with the same chances (common random numbers), whoever plays them.

    Args:
        policy: a network, or ``"random"``: any allowed action, with equal chances.
        sources: of the schedule: a task's program, or the training policy over skills.
        episodes: how many; numbered from ``first_episode``.
        max_steps: an episode is cut after this many steps.
        num_games: games played together; workers: processes, 0 for none.
        task: id of the task whose criteria are watched; "" for none.
        stop_on_success: end an episode when all its criteria hold.
        stop_on_claim: end an episode when its program says that the task is done.
        rewards_dir: where given, calls carry the reward of their skill.

    Returns:
        One result for each episode, in their order.

    Raises:
        ArtifactError: the policy was trained for other skills or another observation.
        TrainingError: a worker died.
    """
    if not isinstance(policy, str):
        _check_fit(domain, skills, policy)
    num_games = max(1, min(num_games, episodes))
    spec = GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=sources,
        rewards="" if rewards_dir is None else str(rewards_dir.resolve()),
        reward_maker=reward_maker,
        num_games=num_games,
        seed=seed,
        first_episodes=(),
        episode_steps=max_steps,
        play=PlaySpec(
            indices=tuple(range(first_episode, first_episode + episodes)),
            task=task,
            stop_on_success=stop_on_success,
            stop_on_claim=stop_on_claim,
        ),
        observation="small" if isinstance(policy, str) else policy.config.network,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    games = make_games(spec, domain, 1, min(workers, num_games))
    try:
        games.reset()
        with torch.inference_mode():
            results = _run(games, skills, policy, spec, episodes, progress)
    finally:
        games.close()
        torch.set_num_threads(threads)
    return sorted(results, key=lambda result: result.index)


def _run(
    games: Games,
    skills: SkillSet,
    policy: SkillPolicy | Literal["random"],
    spec: GamesSpec,
    episodes: int,
    progress: Callable[[float, str], None],
) -> list[EpisodeResult]:
    arrays = games.arrays
    driver = _Random(games) if isinstance(policy, str) else NetworkDriver(games, policy, skills)
    streams: dict[int, int] = {}
    results = games.results()
    while len(results) < episodes:
        probabilities = driver.probabilities()
        for index in set(arrays.episode.tolist()) - streams.keys():
            streams[index] = episode_seed(spec.seed, index, 4)
        chances = _chances(np.array([streams[index] for index in arrays.episode.tolist()], np.uint64), arrays.time)
        arrays.action[...] = draw_actions(probabilities, chances)
        games.send(0)
        games.wait(0)
        driver.after()
        ended = games.results()
        if ended:
            results += ended
            progress(len(results) / episodes, f"{len(results)} of {episodes} episodes")
    return results


def draw_actions(probabilities: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Actions ``[B]`` by inversion of the distributions ``[B, A]``: equal chances and equal distributions give equal actions."""
    sums = probabilities.cumsum(1)
    chosen = (sums <= chances[:, None] * sums[:, -1:]).sum(1)
    # Rounding must not choose a forbidden action at the end of the line.
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(1)
    actions: NDArray[np.int64] = np.minimum(chosen, last).astype(np.int64)
    return actions


def _chances(streams: NDArray[np.uint64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each stream and step (SplitMix64)."""
    with np.errstate(over="ignore"):
        values = streams + (steps.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values = values ^ (values >> np.uint64(31))
    chances: NDArray[np.float64] = (values >> np.uint64(11)).astype(np.float64) / 2.0**53
    return chances


class _Random:
    def __init__(self, games: Games) -> None:
        self._mask = games.arrays.observation[ACTION_MASK]

    def probabilities(self) -> NDArray[np.float64]:
        allowed = (self._mask != 0).astype(np.float64)
        chances: NDArray[np.float64] = allowed / allowed.sum(1, keepdims=True)
        return chances

    def after(self) -> None:
        return None


class NetworkDriver:
    """A policy with the memory of all games, under the indices of its own skills."""

    def __init__(self, games: Games, policy: SkillPolicy, skills: SkillSet) -> None:
        self._games, self._policy = games, policy
        self._index = np.array([policy.skills.index(skill) for skill in skills.ids], np.int64)
        self._memory = policy.initial(games.num_games)

    def probabilities(self) -> NDArray[np.float64]:
        arrays, policy = self._games.arrays, self._policy
        observation: dict[str, Any] = to_tensors(arrays.observation, policy.spec, policy.device)
        skill = torch.from_numpy(self._index[arrays.skill]).to(policy.device)
        logits, _, self._memory = policy.step(observation, skill, self._memory)
        return torch.softmax(logits.double(), 1).cpu().numpy()

    def after(self) -> None:
        arrays = self._games.arrays
        forget = arrays.fresh.astype(bool)
        if self._policy.config.reset_memory:
            forget |= arrays.cause != EndCause.CONTINUES
        self._memory[torch.from_numpy(forget)] = 0


def _check_fit(domain: Domain, skills: SkillSet, policy: SkillPolicy) -> None:
    unknown = [skill for skill in skills.ids if skill not in policy.skills]
    if unknown:
        raise ArtifactError(f"the policy was not trained for the skills {', '.join(unknown)}", "Train again with the present skills.toml")
    if policy.spec != domain.observation_for(policy.config.network):
        raise ArtifactError(
            "the policy was trained on another observation", "Train again, or use the options of [domain] it was trained with"
        )
