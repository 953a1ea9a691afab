"""Where recordings lie in a project, and reading one: its card, its track, and the screens that belong to its steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.agents.cells import digest
from maestromotif.domains.contract import Domain
from maestromotif.domains.screens import TextScreen
from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.recordings.pictures import PICTURES_FILE, read_pictures
from maestromotif.recordings.track import TRACK_FILE, Track

__all__ = ["CARD_FILE", "RECORDINGS", "Recorded", "find_recordings", "folder_name", "read_card", "read_recording", "write_card"]

RECORDINGS = "recordings"
"""Folder below a project's artifacts; recordings/<task>/<policy>-<seed>-<episode>."""
CARD_FILE = "card.json"
_AGAIN = "Record the episode again"


@dataclass(frozen=True)
class Recorded:
    """A recorded episode.

    Attributes:
        folder: where it lies.
        card: what it was made from and how it went; ``card["row"]`` is the episode as ``bench`` tells it.
        track: its steps.
        domain: reads the screens.
    """

    folder: Path
    card: Mapping[str, Any]
    track: Track
    domain: Domain

    @property
    def id(self) -> str:
        """Stable name within a project, fit for a link."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def row(self) -> Mapping[str, Any]:
        row: Mapping[str, Any] = self.card["row"]
        return row

    @property
    def success(self) -> bool:
        return bool(self.row["success"][self.card["main"]])

    def screens(self) -> Iterator[TextScreen]:
        """For each step, the screen that shows its state; nothing where the game wrote none down.

        Raises:
            ArtifactError: the game's recording is missing, damaged or shorter than the track.
        """
        wanted = self.track.frame
        place, found = -1, None
        frames = self.domain.screens(self.folder)
        if not wanted or min(wanted) < 0 or self.draws:
            return
        for step, frame in enumerate(wanted):
            while place < frame:
                found = next(frames, None)
                place += 1
                if found is None:
                    raise ArtifactError(f"{self.folder}: the recording ends at frame {place}, before step {step}", _AGAIN)
            assert found is not None
            yield found

    @property
    def draws(self) -> bool:
        """The game was drawn as pictures."""
        return (self.folder / PICTURES_FILE).exists()

    def pictures(self) -> list[bytes]:
        """Distinct pictures as PNG; ``track.frame`` tells which one belongs to a step. Empty where the game draws none.

        Raises:
            ArtifactError: the file is damaged, or has too few pictures.
        """
        if not self.draws:
            return []
        pictures = list(read_pictures(self.folder / PICTURES_FILE))
        if max(self.track.frame, default=-1) >= len(pictures):
            raise ArtifactError(f"{self.folder / PICTURES_FILE}: {len(pictures)} pictures are fewer than the track names", _AGAIN)
        return pictures


def folder_name(policy: str, seed: int, episode: int) -> str:
    """Name of an episode's folder."""
    return f"{policy}-{seed}-{episode}"


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card of a whole recording, with size and digest of each of its files."""
    files = {
        path.name: [path.stat().st_size, digest(path.read_bytes())]
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != CARD_FILE
    }
    write_atomically(folder / CARD_FILE, json.dumps({**card, "files": files}, indent=1, allow_nan=False, default=str) + "\n")


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a recording, of which every file is as it was left.

    Raises:
        ArtifactError: the card or a file is missing, damaged or cut short.
    """
    path = folder / CARD_FILE
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        needed = [card["row"]["calls"], card["row"]["success"][card["main"]], card["key"], card["task"]]
        files = {name: (size, own) for name, (size, own) in card["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a recording's card ({type(error).__name__}: {error})", _AGAIN) from error
    assert needed
    for name, (size, own) in files.items():
        if "/" in name or not (folder / name).is_file():
            raise ArtifactError(f"{folder / name}: missing, though {path} lists it", _AGAIN)
        content = (folder / name).read_bytes()
        if len(content) != size or digest(content) != own:
            raise ArtifactError(f"{folder / name}: not what {path} says: damaged, cut short or overwritten", _AGAIN)
    return card


def read_recording(folder: Path, domain: Domain) -> Recorded:
    """One recording.

    Raises:
        ArtifactError: something of it is missing, damaged or cut short.
    """
    card = read_card(folder)
    track = Track.read(folder / TRACK_FILE)
    if len(track) != card["row"]["steps"] + 1:
        raise ArtifactError(f"{folder / TRACK_FILE}: {len(track)} rows for {card['row']['steps']} steps", _AGAIN)
    return Recorded(folder, card, track, domain)


def find_recordings(home: Path, domain: Domain, skipped: Callable[[str], None], task: str = "") -> list[Recorded]:
    """All readable recordings below ``home``, by task, policy, seed and episode.

    Args:
        skipped: told of each that cannot be read, and why.
        task: only of this one.
    """
    found = []
    for path in home.glob(f"{task or '*'}/[!.]*/{CARD_FILE}"):
        try:
            found.append(read_recording(path.parent, domain))
        except ArtifactError as error:
            skipped(str(error))
    return sorted(found, key=lambda one: (one.card["task"], one.card["policy"], one.row["seed"], one.row["episode"]))
