"""The domain's scripted explorer in place of a network: one game at a time, with an explorer of its own for each episode.

So an episode follows from its seed alone, whoever else plays; the explorer's chances are its own, and the dungeons those of all policies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from maestromotif.domains.contract import Domain, DomainEnv, Explorer
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, PlaySpec, build_part, describe_domain
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.skills import SkillSet

__all__ = ["EXPLORER", "ExplorerDriver", "play_explorer"]

EXPLORER = "explorer"
_TOLD = 1.0  # seconds between two words on how far it is
_STREAM = 5  # of the explorer's seed, among all that follow from an episode's place


class ExplorerDriver:
    """Acts in one game as ``rl.driving.EpisodeDriver`` does, but by an explorer, which sees the game itself.

    Args:
        step: plays ``arrays.action``.
        arrays: of this game, already reset.
        seed: of the evaluation.
        env: the game.
    """

    def __init__(self, step: Callable[[], object], arrays: StepArrays, seed: int, domain: Domain, env: DomainEnv) -> None:
        self._step, self._arrays, self._seed, self._domain, self._env = step, arrays, seed, domain, env
        self._explorer: Explorer | None = None

    def play(self, steps: int) -> None:
        """So many steps, or fewer once there is no episode left."""
        arrays = self._arrays
        for _ in range(steps):
            episode = int(arrays.episode[0])
            if episode < 0:
                return
            if arrays.fresh[0] or self._explorer is None:
                self._explorer = self._domain.explorer(episode_seed(self._seed, episode, _STREAM) % 2**31)
            arrays.action[...] = self._explorer.act(self._env)
            self._step()


def play_explorer(
    domain: Domain,
    skills: SkillSet,
    sources: ScheduleSources,
    *,
    episodes: int,
    max_steps: int,
    seed: int,
    task: str = "",
    stop_on_success: bool = True,
    stop_on_claim: bool = True,
    indices: Sequence[int] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    finished: Callable[[EpisodeResult], None] = lambda result: None,
    paced: Callable[[float, float], None] = lambda steps, seconds: None,
) -> list[EpisodeResult]:
    """Play full episodes in this process; arguments and result as of ``rl.rollout.play``. The sources only say which skill's name stands
    in the timeline, since the explorer knows no skills."""
    wanted = tuple(indices) if indices is not None else tuple(range(episodes))
    spec = GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(skills),
        sources=sources,
        rewards="",
        reward_maker="",
        num_games=1,
        seed=seed,
        first_episodes=(),
        episode_steps=max_steps,
        play=PlaySpec(wanted, task, stop_on_success, stop_on_claim),
    )
    results: list[EpisodeResult] = []

    def ended(result: EpisodeResult) -> None:
        results.append(result)
        finished(result)

    shape = (domain.observation_spec, 1, len(skills), 1)
    arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
    env = domain.make_env(1)
    games = build_part(spec, domain, arrays, [0], wanted, ended, env)
    try:
        games.reset()
        driver = ExplorerDriver(games.step, arrays, seed, domain, env)
        began = told = time.monotonic()
        steps = 0
        while arrays.episode[0] >= 0:
            driver.play(1)
            steps += 1
            now = time.monotonic()
            if now - told > _TOLD:
                told = now
                paced(float(steps), now - began)
                under_way = float(arrays.time[0]) / max_steps
                progress((len(results) + under_way) / len(wanted), f"{len(results)} of {len(wanted)} episodes")
        paced(float(steps), time.monotonic() - began)
    finally:
        games.close()
    return sorted(results, key=lambda result: result.index)
