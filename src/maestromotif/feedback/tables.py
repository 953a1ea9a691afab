"""The two tables of this phase as Parquet files: captions and preferences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain, SignSpec
from maestromotif.errors import ArtifactError
from maestromotif.files import open_atomically
from maestromotif.types import Caption, Preference, RewardInput, Verdict, int64_key

__all__ = ["CaptionTable", "PreferenceTable", "int64_key", "read_metadata", "signs_digest"]

_METADATA = b"maestromotif"
_CAPTIONS = pa.schema(
    [("key", pa.int64()), ("message", pa.string()), ("signs", pa.list_(pa.int8())), ("caption", pa.string()), ("count", pa.int64())]
)
_PREFERENCES = pa.schema(
    [
        ("pair", pa.string()),
        ("first_key", pa.int64()),
        ("second_key", pa.int64()),
        ("verdict", pa.string()),
        ("annotator", pa.string()),
        ("target", pa.float64()),
        ("reason", pa.string()),
    ]
)


def signs_digest(specs: Sequence[SignSpec]) -> str:
    """Names and values of a domain's signs, hashed: artifacts made for other signs do not fit."""
    return hashlib.sha256(json.dumps([[spec.name, list(spec.values)] for spec in specs]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class CaptionTable:
    """Distinct reward inputs, one per row.

    Attributes:
        keys: int64 ``[N]``, all different.
        messages: ``N`` texts.
        signs: int8 ``[N, S]``.
        texts: one example caption for each.
        counts: int64 ``[N]``, transitions in which the input was seen.
    """

    keys: NDArray[np.int64]
    messages: tuple[str, ...]
    signs: NDArray[np.int8]
    texts: tuple[str, ...]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.messages)

    def reward_input(self, row: int) -> RewardInput:
        return RewardInput(self.messages[row], tuple(self.signs[row].tolist()))

    def caption(self, row: int) -> Caption:
        return Caption(self.texts[row], self.reward_input(row))

    def rows(self) -> dict[int, int]:
        """Row of each key."""
        return {key: row for row, key in enumerate(self.keys.tolist())}

    def select(self, rows: NDArray[np.int64]) -> CaptionTable:
        """Only these rows (int64), in this order."""
        chosen = rows.tolist()
        messages, texts = tuple(self.messages[row] for row in chosen), tuple(self.texts[row] for row in chosen)
        return CaptionTable(self.keys[rows], messages, self.signs[rows], texts, self.counts[rows])

    def merge(self, *others: CaptionTable) -> CaptionTable:
        """All inputs of these tables, this one's first; the first example of each stays, and counts are added."""
        merged: dict[int, tuple[Caption, int]] = {}
        for table in (self, *others):
            for row, (key, count) in enumerate(zip(table.keys.tolist(), table.counts.tolist(), strict=True)):
                known = merged.get(key)
                merged[key] = (table.caption(row), count) if known is None else (known[0], known[1] + count)
        return CaptionTable.build(merged, self.signs.shape[1])

    @classmethod
    def build(cls, entries: Mapping[int, tuple[Caption, int]], num_signs: int) -> CaptionTable:
        """From key -> (caption, count), in the order of the mapping."""
        captions = [caption for caption, _ in entries.values()]
        signs = np.array([caption.reward_input.signs for caption in captions], np.int8).reshape(len(captions), num_signs)
        return cls(
            np.array(list(entries), np.int64),
            tuple(caption.reward_input.message for caption in captions),
            signs,
            tuple(caption.text for caption in captions),
            np.array([count for _, count in entries.values()], np.int64),
        )

    def save(self, path: Path, domain: Domain, metadata: Mapping[str, Any]) -> None:
        columns = [self.keys, list(self.messages), [row.tolist() for row in self.signs], list(self.texts), self.counts]
        _write(path, _CAPTIONS, columns, {**_marks(domain, "captions"), **metadata})

    @classmethod
    def load(cls, path: Path, domain: Domain) -> CaptionTable:
        """Read a table of captions.

        Raises:
            ArtifactError: missing, truncated, of another domain, or with other signs.
        """
        table = _read(path, _CAPTIONS, _marks(domain, "captions"), "maestromotif collect")
        num_signs = len(domain.sign_specs)
        try:
            signs = np.array(table["signs"].to_pylist(), np.int8).reshape(table.num_rows, num_signs)
        except ValueError as error:
            raise ArtifactError(f"{path}: rows with other than {num_signs} signs", "Delete it and run `maestromotif collect`") from error
        sizes = np.array([len(spec.values) for spec in domain.sign_specs])
        if np.any(signs < 0) or np.any(signs >= sizes):
            raise ArtifactError(f"{path}: a sign has a value that the domain does not know", "Delete it and run `maestromotif collect`")
        keys = table["key"].to_numpy()
        return cls(keys, tuple(table["message"].to_pylist()), signs, tuple(table["caption"].to_pylist()), table["count"].to_numpy())


@dataclass(frozen=True)
class PreferenceTable:
    """An annotator's verdicts for one skill: ``P`` preferences and the keys (int64 ``[P]``) of the two captions of each."""

    preferences: tuple[Preference, ...]
    first_keys: NDArray[np.int64]
    second_keys: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.preferences)

    def targets(self) -> NDArray[np.float64]:
        """Float64 ``[P]``: 1 where the first is better, 0 where the second is, 0.5 for ties, or what the annotator gave instead; NaN where
        unparsed."""
        return np.array([row.verdict.target if row.target is None else row.target for row in self.preferences], np.float64)

    def save(self, path: Path, domain: Domain, skill: str, metadata: Mapping[str, Any]) -> None:
        rows = self.preferences
        columns = [
            [row.pair for row in rows],
            self.first_keys,
            self.second_keys,
            [row.verdict.value for row in rows],
            [row.annotator for row in rows],
            [row.target for row in rows],
            [row.reason for row in rows],
        ]
        _write(path, _PREFERENCES, columns, {**_marks(domain, "preferences"), "skill": skill, **metadata})

    @classmethod
    def load(cls, path: Path, domain: Domain, skill: str) -> PreferenceTable:
        """Read the preferences of a skill.

        Raises:
            ArtifactError: missing, truncated, or of another domain or skill.
        """
        table = _read(path, _PREFERENCES, {**_marks(domain, "preferences"), "skill": skill}, "maestromotif annotate")
        columns = [table[name].to_pylist() for name in ("pair", "verdict", "annotator", "target", "reason")]
        try:
            rows = tuple(Preference(skill, pair, Verdict(verdict), *rest) for pair, verdict, *rest in zip(*columns, strict=True))
        except ValueError as error:
            raise ArtifactError(f"{path}: {error}", "Delete it and run `maestromotif annotate`") from error
        return cls(rows, table["first_key"].to_numpy(), table["second_key"].to_numpy())


