"""The track of an episode: one row for each step, from the reset on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maestromotif.domains.contract import FactSpec
from maestromotif.errors import ArtifactError
from maestromotif.files import open_atomically

__all__ = ["TRACK_FILE", "Track"]

TRACK_FILE = "track.parquet"
_FACT = "fact."
_TYPES: Mapping[str, Any] = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}
_LONGEST = 300  # characters of a text among the facts


@dataclass
class Track:
    """Lists of equal length; place 0 is the reset, place ``n`` what step ``n`` led to.

    Attributes:
        skill: who acted; "" at the reset.
        reward: of that skill.
        frame: which of the game's frames shows the state; -1: none does.
        caption: of the transition.
        facts: of the state, by name.
    """

    skill: list[str] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    caption: list[str] = field(default_factory=list)
    facts: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.skill)

    def add(self, skill: str, frame: int, caption: str, facts: Mapping[str, Any]) -> None:
        """One more step, without its reward, which is known later."""
        self.skill.append(skill)
        self.reward.append(0.0)
        self.frame.append(frame)
        self.caption.append(caption)
        for name, value in facts.items():
            self.facts.setdefault(name, []).append(value[:_LONGEST] if isinstance(value, str) else value)

    def changes(self, step: int) -> dict[str, tuple[Any, Any]]:
        """Facts that are not what they were a step before, with both values."""
        if not step:
            return {}
        return {name: (values[step - 1], values[step]) for name, values in self.facts.items() if values[step] != values[step - 1]}

    def write(self, path: Path, specs: Sequence[FactSpec]) -> None:
        """Parquet; ``fact.<name>`` for each fact."""
        columns = {
            "step": pa.array(range(len(self)), pa.int32()),
            "skill": pa.array(self.skill, pa.string()),
            "reward": pa.array(self.reward, pa.float32()),
            "frame": pa.array(self.frame, pa.int32()),
            "caption": pa.array(self.caption, pa.string()),
            **{_FACT + spec.name: pa.array(self.facts.get(spec.name, []), _TYPES[spec.type]) for spec in specs},
        }
        with open_atomically(path) as file:
            pq.write_table(pa.table(columns), file, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Track:
        """What ``write`` has written.

        Raises:
            ArtifactError: the file is missing or damaged, or has other columns.
        """
        try:
            table = pq.read_table(path)
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            facts = {name.removeprefix(_FACT): values for name, values in columns.items() if name.startswith(_FACT)}
            return cls(columns["skill"], columns["reward"], columns["frame"], columns["caption"], facts)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise ArtifactError(f"{path}: cannot be read ({error})", "Record the episode again") from error
