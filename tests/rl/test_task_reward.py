"""A task's own reward and the game's score, as baselines learn from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maestromotif.domains.contract import ACTION_MASK, DomainEnv, Facts
from maestromotif.domains.corridor import Corridor
from maestromotif.domains.registry import load_domain
from maestromotif.errors import ArtifactError
from maestromotif.rl import ScheduleSources, SkillPolicy, TrainConfig, play, train
from maestromotif.rl.build import load_rewards
from maestromotif.rl.pay import payments
from maestromotif.rl.task_reward import TASK_REWARD_FILE, TaskPayments, TaskReward, load_task_reward, write_task_reward
from maestromotif.skills import Skill, SkillSet

_SKILLS = SkillSet((Skill("both_ends", "Touch both ends.", max_steps=400),))
_TASK = Corridor().tasks["both_ends"]


class _Arrivals:
    """Counts arrivals at the left end."""

    count = 0

    def update(self, facts: Facts, truth: Mapping[str, Any]) -> bool:
        self.count = facts.left_visits
        return self.count > 0


def _paid(reward: TaskReward, env: DomainEnv, steps: int, seed: int = 0) -> tuple[list[list[float]], list[list[Facts]]]:
    """What random play of ``steps`` steps is paid, and the facts from the reset on, game by game."""
    pay, rng = reward.payments(env), np.random.default_rng(seed)
    games = range(env.num_games)
    env.reset(games, [100 * seed + game for game in games])
    for game in games:
        pay.begin(game)
    seen = [[env.facts(game)] for game in games]
    earned: list[list[float]] = [[] for _ in games]
    for _ in range(steps):
        allowed = env.observation[ACTION_MASK] != 0
        env.step(np.array([rng.choice(np.flatnonzero(row)) for row in allowed], np.int64))
        step = dict(pay.step([0] * env.num_games, lambda game: True))
        for game in games:
            earned[game].append(step.get(game, 0.0))
            seen[game].append(env.facts(game))
        if env.terminated_B.any():
            break
    return earned, seen


def test_the_step_that_accomplishes_the_task_pays_one_and_no_other_pays() -> None:
    earned, seen = _paid(TaskReward(_TASK.criteria["landmark"], 1.0), Corridor().make_env(8), 150)
    steps = []
    for rewards, facts in zip(earned, seen, strict=True):
        criterion = _TASK.criteria["landmark"]()
        held = [criterion.update(one, {}) for one in facts]
        expected = [float(now and not before) for before, now in pairwise(held)]
        assert rewards == expected
        steps += [rewards.index(1.0)] if 1.0 in rewards else []
    assert len(steps) >= 2  # else nothing was tested


def test_things_that_are_counted_pay_one_each_but_not_those_of_the_beginning() -> None:
    earned, seen = _paid(TaskReward(_Arrivals, 1.0), Corridor({"length": 3}).make_env(6), 60)
    assert any(facts[0].left_visits for facts in seen)
    for rewards, facts in zip(earned, seen, strict=True):
        assert sum(rewards) == facts[-1].left_visits - facts[0].left_visits
        assert set(rewards) <= {0.0, 1.0}
    assert max(map(sum, earned)) > 3


def test_a_game_that_is_not_looked_at_pays_nothing_and_a_new_episode_begins_with_nothing() -> None:
    env = Corridor({"length": 3, "slip": 0.0}).make_env(1)
    pay = TaskReward(_Arrivals, 1.0).payments(env)
    env.reset([0], [1])
    pay.begin(0)
    for action in (1, 1, 0, 0):
        env.step(np.array([action], np.int64))
        assert not list(pay.step([0], lambda game: False))
    env.reset([0], [1])
    pay.begin(0)
    env.step(np.array([1], np.int64))
    assert not list(pay.step([0], lambda game: True))


def test_the_score_of_nethack_is_paid_in_thousands_and_stands_when_the_game_is_over() -> None:
    domain = load_domain("nethack", {})
    env = domain.make_env(8)
    try:
        never = TaskReward(domain.tasks["delphi"].criteria["landmark"], 2.0)
        pay, explorer = never.payments(env), domain.explorer(1)
        env.reset(range(8), range(8))
        for game in range(8):
            pay.begin(game)
        shown = env._raw["blstats"][:, 9]  # type: ignore[attr-defined]
        first, last, total = shown.copy(), shown.copy(), np.zeros(8)
        for _ in range(2_000):
            env.step(explorer.act(env))
            last = np.where(env.terminated_B, last, shown)
            for game, reward in pay.step([0] * 8, lambda game: True):
                total[game] += reward
            if env.terminated_B.any():
                break
        assert shown[env.terminated_B] == [0]
        assert total == pytest.approx(2.0 * (last - first) / 1000)
        assert total[env.terminated_B] > 0
    finally:
        env.close()


def test_a_folder_says_by_its_file_what_pays(tmp_path: Path) -> None:
    domain = Corridor()
    write_task_reward(tmp_path, "both_ends", "proxy", 0.5)
    found = load_rewards(tmp_path, domain, _SKILLS)
    assert isinstance(found, TaskReward)
    assert found.score == 0.5
    assert found.make is domain.tasks["both_ends"].criteria["proxy"] or type(found.make()) is type(_TASK.criteria["proxy"]())
    assert isinstance(payments(found, domain.make_env(2)), TaskPayments)
    (tmp_path / TASK_REWARD_FILE).unlink()
    with pytest.raises(ArtifactError, match="reward-both_ends"):
        load_rewards(tmp_path, domain, _SKILLS)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"task": "none", "criterion": "landmark", "score": 1}),
        json.dumps({"task": "both_ends", "criterion": "x", "score": 1}),
        json.dumps({"task": "both_ends", "criterion": "landmark", "score": "much"}),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / TASK_REWARD_FILE).write_text(text)
    with pytest.raises(ArtifactError, match=str(tmp_path / TASK_REWARD_FILE)):
        load_task_reward(tmp_path, Corridor(), _SKILLS)


_CONFIG = {
    "games": 16,
    "workers": 0,
    "rollout": 32,
    "minibatch": 128,
    "features": 16,
    "hidden": 16,
    "episode_steps": 60,
    "tensorboard": False,
    "checkpoint_seconds": 0.0,
}


def _train(folder: Path, rewards: Path, steps: int) -> SkillPolicy:
    train(Corridor({"slip": 0.0}), _SKILLS, ScheduleSources(""), rewards, TrainConfig(**{**_CONFIG, "steps": steps}), folder, 1)
    return SkillPolicy.load(folder / "policy.safetensors")


def test_a_training_on_a_tasks_own_reward_learns_and_goes_on_exactly_where_it_stopped(tmp_path: Path) -> None:
    rewards = tmp_path / "rewards"
    rewards.mkdir()
    write_task_reward(rewards, "both_ends", "proxy", 1.0)
    _train(tmp_path / "twice", rewards, 4_096)
    twice, once = _train(tmp_path / "twice", rewards, 16_384), _train(tmp_path / "once", rewards, 16_384)
    for name, tensor in once.state_dict().items():
        assert torch.equal(tensor, twice.state_dict()[name]), name

    def steps(policy: SkillPolicy) -> float:
        options: dict[str, Any] = {"episodes": 32, "max_steps": 60, "seed": 5, "workers": 0, "task": "both_ends", "stop_on_success": False}
        found = play(Corridor({"slip": 0.0}), _SKILLS, policy, ScheduleSources(""), **options)
        return float(np.mean([one.success_step["proxy"] if one.success["proxy"] else 60 for one in found]))

    assert steps(once) < 0.7 * steps(SkillPolicy.load(tmp_path / "once" / "untrained.safetensors"))
