"""Numbers of a training: one JSON line for each update, the same for TensorBoard, and warnings at signs of failure."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.files import write_atomically
from maestromotif.rl.arrays import StepArrays
from maestromotif.types import EndCause

__all__ = ["RECENT", "Metrics", "MetricsFile", "SkillCounts", "TensorBoard", "failure_signs", "read_metrics", "skill_metrics", "walk"]

Metrics = dict[str, Any]
# Updates over which a training must be unstable before it is called so.
RECENT = 20
# In medians over RECENT updates. Trainings that came to something, on the corridor and on NetHack, kept above 0 and below 0.14.
_BAD_VALUES = -0.5
_BAD_KL = 0.3
_NAMES = ("calls", "call_steps", "call_return", "measured", "steps", "ends", "games")


class SkillCounts:
    """Differences of the games' running sums from one update to the next."""

    def __init__(self, arrays: StepArrays) -> None:
        self._arrays = arrays
        self._before = self._sums()

    def _sums(self) -> dict[str, NDArray[np.float64]]:
        return {name: getattr(self._arrays, name).sum(0) for name in _NAMES}

    def take(self) -> dict[str, NDArray[np.float64]]:
        """Sums since the last call: ``[K]`` each; ``ends`` ``[K, 6]``; ``games`` ``[5]``. See ``StepArrays``."""
        now = self._sums()
        before, self._before = self._before, now
        return {name: now[name] - before[name] for name in _NAMES}


def skill_metrics(skills: tuple[str, ...], measured: tuple[bool, ...], counts: Mapping[str, NDArray[np.float64]]) -> dict[str, Metrics]:
    """Per skill id: ``calls``, ``steps``, ``share`` of all steps, and, where calls ended, mean ``return`` and ``duration``,
    ``ends`` (fraction by cause) and ``success`` (rate of the skill's measure among calls that were not cut; None without one).
    ``calls_per_episode`` is how many calls an episode holds that is as long as those which ended; None where none did."""
    result: dict[str, Metrics] = {}
    all_steps = max(1.0, float(counts["steps"].sum()))
    ended, ended_steps = (float(count) for count in counts["games"][:2])
    for index, skill in enumerate(skills):
        calls = float(counts["calls"][index])
        values: Metrics = {
            "calls": int(calls),
            "calls_per_episode": calls * ended_steps / ended / all_steps if ended else None,
            "steps": int(counts["steps"][index]),
            "share": float(counts["steps"][index]) / all_steps,
            "return": None,
            "duration": None,
            "ends": {},
            "success": None,
        }
        if calls:
            values["return"] = float(counts["call_return"][index]) / calls
            values["duration"] = float(counts["call_steps"][index]) / calls
            values["ends"] = {cause.name.lower(): float(counts["ends"][index, cause]) / calls for cause in EndCause if cause}
            fair = calls - float(counts["ends"][index, EndCause.CUT])
            if measured[index] and fair:
                values["success"] = float(counts["measured"][index]) / fair
        result[skill] = values
    return result


def failure_signs(
    metrics: Metrics,
    progress: float,
    calls: Mapping[str, float],
    rewarded: Mapping[str, float],
    collapsed: float,
    recent: Sequence[Metrics] = (),
    waiting: Collection[str] = (),
) -> list[dict[str, str]]:
    """Signs that a training will not come to much, each with ``sign``, ``skill`` ("" if it concerns all) and ``text``.

    Args:
        metrics: of the present update.
        progress: share of the training that is done; too early, nothing is said of rare events.
        calls, rewarded: per skill, calls ended and returns summed since the beginning.
        collapsed: entropy below which actions hardly vary.
        recent: of the last ``RECENT`` updates, this one included; of fewer, nothing is said of what takes long to show.
        waiting: skills that the curriculum does not want drawn yet.
    """
    signs: list[dict[str, str]] = []

    def add(sign: str, skill: str, text: str) -> None:
        signs.append({"sign": sign, "skill": skill, "text": text})

    if progress > 0.05:
        for skill, count in calls.items():
            if not count and not metrics["skills"][skill]["steps"] and skill not in waiting:
                add("never started", skill, f"skill {skill} has never been started: look at its can_start and at the schedule")
            elif count >= 20 and rewarded[skill] <= 0:
                text = (
                    f"skill {skill} was never rewarded in {count:.0f} calls: its reward may miss the intent, or its threshold be too high"
                )
                add("never rewarded", skill, text)
    if metrics["entropy"] < collapsed:
        add("entropy collapsed", "", "the policy hardly varies its actions any more: raise entropy, or lower learning_rate")
    ended = sum(values["calls"] for values in metrics["skills"].values())
    steps = sum(values["steps"] for values in metrics["skills"].values())
    if ended and steps / ended < 2.5:
        text = f"skills change every {steps / ended:.1f} steps: terminations fire at once, or contradict the initiations"
        add("excessive switching", "", text)
    if len(recent) >= RECENT:
        explained = median(line["explained_variance"] for line in recent)
        if explained < _BAD_VALUES:
            text = f"values have been worse than none for {RECENT} updates (explained variance {explained:.1f}): lower learning_rate"
            add("unstable values", "", text)
        kl = median(line["kl"] for line in recent)
        if kl > _BAD_KL:
            text = f"the policy has leapt for {RECENT} updates (kl {kl:.2f}): lower learning_rate or epochs, or enlarge minibatch"
            add("unstable policy", "", text)
    return signs


class MetricsFile:
    """metrics.jsonl: appended one whole line at a time.

    Args:
        keep: lines with more steps than this are dropped first (a resumed run goes back to its checkpoint).

    Attributes:
        recent: the last ``RECENT`` lines.
    """

    def __init__(self, path: Path, keep: int) -> None:
        kept = [line for line in read_metrics(path) if line["steps"] <= keep] if path.exists() else []
        lines = [json.dumps(line) + "\n" for line in kept]
        write_atomically(path, "".join(lines))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.recent: deque[Metrics] = deque(kept, maxlen=RECENT)

    def append(self, metrics: Metrics) -> None:
        self.recent.append(metrics)
        os.write(self._file, (json.dumps(metrics) + "\n").encode())

    def close(self) -> None:
        os.close(self._file)


def read_metrics(path: Path) -> list[Metrics]:
    """All complete lines of a metrics.jsonl; a last line that a kill has torn is left out."""
    lines: list[Metrics] = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


class TensorBoard:
    """The same numbers as event files; lines after ``keep`` steps are hidden in a resumed run."""

    def __init__(self, folder: Path, keep: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=keep or None)

    def add(self, metrics: Metrics) -> None:
        walk(metrics, "", lambda name, value: self._writer.add_scalar(name, value, metrics["steps"]))

    def close(self) -> None:
        self._writer.close()


def walk(value: Any, name: str, add: Callable[[str, float], None]) -> None:
    """Every number of a line, with its path as its name: ``skills/<skill>/return``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            walk(inner, f"{name}/{key}" if name else str(key), add)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        add(name, float(value))
