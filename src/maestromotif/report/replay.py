"""Recorded episodes for the page: each is packed into one compressed text that the page's player unpacks when it is asked to.

Packed, before compression: the length of the head (uint32, little-endian), the head (JSON), and the screens. Text screens follow one
another as changes: for each step the cursor's place (uint16) and the number of runs (uint16); for each run its place and its length
(uint16 each), its characters and its colours (a byte each). Places count from the upper left corner, row by row. Of pictures, there is the
length (uint32) of each PNG before it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from maestromotif import __version__
from maestromotif.agents.cells import digest
from maestromotif.domains.screens import TextScreen, changed_runs
from maestromotif.errors import MaestroError
from maestromotif.files import write_atomically
from maestromotif.recordings import RECORDINGS, Recorded, find_recordings
from maestromotif.report.palette import skill_slots
from maestromotif.report.sources import Notes, ReportSources

__all__ = ["Replay", "Replays", "gather_replays", "pack", "packed"]

_BUDGET = 8_000_000  # bytes of all replays on one page
_FORMAT = 1  # of what is packed
_KEPT = ".replay.json"  # in a recording's folder; may be deleted
_RESTLESS = 0.2  # a fact that changes in more of the steps tells nothing of any


@dataclass(frozen=True)
class Replay:
    """One episode, packed.

    Attributes:
        id: for links.
        label: for people.
        data: base64.
    """

    id: str
    label: str
    task: str
    success: bool
    steps: int
    data: str


@dataclass(frozen=True)
class Replays:
    """Those of a page. ``left_out``: how many found no room."""

    shown: list[Replay]
    left_out: int

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return sum(len(one.data) for one in self.shown)


def gather_replays(sources: ReportSources, notes: Notes, budget: int = _BUDGET) -> Replays:
    """The project's recordings, as many as there is room for; failed ones first, where not all find some, then shorter ones.

    Those that cannot be read are noted and left out.
    """
    home = sources.root / "artifacts" / RECORDINGS
    found: list[Replay] = []
    for one in find_recordings(home, sources.domain, notes.add):
        try:
            found.append(packed(one, sources.skills.ids))
        except (MaestroError, ValueError, LookupError, TypeError) as error:
            # A card of another version can be wrong in any of these ways; the other recordings stand.
            told = error.problem if isinstance(error, MaestroError) else f"{one.id}: {type(error).__name__}: {error}"
            notes.add(f"recording left out: {told}")
    room, chosen = budget, set()
    for replay in sorted(found, key=lambda replay: (replay.success, len(replay.data))):
        if len(replay.data) <= room:
            room -= len(replay.data)
            chosen.add(replay.id)
    return Replays([replay for replay in found if replay.id in chosen], len(found) - len(chosen))


def packed(recorded: Recorded, skills: Sequence[str]) -> Replay:
    """``pack``, which is kept in the recording's folder: to read what a game has shown takes longer than all else of a page.

    Raises:
        ArtifactError: the game's own recording is damaged.
    """
    path = recorded.folder / _KEPT
    key = digest(json.dumps([_FORMAT, __version__, dict(recorded.card), list(skills)], sort_keys=True, default=str))
    # Whatever is wrong with what was kept: it is made anew.
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key and kept["replay"]["id"] == recorded.id:
            return Replay(**kept["replay"])
    made = pack(recorded, skills)
    with contextlib.suppress(OSError):  # a folder that is not ours to write
        write_atomically(path, json.dumps({"key": key, "replay": asdict(made)}))
    return made


def pack(recorded: Recorded, skills: Sequence[str]) -> Replay:
    """One recording as the player takes it.

    Raises:
        ArtifactError: the game's own recording is damaged.
    """
    screens = list(recorded.screens())
    pictures = recorded.pictures()
    head = _head(recorded, skills, screens, bool(pictures))
    body = _text_changes(screens) if screens else b"".join(struct.pack("<I", len(png)) + png for png in pictures)
    text = json.dumps(head, separators=(",", ":"), allow_nan=False, default=str).encode()
    data = base64.b64encode(zlib.compress(struct.pack("<I", len(text)) + text + body, 9)).decode()
    row = recorded.row
    outcome = "success" if recorded.success else f"failed ({row['ended']})"
    label = f"{recorded.card['task']}, episode {row['episode']} of seed {row['seed']}, {recorded.card['policy']}: {outcome}"
    return Replay(recorded.id, label, str(recorded.card["task"]), recorded.success, int(row["steps"]), data)


def _head(recorded: Recorded, skills: Sequence[str], screens: Sequence[TextScreen], draws: bool) -> dict[str, Any]:
    """Everything but the screens."""
    row, track = recorded.row, recorded.track
    slots = skill_slots(skills)
    names = list(dict.fromkeys([*skills, *(call[0] for call in row["calls"])]))
    paid = [step for step, reward in enumerate(track.reward) if reward]
    texts = {text: place for place, text in enumerate(dict.fromkeys(track.caption))}
    size = screens[0].chars_HW.shape if screens else (0, 0)
    return {
        "steps": row["steps"],
        "success": recorded.success,
        "ended": row["ended"],
        "broke": row["broke"],
        "skills": names,
        "slots": [slots.get(name, 0) for name in names],
        "calls": [[names.index(skill), *told] for skill, *told in row["calls"]],
        "paid": paid,
        "rewards": [round(track.reward[step], 4) for step in paid],
        "captions": list(texts),
        "caption": [texts[text] for text in track.caption],
        "facts": _changes(track.facts),
        "screen": "text" if screens else "pictures" if draws else "",
        "size": list(size),
        "frame": track.frame if draws else [],
    }


def _changes(facts: Mapping[str, Sequence[Any]]) -> dict[str, tuple[list[int], list[Any]]]:
    """Of each fact, the steps at which it changed and what it was then; those that change all the time, or never, are left out."""
    found = {}
    for name, values in facts.items():
        steps = [step for step in range(len(values)) if not step or values[step] != values[step - 1]]
        if 1 < len(steps) <= 1 + _RESTLESS * len(values):
            found[name] = (steps, [values[step] for step in steps])
    return found


def _text_changes(screens: Iterable[TextScreen]) -> bytes:
    """Screens as changes to the one before; the first one to an empty screen."""
    parts: list[bytes] = []
    before: TextScreen | None = None
    for screen in screens:
        runs = changed_runs(before, screen)
        row, column = screen.cursor
        parts.append(struct.pack("<HH", row * screen.chars_HW.shape[1] + column, len(runs)))
        chars, colours = screen.chars_HW.tobytes(), screen.colours_HW.tobytes()
        for start, end in runs:
            parts += (struct.pack("<HH", start, end - start), chars[start:end], colours[start:end])
        before = screen
    return b"".join(parts)
