"""Networks act the same wherever they do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from maestromotif.domains.contract import ACTION_MASK, Bag, Grid, ObservationSpec
from maestromotif.rl.actors import TorchActor, can_fuse, make_actor
from maestromotif.rl.config import NetworkConfig
from maestromotif.rl.fused import FusedActor
from maestromotif.rl.networks import SkillPolicy

SPEC = ObservationSpec({"near": Bag(300, 9), "far": Bag(40_000, 5)}, dense=6, actions=7, skip=("near",))
SKILLS = ("one", "two", "three")
GAMES = 24


def make(core: str) -> tuple[SkillPolicy, dict[str, Any]]:
    """A network with no weight left at zero, and its weights."""
    policy = SkillPolicy(SPEC, SKILLS, NetworkConfig(core=core, features=24, hidden=20), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for name, size in policy.padded():
            policy.get_parameter(name)[::size] = 0
        policy.value_mean += torch.tensor([0.5, -1.0, 2.0])
        policy.value_scale *= torch.tensor([0.1, 3.0, 1.0])
    return policy, {name: tensor.numpy() for name, tensor in policy.state_dict().items()}


def situation(seed: int = 0, games: int = GAMES) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    observation = SPEC.allocate(games)
    for name, bag in SPEC.bags.items():
        observation[name][...] = rng.integers(0, bag.size, observation[name].shape)
        observation[name][:, ::3] = 0
    observation["dense"][...] = rng.standard_normal(observation["dense"].shape)
    observation[ACTION_MASK][...] = rng.random(observation[ACTION_MASK].shape) < 0.6
    observation[ACTION_MASK][:, 2] = 1
    return {
        "observation": observation,
        "skill": rng.integers(0, len(SKILLS), games),
        "chance": rng.random(games, np.float32),
    }


def act(actor: Any, width: int, given: dict[str, Any], games: int = GAMES) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    memory = rng.standard_normal((games, width)).astype(np.float32)
    result = {"memory": memory, "action": np.zeros(games, np.int64)}
    result |= {name: np.zeros(games, np.float32) for name in ("log_prob", "value")}
    actor.act(memory=memory, **given, **{name: result[name] for name in ("action", "log_prob", "value")})
    return result


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_the_compiled_network_is_the_network(core: str) -> None:
    policy, weights = make(core)
    width = policy.initial(1).shape[1]
    fused, torch_actor = FusedActor(SPEC, weights), TorchActor(policy, weights)
    for seed in range(20):
        given = situation(seed)
        mine, theirs = act(fused, width, given), act(torch_actor, width, given)
        np.testing.assert_array_equal(mine["action"], theirs["action"])
        assert (given["observation"][ACTION_MASK][np.arange(GAMES), mine["action"]] == 1).all()
        for name in ("memory", "log_prob", "value"):
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-4, atol=1e-5)
        values = fused.values(given["observation"], given["skill"], np.zeros((GAMES, width), np.float32))
        np.testing.assert_allclose(
            values, torch_actor.values(given["observation"], given["skill"], np.zeros((GAMES, width), np.float32)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_a_row_does_not_depend_on_the_batch_it_is_in(core: str) -> None:
    policy, weights = make(core)
    width = policy.initial(1).shape[1]
    given = situation()
    whole = act(FusedActor(SPEC, weights), width, given)
    few = {
        "observation": {name: array[:5] for name, array in given["observation"].items()},
        "skill": given["skill"][:5],
        "chance": given["chance"][:5],
    }
    part = act(FusedActor(SPEC, weights), width, few, games=5)
    for name, array in part.items():
        np.testing.assert_array_equal(array, whole[name][:5])
    memory = np.random.default_rng(5).standard_normal((GAMES, width)).astype(np.float32)
    actor = FusedActor(SPEC, weights)
    np.testing.assert_array_equal(
        actor.values(few["observation"], few["skill"], memory[:5]), actor.values(given["observation"], given["skill"], memory)[:5]
    )


def test_new_weights_act_after_load() -> None:
    policy, weights = make("gru")
    weights = {name: array.copy() for name, array in weights.items()}
    given, width = situation(), policy.initial(1).shape[1]
    for actor in (FusedActor(SPEC, weights), TorchActor(policy, weights)):
        before = act(actor, width, given)["value"]
        weights["core_in"] += 0.2
        actor.load()
        assert np.abs(act(actor, width, given)["value"] - before).max() > 1e-3


def test_actions_follow_the_softmax() -> None:
    _, weights = make("ff")
    actor, games = FusedActor(SPEC, weights), 20_000
    given = situation()
    same = {name: np.repeat(array[:1], games, 0) for name, array in given["observation"].items()}
    chance = np.random.default_rng(0).random(games, np.float32)
    result = act(actor, 0, {"observation": same, "skill": np.zeros(games, np.int64), "chance": chance}, games)
    for action in range(SPEC.actions):
        chosen = result["action"] == action
        if chosen.any():
            assert chosen.mean() == pytest.approx(float(np.exp(result["log_prob"][chosen][0])), abs=0.015)


@pytest.mark.parametrize(
    ("values", "fits"),
    [({}, True), ({"core": "ff"}, True), ({"core": "lstm"}, False), ({"conditioning": "film"}, False), ({"network": "reference"}, False)],
)
def test_the_compiled_network_is_used_where_it_fits(values: dict[str, str], fits: bool) -> None:
    config = NetworkConfig(**values)
    assert can_fuse(config.model_dump()) is fits
    if values in ({}, {"core": "lstm"}):
        policy = SkillPolicy(SPEC, SKILLS, config)
        weights = {name: tensor.numpy() for name, tensor in policy.state_dict().items()}
        assert type(make_actor(SPEC, SKILLS, config.model_dump(), weights)) is (FusedActor if fits else TorchActor)


@pytest.mark.parametrize("conditioning", ["onehot", "separate", "hypernetwork"])
@pytest.mark.parametrize("network", ["light", "reference"])
def test_acting_in_bfloat16_is_near_float32(network: str, conditioning: str) -> None:
    texts = {"message": 32} if network == "reference" else {}
    spec = ObservationSpec({}, dense=6, actions=7, grids={"glyphs": Grid(9, 9, 50)}, texts=texts)
    config = NetworkConfig(network=network, conditioning=conditioning, features=24, hidden=20, core="lstm")
    policy = SkillPolicy(spec, SKILLS, config, seed=1)
    weights = {name: tensor.numpy() for name, tensor in policy.state_dict().items()}
    rng = np.random.default_rng(0)
    weights["head"] += rng.standard_normal(weights["head"].shape).astype(np.float32) / 7
    observation = spec.allocate(GAMES)
    for name, array in observation.items():
        array[...] = 1 if name == ACTION_MASK else rng.standard_normal(array.shape) if name == "dense" else rng.integers(0, 50, array.shape)
    chance = rng.random(GAMES, np.float32)
    given = {"observation": observation, "skill": rng.integers(0, len(SKILLS), GAMES), "chance": chance}
    width = policy.initial(1).shape[1]
    exact, rough = (act(make_actor(spec, SKILLS, config.model_dump(), weights, bfloat16=low), width, given) for low in (False, True))
    same = exact["action"] == rough["action"]
    assert same.mean() > 0.9
    assert np.any(exact["memory"] != rough["memory"])
    for name in ("memory", "log_prob", "value"):
        np.testing.assert_allclose(rough[name][same], exact[name][same], rtol=0.05, atol=0.05)
