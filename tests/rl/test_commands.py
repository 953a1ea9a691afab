"""Actions that are commands in words: what counts is what a command says, in every form of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maestromotif.domains.contract import ACTION_MASK, COMMANDS, Bag, ObservationSpec
from maestromotif.rl.actors import can_fuse, to_tensors
from maestromotif.rl.config import NetworkConfig
from maestromotif.rl.networks import SkillPolicy, spec_from_json, spec_to_json

SPEC = ObservationSpec({"near": Bag(40, 5)}, dense=4, actions=6, skip=("near",), commands=Bag(30, 4))
SKILLS = ("one", "two", "three")
CPU = torch.device("cpu")


def _observation(rows: int, seed: int = 0) -> dict[str, Any]:
    """Rows with two to six commands, each of one to four words."""
    rng = np.random.default_rng(seed)
    arrays = SPEC.allocate(rows)
    arrays["near"][...] = rng.integers(0, 40, (rows, 5))
    arrays["dense"][...] = rng.standard_normal((rows, 4))
    words = rng.integers(1, 30, (rows, 6, 4))
    arrays[COMMANDS][...] = np.where(np.arange(4) < rng.integers(1, 5, (rows, 6, 1)), words, 0)
    arrays[ACTION_MASK][...] = np.arange(6) < rng.integers(2, 7, (rows, 1))
    arrays[COMMANDS][arrays[ACTION_MASK] == 0] = 0
    return arrays


def _policy(conditioning: str = "onehot", core: str = "gru") -> SkillPolicy:
    """With weights that matter everywhere."""
    policy = SkillPolicy(SPEC, SKILLS, NetworkConfig(features=16, hidden=8, conditioning=conditioning, core=core), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        for name, size in policy.padded():
            policy.get_parameter(name)[::size] = 0
    return policy


def _step(policy: SkillPolicy, arrays: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = len(arrays["near"])
    skill = torch.arange(rows) % 3
    with torch.no_grad():
        logits, value, _ = policy.step(to_tensors(arrays, SPEC, CPU), skill, policy.initial(rows))
    return logits, value


@pytest.mark.parametrize("conditioning", ["onehot", "film", "multihead", "separate", "hypernetwork"])
def test_a_command_is_scored_by_its_words_wherever_it_stands(conditioning: str) -> None:
    policy, arrays = _policy(conditioning), _observation(12)
    logits, value = _step(policy, arrays)
    assert (logits[torch.from_numpy(arrays[ACTION_MASK]) == 0] < -1e8).all()
    order = np.random.default_rng(3).permutation(6)
    words = np.random.default_rng(4).permutation(4)
    moved = {**arrays, COMMANDS: arrays[COMMANDS][:, order][:, :, words], ACTION_MASK: arrays[ACTION_MASK][:, order]}
    again, same = _step(policy, moved)
    torch.testing.assert_close(again, logits[:, order], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(same, value)
    # And another word makes another score, of that command alone.
    changed = {**arrays, COMMANDS: arrays[COMMANDS].copy()}
    changed[COMMANDS][:, 0, 0] = changed[COMMANDS][:, 0, 0] % 29 + 1
    other, _ = _step(policy, changed)
    assert (other[:, 0] - logits[:, 0]).abs().min() > 1e-4
    torch.testing.assert_close(other[:, 1:], logits[:, 1:])


@pytest.mark.parametrize("conditioning", ["onehot", "film", "multihead", "separate", "hypernetwork"])
def test_learning_sees_what_acting_saw(conditioning: str) -> None:
    policy, arrays = _policy(conditioning), _observation(8, seed=5)
    stepped = [_step(policy, {name: array[[row]] for name, array in arrays.items()}) for row in range(8)]
    sequence = {name: array.reshape(8, 1, -1) for name, array in to_tensors(arrays, SPEC, CPU).items()}
    skill = torch.zeros(8, 1, dtype=torch.int64)
    logits, value = policy.sequence(sequence, skill, policy.initial(8), torch.ones(8, 1))
    torch.testing.assert_close(logits, torch.cat([found for found, _ in stepped]), rtol=1e-5, atol=1e-5)
    assert value.shape == (8,)
    torch.autograd.backward(logits[:, 0].sum() + value.sum())
    gradient = policy.get_parameter("commands").grad
    assert gradient is not None
    assert not gradient[::30].any()  # padding means nothing
    met = np.unique(arrays[COMMANDS][arrays[ACTION_MASK][:, 0] > 0, 0])
    assert set(np.flatnonzero(gradient.abs().sum(1)[:30])) == set(met[met > 0])


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_the_compiled_network_scores_commands_as_torch_does(core: str) -> None:
    pytest.importorskip("numba")
    from maestromotif.rl.fused import FusedActor

    policy, arrays = _policy(core=core), _observation(64, seed=7)
    assert can_fuse(policy.config.model_dump())
    skill, chance = np.arange(64) % 3, np.random.default_rng(0).random(64, np.float32)
    weights = {name: tensor.detach().numpy() for name, tensor in policy.state_dict().items()}
    action, log_prob, value = np.zeros(64, np.int64), np.zeros(64, np.float32), np.zeros(64, np.float32)
    memory = policy.initial(64).numpy().copy()
    FusedActor(SPEC, weights).act(arrays, skill, memory, chance, action, log_prob, value)
    logits, expected = _step(policy, arrays)
    log_probs = torch.log_softmax(logits, 1)
    np.testing.assert_allclose(log_prob, log_probs.gather(1, torch.from_numpy(action)[:, None])[:, 0].numpy(), rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(value, expected.numpy(), rtol=2e-4, atol=2e-4)
    assert (arrays[ACTION_MASK][np.arange(64), action] == 1).all()
    assert len(set(action.tolist())) > 3


def test_a_saved_network_and_its_observation_come_back(tmp_path: Path) -> None:
    assert spec_from_json(spec_to_json(SPEC)) == SPEC
    policy = _policy()
    policy.save(tmp_path / "policy.safetensors")
    logits, _ = _step(policy, _observation(5))
    torch.testing.assert_close(_step(SkillPolicy.load(tmp_path / "policy.safetensors"), _observation(5))[0], logits)
