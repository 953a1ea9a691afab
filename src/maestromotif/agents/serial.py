"""The trained network plays in this process, for whoever wants to hear of every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from maestromotif.agents.evaluate import Setting
from maestromotif.domains.contract import DomainEnv
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.rollout import NetworkDriver
from maestromotif.rl.vector import SerialGames

__all__ = ["play_on"]

Heard = Callable[[DomainEnv, Sequence[str]], None]


def play_on(
    setting: Setting, policy_source: str, num_games: int, turns: int, seed: int, heard: Heard, before: Callable[[SerialGames], None]
) -> Iterator[SerialGames]:
    """Play ``turns`` steps of every game, and give the games after each.

    Args:
        setting: its ``config.max_steps`` is where episodes are cut.
        policy_source: the policy over skills.
        heard: a listener of the games.
        before: told the games before each step.

    Raises:
        ArtifactError: programs or weights are missing, or were made for other skills.
    """
    policy = setting.driver("trained")
    assert not isinstance(policy, str)
    spec = GamesSpec(
        domain=describe_domain(setting.domain),
        options=dict(setting.domain.options),
        skills=tuple(setting.skills),
        sources=ScheduleSources(policy_source, setting.skill_program),
        rewards="",
        reward_maker="",
        num_games=num_games,
        seed=seed,
        first_episodes=(0,) * num_games,
        episode_steps=setting.config.max_steps,
        observation=policy.config.network,
    )
    rng = np.random.default_rng(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    games = SerialGames(spec, setting.domain)
    games.listen(heard)
    try:
        games.reset()
        driver = NetworkDriver(games, policy, setting.skills)
        for _ in range(turns):
            before(games)
            with torch.inference_mode():
                games.arrays.action[...] = driver.act(rng)
                games.send(0)
                games.wait(0)
                driver.after()
            yield games
    finally:
        games.close()
        torch.set_num_threads(threads)
