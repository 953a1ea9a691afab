"""The learner: what must not move the loss does not, skills are scaled apart, and settings of arithmetic still learn."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maestromotif.domains.contract import ACTION_MASK, DENSE, Bag, ObservationSpec
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.learner import Learner, Rollout, ppo_losses
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.returns import advantages, standardise
from maestromotif.types import EndCause

from .test_training import _train

_SPEC = ObservationSpec({"view": Bag(30, 6), "signs": Bag(12, 3)}, 4, 5, skip=("signs",))
_SKILLS = ("often", "rare")
_FORBIDDEN = 3  # an action that no step of these rollouts allows


def _config(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {"games": 8, "workers": 0, "rollout": 16, "chunk": 8, "minibatch": 128, "features": 16, "hidden": 16}
    return TrainConfig(**{**values, "epochs": 1, **changes})


def _learner(**changes: Any) -> Learner:
    config = _config(**changes)
    return Learner(SkillPolicy(_SPEC, _SKILLS, config.shape, seed=4), config, torch.Generator().manual_seed(5))


def _rollout(learner: Learner, seed: int = 0) -> Rollout:
    """Experience that the learner's present weights have made, with every kind of end."""
    config, policy, rng = learner.config.settled(), learner.policy, np.random.default_rng(seed)
    shape = (config.games, config.rollout)
    mask = np.ones((*shape, _SPEC.actions), np.uint8)
    mask[..., _FORBIDDEN] = 0
    observation: dict[str, Tensor] = {
        name: torch.from_numpy(rng.integers(0, bag.size, (*shape, bag.length)).astype(np.int32)) for name, bag in _SPEC.bags.items()
    }
    observation |= {DENSE: torch.from_numpy(rng.random((*shape, 4), np.float32)), ACTION_MASK: torch.from_numpy(mask)}
    skill = torch.from_numpy(rng.integers(0, 2, shape))
    keep = torch.from_numpy((rng.random(shape) < 0.9).astype(np.float32))
    action = torch.from_numpy(rng.integers(0, _FORBIDDEN, shape))
    state, log_prob, value = policy.initial(config.games), torch.zeros(shape), torch.zeros(shape)
    memory = torch.zeros(config.games, config.rollout // config.chunk, state.shape[1])
    with torch.no_grad():
        for step in range(config.rollout):
            if step % config.chunk == 0:
                memory[:, step // config.chunk] = state
            seen = {name: tensor[:, step] for name, tensor in observation.items()}
            logits, value[:, step], state = policy.step(seen, skill[:, step], state * keep[:, step, None])
            log_prob[:, step] = torch.log_softmax(logits, 1).gather(1, action[:, step, None])[:, 0]
    reward, boot = (torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for _ in range(2))
    cause = torch.from_numpy(rng.choice(6, p=[0.7, *[0.06] * 5], size=shape).astype(np.int8))
    last = torch.from_numpy(rng.normal(size=config.games).astype(np.float32))
    return Rollout(observation, skill, action, log_prob, value, reward, boot, cause, keep, memory, last)


def _weights(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.policy.state_dict().items()}


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_garbage_in_forbidden_actions_does_not_move_the_loss(core: str) -> None:
    results, trained = [], []
    for garbage in (0.0, 1e4, -1e4):
        learner = _learner(core=core)
        rollout = _rollout(learner)
        with torch.no_grad():
            learner.policy.head[_FORBIDDEN] = garbage
            learner.policy.head_bias[_FORBIDDEN] = garbage
            learner.policy.skips["signs"][1:12, _FORBIDDEN] = garbage
        results.append(learner.update(rollout, 0.0))
        trained.append(_weights(learner))
        assert torch.all(learner.policy.head[_FORBIDDEN] == garbage)
    assert results[0] == results[1] == results[2]
    untouched = [name for name in trained[0] if name not in ("head", "head_bias", "skips.signs")]
    assert all(torch.equal(trained[0][name], other[name]) for other in trained[1:] for name in untouched)


def test_the_loss_sees_what_is_allowed() -> None:
    learner = _learner()
    rollout = _rollout(learner)
    before = learner.update(rollout, 0.0)
    changed = _learner()
    with torch.no_grad():
        changed.policy.head_bias[_FORBIDDEN - 1] = 5.0
    assert changed.update(rollout, 0.0)["loss"] != pytest.approx(before["loss"], rel=1e-3)


def test_losses_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])).nan_to_num(neginf=-1e9)
    action, advantage = torch.tensor([0, 1]), torch.tensor([2.0, -1.0])
    old = torch.log(torch.tensor([0.25, 0.5]))
    value, old_value, target = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    found = ppo_losses(logits, value, action, old, old_value, advantage, target, mask, 0.2, 0.5)
    # Ratios 2 and 1; the first is clipped at 1.2. Values: the larger of the errors of 3 and of 0.5.
    assert float(found["policy"]) == pytest.approx(-(1.2 * 2 - 1) / 2)
    assert float(found["value"]) == pytest.approx(0.5 * (4 + 1) / 2)
    assert float(found["entropy"]) == pytest.approx((1.5 * np.log(2) + np.log(2)) / 2, rel=1e-6)
    assert float(found["clipped"]) == 0.5


