"""Played episodes as two tables, one row per episode and one row per call of a skill, kept as Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maestromotif.errors import ArtifactError
from maestromotif.files import open_atomically, write_atomically
from maestromotif.rl.episodes import Call, EpisodeResult
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["call_success", "calls_table", "cause_name", "episodes_table", "read_json", "read_table", "write_json", "write_table"]


def call_success(call: Call, skills: SkillSet) -> bool:
    """Did the call do what the skill is for: its measure where it names one, else its own termination."""
    measure = skills[call.skill].measure
    return bool(call.measures[measure]) if measure else call.cause is EndCause.OVER


def cause_name(cause: EndCause) -> str:
    """How causes are written in tables: ``"over"``, ``"timed out"`` ..."""
    return EndCause(cause).name.lower().replace("_", " ")


def episodes_table(episodes: Sequence[EpisodeResult], skills: SkillSet, criteria: Sequence[str] = ()) -> pa.Table:
    """One row per episode: its end, its last call, ``return.<skill>``, and ``success.<criterion>`` with its step (-1: never); of criteria
    that count, ``count.<criterion>``."""
    last = [episode.calls[-1] if episode.calls else None for episode in episodes]
    columns: dict[str, pa.Array] = {
        "episode": pa.array([episode.index for episode in episodes], pa.int32()),
        "seed": pa.array([episode.seed for episode in episodes], pa.int64()),
        "steps": pa.array([episode.steps for episode in episodes], pa.int32()),
        "ended": pa.array([cause_name(episode.ended) for episode in episodes], pa.string()),
        "claimed": pa.array([episode.claimed for episode in episodes], pa.bool_()),
        "calls": pa.array([len(episode.calls) for episode in episodes], pa.int32()),
        "last_skill": pa.array([call.skill if call else "" for call in last], pa.string()),
        "last_cause": pa.array([cause_name(call.cause) if call else "" for call in last], pa.string()),
        "last_reason": pa.array([call.reason if call else "" for call in last], pa.string()),
    }
    for name in criteria:
        columns[f"success.{name}"] = pa.array([bool(episode.success[name]) for episode in episodes], pa.bool_())
        columns[f"success_step.{name}"] = pa.array([episode.success_step[name] for episode in episodes], pa.int32())
        if any(name in episode.counts for episode in episodes):
            columns[f"count.{name}"] = pa.array([episode.counts.get(name, 0) for episode in episodes], pa.int32())
    for skill in skills:
        sums = [math.fsum(call.reward for call in episode.calls if call.skill == skill.id) for episode in episodes]
        columns[f"return.{skill.id}"] = pa.array(sums, pa.float64())
    columns["faults"] = pa.array([_text(episode.faults) for episode in episodes], pa.string())
    columns["facts"] = pa.array([_text(episode.facts) for episode in episodes], pa.string())
    return pa.table(columns)


def calls_table(episodes: Sequence[EpisodeResult], skills: SkillSet) -> pa.Table:
    """One row per call: episode, skill, steps ``start`` to ``end``, cause, reason, success, every ``measure.<name>``."""
    rows = [(episode.index, call) for episode in episodes for call in episode.calls]
    names = sorted({name for _, call in rows for name in call.measures})
    columns: dict[str, pa.Array] = {
        "episode": pa.array([number for number, _ in rows], pa.int32()),
        "skill": pa.array([call.skill for _, call in rows], pa.string()),
        "start": pa.array([call.start for _, call in rows], pa.int32()),
        "end": pa.array([call.end for _, call in rows], pa.int32()),
        "cause": pa.array([cause_name(call.cause) for _, call in rows], pa.string()),
        "reason": pa.array([call.reason for _, call in rows], pa.string()),
        "reward": pa.array([call.reward for _, call in rows], pa.float64()),
        "success": pa.array([call_success(call, skills) for _, call in rows], pa.bool_()),
    }
    for name in names:
        columns[f"measure.{name}"] = pa.array([bool(call.measures.get(name, False)) for _, call in rows], pa.bool_())
    return pa.table(columns)


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, default=str)


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet so that the file is either whole or not there."""
    with open_atomically(path) as file:
        pq.write_table(table, file, compression="zstd")


def read_table(path: Path) -> pa.Table:
    """Read Parquet.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", "Delete it and evaluate again") from error


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write JSON so that the file is either whole or not there; NaN is refused, since it is not JSON."""
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ArtifactError: the file is missing, damaged or not an object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})", "Delete it and evaluate again") from error
    if not isinstance(document, dict):
        raise ArtifactError(f"{path}: not a JSON object", "Delete it and evaluate again")
    return document
