"""Continuous actions, from the distribution to a trained skill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from maestromotif.agents.llm_policy.config import ACTIONS, LLMPolicyConfig
from maestromotif.agents.llm_policy.moments import Briefing
from maestromotif.domains.checks import check_domain
from maestromotif.domains.contract import ACTION_MASK, Bag, ObservationSpec
from maestromotif.errors import ConfigError
from maestromotif.rl.actions import Choices, Vectors, action_kind, kind_of
from maestromotif.rl.actors import TorchActor
from maestromotif.rl.config import NetworkConfig, TrainConfig
from maestromotif.rl.distributions import GAUSSIAN, LEAST_LOG_STD, MOST_LOG_STD
from maestromotif.rl.fused import FusedActor
from maestromotif.rl.learner import ppo_losses
from maestromotif.rl.metrics import read_metrics
from maestromotif.rl.networks import SkillPolicy, spec_from_json, spec_to_json
from maestromotif.rl.resume import ActionLog, Played
from maestromotif.rl.rollout import play
from maestromotif.rl.slips import Slips
from maestromotif.rl.training import METRICS, POLICY, train
from maestromotif.rl.vector import SerialGames

from . import smooth, worlds

SPEC = ObservationSpec({"near": Bag(40, 5)}, dense=4, actions=3, skip=("near",), continuous=True)
SKILLS = ("one", "two")
TINY: dict[str, Any] = {
    "steps": 2_000,
    "games": 8,
    "workers": 0,
    "rollout": 16,
    "chunk": 8,
    "minibatch": 64,
    "features": 16,
    "hidden": 16,
    "episode_steps": 100,
    "tensorboard": False,
}


def _outputs(rows: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rows, 6, generator=generator) * torch.tensor([1.0, 1, 1, 0.4, 0.4, 0.4])


def test_densities_and_entropies_are_those_of_independent_normal_numbers() -> None:
    outputs = _outputs()
    normal: Any = Normal(outputs[:, :3], outputs[:, 3:].exp())
    noise = GAUSSIAN.noise(torch.Generator().manual_seed(1), (7,), (3,))
    action, log_prob = GAUSSIAN.draw(outputs, noise)
    torch.testing.assert_close(action, normal.mean + normal.stddev * noise)
    expected = normal.log_prob(action).sum(1)
    scored, entropy = GAUSSIAN.score(outputs, action, None)
    for found in (log_prob, scored, GAUSSIAN.log_prob(outputs, action)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(entropy, normal.entropy().sum(1))


def test_samples_are_spread_as_the_outputs_say() -> None:
    outputs = torch.tensor([[0.5, -1.0, -0.7, 0.2]]).repeat(20_000, 1)
    drawn = GAUSSIAN.sample(outputs, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), [0.5, -1.0], atol=0.03)
    np.testing.assert_allclose(drawn.std(0), np.exp([-0.7, 0.2]), rtol=0.03)


def test_losses_raise_the_density_of_what_went_well_only_within_the_clip() -> None:
    outputs = torch.zeros(2, 4, requires_grad=True)
    action = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    old = GAUSSIAN.log_prob(outputs.detach(), action) - torch.tensor([0.0, 1.0])  # the second's ratio is e, beyond the clip
    zeros = torch.zeros(2)
    losses = ppo_losses(outputs, zeros, action, old, zeros, torch.ones(2), zeros, None, 0.2, 0.5, GAUSSIAN)
    torch.autograd.backward(losses["policy"])
    assert outputs.grad is not None
    assert outputs.grad[0, 0] < 0
    assert (outputs.grad[1] == 0).all()
    assert float(losses["clipped"]) == 0.5


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_the_compiled_network_is_the_network(core: str) -> None:
    policy = SkillPolicy(SPEC, SKILLS, NetworkConfig(core=core, features=12, hidden=10), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        for name, size in policy.padded():
            policy.get_parameter(name)[::size] = 0
    weights = {name: tensor.numpy() for name, tensor in policy.state_dict().items()}
    rng, games, width = np.random.default_rng(2), 9, policy.initial(1).shape[1]
    observation = SPEC.allocate(games)
    assert ACTION_MASK not in observation
    observation["near"][...] = rng.integers(0, 40, (games, 5))
    observation["dense"][...] = rng.standard_normal((games, 4))
    skill, noise = rng.integers(0, 2, games), rng.standard_normal((games, 3)).astype(np.float32)
    found = []
    for actor in (FusedActor(SPEC, weights), TorchActor(policy, weights)):
        memory, action = np.zeros((games, width), np.float32), np.zeros((games, 3), np.float32)
        log_prob, value = np.zeros(games, np.float32), np.zeros(games, np.float32)
        actor.act(observation, skill, memory, noise, action, log_prob, value)
        found.append((memory, action, log_prob, value))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    assert len({tuple(row) for row in np.exp(weights["log_std"])}) == 2, "every skill varies in its own way"


@pytest.mark.parametrize("conditioning", ["onehot", "film", "multihead", "separate", "hypernetwork"])
def test_every_conditioning_and_core_gives_means_and_spreads(conditioning: str, tmp_path: Path) -> None:
    policy = SkillPolicy(SPEC, SKILLS, NetworkConfig(conditioning=conditioning, features=8, hidden=8))
    observation = {"near": torch.ones(4, 5, dtype=torch.int32), "dense": torch.ones(4, 4)}
    outputs, value, _ = policy.step(observation, torch.tensor([0, 1, 0, 1]), policy.initial(4))
    assert outputs.shape == (4, 6)
    assert value.shape == (4,)
    policy.save(tmp_path / "policy.safetensors")
    assert SkillPolicy.load(tmp_path / "policy.safetensors").spec == SPEC
    assert spec_from_json(spec_to_json(SPEC)) == SPEC


def test_spreads_keep_within_their_bounds() -> None:
    policy = SkillPolicy(SPEC, SKILLS)
    assert policy.log_std is not None
    with torch.no_grad():
        policy.log_std[0], policy.log_std[1] = 9.0, -9.0
    policy.keep_bounds()
    assert policy.log_std[0].tolist() == [MOST_LOG_STD] * 3
    assert policy.log_std[1].tolist() == [LEAST_LOG_STD] * 3


def test_chances_of_an_evaluation_are_normal_and_follow_from_stream_and_step() -> None:
    kind = Vectors(3)
    streams, steps = np.arange(4_000, dtype=np.uint64) * np.uint64(7919), np.full(4_000, 5)
    chances = kind.chances(streams, steps)
    noise = kind.as_noise(chances)
    assert noise.shape == (4_000, 3)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(noise.T), np.eye(3), atol=0.08)
    assert (kind.as_noise(kind.chances(streams[7:8], steps[7:8])) == noise[7]).all()
    assert (kind.as_noise(kind.chances(streams, steps + 1)) != noise).any(1).all()
    anything = kind.anything({}, chances)
    assert anything.dtype == np.float32
    assert abs(anything).max() <= 1
    assert abs(anything.std() - 3**-0.5) < 0.02


def test_kinds_are_known_by_spec_and_by_array() -> None:
    assert isinstance(action_kind(SPEC), Vectors)
    assert isinstance(kind_of(np.zeros((4, 3), np.float32)), Vectors)
    assert isinstance(kind_of(np.zeros(4, np.int64)), Choices)


def test_slips_play_any_vector() -> None:
    slips = Slips(0.5, 1, Vectors(2))
    slips.begin(0, 3)
    played = []
    for _ in range(2_000):
        action = np.full((1, 2), 0.25, np.float32)
        slips.apply(action, {})
        played.append(action[0])
    slipped = np.array(played)[(np.array(played) != 0.25).any(1)]
    assert abs(len(slipped) / 2_000 - 0.5) < 0.05
    assert slipped.min() < -0.9
    assert slipped.max() > 0.9


def test_logged_vectors_cross_to_another_process_and_back() -> None:
    log, rng = ActionLog(3, 20, Vectors(2)), np.random.default_rng(1)
    actions = rng.standard_normal((3, 6, 2)).astype(np.float32)
    time = np.array([6, 2, 4])
    log.add(actions, time)
    logs = [actions[game, 6 - length :] for game, length in enumerate(time)]
    played = Played(np.zeros(3, np.int64), time, np.concatenate(logs), np.zeros((3, 5)))
    again = Played.from_bytes(played.to_bytes(), 3, 4, Vectors(2))
    np.testing.assert_array_equal(again.actions, played.actions)
    np.testing.assert_array_equal(played.part(slice(1, 2)).actions, logs[1])


def _train(out: Path, **changes: Any) -> list[dict[str, Any]]:
    domain, skills = smooth.smooth(length=7)
    config = TrainConfig(**{**TINY, **changes})
    train(domain, skills, worlds.sources(), Path(), config, out, 1, reward_maker=worlds.REWARDS)
    return [{name: value for name, value in line.items() if name != "time"} for line in read_metrics(out / METRICS)]


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_workers_and_interruptions_change_nothing(tmp_path: Path, core: str) -> None:
    whole = _train(tmp_path / "whole", core=core, groups=2)
    assert _train(tmp_path / "workers", core=core, groups=2, workers=2) == whole
    _train(tmp_path / "cut", core=core, groups=2, steps=1_000)
    assert _train(tmp_path / "cut", core=core, groups=2) == whole
    weights = (tmp_path / "whole" / POLICY).read_bytes()
    assert (tmp_path / "workers" / POLICY).read_bytes() == weights
    assert (tmp_path / "cut" / POLICY).read_bytes() == weights


def test_skills_are_learned_and_strung_together_zero_shot(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "steps": 64_000,
        "games": 32,
        "rollout": 32,
        "minibatch": 256,
        "features": 32,
        "hidden": 32,
        "advantage_floor": 0.01,
    }
    _train(tmp_path, **settings)
    domain, skills = smooth.smooth(length=7)
    trained = SkillPolicy.load(tmp_path / POLICY)
    assert trained.log_std is not None
    assert not torch.equal(trained.log_std[0], trained.log_std[1])
    rates = {}
    arguments: dict[str, Any] = {"episodes": 40, "max_steps": 40, "seed": 3, "task": "both_ends"}
    for name, policy in (("trained", trained), ("random", "random")):
        results = play(domain, skills, policy, worlds.sources(worlds.BOTH_ENDS), **arguments, num_games=8, workers=0)  # type: ignore[arg-type]
        rates[name] = np.mean([result.success["landmark"] for result in results])
    assert rates["trained"] > rates["random"] + 0.3
    here = play(domain, skills, trained, worlds.sources(worlds.BOTH_ENDS), **arguments, num_games=8, workers=0)
    there = play(domain, skills, trained, worlds.sources(worlds.BOTH_ENDS), **arguments, num_games=5, workers=2)
    assert here == there


def test_environments_get_what_is_within_bounds(tmp_path: Path) -> None:
    from maestromotif.rl.build import GamesSpec, describe_domain

    domain, skills = smooth.smooth(length=7)
    spec = GamesSpec(
        domain=describe_domain(domain),
        options={"length": 7},
        skills=tuple(skills),
        sources=worlds.sources(),
        rewards="",
        reward_maker="",
        num_games=2,
        seed=1,
        first_episodes=(0, 0),
        episode_steps=50,
    )
    games = SerialGames(spec, domain)
    games.reset()
    heard: list[float] = []
    games.listen(lambda env, _: heard.append(env.seen))  # type: ignore[attr-defined]
    games.arrays.action[...] = 7.5
    games.send(0)
    games.wait(0)
    games.close()
    assert heard == [1.0]


def test_the_contract_knows_continuous_actions() -> None:
    domain, _ = smooth.smooth(length=7)
    found = {result.name: (result.outcome, result.why) for result in check_domain(domain)}
    for name in ("observations", "a reset game lives", "bind", "same seed, same game", "games are independent", "explorer"):
        assert found[name][0] == "passed", found[name]


def test_a_language_model_is_not_asked_for_numbers() -> None:
    domain, skills = smooth.smooth(length=7)
    with pytest.raises(ConfigError, match=r"llm-actions: .*cannot choose by name.*llm-skills"):
        Briefing(domain, skills, ACTIONS, "both_ends", "Walk.", 40, 1, LLMPolicyConfig())
