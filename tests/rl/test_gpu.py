"""What runs on a GPU must be what runs on a processor, up to rounding. Skipped where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maestromotif.rl.learner import Learner
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.training import POLICY

from .test_conditionings import CONDITIONINGS, SKILLS, make, observe
from .test_learner import _SKILLS, _SPEC, _config, _learner, _rollout
from .test_training import _train, _without_time

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def _results(policy: SkillPolicy, device: str) -> list[torch.Tensor]:
    """Outputs over time, and all gradients, in double precision: rounding must not decide which side of a kink a number is on."""
    policy = policy.to(device).double()
    count, steps = 6, 5
    observation = {name: tensor.to(device) for name, tensor in observe(policy.spec, count, steps).items()}
    observation = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in observation.items()}
    generator = torch.Generator().manual_seed(0)
    skill = torch.randint(len(SKILLS), (count, steps), generator=generator).to(device)
    keep = (torch.rand(count, steps, generator=generator) < 0.8).double().to(device)
    memory = torch.randn(policy.initial(count).shape, generator=generator).double().to(device)
    logits, value = policy.sequence(observation, skill, memory, keep)
    policy.zero_grad()
    torch.autograd.backward(torch.softmax(logits, 1).square().sum() + value.square().sum())
    gradients = [parameter.grad for parameter in policy.parameters() if parameter.grad is not None]
    return [tensor.detach().cpu().clone() for tensor in (torch.softmax(logits, 1), value, *gradients)]


@pytest.mark.parametrize("core", ["gru", "lstm", "ff"])
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("network", ["small", "light", "reference"])
def test_networks_and_gradients_are_those_of_the_processor(network: str, conditioning: str, core: str) -> None:
    mine, theirs = (_results(make(network, conditioning, core), device) for device in ("cpu", "cuda"))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("core", ["gru", "lstm", "ff"])
def test_an_update_moves_the_weights_as_on_a_processor(core: str) -> None:
    moved = {}
    for device in ("cpu", "cuda"):
        learner = _learner(core=core)
        rollout = _rollout(learner)
        if device == "cuda":
            config = _config(core=core, device=device, precision="float32")
            policy = SkillPolicy(_SPEC, _SKILLS, config.shape, seed=4).to(device)
            policy.load_state_dict(learner.policy.state_dict())
            learner = Learner(policy, config, torch.Generator().manual_seed(5))
        before = {name: tensor.cpu().clone() for name, tensor in learner.policy.state_dict().items()}
        losses = learner.update(rollout, 0.0)
        assert np.isfinite(list(losses.values())).all()
        moved[device] = {name: tensor.cpu() - before[name] for name, tensor in learner.policy.state_dict().items()}
    for name, expected in moved["cpu"].items():
        # Adam divides by the size of the gradient, so rounding matters where that is nothing; hence most weights, not all.
        near = torch.isclose(moved["cuda"][name], expected, rtol=0.05, atol=2e-4)
        assert near.float().mean() > 0.97, name


@pytest.mark.parametrize("settings", [{}, {"workers": 2}, {"workers": 2, "acting": "trainer", "groups": 2}, {"precision": "float32"}])
def test_skills_are_learned(tmp_path: Path, settings: dict[str, Any]) -> None:
    shape: dict[str, Any] = {"steps": 40_000, "games": 32, "rollout": 32, "minibatch": 256, "features": 32, "hidden": 32}
    metrics = _train(tmp_path, device="cuda", **shape, **settings)
    for skill in ("go_left", "go_right"):
        rates = [line["skills"][skill]["success"] for line in metrics[-6:]]
        assert np.mean([rate for rate in rates if rate is not None]) > 0.9
    assert SkillPolicy.load(tmp_path / POLICY).device.type == "cpu"


def test_a_recorded_step_is_the_step(caplog: pytest.LogCaptureFixture) -> None:
    ends = []
    for recorded in (False, True):
        config = _config(device="cuda", precision="float32", decay="linear", epochs=3)
        learner = Learner(SkillPolicy(_SPEC, _SKILLS, config.shape, seed=4).to("cuda"), config, torch.Generator().manual_seed(5))
        rollouts = [_rollout(_learner(), seed) for seed in range(4)]
        if not recorded:
            learner._graphed = None
        losses = [learner.update(rollout, progress=0.2 * number) for number, rollout in enumerate(rollouts)]
        assert recorded is (learner._graphed is not None and learner._graphed._graph is not None), caplog.text
        ends.append((losses, {name: tensor.cpu().clone() for name, tensor in learner.policy.state_dict().items()}))
    for plain, graphed in zip(ends[0][0], ends[1][0], strict=True):
        assert graphed == pytest.approx(plain, rel=0.02, abs=2e-3)
    for name, expected in ends[0][1].items():
        assert torch.isclose(ends[1][1][name], expected, rtol=0.02, atol=1e-3).float().mean() > 0.98, name


def test_a_recorded_step_keeps_what_is_not_a_number_out_of_the_weights() -> None:
    config = _config(device="cuda")
    learner = Learner(SkillPolicy(_SPEC, _SKILLS, config.shape, seed=4).to("cuda"), config, torch.Generator().manual_seed(5))
    for seed in range(4):
        learner.update(_rollout(_learner(), seed), 0.0)
    bad = _rollout(_learner(), 9)
    bad.reward[...] = float("nan")
    losses = learner.update(bad, 0.0)
    assert np.isnan(losses["loss"])
    assert all(torch.isfinite(parameter).all() for parameter in learner.policy.parameters())


def test_compiled_learning_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = (
        _train(tmp_path / str(flag), device="cuda", precision="float32", compile=flag, steps=1_000) for flag in (False, True)
    )
    np.testing.assert_allclose([line["loss"] for line in compiled], [line["loss"] for line in plain], rtol=0.05, atol=0.02)


def test_a_checkpoint_of_a_gpu_goes_on_on_a_processor_and_back(tmp_path: Path) -> None:
    for number, device in enumerate(("cuda", "cpu", "cuda"), 1):
        metrics = _train(tmp_path, device=device, steps=1_280 * number)
    assert [line["update"] for line in metrics] == list(range(1, len(metrics) + 1))
    assert len(_without_time(metrics)) == 3 * 1_280 // (8 * 16)


_RANK = """
import torch
import torch.distributed as dist
dist.init_process_group("cpu:gloo,cuda:nccl")
for device in ("cpu", "cuda"):
    tensor = torch.arange(4.0, device=device)
    dist.all_reduce(tensor)
    assert tensor.tolist() == [0.0, 1.0, 2.0, 3.0], tensor
dist.destroy_process_group()
print("done")
"""


def test_gloo_and_nccl_work_side_by_side(tmp_path: Path) -> None:
    """As ``open_ranks`` asks for them. With one GPU there can be one rank only, which is enough to load both and reduce through them."""
    script = tmp_path / "rank.py"
    script.write_text(_RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", str(script)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "done" in found.stdout, found.stderr
