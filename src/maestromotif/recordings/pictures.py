"""Pictures of games that draw some: each distinct one in a row, as PNG, in the order in which they were seen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from maestromotif.errors import ArtifactError
from maestromotif.files import open_atomically

__all__ = ["PICTURES_FILE", "Album", "read_pictures"]

PICTURES_FILE = "pictures.parquet"


class Album:
    """Collects pictures."""

    def __init__(self) -> None:
        self._pngs: list[bytes] = []
        self._places: dict[bytes, int] = {}

    def add(self, picture: NDArray[np.uint8]) -> int:
        """The place of a picture, uint8 ``[H, W, 3]``; one that was seen before is not kept twice."""
        raw = picture.tobytes()
        place = self._places.setdefault(raw, len(self._places))
        if place == len(self._pngs):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            self._pngs.append(buffer.getvalue())
        return place

    def write(self, path: Path) -> None:
        with open_atomically(path) as file:
            pq.write_table(pa.table({"png": pa.array(self._pngs, pa.binary())}), file, compression="none")


def read_pictures(path: Path) -> Iterator[bytes]:
    """The PNGs, in order of their places.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        yield from pq.read_table(path).column("png").to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", "Record the episode again") from error
