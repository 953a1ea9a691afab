"""One cell of an evaluation: one program under one driving policy. A finished cell is three finished files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from maestromotif.agents.records import calls_table, episodes_table, read_json, read_table, write_json, write_table
from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.rl.episodes import EpisodeResult
from maestromotif.skills import SkillSet

__all__ = ["Cell", "digest", "domain_identity", "play_cell"]


@dataclass(frozen=True)
class Cell:
    """The rows of a finished cell."""

    policy: str
    episodes: pa.Table
    calls: pa.Table


def digest(content: bytes | str) -> str:
    """The first 16 digits of the sha256."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def domain_identity(domain: Domain, skills: SkillSet) -> dict[str, Any]:
    """What of a domain and its skills decides how episodes go and what counts as success, as plain values."""
    return {"domain": domain.id, "options": dict(domain.identity), "skills": [asdict(skill) for skill in skills]}


def play_cell(
    folder: Path,
    policy: str,
    identity: Mapping[str, Any],
    skills: SkillSet,
    criteria: Sequence[str],
    play: Callable[[], Sequence[EpisodeResult]],
) -> Cell:
    """The cell from its files if they were made for the same ``identity``, else played and written, the marker last.

    Args:
        folder: holds ``<policy>.episodes.parquet``, ``<policy>.calls.parquet`` and the marker ``<policy>.json``.
        identity: everything that decides the result, as plain values.
        play: plays all the cell's episodes.
    """
    paths = [folder / f"{policy}.{part}.parquet" for part in ("episodes", "calls")]
    marker = folder / f"{policy}.json"
    wanted = {"identity": json.loads(json.dumps(identity)), "criteria": list(criteria)}
    done = _finished(marker, paths, wanted)
    if done is None:
        marker.unlink(missing_ok=True)
        episodes = sorted(play(), key=lambda episode: episode.index)
        done = episodes_table(episodes, skills, criteria), calls_table(episodes, skills)
        for table, path in zip(done, paths, strict=True):
            write_table(table, path)
        write_json(wanted, marker)
    return Cell(policy, *done)


def _finished(marker: Path, paths: Sequence[Path], wanted: Mapping[str, Any]) -> tuple[pa.Table, pa.Table] | None:
    """The tables of a finished cell; None where it was never finished, was made for something else, or is damaged."""
    if not marker.exists():
        return None
    try:
        if read_json(marker) != wanted:
            return None
        return read_table(paths[0]), read_table(paths[1])
    except ArtifactError:
        return None  # playing again is cheaper than bothering a person
