"""Evaluation plays full episodes whose course does not depend on who plays them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.errors import ArtifactError
from maestromotif.rl.actions import draw_actions
from maestromotif.rl.config import NetworkConfig
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.rollout import play
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

from . import worlds


def _play(**changes: Any) -> list[EpisodeResult]:
    domain, skills = worlds.corridor(length=7)
    arguments: dict[str, Any] = {
        "policy": "random",
        "sources": worlds.sources(worlds.BOTH_ENDS),
        "episodes": 11,
        "max_steps": 80,
        "seed": 3,
        "task": "both_ends",
        "num_games": 4,
        "workers": 0,
    }
    return play(domain, skills, **{**arguments, **changes})


def test_who_plays_an_episode_changes_nothing() -> None:
    expected = _play()
    assert [result.index for result in expected] == list(range(11))
    assert expected == _play(num_games=11)
    assert expected == _play(num_games=1)
    assert expected == _play(num_games=5, workers=2)
    assert expected[4:7] == _play(episodes=3, first_episode=4)
    assert expected != _play(seed=4)


def test_calls_cover_the_episode_without_gaps() -> None:
    for result in _play(stop_on_claim=False, stop_on_success=False):
        assert result.steps == 80
        assert result.ended is EndCause.CUT
        assert result.calls[0].start == 0
        assert result.calls[-1].end == result.steps
        assert result.calls[-1].cause is EndCause.CUT
        for call, following in zip(result.calls, result.calls[1:], strict=False):
            assert call.end == following.start
            assert call.cause in (EndCause.OVER, EndCause.TIMED_OUT)
            assert call.measures["reached_left_end" if call.skill == "go_left" else "reached_right_end"] is (call.cause is EndCause.OVER)
        assert result.facts["steps"] == 80


def test_success_ends_an_episode_where_that_is_asked_for() -> None:
    stopped, full = _play(), _play(stop_on_claim=False, stop_on_success=False)
    for short, long in zip(stopped, full, strict=True):
        assert short.success == long.success
        assert short.success_step == long.success_step
        if short.success["landmark"]:
            assert short.steps == short.success_step["landmark"] < long.steps
            assert short.claimed
    assert 0 < sum(result.success["landmark"] for result in full) < 11
    claims = _play(stop_on_success=False)
    assert [result.steps for result in claims] == [result.steps for result in stopped]


def test_rewards_of_calls_and_json_round_trip() -> None:
    results = _play(rewards_dir=Path(), reward_maker=worlds.REWARDS)
    assert any(call.reward > 0 for result in results for call in result.calls)
    assert [EpisodeResult.from_json(json.loads(json.dumps(result.to_json()))) for result in results] == results


def test_a_network_knows_its_skills_by_id() -> None:
    domain, skills = worlds.corridor(length=7)
    small = NetworkConfig(features=8, hidden=8)
    policy = SkillPolicy(domain.observation_spec, ("go_right", "other", "go_left"), small)
    assert len(_play(policy=policy)) == 11
    with pytest.raises(ArtifactError, match="not trained for the skills go_right"):
        _play(policy=SkillPolicy(domain.observation_spec, ("go_left",), small))
    with pytest.raises(ArtifactError, match="another observation"):
        _play(policy=SkillPolicy(worlds.corridor(length=5)[0].observation_spec, skills.ids, small))
    # The order of skills in the file does not matter either.
    reverse = SkillSet(tuple(reversed(tuple(skills))))
    sources = worlds.sources(worlds.BOTH_ENDS)
    results = play(domain, reverse, policy, sources, episodes=11, max_steps=80, seed=3, task="both_ends", num_games=4, workers=0)
    assert [result.calls for result in results] == [result.calls for result in _play(policy=policy)]


def test_draws_follow_the_distribution_and_never_forbid() -> None:
    probabilities = np.tile(np.array([0.2, 0.0, 0.5, 0.3, 0.0]), (10_001, 1))
    actions = draw_actions(probabilities, np.linspace(0, 1, 10_001))
    shares = np.bincount(actions, minlength=5) / len(actions)
    np.testing.assert_allclose(shares, probabilities[0], atol=1e-3)
    assert (np.diff(actions) >= 0).all()


def test_a_network_drives_alike_in_workers_and_here() -> None:
    domain, _ = worlds.corridor(length=7)
    policy = SkillPolicy(domain.observation_spec, ("go_right", "go_left"), NetworkConfig(features=8, hidden=8))
    here = _play(policy=policy)
    assert here == _play(policy=policy, num_games=5, workers=2)
    assert here != _play()


def test_results_are_handed_over_as_they_come_and_chosen_episodes_are_the_same_ones() -> None:
    told: list[EpisodeResult] = []
    some = _play(indices=(9, 2), num_games=3, finished=told.append, workers=1)
    assert some == [_play()[2], _play()[9]]
    assert sorted(told, key=lambda result: result.index) == some
