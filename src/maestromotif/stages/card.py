"""The card of an artifact: what made it, from what, when, and which files belong to it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from maestromotif import __version__
from maestromotif.errors import ArtifactError
from maestromotif.stages.files import file_digest, read_json, write_json

__all__ = ["CARD_FILE", "Card", "inventory", "now", "package_versions"]

CARD_FILE = "card.json"
_PACKAGES = ("numpy", "torch", "gymnasium", "pyarrow", "safetensors", "pydantic", "urllib3", "nle", "numba")


@dataclass(frozen=True)
class Card:
    """card.json of an artifact.

    Attributes:
        stage: id of the stage that made it.
        status: ``"running"`` (partial work) or ``"done"``.
        fingerprint: digest of ``inputs``; equal fingerprints mean that the stage need not run again.
        identity: what children take as this parent's fingerprint; differs from ``fingerprint`` once a person edited a file or
            training went on for longer.
        inputs: everything that decides the result, in clear, so that a change can be named.
        goal: how far the work goes (for training, the steps); more is a continuation, not a change.
        files: name -> [size in bytes, digest], as the stage left them.
        edited: files that a person changed since; they were checked again.
        code, versions: of this package and of the packages that can change numbers.
        started, finished: UTC.
        attempts: how many processes worked on it; more than one after an interruption.
        facts: what the stage itself has to tell (counts, model names, prompt hashes).
    """

    stage: str
    status: str
    fingerprint: str
    identity: str
    inputs: dict[str, Any]
    goal: dict[str, Any] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    code: str = __version__
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    attempts: int = 1
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Card | None:
        """The card of a folder; None if there is no readable one."""
        value = read_json(folder / CARD_FILE)
        if value is None:
            return None
        try:
            card = cls(**value)
        except TypeError:
            return None
        return replace(card, files={name: (entry[0], entry[1]) for name, entry in card.files.items()}, edited=tuple(card.edited))

    def write(self, folder: Path) -> None:
        write_json(folder / CARD_FILE, asdict(self))

    def verify(self, folder: Path, editable: bool = False) -> None:
        """Compare the files with the card: all there, none shorter or longer than the stage left it.

        Args:
            editable: leave out ``.py`` files, which a person may edit; see ``changed_programs``.

        Raises:
            ArtifactError: naming the first file that does not fit.
        """
        for name, (size, _) in self.files.items():
            path = folder / name
            if editable and name.endswith(".py"):
                continue
            remedy = f"Remove the folder {folder}; the next run makes it again"
            if not path.is_file():
                raise ArtifactError(f"{path}: missing, though {folder / CARD_FILE} lists it under files", remedy)
            if path.stat().st_size != size:
                found = f"{path.stat().st_size} bytes, though {folder / CARD_FILE} says {size} under files"
                raise ArtifactError(f"{path}: {found}: truncated or overwritten", remedy)

    def changed_programs(self, folder: Path) -> tuple[str, ...]:
        """Names of the ``.py`` files whose content is not what the card knows."""
        return tuple(
            name
            for name, (_, digest) in self.files.items()
            if name.endswith(".py") and (not (folder / name).is_file() or file_digest(folder / name) != digest)
        )


def inventory(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest of every file of an artifact, the card itself and logs for TensorBoard left out."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, file_digest(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != CARD_FILE and "tfevents" not in path.name
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def package_versions() -> Mapping[str, str]:
    """Versions of Python and of the packages that can change numbers."""
    return dict(_versions())
