"""Recordings that the game itself writes, nle's ttyrec of version 3: read, checked and turned into screens.

The file is compressed by bzip2. Each record has a head of 13 bytes: seconds and microseconds (int32), length (int32), channel (uint8), all
little-endian; channel 0 is what the terminal got, 1 a key, 2 the score. The terminal is emulated by nle's own converter, which tells the
screen that each key was pressed at.
"""

from __future__ import annotations

import bz2
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nle import _pyconverter

from maestromotif.domains.screens import TextScreen
from maestromotif.errors import ArtifactError

__all__ = ["FILE", "read_screens"]

FILE = "game.ttyrec3.bz2"
_VERSION = 3
_ROWS, _COLUMNS = 24, 80
_HEAD = struct.Struct("<iiiB")
_KEY = 1
_GREY = 7
_CHUNK = 256  # frames converted at a time
# The converter tells a screen when it meets the key after it, and keeps the last one to itself.
_END = (_HEAD.pack(0, 0, 1, _KEY) + b"\x1b") * 2


def read_screens(path: Path) -> Iterator[TextScreen]:
    """The screen after the reset, and after each key.

    Raises:
        ArtifactError: the file is missing, damaged or cut short.
    """
    content = _decompressed(path)
    frames = 1 + _keys(content, path)
    # The converter wants a file; where it could be damaged it would say nothing, hence the checks before.
    with tempfile.NamedTemporaryFile(suffix=".bz2") as file:
        file.write(bz2.compress(content + _END, 1))
        file.flush()
        yield from _convert(file.name, frames)


def _decompressed(path: Path) -> bytes:
    try:
        return bz2.decompress(path.read_bytes())
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, str(error) or "cut short") from error


def _keys(content: bytes, path: Path) -> int:
    """How many keys were pressed."""
    place, keys = 0, 0
    while place < len(content):
        if place + _HEAD.size > len(content):
            raise _damaged(path, f"cut short at byte {place:,}")
        _, _, length, channel = _HEAD.unpack_from(content, place)
        place += _HEAD.size + length
        if length < 0 or channel > 2 or place > len(content):
            raise _damaged(path, f"no record of a terminal ends at byte {place:,}")
        keys += channel == _KEY
    if not place:
        raise _damaged(path, "empty")
    return keys


def _convert(path: str, frames: int) -> Iterator[TextScreen]:
    converter = _pyconverter.Converter(_ROWS, _COLUMNS, _VERSION)
    converter.load_ttyrec(path)
    chars = np.zeros((_CHUNK, _ROWS, _COLUMNS), np.uint8)
    colours = np.zeros((_CHUNK, _ROWS, _COLUMNS), np.int8)
    cursors = np.zeros((_CHUNK, 2), np.int16)
    times, keys, scores = np.zeros(_CHUNK, np.int64), np.zeros(_CHUNK, np.uint8), np.zeros(_CHUNK, np.int32)
    while frames > 0:
        count = _CHUNK - int(converter.convert(chars, colours, cursors, times, keys, scores))
        # What is empty has no colour of its own.
        shades = np.where(chars == ord(" "), _GREY, colours & 15).astype(np.uint8)
        for frame in range(min(count, frames)):
            row, column = cursors[frame].tolist()
            yield TextScreen(chars[frame].copy(), shades[frame], (row, column))
        frames -= count
        if count < _CHUNK:
            return


def _damaged(path: Path, why: str) -> ArtifactError:
    return ArtifactError(f"{path}: not a readable recording ({why})", "Remove the folder it lies in and record the episode again")
