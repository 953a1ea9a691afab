"""The skill policy's parts against their obvious twins."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from maestromotif.domains.contract import ACTION_MASK, DENSE, Bag, ObservationSpec
from maestromotif.errors import ArtifactError
from maestromotif.rl.config import NetworkConfig, TrainConfig
from maestromotif.rl.cores import gru_sequence, gru_step, lstm_sequence, lstm_step
from maestromotif.rl.grouped import Rows, linear
from maestromotif.rl.kernels import bag_sum
from maestromotif.rl.learner import Learner, Rollout, ppo_losses
from maestromotif.rl.networks import SkillPolicy

SPEC = ObservationSpec({"view": Bag(50, 6), "state": Bag(20, 4)}, dense=3, actions=5, skip=("state",))
SMALL = NetworkConfig(features=8, hidden=7)


def _observation(*leading: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(*leading, SPEC.actions, dtype=torch.uint8)
    mask[..., 2] = 0
    return {
        **{
            name: torch.randint(bag.size, (*leading, bag.length), generator=generator, dtype=torch.int32) for name, bag in SPEC.bags.items()
        },
        DENSE: torch.rand(*leading, 3, generator=generator),
        ACTION_MASK: mask,
    }


def _awake(policy: SkillPolicy) -> SkillPolicy:
    """Weights away from their special initial values, so that every part matters."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        for name, size in policy.padded():
            policy.get_parameter(name)[::size] = 0
    return policy


def _cells(kind: str, count: int, width: int) -> list[torch.nn.GRUCell | torch.nn.LSTMCell]:
    torch.manual_seed(0)
    return [(torch.nn.LSTMCell if kind == "lstm" else torch.nn.GRUCell)(3, width).double() for _ in range(count)]


def _our_order(kind: str, gates: Tensor) -> Tensor:
    """Torch's LSTM has its gates in the order input, forget, new, output; ours has new last."""
    if kind == "gru":
        return gates
    enter, stay, new, leave = gates.chunk(4)
    return torch.cat([enter, stay, leave, new])


@pytest.mark.parametrize("skills", [1, 3])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_recurrence_over_time_equals_cells_in_a_loop(kind: str, skills: int) -> None:
    games, steps, width = 4, 9, 5
    cells = _cells(kind, skills, width)
    x = torch.randn(games, steps, 3, dtype=torch.float64)
    memory = torch.randn(games, width * (2 if kind == "lstm" else 1), dtype=torch.float64)
    keep = (torch.rand(games, steps) > 0.3).double()
    skill = torch.randint(skills, (games, steps))
    weights = torch.randn(games, steps, width, dtype=torch.float64)
    expected = torch.zeros(games, steps, width, dtype=torch.float64)
    for game in range(games):
        state = memory[game : game + 1]
        for step in range(steps):
            state = state * keep[game, step]
            before = tuple(state.chunk(2, 1)) if kind == "lstm" else state
            after = cells[int(skill[game, step])](x[game : game + 1, step], before)
            state = torch.cat(after, 1) if kind == "lstm" else after
            expected[game, step] = state[0, :width]
    parameters = [parameter for cell in cells for parameter in cell.parameters()]
    wanted = torch.autograd.grad((expected * weights).sum(), parameters)
    into = torch.stack([_our_order(kind, cell.weight_ih) for cell in cells])
    into_bias = torch.stack([_our_order(kind, cell.bias_ih) for cell in cells])
    back = torch.stack([_our_order(kind, cell.weight_hh) for cell in cells])
    back_bias = torch.stack([_our_order(kind, cell.bias_hh) for cell in cells])
    inputs = torch.einsum("nti,ntoi->nto", x, into[skill]) + into_bias[skill]
    run = lstm_sequence if kind == "lstm" else gru_sequence
    found = run(inputs, memory, keep, back, back_bias, skill) if skills > 1 else run(inputs, memory, keep, back[0], back_bias[0])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), parameters), wanted)
    step_once = lstm_step if kind == "lstm" else gru_step
    held = memory * keep[:, :1]
    first = step_once(inputs[:, 0], torch.einsum("ni,noi->no", held[:, :width], back[skill[:, 0]]) + back_bias[skill[:, 0]], held)
    torch.testing.assert_close(first[:, :width], expected[:, 0])


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1,)])
def test_products_of_several_skills_equal_rows_one_by_one(present: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    skill = torch.tensor(present)[torch.randint(len(present), (11,))]
    inputs = torch.randn(11, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    factor = torch.randn(11, 6, dtype=torch.float64)
    expected = torch.stack([weight[k] @ row + bias[k] for k, row in zip(skill, inputs, strict=True)])
    found = linear(inputs, weight, bias, Rows.of(skill, 3))
    torch.testing.assert_close(found, expected)
    leaves = (inputs, weight, bias)
    wanted = torch.autograd.grad((expected * factor).sum(), leaves)
    torch.testing.assert_close(torch.autograd.grad((found * factor).sum(), leaves), wanted)


@pytest.mark.parametrize("kept", [False, True])
def test_sum_of_rows_has_the_gradient_of_an_embedding_bag(kept: bool) -> None:
    torch.manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(30, 4))
    with torch.no_grad():
        weight[0] = 0
    indices = torch.randint(30, (11, 6), dtype=torch.int32)
    factor = torch.randn(11, 4)
    twin = weight.detach().clone().requires_grad_()
    torch.autograd.backward((embedding_bag(indices, twin, mode="sum", padding_idx=0) * factor).sum())
    if kept:
        weight.grad = torch.zeros_like(weight)
    torch.autograd.backward((bag_sum(weight, indices) * factor).sum())
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, twin.grad)


