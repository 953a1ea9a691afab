"""Rounds of further questions: captions that a trained policy met, and pairs of them that each skill's annotator is asked about.

A round is an input, like skills.toml: it is frozen when it is made, and ``annotate`` asks its questions after all earlier ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.tables import CaptionTable
from maestromotif.files import open_atomically

__all__ = ["Round", "add_round", "load_rounds"]

_PAIRS = pa.schema([("skill", pa.string()), ("first_key", pa.int64()), ("second_key", pa.int64())])


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        captions: every caption that its pairs speak of, and perhaps more.
        pairs: for each skill that is asked about, the keys of its pairs, int64 ``[P, 2]``.
    """

    captions: CaptionTable
    pairs: Mapping[str, NDArray[np.int64]]


def add_round(folder: Path, round_: Round, domain: Domain) -> int:
    """Write a round after those that are there; returns its number, which begins with 1."""
    number = len(_folders(folder)) + 1
    fresh = folder / f".{number}.part"
    if fresh.exists():
        shutil.rmtree(fresh)
    round_.captions.save(fresh / "captions.parquet", domain, {"round": number})
    rows = [(skill, *keys) for skill, keys_P in round_.pairs.items() for keys in keys_P.tolist()]
    columns = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(_PAIRS)]
    with open_atomically(fresh / "pairs.parquet") as file:
        pq.write_table(pa.table(columns, schema=_PAIRS), file, compression="zstd")
    os.replace(fresh, folder / str(number))
    return number


def load_rounds(folder: Path, domain: Domain) -> list[Round]:
    """All rounds of a project, in order; empty if there are none.

    Raises:
        ArtifactError: one is missing, damaged, or of another domain.
    """
    return [_load(path, domain) for path in _folders(folder)]


def _folders(folder: Path) -> Sequence[Path]:
    found = sorted(int(path.name) for path in folder.glob("[0-9]*"))
    if found != list(range(1, len(found) + 1)):
        numbers = ", ".join(map(str, found))
        raise ArtifactError(f"{folder} holds the rounds {numbers}", "Put the missing ones back, or remove all later ones")
    return [folder / str(number) for number in found]


def _load(path: Path, domain: Domain) -> Round:
    captions = CaptionTable.load(path / "captions.parquet", domain)
    try:
        table = pq.ParquetFile(path / "pairs.parquet").read()
        skills = np.array(table["skill"].to_pylist(), object)
        keys_P = np.stack([table["first_key"].to_numpy(), table["second_key"].to_numpy()], axis=1)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ArtifactError(f"{path / 'pairs.parquet'} is missing or damaged ({error})", f"Remove the folder {path}") from error
    if not np.isin(keys_P, captions.keys).all():
        raise ArtifactError(f"{path / 'pairs.parquet'} speaks of captions that are not beside it", f"Remove the folder {path}")
    return Round(captions, {skill: keys_P[skills == skill] for skill in dict.fromkeys(skills.tolist())})
