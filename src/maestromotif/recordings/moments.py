"""A recorded episode as moments to be drawn: what the game showed, and two lines of what there is to know."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maestromotif.domains.screens import TextScreen
from maestromotif.recordings.store import Recorded

__all__ = ["Moment", "moments"]

_CAPTION = (12, 80)  # rows and columns of a screen that shows captions, where the game shows nothing


@dataclass(frozen=True)
class Moment:
    """One step.

    Attributes:
        screen: text, or an RGB picture, uint8 ``[H, W, 3]``.
        skill: who acted; "" at the reset.
        lines: which skill, step and reward; and why the last call ended.
    """

    step: int
    screen: TextScreen | NDArray[np.uint8]
    skill: str
    lines: tuple[str, str]


def moments(recorded: Recorded, first: int = 0, last: int | None = None) -> Iterator[Moment]:
    """The steps from ``first`` to ``last``, both included.

    Raises:
        ArtifactError: the game's own recording is damaged.
    """
    track, calls, steps = recorded.track, recorded.row["calls"], recorded.row["steps"]
    last = steps if last is None else min(last, steps)
    place, reason = 0, ""
    for step, screen in enumerate(_screens(recorded)):
        while place < len(calls) and calls[place][2] < step:
            skill, _, end, cause, why, _ = calls[place]
            reason, place = f"step {end:,}: {skill} {cause}: {why}", place + 1
        if step > last:
            return
        if step >= first:
            reward = f", reward {track.reward[step]:.2f}" if track.reward[step] else ""
            told = f"{track.skill[step] or 'before the first step'}, step {step:,} of {steps:,}{reward}"
            yield Moment(step, screen, track.skill[step], (_printable(told), _printable(reason)))


def _screens(recorded: Recorded) -> Iterator[TextScreen | NDArray[np.uint8]]:
    """What the game showed at each step; its captions where it shows nothing."""
    track = recorded.track
    if recorded.draws:
        pictures = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in recorded.pictures()]
        yield from (pictures[frame] for frame in track.frame)
    elif track.frame and track.frame[0] >= 0:
        yield from recorded.screens()
    else:
        yield from map(_caption_screen, track.caption)


def _caption_screen(caption: str) -> TextScreen:
    rows, columns = _CAPTION
    lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, columns)][:rows]
    text = "".join(f"{_printable(line):<{columns}}" for line in lines).ljust(rows * columns).encode("latin-1", "replace")
    chars = np.frombuffer(text, np.uint8).reshape(rows, columns)
    return TextScreen(chars, np.full_like(chars, 7), (0, 0))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
