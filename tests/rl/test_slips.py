"""Slips: how often, to what, and that they belong to the episode."""

from __future__ import annotations

import numpy as np

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.rl.actions import Choices
from maestromotif.rl.slips import Slips

ALLOWED = np.array([[1, 0, 1, 1], [0, 1, 0, 0]], np.uint8)


def _played(slips: Slips, steps: int) -> np.ndarray:
    rows = []
    for _ in range(steps):
        actions = np.array([0, 1])
        slips.apply(actions, {ACTION_MASK: ALLOWED})
        rows.append(actions)
    return np.array(rows)


def _begun(share: float, seeds: tuple[int, int]) -> Slips:
    slips = Slips(share, 2, Choices())
    for game, seed in enumerate(seeds):
        slips.begin(game, seed)
    return slips


def test_a_share_of_steps_plays_any_allowed_action() -> None:
    played = _played(_begun(0.3, (1, 2)), 4_000)
    assert set(played[:, 0]) == {0, 2, 3}, "what is forbidden is never played"
    assert set(played[:, 1]) == {1}
    assert abs((played[:, 0] != 0).mean() - 0.2) < 0.03  # a third of the slips draws the chosen action itself
    assert (_played(_begun(0.0, (1, 2)), 50) == [0, 1]).all()


def test_slips_follow_from_the_episodes_seed() -> None:
    first = _played(_begun(0.5, (1, 2)), 100)
    again = _begun(0.5, (7, 8))
    _played(again, 33)
    for game, seed in enumerate((1, 2)):
        again.begin(game, seed)
    assert (_played(again, 100) == first).all()
    assert (_played(_begun(0.5, (3, 2)), 100) != first).any()
