"""The numbers of a training mean what they say, and each sign of failure is produced by a failure and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.metrics import RECENT, MetricsFile, SkillCounts, failure_signs, read_metrics, skill_metrics
from maestromotif.rl.training import METRICS, train

from . import worlds

SETTINGS: dict[str, Any] = {
    "steps": 4_096,
    "games": 16,
    "workers": 0,
    "rollout": 32,
    "chunk": 8,
    "minibatch": 128,
    "features": 16,
    "hidden": 16,
    "episode_steps": 60,
    "tensorboard": False,
}
NOTHING = f"{__name__}:no_rewards"


class _NoRewards(worlds.CorridorRewards):
    def rewards(self, key: int, make_input: Any) -> Sequence[float]:
        return [0.0] * len(self._signs)


def no_rewards(folder: Path, domain: Any, skills: Any) -> _NoRewards:
    return _NoRewards(skills)


def _train(
    out: Path, sources: ScheduleSources | None = None, rewards: str = worlds.REWARDS, stages: str = "", **changes: Any
) -> list[dict[str, Any]]:
    domain, skills = worlds.corridor(length=7)
    out.mkdir(exist_ok=True)
    (out / "stages.toml").write_text(stages, encoding="utf-8")
    config = TrainConfig(**{**SETTINGS, **changes})
    train(domain, skills, sources or worlds.sources(), Path(), config, out, 1, reward_maker=rewards, home=out)
    return read_metrics(out / METRICS)


def _signs(metrics: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(warning["sign"], warning["skill"]) for line in metrics for warning in line["warnings"]}


def test_numbers_of_skills_add_up() -> None:
    spec = worlds.corridor()[0].observation_spec
    arrays = StepArrays.over(bytearray(StepArrays.size(spec, 4, 2, 2)), spec, 4, 2, 2)
    counts = SkillCounts(arrays)
    arrays.calls[:] = [[6, 0], [4, 0]]
    arrays.call_steps[:] = [[30, 0], [40, 0]]
    arrays.call_return[:] = [[1.5, 0.0], [1.0, 0.0]]
    arrays.measured[:] = [[3, 0], [1, 0]]
    arrays.steps[:] = [[60, 20], [90, 30]]
    # By cause: none, over, interrupted, timed out, died, cut.
    arrays.ends[:, 0] = np.array([[0, 4, 0, 0, 0, 2], [0, 0, 1, 2, 1, 0]])
    arrays.games[:, :2] = [[2, 70], [3, 80]]
    found = skill_metrics(("a", "b"), (True, True), counts.take())
    assert found["a"] == {
        "calls": 10,
        # 200 steps were played, and the episodes that ended were 30 steps long.
        "calls_per_episode": pytest.approx(1.5),
        "steps": 150,
        "share": 0.75,
        "return": 0.25,
        "duration": 7.0,
        "ends": {"over": 0.4, "interrupted": 0.1, "timed_out": 0.2, "died": 0.1, "cut": 0.2},
        "success": 0.5,
    }
    assert found["b"]["calls_per_episode"] == 0
    assert found["b"]["success"] is found["b"]["return"] is found["b"]["duration"] is None
    again = skill_metrics(("a", "b"), (True, True), counts.take())
    assert again["a"]["calls"] == 0
    assert again["a"]["calls_per_episode"] is None


def test_switches_are_changes_of_the_skill_within_an_episode(tmp_path: Path) -> None:
    always = "def can_start(skill, facts):\n    return True\n\n\ndef is_over(skill, facts, start):\n    return facts.steps % 5 == 0\n"
    head = "class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return "
    rates = {}
    for name, choice in (("in turn", "startable[facts.steps // 5 % 2]"), ("same", "startable[0]")):
        policy = f"{head}{choice}\n"
        metrics = _train(tmp_path / name, ScheduleSources(policy, always), steps=1_920, rollout=40, episode_steps=40)
        rates[name] = [line["switch_rate"] for line in metrics]
        assert metrics[0]["skills"]["go_left"]["calls_per_episode"] == (4.0 if name == "in turn" else 8.0)
    # Seven changes in the forty steps of an episode: what begins an episode is no change.
    assert rates == {"in turn": [7 / 40] * 3, "same": [0.0] * 3}


def test_a_healthy_training_shows_no_sign(tmp_path: Path) -> None:
    metrics = _train(tmp_path, steps=16_384)
    assert len(metrics) > RECENT
    assert _signs(metrics) == set()


def test_a_skill_that_may_never_start_is_named(tmp_path: Path) -> None:
    program = worlds.SKILL_PROGRAM.replace("else facts.at_right_end)\n\n\ndef is_over", "else True)\n\n\ndef is_over")
    metrics = _train(tmp_path, replace(worlds.sources(), skill_program=program))
    assert _signs(metrics[-1:]) >= {("never started", "go_right")}
    assert ("never started", "go_left") not in _signs(metrics)


def test_a_skill_that_a_curriculum_leaves_out_is_not_missed(tmp_path: Path) -> None:
    stages = '[[stage]]\nid = "only"\nper = "episode"\nweights = { go_left = 1 }\n'
    metrics = _train(tmp_path, stages=stages, schedule="hand-made", schedule_file="stages.toml")
    assert ("never started", "go_right") not in _signs(metrics)


def test_a_reward_that_is_never_above_its_threshold_is_named(tmp_path: Path) -> None:
    metrics = _train(tmp_path, rewards=NOTHING)
    assert _signs(metrics[-1:]) == {("never rewarded", "go_left"), ("never rewarded", "go_right")}


def test_terminations_that_hold_at_once_are_excessive_switching(tmp_path: Path) -> None:
    hasty = worlds.SKILL_PROGRAM.partition("def is_over")[0] + "def is_over(skill, facts, start):\n    return True\n"
    metrics = _train(tmp_path, replace(worlds.sources(), skill_program=hasty), steps=1_024)
    assert all(_signs([line]) >= {("excessive switching", "")} for line in metrics)


def test_collapsed_entropy_is_seen(tmp_path: Path) -> None:
    metrics = _train(tmp_path, learning_rate=0.3, entropy=0.0)
    assert ("entropy collapsed", "") in _signs(metrics)


def _unstable(updates: int = RECENT, kl: float = 0.01, explained_variance: float = 0.1, odd: float = 0.0) -> set[str]:
    """Signs after some updates, the last of which is odd one out."""
    usual = {"entropy": 1.0, "skills": {}, "kl": kl, "explained_variance": explained_variance}
    recent = [*([usual] * (updates - 1)), {**usual, "kl": kl + odd, "explained_variance": explained_variance - odd}]
    return {sign["sign"] for sign in failure_signs(recent[-1], 0.5, {}, {}, 0.02, recent)}


def test_unstable_training_shows_only_after_a_while() -> None:
    assert _unstable() == set()
    assert _unstable(odd=9.0) == set()
    assert _unstable(explained_variance=-2.0) == {"unstable values"}
    assert _unstable(kl=0.7) == {"unstable policy"}
    assert _unstable(updates=RECENT - 1, kl=0.7, explained_variance=-2.0) == set()


def test_recent_lines_are_those_of_the_file_that_are_kept(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    path.write_text("".join(f'{{"steps": {step}}}\n' for step in range(100)), encoding="utf-8")
    file = MetricsFile(path, keep=59)
    file.append({"steps": 60})
    file.close()
    assert [line["steps"] for line in file.recent] == list(range(61 - RECENT, 61))
    assert np.array([line["steps"] for line in read_metrics(path)]).tolist() == list(range(61))
