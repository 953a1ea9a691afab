"""Follows a project's files from one look to the next."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maestromotif.bench.log import EPISODES_FILE
from maestromotif.rl.glimpse import ASKING_FILE, GAMES_FILE
from maestromotif.stages.card import CARD_FILE
from maestromotif.stages.files import read_json
from maestromotif.stages.lock import lock_holder
from maestromotif.watch.snapshot import WINDOW, GameNow, Played, Png, Snapshot, TextRows, TrainingNow, recent_skills
from maestromotif.watch.tail import Tail

__all__ = ["Follower"]

_RECENT = 6


class Follower:
    """What goes on in a project. No lock is taken; a training is asked to show its games by touching a hidden file. Close it at the end.

    Attributes:
        metrics: every line of the metrics.jsonl that the last snapshot's training is told from.
    """

    def __init__(self, root: Path) -> None:
        self._artifacts, self._root = root / "artifacts", root
        self._since = 0.0
        self._metrics, self._episodes = Tail(), Tail()
        self._cells: dict[tuple[Path, int], tuple[Played, ...]] = {}

    def close(self) -> None:
        """Ask no longer; another follower asks again at its next look."""
        for name in (ASKING_FILE, GAMES_FILE):
            (self._artifacts / name).unlink(missing_ok=True)

    @property
    def metrics(self) -> Sequence[Mapping[str, Any]]:
        return list(self._metrics.rows)

    def look(self) -> Snapshot:
        """The project now. Once the command has ended, what it left is still told."""
        holder = lock_holder(self._root)
        if holder is not None:
            self._since = holder.since
        stage = self._stage() if holder else ""
        return Snapshot(
            command=holder.command if holder else "",
            stage=stage,
            training=self._training(),
            games=self._games() if stage == "train" else (),
            played=(*self._evaluated(), *self._benched()),
            recent=tuple(_told(row) for row in islice(reversed(self._episodes.rows), _RECENT)),
        )

    def _stage(self) -> str:
        """The stage whose card says that it is running, of this command; cards of interrupted ones are older than the command."""
        found = [path for pattern in ("*.part", "*/*.part") for path in self._artifacts.glob(f"{pattern}/{CARD_FILE}")]
        times = {path: _modified(path) for path in found}
        newest = max(times, key=lambda path: times[path], default=None)
        if newest is None or times[newest] < self._since:
            return ""
        return str((read_json(newest) or {}).get("stage", ""))

    def _training(self) -> TrainingNow | None:
        folder = self._fresh("training")
        if folder is None:
            return None
        self._metrics.read(folder / "metrics.jsonl")
        card = read_json(folder / CARD_FILE) or {}
        lines = list(islice(reversed(self._metrics.rows), WINDOW))[::-1]
        try:
            return _training_now(lines, int(card.get("goal", {}).get("steps", 0)), card.get("status") == "done")
        except (LookupError, TypeError, ValueError, AttributeError):  # of another version
            return None

    def _games(self) -> tuple[GameNow, ...]:
        """What a training answered to the last look; asks it to answer again."""
        asking, answer = (self._artifacts / name for name in (ASKING_FILE, GAMES_FILE))
        with contextlib.suppress(OSError):  # a folder that is not ours to write
            asking.touch()
        if _modified(answer) < self._since:
            return ()
        try:
            told = json.loads(answer.read_text(encoding="utf-8"))
            names = told["skills"]
            return tuple(
                GameNow(
                    names[game["skill"]],
                    game["episode"],
                    game["time"],
                    tuple(names[skill] for skill in game["skills"]),
                    tuple(game["rewards"]),
                    _screen(game.get("screen")),
                )
                for game in told["games"]
            )
        except (OSError, ValueError, LookupError, TypeError):
            return ()

    def _evaluated(self) -> Iterator[Played]:
        """Of every finished cell of an evaluation, the one under way included."""
        places = [("evaluation", self._fresh("evaluation"))]
        places += [("solve", path) for path in self._artifacts.glob("solved/*.part")]
        for source, place in places:
            if place is None:
                continue
            for marker in sorted([*place.glob("skills/*.json"), *place.glob("tasks/*/*.json")]):
                key = marker, _stamp(marker)
                if key not in self._cells:
                    try:
                        self._cells[key] = tuple(_cell(source, marker))
                    except (OSError, pa.ArrowException, LookupError):
                        continue  # about to be renamed or played again
                yield from self._cells[key]

    def _benched(self) -> Iterator[Played]:
        path = self._artifacts / "bench" / EPISODES_FILE
        if _modified(path) < self._since:
            return
        self._episodes.read(path)
        trials: Counter[tuple[str, str]] = Counter()
        successes: Counter[tuple[str, str]] = Counter()
        for row in self._episodes.rows:
            where = str(row.get("task", "")), str(row.get("policy", ""))
            trials[where] += 1
            successes[where] += row.get("broke") is None
        for where, count in trials.items():
            yield Played("bench", *where, successes[where], count)

    def _fresh(self, name: str) -> Path | None:
        """The artifact under way; else the finished one, unless a command is at work and it is older than that."""
        done = self._artifacts / name
        part = done.with_name(f"{name}.part")
        if part.is_dir():
            return part
        card = read_json(done / CARD_FILE) or {}
        try:
            finished = datetime.fromisoformat(card["finished"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None
        # Cards tell whole seconds.
        return done if finished + 1 >= self._since else None


def _screen(told: Mapping[str, Any] | None) -> TextRows | Png | None:
    """See ``domains.screens.screen_json``; whatever else it is, it is text."""
    if not told:
        return None
    if "png" in told:
        return Png(base64.b64encode(base64.b64decode(told["png"], validate=True)).decode())
    rows = []
    for text, colours in zip(told["rows"], told["colours"], strict=True):
        pairs = groupby(zip(text, colours, strict=True), key=lambda pair: pair[1])
        rows.append(tuple(("".join(letter for letter, _ in pair), int(colour, 16)) for colour, pair in pairs))
    return TextRows(tuple(rows))


def _training_now(lines: Sequence[Mapping[str, Any]], goal: int, finished: bool) -> TrainingNow | None:
    if not lines:
        return None
    last = lines[-1]
    rates = [line["time"]["steps_per_second"] for line in lines]
    # The mean of seconds for a step, not of steps in a second.
    rate = len(rates) / sum(1 / one for one in rates if one > 0) if any(rates) else 0.0
    warnings = tuple(sign["text"] for sign in last.get("warnings", ()))
    return TrainingNow(int(last["steps"]), goal, rate, float(last["time"]["elapsed"]), recent_skills(lines), warnings, finished)


def _cell(source: str, marker: Path) -> Iterator[Played]:
    """A cell of an evaluation: each skill's calls, or a task's episodes."""
    policy, task = marker.stem, marker.parent.name
    if marker.parent.parent.name != "tasks":
        calls = pq.read_table(marker.with_suffix(".calls.parquet"), columns=["skill", "success"])
        for skill in dict.fromkeys(calls.column("skill").to_pylist()):
            own = calls.filter(pc.equal(calls.column("skill"), skill)).column("success").to_pylist()
            yield Played(source, skill, policy, sum(map(bool, own)), len(own))
        return
    criteria = (read_json(marker) or {}).get("criteria") or []
    column = f"success.{'landmark' if 'landmark' in criteria else criteria[0]}" if criteria else "claimed"
    episodes = pq.read_table(marker.with_suffix(".episodes.parquet"), columns=[column]).column(column).to_pylist()
    yield Played(source, task, policy, sum(map(bool, episodes)), len(episodes))


def _told(row: Mapping[str, Any]) -> str:
    """``gnomish_mines, trained: failed after 600 steps (descender, discoverer; cut)``."""
    skills = ", ".join(dict.fromkeys(str(call[0]) for call in row.get("calls", ())))
    how = "accomplished" if row.get("broke") is None else "failed"
    return f"{row.get('task', '')}, {row.get('policy', '')}: {how} after {row.get('steps', 0):,} steps ({skills}; {row.get('ended', '')})"


def _modified(path: Path) -> float:
    """Seconds since 1970; 0 where there is no such file."""
    return _stamp(path) / 1e9


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
