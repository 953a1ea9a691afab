"""Pictures of the domains that can draw: they show what there is, change nothing of a game, and are drawn where files are out of reach."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from PIL import Image

from maestromotif.domains.contract import DomainEnv
from maestromotif.domains.gym import GymDomain
from maestromotif.domains.gym.pictures import smaller
from maestromotif.recordings import read_recording
from maestromotif.recordings.store import read_card

from .confined_pole import record

_PROGRAM = "def can_start(skill, facts):\n    return True\n\n\ndef is_over(skill, facts, start):\n    return False\n"


def played(env: DomainEnv, actions: list[int], draw: bool) -> list[Any]:
    """All that is known of a game, step by step."""
    env.reset([0], [3])
    found = []
    for action in actions:
        env.step(np.array([action]))
        if draw:
            assert env.picture(0) is not None
        found.append([str(env.facts(0)), env.caption(0), *(array.copy().tobytes() for array in env.observation.values())])
    return found


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("skills.py", "training_policy.py"):
        (folder / name).write_text(_PROGRAM)
    return folder


def test_drawing_changes_nothing_of_a_grid_house_or_a_gym_environment(tmp_path: Path) -> None:
    from maestromotif.domains.grid import GridHouse

    actions = [2, 2, 0, 2, 1, 2, 2, 1, 2, 3, 2, 2]
    with closing(GridHouse({}).make_env(1)) as plain, closing(GridHouse({}).make_env(1)) as drawn:
        assert played(plain, actions, False) == played(drawn, actions, True)
    steps = [0, 1, 1, 0, 0, 1, 0]
    with closing(GymDomain().make_env(1)) as plain, closing(GymDomain().make_env(1)) as drawn:
        assert plain.picture(0) is None, "nothing is drawn while nobody records"
        drawn.record(0, tmp_path)
        assert played(plain, steps, False) == played(drawn, steps, True)


def test_a_house_is_minigrids_own_drawing_and_dark_where_nobody_has_looked() -> None:
    from maestromotif.domains.grid import GridHouse

    with closing(GridHouse({}).make_env(1)) as env:
        played(env, [2, 2, 0], False)
        picture, facts = env.picture(0), env.facts(0)
        world = env._worlds[0]
        bright = world.grid.render(16, world.agent_pos, world.agent_dir, np.zeros((world.width, world.height), bool))
    assert picture is not None
    assert picture.dtype == np.uint8
    assert picture.shape == bright.shape == (16 * world.height, 16 * world.width, 3)
    tiles = [
        (picture[16 * y : 16 * y + 16, 16 * x : 16 * x + 16], bright[16 * y : 16 * y + 16, 16 * x : 16 * x + 16])
        for y in range(world.height)
        for x in range(world.width)
    ]
    lit = [(shown == whole).all() for shown, whole in tiles if whole.any()]
    assert sum(lit) >= facts.squares_seen > 0
    assert not all(lit)
    dark = [(shown, whole) for shown, whole in tiles if whole.any() and not (shown == whole).all()]
    assert all(shown.mean() < 0.4 * whole.mean() + 1 for shown, whole in dark)
    x, y = world.agent_pos
    assert (tiles[y * world.width + x][0] == tiles[y * world.width + x][1]).all(), "the agent has seen where it stands"


def test_an_environment_is_drawn_in_a_confined_process(programs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.recordings.confined_pole", str(programs), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr
    found = read_recording(out / result.stdout.strip(), GymDomain())
    pictures = found.pictures()
    assert len(pictures) == len(set(found.track.frame)) > 5
    first = np.asarray(Image.open(io.BytesIO(pictures[0])))
    assert first.shape == (200, 300, 3)
    assert first.std() > 10, "a cart and a pole on white"


class Undrawable(CartPoleEnv):
    """As on a machine without a graphics library."""

    def render(self) -> Any:
        raise ImportError("no display here")


def test_what_cannot_be_drawn_is_recorded_without_pictures_and_says_why(programs: Path, tmp_path: Path) -> None:
    gymnasium.register("Undrawable-v0", entry_point=lambda **arguments: Undrawable(**arguments), max_episode_steps=50)
    try:
        domain = GymDomain({"env": "Undrawable-v0"})
        (name,) = record(domain, programs, tmp_path / "out", confined=False)
    finally:
        del gymnasium.registry["Undrawable-v0"]
    assert "no display here" in read_card(tmp_path / "out" / name)["undrawn"]
    found = read_recording(tmp_path / "out" / name, domain)
    assert found.pictures() == []
    assert all(found.track.caption)


def test_large_pictures_are_made_smaller_and_other_arrays_refused() -> None:
    assert smaller(np.zeros((400, 600, 3), np.uint8)).shape == (200, 300, 3)
    assert smaller(np.zeros((210, 160, 3), np.uint8)).shape == (210, 160, 3)
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], this one is float64"):
        smaller(np.zeros((4, 4, 3)))
