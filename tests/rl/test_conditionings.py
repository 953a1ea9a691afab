"""Every network with every core and conditioning: shapes, gradients, files, and that skills are learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maestromotif.domains.contract import ACTION_MASK, Bag, Grid, ObservationSpec
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError, DomainError
from maestromotif.rl.config import NetworkConfig, TrainConfig
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.rollout import play
from maestromotif.rl.training import POLICY, UNTRAINED, train
from maestromotif.skills import SkillSet

from . import worlds
from .pictured import PicturedCorridor

CONDITIONINGS = ("onehot", "film", "multihead", "separate", "hypernetwork")
SKILLS = ("a", "b", "c")
_BAGS = {"view": Bag(50, 6), "state": Bag(20, 4)}
# Grids whose sizes fit no stride, so that margins matter.
_GRIDS = {"glyphs": Grid(7, 8, 300), "colours": Grid(7, 8, 16)}
SPECS = {
    "small": ObservationSpec(_BAGS, dense=3, actions=5, skip=("state",)),
    "light": ObservationSpec(_BAGS, dense=3, actions=5, skip=("state",), grids=_GRIDS),
    "reference": ObservationSpec(_BAGS, dense=3, actions=5, skip=("state",), grids=_GRIDS, texts={"message": 40}),
}


def make(network: str, conditioning: str, core: str = "gru", skills: tuple[str, ...] = SKILLS) -> SkillPolicy:
    """A policy whose weights are away from their special initial values, so that every part matters."""
    config = NetworkConfig(network=network, conditioning=conditioning, core=core, features=12, hidden=7)
    policy = SkillPolicy(SPECS[network], skills, config, seed=1)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        for name, size in policy.padded():
            policy.get_parameter(name)[::size] = 0
    return policy


def observe(spec: ObservationSpec, *leading: int, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    sizes: dict[str, int] = {name: bag.size for name, bag in spec.bags.items()}
    sizes |= {name: grid.size for name, grid in spec.grids.items()} | dict.fromkeys(spec.texts, 128)
    found = {}
    for name, (shape, dtype) in spec.layout().items():
        values = rng.integers(sizes[name], size=(*leading, *shape)) if name in sizes else rng.random((*leading, *shape))
        found[name] = torch.from_numpy(values.astype(np.int32 if name in spec.bags else dtype))
    found[ACTION_MASK] = torch.ones(*leading, spec.actions, dtype=torch.uint8)
    found[ACTION_MASK][..., 2] = 0
    return found


def randoms(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("core", ["gru", "lstm", "ff"])
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("network", SPECS)
def test_steps_and_sequences_agree(network: str, conditioning: str, core: str) -> None:
    policy = make(network, conditioning, core)
    games, steps = 4, 5
    observation = observe(policy.spec, games, steps)
    skill = (randoms(games, steps) * len(SKILLS)).long()
    keep = (randoms(games, steps) > 0.3).float()
    memory = randoms(*policy.initial(games).shape)
    logits, value = policy.sequence(observation, skill, memory, keep)
    assert logits.shape == (games * steps, policy.spec.actions)
    found_logits, found_value = [], []
    for step in range(steps):
        here = {name: array[:, step] for name, array in observation.items()}
        one, worth, memory = policy.step(here, skill[:, step], memory * keep[:, step, None])
        found_logits.append(one)
        found_value.append(worth)
    torch.testing.assert_close(torch.stack(found_logits, 1).flatten(0, 1), logits, atol=1e-4, rtol=1e-4)
    # value_mean and value_scale are 0 and 1 in a new policy, so both are in the same units.
    torch.testing.assert_close(torch.stack(found_value, 1).flatten(), value, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("network", SPECS)
def test_a_row_depends_on_its_own_observation_and_skill_alone(network: str, conditioning: str) -> None:
    policy = make(network, conditioning)
    skill = torch.tensor([0, 2, 1, 2, 0])
    memory = randoms(*policy.initial(5).shape)
    observation, other = observe(policy.spec, 5), observe(policy.spec, 5, seed=1)
    mixed = {name: torch.cat([array[:1], other[name][1:]]) for name, array in observation.items()}
    before, after = (policy.step(seen, skill, memory) for seen in (observation, mixed))
    for one, two in zip(before, after, strict=True):
        assert torch.equal(one[0], two[0])
        assert not torch.allclose(one[1], two[1])
    # Nor does it matter in which skills' company it is.
    alone = policy.step({name: array[:1] for name, array in observation.items()}, skill[:1], memory[:1])
    for one, two in zip(before, alone, strict=True):
        torch.testing.assert_close(one[:1], two, atol=1e-5, rtol=1e-4)
    others = policy.step(observation, torch.tensor([1, 2, 1, 2, 0]), memory)
    assert not torch.allclose(before[0][0], others[0][0])
    assert not torch.allclose(before[1][0], others[1][0])


def _gradients(policy: SkillPolicy, skills: tuple[int, ...]) -> dict[str, Tensor]:
    """Of a loss over a batch in which just these skills are active."""
    games, steps = 4, 3
    observation = observe(policy.spec, games, steps)
    skill = torch.tensor(skills)[(randoms(games, steps) * len(skills)).long()]
    logits, value = policy.sequence(observation, skill, randoms(*policy.initial(games).shape), torch.ones(games, steps))
    policy.zero_grad()
    torch.autograd.backward(torch.log_softmax(logits, 1)[:, 0].sum() + value.square().sum())
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in policy.named_parameters()}


@pytest.mark.parametrize("core", ["gru", "lstm", "ff"])
@pytest.mark.parametrize("network", SPECS)
def test_separate_networks_share_nothing(network: str, core: str) -> None:
    policy = make(network, "separate", core)
    for name, gradient in _gradients(policy, (0,)).items():
        if name.startswith("encoders."):
            mine = gradient if name.startswith("encoders.0.") else None
            others = gradient if mine is None else None
        else:
            parts = gradient.reshape(len(SKILLS), -1)
            mine, others = parts[0], parts[1:]
        assert mine is None or mine.abs().sum() > 0, name
        assert others is None or not others.any(), name
    every = _gradients(policy, (0, 1, 2))
    assert all(gradient.any() for gradient in every.values())


@pytest.mark.parametrize("network", SPECS)
def test_heads_of_other_skills_get_no_gradient_but_the_trunk_does(network: str) -> None:
    gradients = _gradients(make(network, "multihead"), (0,))
    for name in ("head", "head_bias", "skips.state"):
        parts = gradients.pop(name).reshape(len(SKILLS), -1)
        assert parts[0].any(), name
        assert not parts[1:].any(), name
    assert all(gradient.any() for gradient in gradients.values())
    with torch.no_grad():
        policy = make(network, "multihead")
        observation, memory = observe(policy.spec, 2), policy.initial(2)
        assert torch.equal(*(policy.step(observation, torch.full((2,), skill), memory)[2] for skill in (0, 1)))


@pytest.mark.parametrize("conditioning", ["film", "hypernetwork"])
@pytest.mark.parametrize("network", SPECS)
def test_gradients_reach_every_parameter(network: str, conditioning: str) -> None:
    for name, gradient in _gradients(make(network, conditioning), (0, 1, 2)).items():
        assert gradient.any(), name


@pytest.mark.parametrize("core", ["gru", "lstm", "ff"])
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("network", SPECS)
def test_saved_policies_come_back(network: str, conditioning: str, core: str, tmp_path: Path) -> None:
    policy = make(network, conditioning, core)
    policy.value_scale += 1
    policy.save(tmp_path / "policy.safetensors")
    again = SkillPolicy.load(tmp_path / "policy.safetensors")
    assert (again.spec, again.skills, again.config) == (policy.spec, policy.skills, policy.config)
    observation, skill, memory = observe(policy.spec, 6), torch.tensor([0, 1, 2, 2, 1, 0]), randoms(*policy.initial(6).shape)
    for one, two in zip(policy.step(observation, skill, memory), again.step(observation, skill, memory), strict=True):
        assert torch.equal(one, two)
    assert [file.name for file in tmp_path.iterdir()] == ["policy.safetensors"]


@pytest.mark.parametrize("network", SPECS)
def test_what_more_skills_cost_in_parameters(network: str) -> None:
    def count(conditioning: str, skills: int) -> int:
        return make(network, conditioning, skills=SKILLS[:skills]).parameter_count

    assert count("separate", 3) == 3 * count("separate", 1) == 3 * count("multihead", 1)
    actions, joined = 5, 12 + 7
    skip = SPECS[network].bags["state"].size * actions
    added = {name: count(name, 3) - count(name, 2) for name in CONDITIONINGS if name != "separate"}
    assert added == {
        "onehot": skip + 12 + (joined + 1),
        "film": skip + 12 + (joined + 1) + 12 + 2 * 7,
        "multihead": skip + (actions + 1) * (joined + 1),
        "hypernetwork": skip + 16,
    }


def _train(domain: Corridor, out: Path, **changes: Any) -> dict[str, float]:
    """Train; then the share of episodes that reach both ends, zero-shot, with and without training."""
    skills = SkillSet.parse(domain.skills_toml)
    settings: dict[str, Any] = {"games": 32, "workers": 0, "rollout": 32, "chunk": 8, "minibatch": 256}
    settings |= {"features": 32, "hidden": 32, "episode_steps": 100, "tensorboard": False, **changes}
    train(domain, skills, worlds.sources(), Path(), TrainConfig(**settings), out, 1, reward_maker=worlds.REWARDS)
    how: dict[str, Any] = {"episodes": 40, "max_steps": 40, "seed": 1, "task": "both_ends", "workers": 0}
    reached = {}
    for name in (POLICY, UNTRAINED):
        results = play(domain, skills, SkillPolicy.load(out / name), worlds.sources(worlds.BOTH_ENDS), **how)
        reached[name] = float(np.mean([result.success["landmark"] for result in results]))
    return reached


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_skills_are_learned_with_every_conditioning(conditioning: str, tmp_path: Path) -> None:
    reached = _train(Corridor({"length": 7}), tmp_path, steps=24_000, conditioning=conditioning)
    assert reached[POLICY] > 0.9
    assert reached[POLICY] > reached[UNTRAINED] + 0.3


@pytest.mark.parametrize(("network", "steps"), [("light", 24_000), ("reference", 10_000)])
def test_pictures_and_texts_teach_a_network(network: str, steps: int, tmp_path: Path) -> None:
    reached = _train(PicturedCorridor({"length": 7}), tmp_path, steps=steps, network=network, workers=1, entropy=0.005)
    assert reached[POLICY] > reached[UNTRAINED] + 0.3


def test_games_and_network_must_see_the_same(tmp_path: Path) -> None:
    domain, skills = worlds.corridor()
    with pytest.raises(DomainError, match="corridor has no observation for the network 'light'"):
        train(domain, skills, worlds.sources(), None, TrainConfig(network="light", workers=0), tmp_path, 1)
    pictured = PicturedCorridor({})
    policy = SkillPolicy(pictured.observation_for("light"), skills.ids, NetworkConfig(network="light"))
    how: dict[str, Any] = {"episodes": 2, "max_steps": 9, "seed": 1, "workers": 0}
    assert len(play(pictured, skills, policy, worlds.sources(), **how)) == 2
    with pytest.raises(ArtifactError, match="trained on another observation"):
        play(pictured, skills, SkillPolicy(SPECS["light"], skills.ids, NetworkConfig(network="light")), worlds.sources(), **how)


def test_a_network_that_cannot_read_an_observation_says_so() -> None:
    with pytest.raises(ValueError, match="'small' cannot read grids or texts"):
        SkillPolicy(SPECS["light"], SKILLS)
    with pytest.raises(ValueError, match="needs grids of one size, the observation has none"):
        SkillPolicy(SPECS["small"], SKILLS, NetworkConfig(network="light"))


def test_sizes_left_open_are_the_networks_own() -> None:
    every = {"features": 0, "hidden": 0, "core": "auto"}
    found = {name: NetworkConfig(network=name, **every) for name in ("small", "light", "reference")}
    assert {name: (one.features, one.hidden, one.core) for name, one in found.items()} == {
        "small": (128, 128, "gru"),
        "light": (256, 256, "lstm"),
        "reference": (512, 512, "gru"),
    }
    assert TrainConfig(network="reference").shape == found["reference"]
    assert NetworkConfig(network="reference", hidden=64).hidden == 64
