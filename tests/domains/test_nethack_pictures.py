"""What the light and the reference network see of NetHack, against nle's own drawing."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nle")

from nle.env import NLE

from maestromotif.domains.contract import ACTION_MASK, DENSE
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.layout import OBSERVATION, TEXT
from maestromotif.domains.nethack.pictures import GLYPHS, PICTURES, draw
from maestromotif.errors import DomainError


def test_glyphs_are_drawn_as_nle_draws_them() -> None:
    game = NLE(observation_keys=("glyphs", "chars", "colors", "blstats"), savedir=None)
    rng = np.random.default_rng(0)
    drawn: set[int] = set()
    for episode in range(20):
        game.unwrapped.seed(episode, episode + 100, False)
        seen, _ = game.reset()
        for _ in range(60):
            np.testing.assert_array_equal(PICTURES["characters"][seen["glyphs"]], seen["chars"])
            np.testing.assert_array_equal(PICTURES["colours"][seen["glyphs"]], seen["colors"])
            drawn |= set(seen["glyphs"].ravel().tolist())
            seen, _, terminated, truncated, _ = game.step(int(rng.integers(game.action_space.n)))
            if terminated or truncated:
                break
    game.close()
    assert len(drawn) > 30
    assert PICTURES["characters"].max() < 128
    assert PICTURES["colours"].max() < 16


def test_pictures_have_the_character_in_the_middle_and_end_with_the_map() -> None:
    glyphs = np.arange(21 * 79, dtype=np.int16).reshape(1, 21, 79).repeat(2, 0)
    stats = np.zeros((2, 27), np.int64)
    stats[0, :2], stats[1, :2] = (40, 10), (78, 1)
    out = np.full((2, 5, 7), -1, np.int16)
    draw(np.array([0, 1]), glyphs, stats, PICTURES["glyphs"], out)
    np.testing.assert_array_equal(out[0], glyphs[0, 8:13, 37:44])
    padded = np.full((21 + 4, 79 + 6), GLYPHS - 1, np.int16)
    padded[2:-2, 3:-3] = glyphs[1]
    np.testing.assert_array_equal(out[1], padded[1:6, 78:85])
    draw(np.array([1]), glyphs * 0, stats, PICTURES["glyphs"], out)
    np.testing.assert_array_equal(out[0], glyphs[0, 8:13, 37:44])


@pytest.mark.parametrize("network", ["light", "reference"])
def test_games_write_what_they_are_bound_to_and_play_on_as_before(network: str) -> None:
    domain = NetHack({})
    spec = domain.observation_for(network)
    plain, bound = NetHackEnv(3), domain.make_env(3)
    assert isinstance(bound, NetHackEnv)
    arrays = spec.allocate(3)
    for array in arrays.values():
        array[...] = 1
    bound.bind(arrays)
    try:
        rng = np.random.default_rng(1)
        for env in (plain, bound):
            env.reset(range(3), [5, 6, 7])
        texts = set()
        for step in range(120):
            assert bound.observation is arrays
            assert set(arrays) == set(spec.layout())
            np.testing.assert_array_equal(arrays[ACTION_MASK], plain.observation[ACTION_MASK])
            for game in range(3):
                assert repr(bound.facts(game)) == repr(plain.facts(game))
                glyphs, (x, y) = plain._raw["glyphs"][game], plain._raw["blstats"][game, :2]
                for name, grid in spec.grids.items():
                    middle = arrays[name][game, grid.height // 2, grid.width // 2]
                    assert middle == PICTURES[name][glyphs[y, x]]
                if network == "reference":
                    text = arrays["message"][game].tobytes().rstrip(b"\0").decode("latin-1")
                    assert text == plain._messages[game].text[:TEXT]
                    texts.add(text)
                    np.testing.assert_array_equal(arrays[DENSE][game], plain.observation[DENSE][game])
            actions = rng.integers(24, size=3)
            for env in (plain, bound):
                env.step(actions)
                for game in np.flatnonzero(env.terminated_B).tolist():
                    env.reset([game], [step])
        assert network == "light" or len(texts) > 10
        again = OBSERVATION.allocate(3)
        bound.bind(again)
        for name, array in plain.observation.items():
            np.testing.assert_array_equal(again[name], array)
    finally:
        plain.close()
        bound.close()


def test_other_arrays_and_networks_are_refused() -> None:
    env = NetHackEnv(2)
    try:
        with pytest.raises(ValueError, match=r"glyphs: expected \(2, 9, 9\)"):
            env.bind(NetHack({}).observation_for("light").allocate(3))
    finally:
        env.close()
    with pytest.raises(DomainError, match="nethack has no observation for the network 'huge'"):
        NetHack({}).observation_for("huge")
