"""What games show while they are trained: told by the process that plays, only while somebody watches, and harmless on the page."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maestromotif.domains.contract import DomainEnv
from maestromotif.domains.screens import TextScreen, screen_json
from maestromotif.errors import DomainError
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.glimpse import ASKING_FILE, GAMES_FILE
from maestromotif.rl.vector import make_games
from maestromotif.skills import SkillSet
from maestromotif.stages.lock import project_lock
from maestromotif.watch.follow import Follower
from maestromotif.watch.page import LivePage
from maestromotif.watch.snapshot import Png, TextRows
from tests.recordings.drawn import DrawnCorridor

HOSTILE = "<script>alert(1)</script>"


def text_screen(text: str) -> TextScreen:
    chars = np.frombuffer(text.encode(), np.uint8).reshape(1, -1)
    return TextScreen(chars, np.where(chars == ord("<"), 9, 7).astype(np.uint8), (0, 0))


def spec_of(domain: DrawnCorridor) -> GamesSpec:
    return GamesSpec(
        domain=describe_domain(domain),
        options=dict(domain.options),
        skills=tuple(SkillSet.parse(domain.skills_toml)),
        sources=ScheduleSources("", None),
        rewards="",
        reward_maker="",
        num_games=6,
        seed=1,
        first_episodes=tuple(range(6)),
        episode_steps=20,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_the_process_that_plays_tells_what_its_games_show(workers: int) -> None:
    domain = DrawnCorridor({"length": 5})
    games = make_games(spec_of(domain), domain, 1, workers)
    try:
        games.reset()
        for _ in range(3):
            games.arrays.action[...] = 1
            games.send(0)
            games.wait(0)
        told = games.screens(2)
        faults = games.faults()
    finally:
        games.close()
    assert len(told) == 2
    assert not faults
    for one in told:
        assert one is not None
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(one["png"])))))
        assert picture.shape == (8, 40, 3)
        assert (picture[0, ::8, 0] == 200).sum() == 1, "the walker's square"


def test_what_cannot_be_drawn_ends_no_training() -> None:
    domain = DrawnCorridor({"length": 5})
    games = make_games(spec_of(domain), domain, 1, 0)

    def fails(self: DomainEnv, game: int) -> Any:
        raise DomainError("no display", "none")

    with pytest.MonkeyPatch.context() as patch, closing(games):
        patch.setattr(type(domain.make_env(1)), "picture", fails)
        games.reset()
        assert games.screens(3) == [None, None, None]


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A project in which a training under way has told of three games: text, a picture, and nothing."""
    (tmp_path / "skills.toml").write_text(DrawnCorridor().skills_toml)
    part = tmp_path / "artifacts" / "training.part"
    part.mkdir(parents=True)
    (part / "card.json").write_text(json.dumps({"stage": "train", "status": "running", "goal": {"steps": 100}}))
    game = {"episode": 1, "time": 2, "skill": 0, "skills": [0, 0], "rewards": [0.0, 0.5]}
    picture = screen_json(np.zeros((4, 4, 3), np.uint8))
    games = [{**game, "screen": screen_json(text_screen(HOSTILE))}, {**game, "screen": picture}, {**game, "screen": None}]
    (tmp_path / "artifacts" / GAMES_FILE).write_text(json.dumps({"skills": ["go_left"], "games": games}))
    return tmp_path


def touch(root: Path) -> None:
    """As if all of it had just been written."""
    later = time.time() + 5
    for path in (root / "artifacts" / GAMES_FILE, root / "artifacts" / "training.part" / "card.json"):
        os.utime(path, (later, later))


def test_a_follower_reads_text_in_stretches_of_one_colour_and_pictures(shown: Path) -> None:
    with project_lock(shown, "maestromotif train"), closing(Follower(shown)) as follower:
        touch(shown)
        text, picture, nothing = (game.screen for game in follower.look().games)
        assert (shown / "artifacts" / ASKING_FILE).exists()
    assert isinstance(text, TextRows)
    assert text.rows[0][:2] == (("<", 9), ("script>alert(1)", 7))
    assert isinstance(picture, Png)
    assert nothing is None


def test_what_a_game_shows_is_text_on_the_page_whatever_it_is(shown: Path) -> None:
    with project_lock(shown, "maestromotif train"):
        touch(shown)
        live = LivePage(shown, SkillSet.load(shown / "skills.toml"), lambda snapshot: "train")
        try:
            page = live.whole()
        finally:
            live.close()
    assert HOSTILE not in page
    assert '<span class="c9">&lt;</span>script&gt;alert(1)' in page
    assert page.count('<img class="screen"') == 1


@pytest.mark.parametrize(
    "screen", [{"png": '"><script>'}, {"rows": ["ab"], "colours": ["7"]}, {"rows": ["a"], "colours": ["x"]}, {"rows": 3}]
)
def test_a_damaged_answer_is_left_out(shown: Path, screen: dict[str, Any]) -> None:
    path = shown / "artifacts" / GAMES_FILE
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "games": [{**told["games"][0], "screen": screen}]}))
    with project_lock(shown, "maestromotif train"), closing(Follower(shown)) as follower:
        touch(shown)
        assert follower.look().games == ()


def test_the_screen_of_nethack_is_the_one_that_the_game_draws(tmp_path: Path) -> None:
    nethack = pytest.importorskip("maestromotif.domains.nethack.domain")
    domain = nethack.NetHack({})
    with closing(domain.make_env(1)) as env:
        frame = env.record(0, tmp_path)
        env.reset([0], [5])
        explorer = domain.explorer(1)
        for _ in range(60):
            env.step(explorer.act(env))
        live, place = env.screen(0), frame()
        env.reset([0], [6])  # the file is whole
        (recorded,) = (screen for number, screen in enumerate(domain.screens(tmp_path)) if number == place)
    assert (live.chars_HW[1:22, :79] == recorded.chars_HW[1:22, :79]).mean() > 0.999
    coloured = recorded.chars_HW[1:22, :79] != ord(" ")
    assert (live.colours_HW[1:22, :79][coloured] == recorded.colours_HW[1:22, :79][coloured]).mean() > 0.95
    assert b"HP:" in bytes(live.chars_HW[22])
