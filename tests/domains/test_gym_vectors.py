"""Gymnasium environments whose actions are numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from gymnasium import spaces

from maestromotif.domains.checks import check_domain
from maestromotif.domains.gym import GymDomain
from maestromotif.domains.gym.actions import ActionTable, ActionVector, read_actions
from maestromotif.errors import DomainError


def test_vectors_are_spread_over_the_bounds_of_each_dimension() -> None:
    low, high = np.array([-2, 0, -np.inf], np.float32), np.array([2, 1, np.inf], np.float32)
    actions = read_actions(spaces.Box(low, high))
    assert actions.continuous
    assert actions.names == ("0", "1", "2")
    found = actions.value(np.array([-1, 0, 0.5], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [-2, 0.5, 0.5])
    np.testing.assert_allclose(actions.value(np.array([9, -9, 9])), [2, 0, 1])
    assert actions.name(np.array([0.5, -0.25, 0])) == "0 0.50, 1 -0.25, 2 0.00"


def test_parts_of_a_space_keep_their_shapes() -> None:
    space = spaces.Dict({"arm": spaces.Box(-1, 1, (2, 2), np.float32), "base": spaces.Tuple((spaces.Box(0, 4, (1,), np.float32),))})
    actions = read_actions(space)
    assert space.contains(actions.value(actions.sample(np.random.default_rng(0))))
    assert actions.names == ("arm 0", "arm 1", "arm 2", "arm 3", "base 0 0")
    with pytest.raises(DomainError, match="names 1 actions, the environment's have 5 dimensions"):
        read_actions(space, names=["push"])


@pytest.mark.parametrize(
    ("space", "bins", "kind"),
    [
        (spaces.Box(-1, 1, (2,), np.float32), 0, ActionVector),
        (spaces.Box(-1, 1, (2,), np.float32), 3, ActionTable),
        (spaces.Box(0, 4, (2,), np.int64), 0, ActionTable),
        (spaces.Tuple((spaces.Box(-1, 1, (1,), np.float32), spaces.Discrete(2))), 0, ActionTable),
        (spaces.Discrete(3), 0, ActionTable),
    ],
)
def test_spaces_that_are_continuous_throughout_take_vectors(space: Any, bins: int, kind: type) -> None:
    assert type(read_actions(space, bins)) is kind


def test_an_environment_with_continuous_actions_keeps_the_contract() -> None:
    domain = GymDomain({"env": "Pendulum-v1"})
    assert domain.observation_spec.continuous
    assert "action_mask" not in domain.observation_spec.layout()
    failed = [result for result in check_domain(domain) if result.outcome == "failed" and result.name != "recorded answers"]
    assert failed == []


def test_forces_move_the_pendulum_as_they_are_given() -> None:
    domain = GymDomain({"env": "Pendulum-v1"})
    speeds = []
    for force in (-1.0, -0.2, 0.2, 1.0):
        env = domain.make_env(1)
        env.reset([0], [4])
        for _ in range(3):
            env.step(np.array([[force]], np.float32))
        speeds.append(float(env.observation["dense"][0, 2]))
        env.close()
    assert speeds == sorted(speeds)
    assert len(set(speeds)) == 4
