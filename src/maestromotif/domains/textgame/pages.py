"""What a person would read: a page of text for each moment of a recorded episode."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from maestromotif.domains.screens import TextScreen
from maestromotif.domains.textgame.house import THINGS
from maestromotif.domains.textgame.play import HAND, Play
from maestromotif.domains.textgame.telling import command_text, scene_words
from maestromotif.domains.textgame.vocabulary import tell
from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically

__all__ = ["FILE", "PageLog", "page", "read_screens"]

FILE = "pages.jsonl"
_HEIGHT, _WIDTH = 24, 80
_GREY, _WHITE, _GREEN = 7, 15, 10
_COMMAND_WIDTH = 40


class PageLog:
    """Writes down the pages of one episode: the next one that the game begins.

    Args:
        folder: where the file goes.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._pages = folder / FILE, list[list[str]]()

    @property
    def begun(self) -> bool:
        return bool(self._pages)

    def add(self, play: Play) -> None:
        """The present state."""
        self._pages.append(page(play))

    def close(self) -> None:
        """Write the file."""
        write_atomically(self._path, "".join(f"{json.dumps(lines)}\n" for lines in self._pages).encode())

    def frame(self) -> Callable[[], int]:
        """Tells the number of the page that shows the present state."""
        return lambda: len(self._pages) - 1


def page(play: Play) -> list[str]:
    """Lines of at most 80 letters: what the last command led to, the room, what is carried, and the commands that can be given."""
    room, *seen = scene_words(play)
    carried = [play.house.names[thing] for thing, place in zip(THINGS, play.scene.places, strict=True) if place == HAND]
    said = textwrap.wrap(tell(play.event).caption.reward_input.message, _WIDTH)
    lines = [*said, "", room.capitalize(), *textwrap.wrap("; ".join(seen), _WIDTH), f"In the hands: {', '.join(carried) or 'nothing'}", ""]
    commands = [f"> {command_text(play, deed.command)}" for deed in play.scene.deeds]
    half = -(-len(commands) // 2)
    for left, right in zip(commands[:half], [*commands[half:], ""], strict=False):
        lines.append(f"{left:<{_COMMAND_WIDTH}}{right}".rstrip())
    return lines[:_HEIGHT]


def read_screens(path: Path) -> Iterator[TextScreen]:
    """The pages of a file as frames of a terminal.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        pages = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: not a recording of the text house ({error})", "Record the episode again") from error
    for lines in pages:
        chars, colours = np.full((_HEIGHT, _WIDTH), ord(" "), np.uint8), np.full((_HEIGHT, _WIDTH), _GREY, np.uint8)
        said = lines.index("") if "" in lines else 0
        for row, line in enumerate(lines[:_HEIGHT]):
            letters = line[:_WIDTH].encode("latin-1", "replace")
            chars[row, : len(letters)] = np.frombuffer(letters, np.uint8)
            colours[row] = _WHITE if row < said else _GREEN if line.startswith(">") else _GREY
        yield TextScreen(chars, colours, (0, 0))