@pytest.mark.parametrize("returns", ["cut", "renew", "flow"])
def test_vtrace_changes_nothing_where_the_weights_have_not_changed(returns: str) -> None:
    plain, corrected = _learner(returns=returns, vtrace="off"), _learner(returns=returns, vtrace="on")
    rollout = _rollout(plain)
    first, second = plain.update(rollout, 0.0), corrected.update(rollout, 0.0)
    assert first == pytest.approx(second, rel=1e-4, abs=1e-5)
    for name, tensor in _weights(plain).items():
        torch.testing.assert_close(tensor, _weights(corrected)[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("vtrace", "age", "corrects"), [("off", 9, False), ("auto", 1, False), ("auto", 2, True), ("on", 0, True)])
def test_vtrace_corrects_when_it_is_to(vtrace: str, age: int, corrects: bool) -> None:
    plain, other = _learner(vtrace="off"), _learner(vtrace=vtrace)
    rollout = _rollout(plain)
    for learner in (plain, other):
        # Weights that differ clearly from those that acted.
        with torch.no_grad():
            learner.policy.head_bias[0] += 1.0
            learner.policy.value_mean += 0.5
    differs = plain.update(rollout, 0.0) != other.update(rollout, 0.0, age)
    assert differs == corrects


def test_a_rare_and_badly_paid_skill_gets_advantages_of_unit_scale() -> None:
    rng = np.random.default_rng(0)
    steps, games = 512, 50
    skills = np.zeros((steps, games), np.int64)
    skills[:, 0] = 1
    rewards = (rng.random((steps, games)) < 0.1).astype(np.float32)
    rewards[:, 0] *= np.float32(0.02)
    causes = np.where(rng.random((steps, games)) < 0.05, int(EndCause.OVER), 0).astype(np.int8)
    zero = np.zeros((steps, games), np.float32)
    raw = advantages(rewards, zero, zero[0], causes, zero, 0.99, 0.95)
    assert raw[:, 1:].std() > 40 * raw[:, 0].std()
    scaled = standardise(raw, skills, 2, floor=1e-3)
    for column in (scaled[:, 0], scaled[:, 1:]):
        assert column.mean() == pytest.approx(0, abs=1e-4)
        assert column.std() == pytest.approx(1, abs=1e-3)
    # The floor decides what is a signal: with one above the rare skill's rewards, they count for little.
    assert standardise(raw, skills, 2, floor=1.0)[:, 0].std() < 0.1


def test_balance_moves_weight_to_rare_skills() -> None:
    rng = np.random.default_rng(0)
    raw, skills = rng.normal(size=(510,)).astype(np.float32), np.repeat([0, 1], [500, 10])
    for balance, ratio in ((0.0, 1.0), (0.5, 50**0.5), (1.0, 50.0)):
        scaled = standardise(raw, skills, 3, 1e-3, balance)
        assert scaled[500:].std() / scaled[:500].std() == pytest.approx(ratio, rel=1e-4)
        weights = np.repeat([scaled[:500].std(), scaled[500:].std()], [500, 10])
        assert weights.mean() == pytest.approx(1, rel=1e-4)


LEARNS: dict[str, Any] = {"steps": 16_000, "games": 32, "rollout": 32, "minibatch": 256, "features": 32, "hidden": 32}


def success(metrics: list[dict[str, Any]]) -> float:
    found = [line["skills"][skill]["success"] for line in metrics[-4:] for skill in ("go_left", "go_right")]
    return float(np.mean([rate for rate in found if rate is not None]))


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_bfloat16_learns(tmp_path: Path, core: str) -> None:
    assert success(_train(tmp_path, precision="bfloat16", core=core, **LEARNS)) > 0.9
    weights = SkillPolicy.load(tmp_path / "policy.safetensors").state_dict()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


@pytest.mark.parametrize("core", ["gru", "ff"])
def test_bfloat16_is_near_float32_and_only_where_it_is_asked_for(core: str) -> None:
    exact, automatic, half = (_learner(precision=precision, core=core) for precision in ("float32", "auto", "bfloat16"))
    results = [learner.update(_rollout(exact), 0.0) for learner in (automatic, half, exact)]
    assert results[0] == results[2]
    assert results[1]["loss"] != results[2]["loss"]
    assert results[1]["loss"] == pytest.approx(results[2]["loss"], rel=0.05)
    assert results[1]["gradient_norm"] == pytest.approx(results[2]["gradient_norm"], rel=0.1)


def test_vtrace_learns_with_overlap(tmp_path: Path) -> None:
    assert success(_train(tmp_path, vtrace="on", overlap=True, **LEARNS)) > 0.9


def test_what_cannot_be_compiled_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            raise RuntimeError("no compiler found\nand much more")

        return run

    plain = _learner()
    rollout = _rollout(plain)
    monkeypatch.setattr(torch, "compile", refuse)
    compiled = _learner(compile=True)
    with caplog.at_level(logging.WARNING):
        assert compiled.update(rollout, 0.0) == plain.update(rollout, 0.0)
    assert "cannot be compiled here and is used as it is (no compiler found)" in caplog.text


def test_compiled_learns_the_same(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    plain = _learner(epochs=2)
    rollout = _rollout(plain)
    # Everything but the generation of machine code, which takes a minute.
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: compile_(function, backend="aot_eager"))
    compiled = _learner(epochs=2, compile=True)
    assert compiled.update(rollout, 0.0) == pytest.approx(plain.update(rollout, 0.0), rel=1e-4, abs=1e-5)
    assert "cannot be compiled" not in caplog.text
