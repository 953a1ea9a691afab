"""What a trained policy met: captions with, for each skill, the steps in which it met them; and pairs of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from maestromotif.errors import ArtifactError
from maestromotif.feedback.pairs import Question, pairs_of_rows, sample_rows, skill_rng
from maestromotif.feedback.tables import CaptionTable
from maestromotif.files import open_atomically
from maestromotif.skills import Skill

__all__ = ["met_by", "policy_pairs", "read_counts", "write_counts"]

_FILE = "skills.parquet"
_COUNTS = pa.schema([("skill", pa.string()), ("key", pa.int64()), ("count", pa.int64())])


def write_counts(folder: Path, counts: Mapping[tuple[str, int], int]) -> None:
    """Write ``skills.parquet``: steps by skill and key."""
    rows = [(skill, key, count) for (skill, key), count in counts.items()]
    columns = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(_COUNTS)]
    with open_atomically(folder / _FILE) as file:
        pq.write_table(pa.table(columns, schema=_COUNTS), file, compression="zstd")


def read_counts(folder: Path) -> Mapping[str, Mapping[int, int]]:
    """For each skill that was called, the steps in which it met each key.

    Raises:
        ArtifactError: missing or damaged.
    """
    path = folder / _FILE
    try:
        table = pq.ParquetFile(path).read()
        columns = [table[name].to_pylist() for name in _COUNTS.names]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error})", "Run `maestromotif shift` again") from error
    found: dict[str, dict[int, int]] = {}
    for skill, key, count in zip(*columns, strict=True):
        found.setdefault(skill, {})[key] = count
    return found


def met_by(policy_captions: CaptionTable, counts: Mapping[int, int]) -> CaptionTable:
    """The captions that one skill met (key -> steps), with its own counts."""
    rows = np.array([row for row, key in enumerate(policy_captions.keys.tolist()) if key in counts], np.int64)
    table = policy_captions.select(rows)
    own = np.array([counts[key] for key in table.keys.tolist()], np.int64)
    return CaptionTable(table.keys, table.messages, table.signs, table.texts, own)


def policy_pairs(
    everything: CaptionTable, met: CaptionTable, skill: Skill, number: int, seed: int, but: NDArray[np.int64]
) -> list[Question]:
    """Pairs among the captions that a skill met, sampled as ``annotate`` samples those of the explorer.

    Args:
        everything: a table that has the captions of ``met``; their texts are taken from it, so that equal pairs have equal ids.
        number: as many, or all there are if there are fewer.
        but: keys of pairs that must not be among them, int64 ``[P, 2]``.
    """
    if len(met) < 2:
        return []
    row_of = everything.rows()
    table = everything.select(np.array([row_of[key] for key in met.keys.tolist()], np.int64))
    taken = {frozenset(pair) for pair in but.tolist()}
    # As many more as may be taken already, so that enough are left.
    questions = pairs_of_rows(table, sample_rows(table, number + len(taken), skill_rng(skill, seed)))
    return [question for question in questions if frozenset(question[1:]) not in taken][:number]
