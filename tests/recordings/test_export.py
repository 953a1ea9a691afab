"""Recordings made into asciicasts, GIFs and films, and read back."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maestromotif.domains.corridor import Corridor
from maestromotif.domains.screens import TextScreen
from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.recordings import Recorded, Track
from maestromotif.recordings.cast import write_cast
from maestromotif.recordings.film import as_rgb, draw, write_gif, write_mp4
from maestromotif.recordings.moments import Moment, moments
from maestromotif.recordings.pictures import PICTURES_FILE, Album

ROWS, COLUMNS, STEPS = 5, 24, 40


class Scribbled(Corridor):
    """A corridor whose recordings show letters drawn at random, some of which no terminal should get."""

    def screens(self, folder: Path) -> Iterator[TextScreen]:
        rng = np.random.default_rng(0)
        chars, colours = rng.integers(0, 256, (ROWS, COLUMNS), np.uint8), rng.integers(0, 16, (ROWS, COLUMNS), np.uint8)
        for step in range(STEPS + 1):
            changed = rng.random((ROWS, COLUMNS)) < 0.1
            chars = np.where(changed, rng.integers(0, 256, (ROWS, COLUMNS), np.uint8), chars)
            colours = np.where(changed, 15 - colours, colours)
            yield TextScreen(chars, colours, (step % ROWS, step % COLUMNS))


def recorded(folder: Path, frames: bool = True) -> Recorded:
    """Two calls of 20 steps; the first ends with a text that would drive a terminal."""
    skill = ["", *["go_left"] * 20, *["go_right"] * 20]
    frame = list(range(STEPS + 1)) if frames else [-1] * (STEPS + 1)
    track = Track(skill, [0.0] * 20 + [0.5] + [0.0] * 20, frame, [f"Caption {step}." for step in range(STEPS + 1)], {})
    calls = [["go_left", 0, 20, "over", "\x1b[2Jat the \nend", True], ["go_right", 20, 40, "cut", "", False]]
    row = {"steps": STEPS, "calls": calls, "success": {"landmark": True}, "episode": 0, "seed": 1}
    return Recorded(folder, {"row": row, "main": "landmark", "task": "t", "policy": "trained"}, track, Scribbled())


class Terminal:
    """As much of a terminal as asciicasts of this package need: places, letters, colours, erasing; anything else fails."""

    def __init__(self, columns: int, rows: int) -> None:
        self.chars = np.full((rows, columns), " ")
        self.colours = np.full((rows, columns), 7)
        self.place, self.colour = (0, 0), 7

    def feed(self, text: str) -> None:
        while text:
            if text.startswith("\x1b["):
                end = next(place for place, letter in enumerate(text) if letter.isalpha())
                self._obey(text[2:end], text[end])
                text = text[end + 1 :]
            else:
                assert text[0].isprintable()
                self.chars[self.place], self.colours[self.place] = text[0], self.colour
                self.place = self.place[0], self.place[1] + 1
                text = text[1:]

    def _obey(self, values: str, order: str) -> None:
        if order == "H":
            row, column = map(int, values.split(";"))
            self.place = row - 1, column - 1
        elif order == "K":
            self.chars[self.place[0], self.place[1] :] = " "
        elif order == "J":
            assert values == "2"
            self.chars[:] = " "
        else:
            assert order == "m"
            for value in map(int, values.split(";")):
                if value >= 30:
                    self.colour = value - 30 if value < 38 else value - 82


def test_a_cast_shows_in_a_terminal_what_the_game_showed(tmp_path: Path) -> None:
    one = recorded(tmp_path)
    assert write_cast(moments(one), tmp_path / "a.cast", "title", speed=8.0) == STEPS + 1
    head, *events = map(json.loads, (tmp_path / "a.cast").read_text(encoding="utf-8").splitlines())
    assert (head["version"], head["width"], head["height"]) == (2, COLUMNS, ROWS + 2)
    terminal = Terminal(COLUMNS, ROWS + 2)
    for step, ((time, kind, text), screen) in enumerate(zip(events, one.screens(), strict=True)):
        terminal.feed(text)
        assert (time, kind) == (step / 8, "o")
        expected = np.array([[chr(code) if chr(code).isprintable() else " " for code in row] for row in screen.chars_HW])
        assert (terminal.chars[:ROWS] == expected).all()
        assert (terminal.colours[:ROWS] == screen.colours_HW)[expected != " "].all()
        assert terminal.place == screen.cursor
        assert "".join(terminal.chars[ROWS]).startswith(one.track.skill[step] or "before")


def test_the_reason_of_a_switch_stands_below_until_the_next_one(tmp_path: Path) -> None:
    shown = list(moments(recorded(tmp_path)))
    assert [moment.lines[1] for moment in shown[:21]] == [""] * 21
    assert {moment.lines[1] for moment in shown[21:]} == {"step 20: go_left over:  [2Jat the  end"}
    assert shown[20].lines[0] == "go_left, step 20 of 40, reward 0.50"


def test_a_stretch_of_steps(tmp_path: Path) -> None:
    assert [moment.step for moment in moments(recorded(tmp_path), 5, 9)] == [5, 6, 7, 8, 9]
    assert [moment.step for moment in moments(recorded(tmp_path), 38, 99)] == [38, 39, 40]
    with pytest.raises(ArtifactError, match="no step"):
        write_gif(moments(recorded(tmp_path), 99), tmp_path / "a.gif", 10)
    assert not (tmp_path / "a.gif").exists()


def test_drawing_is_in_the_colours_of_the_screen(tmp_path: Path) -> None:
    chars = np.full((2, 10), ord(" "), np.uint8)
    chars[1, 3] = ord("#")
    colours = np.full_like(chars, 1)
    picture = as_rgb(draw(Moment(0, TextScreen(chars, colours, (0, 0)), "", ("", "")))).astype(int)
    height, width = picture.shape[0] - 46, picture.shape[1] // 10
    cell = picture[height // 2 : height, 3 * width : 4 * width]
    assert (cell[..., 0] > cell[..., 2] + 60).any(), "red letters"
    assert len(np.unique(picture[height // 2 : height, 5 * width :].reshape(-1, 3), axis=0)) == 1, "nothing elsewhere"


def test_a_gif_holds_every_step(tmp_path: Path) -> None:
    one = recorded(tmp_path)
    assert write_gif(moments(one), tmp_path / "a.gif", speed=10) == STEPS + 1
    drawn = [as_rgb(draw(moment)) for moment in moments(one)]
    with Image.open(tmp_path / "a.gif") as gif:
        assert getattr(gif, "n_frames", 1) == STEPS + 1
        assert gif.info["duration"] == 100
        for step in (0, 1, 20, STEPS):
            gif.seek(step)
            assert np.array_equal(np.asarray(gif.convert("RGB")), drawn[step])


def test_a_fast_gif_leaves_steps_out(tmp_path: Path) -> None:
    assert write_gif(moments(recorded(tmp_path)), tmp_path / "a.gif", speed=100) == 11


def frames_of(path: Path) -> Iterator[NDArray[np.uint8]]:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    reader = imageio_ffmpeg.read_frames(str(path))
    size = next(reader)["size"]
    for frame in reader:
        yield np.frombuffer(frame, np.uint8).reshape(size[1], size[0], 3)


def test_a_film_holds_every_step(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="needs the extra maestromotif[video]")
    one = recorded(tmp_path)
    assert write_mp4(moments(one), tmp_path / "a.mp4", speed=10) == STEPS + 1
    drawn = [as_rgb(draw(moment)).astype(int) for moment in moments(one)]
    found = list(frames_of(tmp_path / "a.mp4"))
    assert len(found) == STEPS + 1
    for step in (0, 20, STEPS):
        assert np.abs(found[step].astype(int) - drawn[step]).mean() < 15
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_without_the_extra_there_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install 'maestromotif\[video\]'"):
        write_mp4(moments(recorded(tmp_path)), tmp_path / "a.mp4", 10)


def test_pictures_are_enlarged_with_hard_edges_and_no_terminal_gets_them(tmp_path: Path) -> None:
    one, album = recorded(tmp_path), Album()
    for step in range(STEPS + 1):
        one.track.frame[step] = album.add(np.full((3, 5, 3), (step % 2 * 200, 10, 0), np.uint8))
    album.write(tmp_path / PICTURES_FILE)
    shown = list(moments(one))
    assert as_rgb(draw(shown[1]))[:60, :480].reshape(-1, 3).tolist() == [[200, 10, 0]] * 60 * 480
    assert write_gif(moments(one), tmp_path / "a.gif", 10) == STEPS + 1
    with pytest.raises(ArtifactError, match="a terminal cannot show pictures"):
        write_cast(moments(one), tmp_path / "a.cast", "t", 10)
    assert not (tmp_path / "a.cast").exists()


def test_captions_stand_for_a_game_that_shows_nothing(tmp_path: Path) -> None:
    shown = list(moments(recorded(tmp_path, frames=False)))
    assert isinstance(shown[7].screen, TextScreen)
    assert shown[7].screen.chars_HW[0].tobytes().startswith(b"Caption 7.")
    shutil.rmtree(tmp_path)