def read_metadata(path: Path) -> dict[str, Any]:
    """What a table says of itself.

    Raises:
        ArtifactError: missing or truncated.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return dict(json.loads(metadata[_METADATA]))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        problem = f"{path} is missing, truncated or no table of this package ({_line(error)})"
        raise ArtifactError(problem, "Delete it and run again") from error


def _marks(domain: Domain, table: str) -> dict[str, str]:
    return {"table": table, "domain": domain.id, "signs": signs_digest(domain.sign_specs)}


def _write(path: Path, schema: pa.Schema, columns: Sequence[Any], metadata: Mapping[str, Any]) -> None:
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)
    table = table.replace_schema_metadata({_METADATA: json.dumps(dict(metadata), sort_keys=True).encode()})
    with open_atomically(path) as file:
        pq.write_table(table, file, compression="zstd")


def _read(path: Path, schema: pa.Schema, marks: Mapping[str, str], command: str) -> pa.Table:
    if not path.exists():
        raise ArtifactError(f"{path} does not exist", f"Run `{command}`")
    remedy = f"Delete it and run `{command}`"
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"{path} is truncated or no Parquet file ({_line(error)})", remedy) from error
    if not table.schema.equals(schema, check_metadata=False):
        raise ArtifactError(f"{path} has other columns than expected", remedy)
    found = read_metadata(path)
    for name, value in marks.items():
        if found.get(name) != value:
            raise ArtifactError(f"{path} was made for {name} {found.get(name)!r}, not {value!r}", remedy)
    return table


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 120 else text[:117] + "..."