def test_skill_changes_actions_and_values_and_mask_forbids() -> None:
    policy = _awake(SkillPolicy(SPEC, ("a", "b"), SMALL))
    observation = _observation(5)
    first, second = (policy.step(observation, torch.full((5,), skill), policy.initial(5)) for skill in (0, 1))
    assert not torch.allclose(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    assert torch.softmax(first[0], 1)[:, 2].max() == 0


def test_padding_means_nothing_even_after_learning() -> None:
    policy = _awake(SkillPolicy(SPEC, ("a", "b"), SMALL))
    config = TrainConfig(features=8, hidden=7, rollout=8, chunk=4, minibatch=16, games=2, workers=0)
    learner = Learner(policy, config, torch.Generator().manual_seed(0))
    observation = _observation(2, 8)
    observation["state"][:, :, 2:] = 0
    random = torch.Generator().manual_seed(5)
    noise = [torch.rand(2, 8, generator=random) for _ in range(4)]
    rollout = Rollout(
        observation=observation,
        skill=torch.randint(2, (2, 8), generator=random),
        action=torch.zeros(2, 8, dtype=torch.int64),
        log_prob=noise[0] - 2,
        value=noise[1],
        reward=noise[2],
        boot=noise[3],
        cause=torch.zeros(2, 8, dtype=torch.int8),
        keep=torch.ones(2, 8),
        memory=torch.zeros(2, 2, 7),
        last_value=torch.zeros(2),
    )
    before = policy.bags["state"].detach().clone()
    learner.update(rollout, 0.0)
    assert not torch.equal(before, policy.bags["state"])
    for name, size in policy.padded():
        assert policy.get_parameter(name)[::size].abs().max() == 0


def test_forbidden_actions_do_not_move_the_losses() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.ones(6, 4)
    mask[:, 3] = 0
    forbidden = logits.masked_fill(mask == 0, -1e9)
    rest = [torch.zeros(6, dtype=torch.int64), *(torch.rand(6) for _ in range(5))]
    value, action, old, old_value, advantage, target = rest[1], rest[0], rest[2], rest[3], rest[4], rest[5]
    with_it = ppo_losses(forbidden, value, action, old, old_value, advantage, target, mask, 0.2, 0.5)
    without = ppo_losses(logits[:, :3], value, action, old, old_value, advantage, target, mask[:, :3], 0.2, 0.5)
    for name, loss in without.items():
        torch.testing.assert_close(with_it[name], loss)


def test_saved_policies_come_back_and_broken_ones_are_refused(tmp_path: Path) -> None:
    policy = _awake(SkillPolicy(SPEC, ("a", "b"), SMALL))
    path = tmp_path / "policy.safetensors"
    policy.save(path)
    again = SkillPolicy.load(path)
    assert again.skills == ("a", "b")
    assert again.spec == SPEC
    for one, other in zip(policy.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert [file.name for file in tmp_path.iterdir()] == ["policy.safetensors"]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"policy\.safetensors: not a complete skill policy"):
        SkillPolicy.load(path)
    with pytest.raises(ArtifactError):
        SkillPolicy.load(tmp_path / "none.safetensors")
