"""What it costs a training to be watched: windows with and without an open live page take turns within one training.

    python benchmarks/watch.py [PROJECT] [--pairs N] [--updates N] [--out FILE]

Counted is processor time for each step, of the training and all of its processes, from update to update, since what else a machine does
changes that little. Every window with a watcher is compared with the mean of the two without one around it; the interval is a bootstrap
over them. The watcher's own processor time is told beside it. PROJECT has everything before its training; by default a grid house is
made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.cli.watch import headline
from maestromotif.files import write_atomically
from maestromotif.rl.glimpse import ASKING_FILE
from maestromotif.skills import SkillSet
from maestromotif.watch.page import INTERVAL, LivePage
from maestromotif.watch.tail import Tail

_POLL = 0.02  # seconds between two looks for a new update


def processor_seconds(pid: int) -> float:
    """Of all threads of a process and of the processes that it has started, to the nanosecond; of those that live."""
    total = 0.0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
            total += sum(processor_seconds(int(child)) for child in (task / "children").read_text().split())
    except OSError:  # it has just ended
        pass
    return total


class Window:
    """Processor seconds of a training for each of its steps, over so many updates."""

    def __init__(self, pid: int, metrics: Path, updates: int) -> None:
        self._pid, self._metrics, self._updates, self._tail = pid, metrics, updates, Tail()
        self._next = 0.0

    def measure(self, live: LivePage | None) -> tuple[float, float]:
        """Also the share of a processor that this process took. With a page, it is asked as an open one asks."""
        seen = [self._update(live)]
        began, own = time.monotonic(), time.process_time()
        seen += [self._update(live) for _ in range(self._updates)]
        (first, before), (last, after) = seen[0], seen[-1]
        return (after - before) / (last - first), (time.process_time() - own) / (time.monotonic() - began)

    def _update(self, live: LivePage | None) -> tuple[int, float]:
        """Wait for the next one: steps and processor seconds up to it."""
        known = len(self._tail.rows)
        while not self._tail.read(self._metrics) or len(self._tail.rows) == known:
            if live is not None and time.monotonic() >= self._next:
                live.state("")
                self._next = time.monotonic() + INTERVAL
            time.sleep(_POLL)
        return int(self._tail.rows[-1]["steps"]), processor_seconds(self._pid)


def windows(pid: int, root: Path, pairs: int, updates: int) -> Iterator[tuple[float, float]]:
    """Without and with a watcher in turns; the first and the last are without."""
    window = Window(pid, root / "artifacts" / "training.part" / "metrics.jsonl", updates)
    live = LivePage(root, SkillSet.load(root / "skills.toml"), headline)
    try:
        live.state("")  # what is loaded and drawn for the first time
        for place in range(2 * pairs + 1):
            (root / "artifacts" / ASKING_FILE).unlink(missing_ok=True)
            yield window.measure(live if place % 2 else None)
    finally:
        live.close()


def make_project(root: Path) -> None:
    """A grid house up to its training."""
    for command in ("init", "collect", "annotate", "reward", "program"):
        more = ["--domain", "grid"] if command == "init" else []
        print("maestromotif", command, flush=True)
        subprocess.run([sys.executable, "-m", "maestromotif", command, str(root), *more], check=True, stdout=subprocess.DEVNULL)


def measure(root: Path, pairs: int, updates: int) -> dict[str, Any]:
    """Train, watch now and then, and end the training."""
    settings = ("train.steps=100000000", "train.checkpoint_seconds=1e6")
    command = [sys.executable, "-m", "maestromotif", "train", str(root), *(word for one in settings for word in ("--set", one))]
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        metrics = root / "artifacts" / "training.part" / "metrics.jsonl"
        while not metrics.is_file() or metrics.read_bytes().count(b"\n") < 3:
            assert training.poll() is None, "the training has ended"
            time.sleep(0.2)
        found = list(windows(training.pid, root, pairs, updates))
    finally:
        training.terminate()
        training.wait()
    costs, own = [cost for cost, _ in found], [share for _, share in found]
    more = [100 * (costs[place] / statistics.mean((costs[place - 1], costs[place + 1])) - 1) for place in range(1, len(costs), 2)]
    drawn = np.random.default_rng(0).choice(more, (10_000, len(more))).mean(1)
    return {
        "pairs": pairs,
        "updates": updates,
        "microseconds_per_step": 1e6 * statistics.mean(costs[::2]),
        "more_percent": statistics.mean(more),
        "interval_percent": np.quantile(drawn, (0.025, 0.975)).tolist(),
        "each_percent": more,
        "watcher_percent_of_a_processor": 100 * (statistics.mean(own[1::2]) - statistics.mean(own[::2])),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--updates", type=int, default=12, help="of each window")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.project or Path(scratch) / "house"
        if arguments.project is None:
            make_project(root)
        found = measure(root, arguments.pairs, arguments.updates)
    (low, high), more = found["interval_percent"], found["more_percent"]
    print(f"watched, a step takes {more:+.2f} % of processor time (95 %: {low:+.2f} to {high:+.2f}, {arguments.pairs} pairs of windows)")
    print(f"the watcher takes {found['watcher_percent_of_a_processor']:.1f} % of a processor")
    if arguments.out is not None:
        write_atomically(arguments.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
