"""Full episodes for evaluation: fixed seeds, and the same chances for whatever drives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.rl.acting import ActingArrays, ActingSpec
from maestromotif.rl.actors import can_fuse, make_actor, to_tensors
from maestromotif.rl.arrays import SharedBuffer, room
from maestromotif.rl.build import GamesSpec, PlaySpec, describe_domain
from maestromotif.rl.distributions import distribution
from maestromotif.rl.driving import EpisodeDriver, Mind
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.vector import Acting, Games, make_games
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["NetworkDriver", "check_fit", "network_mind", "play"]

_EPISODES_PER_GAME = 16
_STRETCH = 64  # steps of all games between two looks at who has finished


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
    indices: Sequence[int] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    finished: Callable[[EpisodeResult], None] = lambda result: None,
    paced: Callable[[float, float], None] = lambda steps, seconds: None,
    reward_maker: str = "maestromotif.rl.build:load_rewards",
) -> list[EpisodeResult]:
    """Play full episodes and say how each went.

    Episode ``i`` has a seed that follows from ``(seed, i)`` alone, and draws its actions from numbers that follow from it and the step
    alone. So every policy meets the same episodes with the same chances (common random numbers), whoever plays them.

    Args:
        policy: a network, or ``"random"``: any allowed action, with equal chances.
        sources: of the schedule: a task's program, or the training policy over skills.
        episodes: how many; numbered from ``first_episode``. Where ``indices`` are given, those are played instead.
        max_steps: an episode is cut after this many steps.
        num_games: games played together, at most; workers: processes, 0 for none.
        task: id of the task whose criteria are watched; "" for none.
        stop_on_success: end an episode when all its criteria hold.
        stop_on_claim: end an episode when its program says that the task is done.
        rewards_dir: where given, calls carry the reward of their skill.
        finished: called with each result as soon as its episode has ended.
        paced: called at least every second or so with the steps so far, and the seconds since the games began.

    Returns:
        One result for each episode, in their order.

    Raises:
        ArtifactError: the policy was trained for other skills or another observation.
        TrainingError: a worker died.
    """
    if not isinstance(policy, str):
        check_fit(domain, skills, policy)
    wanted = tuple(indices) if indices is not None else tuple(range(first_episode, first_episode + episodes))
    # Rows of the fused network do not depend on each other, so it makes no difference where they are computed.
    elsewhere = workers > 0 and (isinstance(policy, str) or can_fuse(policy.config.model_dump()))
    if elsewhere:
        # Large batches gain little there, and games that have run out of episodes go on until the longest one has ended.
        num_games = min(num_games, max(workers, len(wanted) // _EPISODES_PER_GAME))
    num_games = max(1, min(num_games, len(wanted)))
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
            indices=wanted,
            task=task,
            stop_on_success=stop_on_success,
            stop_on_claim=stop_on_claim,
        ),
        observation="small" if isinstance(policy, str) else policy.config.network,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    acting = None if isinstance(policy, str) or not elsewhere else _room(spec, policy)
    try:
        games = make_games(spec, domain, 1, min(workers, num_games), acting)
        try:
            games.reset()
            if elsewhere:
                advance: Callable[[], object] = partial(games.drive, _STRETCH)
            else:
                mind = None if isinstance(policy, str) else network_mind(policy, num_games)
                advance = partial(EpisodeDriver(partial(_step, games), games.arrays, seed, skills.ids, mind).play, _STRETCH)
            results = _run(games, advance, len(wanted), max_steps, progress, finished, paced)
        finally:
            games.close()
    finally:
        if acting is not None:
            acting.buffer.close()
        torch.set_num_threads(threads)
    return sorted(results, key=lambda result: result.index)


def _step(games: Games) -> None:
    games.send(0)
    games.wait(0)


def _run(
    games: Games,
    advance: Callable[[], object],
    wanted: int,
    max_steps: int,
    progress: Callable[[float, str], None],
    finished: Callable[[EpisodeResult], None],
    paced: Callable[[float, float], None],
) -> list[EpisodeResult]:
    results: list[EpisodeResult] = []
    began, told = time.monotonic(), 0.0
    while True:
        ended = games.results()
        for result in ended:
            finished(result)
        results += ended
        now = time.monotonic()
        if ended or now - told > 1:
            told = now
            steps, seconds = float(games.arrays.steps.sum()), now - began
            paced(steps, seconds)
            # Episodes under way count by their share of the longest possible one.
            under_way = games.arrays.time[games.arrays.episode >= 0].sum() / max_steps
            rate = f"{steps / max(seconds, 1e-9):,.0f} steps/s"
            progress((len(results) + under_way) / wanted, f"{len(results)} of {wanted} episodes, {rate}")
        if len(results) >= wanted:
            return results
        advance()


def _weights(policy: SkillPolicy) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.detach().cpu().float().numpy() for name, tensor in policy.state_dict().items()}


def _room(spec: GamesSpec, policy: SkillPolicy) -> Acting:
    """Memory and weights that workers act with; nothing is kept for a learner."""
    weights = _weights(policy)
    described = ActingSpec(
        skills=policy.skills,
        network=policy.config.model_dump(),
        weights={name: array.shape for name, array in weights.items()},
        width=policy.initial(1).shape[1],
        steps=1,
        chunk=1,
        sets=0,
        flow=False,
        bfloat16=False,
    )
    layout = described.layout(policy.spec, spec.num_games)
    buffer = SharedBuffer(room(layout))
    arrays = ActingArrays.over(buffer.memory, layout)
    for name, array in arrays.weights.items():
        array[...] = weights[name]
    return Acting(described, buffer, arrays, True)


def network_mind(policy: SkillPolicy, num_games: int) -> Mind:
    """The network acts in this process."""
    actor = make_actor(policy.spec, policy.skills, policy.config.model_dump(), _weights(policy), policy.device.type)
    memory = np.zeros((num_games, policy.initial(1).shape[1]), np.float32)
    return Mind(actor, memory, policy.skills, policy.config.reset_memory)


class NetworkDriver:
    """A policy with the memory of all games, under the indices of its own skills."""

    def __init__(self, games: Games, policy: SkillPolicy, skills: SkillSet) -> None:
        self._games, self._policy = games, policy
        self._index = np.array([policy.skills.index(skill) for skill in skills.ids], np.int64)
        self._memory = policy.initial(games.num_games)

    def act(self, rng: np.random.Generator) -> NDArray[Any]:
        """The next action of every game; as much is drawn for each, whatever it sees."""
        arrays, policy = self._games.arrays, self._policy
        observation: dict[str, Any] = to_tensors(arrays.observation, policy.spec, policy.device)
        skill = torch.from_numpy(self._index[arrays.skill]).to(policy.device)
        outputs, _, self._memory = policy.step(observation, skill, self._memory)
        return distribution(policy.spec).sample(outputs, rng)

    def after(self) -> None:
        arrays = self._games.arrays
        forget = arrays.fresh.astype(bool)
        if self._policy.config.reset_memory:
            forget |= arrays.cause != EndCause.CONTINUES
        self._memory[torch.from_numpy(forget)] = 0


def check_fit(domain: Domain, skills: SkillSet, policy: SkillPolicy) -> None:
    """See that a network can play these skills in this domain.

    Raises:
        ArtifactError: it was trained for other skills or another observation.
    """
    unknown = [skill for skill in skills.ids if skill not in policy.skills]
    if unknown:
        raise ArtifactError(f"the policy was not trained for the skills {', '.join(unknown)}", "Train again with the present skills.toml")
    if policy.spec != domain.observation_for(policy.config.network):
        raise ArtifactError(
            "the policy was trained on another observation", "Train again, or use the options of [domain] it was trained with"
        )
