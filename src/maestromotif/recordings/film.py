"""Export to GIF and MP4: moments drawn as pictures."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maestromotif.domains.screens import TextScreen
from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.files import open_atomically
from maestromotif.recordings.moments import Moment

__all__ = ["as_rgb", "draw", "write_gif", "write_mp4"]

_SIZE = 13  # of letters, in pixels
_GROUND = (16, 19, 24)
# The colours of the page's player.
_COLOURS = (
    (106, 116, 134), (224, 108, 96), (95, 191, 119), (198, 154, 85), (108, 158, 240), (207, 134, 221), (79, 185, 196), (195, 200, 208),
    (131, 141, 160), (255, 154, 102), (143, 227, 136), (242, 220, 107), (150, 188, 255), (240, 168, 245), (134, 230, 234), (255, 255, 255),
)  # fmt: skip
_GREY, _WHITE = 7, 15
_LEVELS = 3  # of how much of a pixel a letter covers, beside not at all
_BAND = 2 * (_SIZE + 6) + 8  # pixels below the screen
_MOST_RATE = 25  # pictures a second; at a higher speed, steps are left out
_WIDE = 480  # pixels that small pictures are enlarged to, about
_FILM = ["-movflags", "+faststart"]  # begins to play before all of it is there

Frame = NDArray[np.uint8]


def _mixed() -> Frame:
    """The palette ``[1 + 16 * _LEVELS, 3]``: the ground, then each colour from a trace of it to all of it."""
    ground, part = np.array(_GROUND, float), np.arange(1, _LEVELS + 1)[:, None] / _LEVELS
    colours = [ground + part * (np.array(colour) - ground) for colour in _COLOURS]
    return np.concatenate([ground[None], *colours]).round().astype(np.uint8)


_PALETTE = _mixed()


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans Mono, which comes with matplotlib."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"), _SIZE)


def _levels(image: Image.Image) -> Frame:
    return (np.asarray(image, np.float32) * (_LEVELS / 255)).round().astype(np.uint8)


def _ink(levels: Frame, colour: Frame | int) -> Frame:
    """Places in the palette, from levels and colours that fit them."""
    inked: Frame = np.where(levels > 0, 1 + _LEVELS * np.asarray(colour, np.uint8) + levels - 1, 0).astype(np.uint8)
    return inked


@cache
def _letters() -> Frame:
    """Levels of each letter of Latin-1, ``[256, height, width]``."""
    width, height = round(_font().getlength("M")), _SIZE + 4
    letters = np.zeros((256, height, width), np.uint8)
    for code in (*range(33, 127), *range(161, 256)):
        tile = Image.new("L", (width, height))
        ImageDraw.Draw(tile).text((0, 0), chr(code), 255, _font())
        letters[code] = _levels(tile)
    return letters


def _draw_text(screen: TextScreen) -> Frame:
    """Places in the palette, ``[H, W]``."""
    levels = _letters()[screen.chars_HW]
    inked = _ink(levels, screen.colours_HW[:, :, None, None])
    row, column = screen.cursor
    inked[row, column] = _ink(np.asarray(_LEVELS - levels[row, column], np.uint8), _GREY)
    rows, columns, height, width = inked.shape
    return inked.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)


@lru_cache(maxsize=4)
def _draw_line(text: str, colour: int, width: int) -> Frame:
    line = Image.new("L", (width, _BAND // 2))
    ImageDraw.Draw(line).text((6, 4), text, 255, _font())
    return _ink(_levels(line), colour)


def _draw_band(moment: Moment, width: int) -> Frame:
    first, second = moment.lines
    return np.concatenate([_draw_line(first, _WHITE, width), _draw_line(second, _GREY, width)])


def _even(frame: Frame) -> Frame:
    """With even sides, which films need."""
    sides = [(0, frame.shape[0] % 2), (0, frame.shape[1] % 2)]
    return np.pad(frame, sides + [(0, 0)] * (frame.ndim - 2), mode="edge")


def draw(moment: Moment) -> Frame:
    """A moment as a picture: RGB ``[H, W, 3]``, or, of a text screen, places in a palette ``[H, W]``. See ``as_rgb``."""
    if isinstance(moment.screen, TextScreen):
        top = _draw_text(moment.screen)
        return _even(np.concatenate([top, _draw_band(moment, top.shape[1])]))
    times = max(1, round(_WIDE / moment.screen.shape[1]))
    picture = moment.screen.repeat(times, 0).repeat(times, 1)
    return _even(np.concatenate([picture, _PALETTE[_draw_band(moment, picture.shape[1])]]))


def as_rgb(frame: Frame) -> Frame:
    """What ``draw`` gave, as RGB ``[H, W, 3]``."""
    return _PALETTE[frame] if frame.ndim == 2 else frame


def _sampled(moments: Iterable[Moment], speed: float) -> tuple[Iterator[Frame], float]:
    """Pictures, and how many a second: at most ``_MOST_RATE``.

    Raises:
        ArtifactError: there is none.
    """
    every = max(1, math.ceil(speed / _MOST_RATE))
    frames = (draw(moment) for place, moment in enumerate(moments) if place % every == 0)
    first = next(frames, None)
    if first is None:
        raise ArtifactError("there is no step to be shown", "Choose other steps")
    return chain([first], frames), speed / every


def write_gif(moments: Iterable[Moment], path: Path, speed: float) -> int:
    """Write an animated GIF that stays at its end; returns the number of pictures.

    Args:
        speed: steps a second.

    Raises:
        ArtifactError: there is nothing to be shown.
    """
    frames, rate = _sampled(moments, speed)
    images = _Counted(map(_paletted, frames))
    first = next(images)
    with open_atomically(path) as file:
        first.save(file, "GIF", save_all=True, append_images=images, duration=round(1000 / rate), optimize=False)
    return images.count


def _paletted(frame: Frame) -> Image.Image:
    if frame.ndim == 3:
        return Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)
    image = Image.fromarray(frame, "P")
    image.putpalette(_PALETTE.tobytes())
    return image


class _Counted(Iterator[Image.Image]):
    """Counts what goes through it."""

    def __init__(self, images: Iterator[Image.Image]) -> None:
        self._images, self.count = images, 0

    def __next__(self) -> Image.Image:
        image = next(self._images)
        self.count += 1
        return image


def write_mp4(moments: Iterable[Moment], path: Path, speed: float) -> int:
    """Write a film (H.264); returns the number of pictures.

    Args:
        speed: steps a second.

    Raises:
        ConfigError: the extra that makes films is not installed.
        ArtifactError: there is nothing to be shown.
    """
    try:
        ffmpeg: Any = importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise ConfigError("films need the package imageio-ffmpeg", "Run `pip install 'maestromotif[video]'`, or export to gif") from error
    frames, rate = _sampled(moments, speed)
    first = next(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part.mp4")
    count = 0
    try:
        film = ffmpeg.write_frames(str(part), first.shape[1::-1], fps=rate, macro_block_size=2, output_params=_FILM)
        film.send(None)
        for frame in chain([first], frames):
            film.send(np.ascontiguousarray(as_rgb(frame)))
            count += 1
        film.close()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count
