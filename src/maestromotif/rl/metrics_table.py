"""A training's metrics as one table, for notebooks and whatever else reads Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maestromotif.files import open_atomically
from maestromotif.rl.metrics import read_metrics, walk

__all__ = ["METRICS_TABLE", "metrics_table", "write_metrics_table"]

METRICS_TABLE = "metrics.parquet"
_WHOLE = ("update", "steps", "episodes", "restarts")


def metrics_table(lines: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A row for each update, a column for each number, named as in TensorBoard (``skills/<skill>/return``).

    Whole numbers are int64, all others float64; null is what a line does not say.
    """
    rows: list[dict[str, float]] = []
    for line in lines:
        row: dict[str, float] = {}
        walk(line, "", row.__setitem__)
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {name: pa.int64() if name.rpartition("/")[2] in _WHOLE else pa.float64() for name in names}
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(values, kinds[name], from_pandas=False) for name, values in columns.items()})


def write_metrics_table(metrics: Path, out: Path) -> None:
    """The table of a metrics.jsonl; a last line that a kill has torn is left out."""
    with open_atomically(out) as file:
        pq.write_table(metrics_table(read_metrics(metrics)), file, compression="zstd")
