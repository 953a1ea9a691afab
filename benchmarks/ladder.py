"""Success as tasks get more complex: the ladder of composite tasks, played by the trained skills that ship with the package.

    python benchmarks/ladder.py --episodes 6 --horizon 2000 --noise 0 20 --out benchmarks/results/ladder.json

For each number of goals, the same goals and one more: episodes with success, its Wilson interval, and what simulated episodes of the same
programs expect, with skills as measured and with skills that never fail. ``bench`` plays, so the same command goes on after an
interruption if ``--project`` keeps the folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from maestromotif.bench.stats import wilson
from maestromotif.domains.nethack.ladder import MOST_GOALS
from maestromotif.files import write_atomically
from maestromotif.programs.trial import expected_rate

COMMAND = [sys.executable, "-m", "maestromotif"]


def play(project: Path, tasks: list[str], episodes: int) -> dict[str, list[dict[str, Any]]]:
    """Rows of the trained network's episodes, by task."""
    order = ["--tasks", ",".join(tasks), "--policies", "trained", "--episodes", str(episodes)]
    subprocess.run([*COMMAND, "bench", str(project), *order], check=True)
    rows: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    for line in (project / "artifacts" / "bench" / "episodes.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["task"] in rows and row["policy"] == "trained" and row["episode"] < episodes:
            rows[row["task"]].append(row)
    return rows


def simulated(project: Path, task: str, horizon: int) -> dict[str, float]:
    """Share of simulated episodes with success, by how skills fare."""
    trials = json.loads((project / "artifacts" / "tasks" / task / "trials.json").read_text(encoding="utf-8"))
    expected = trials["programs"][f"{task}.py"]["expected"]
    return {who: expected_rate(kept, "landmark", horizon) or 0.0 for who, kept in expected.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="a trained project; by default one of the package's trained skills, made for this")
    parser.add_argument("--episodes", type=int, default=6, help="of each task")
    parser.add_argument("--numbers", type=int, default=3, help="tasks of each size")
    parser.add_argument("--horizon", type=int, default=2_000)
    parser.add_argument("--noise", type=int, nargs="+", default=[0, 20], help="per cent of steps that slip")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = given.project or Path(folder) / "project"
        if not project.exists():
            subprocess.run([*COMMAND, "init", "--pretrained", str(project)], check=True, stdout=subprocess.DEVNULL)
        rungs = [study(project, goals, noise, given) for noise in given.noise for goals in range(1, MOST_GOALS + 1)]
    for rung in rungs:
        low, high = rung["interval"]
        bar = "#" * round(40 * rung["success"])
        print(f"{rung['goals']} goals, noise {rung['noise']:>2} %: {rung['success']:>4.0%} ({low:.0%}-{high:.0%})  {bar}")
    document = {"episodes_of_each_task": given.episodes, "tasks_of_each_size": given.numbers, "horizon": given.horizon, "rungs": rungs}
    if given.out:
        write_atomically(given.out, json.dumps(document, indent=1) + "\n")


def study(project: Path, goals: int, noise: int, given: argparse.Namespace) -> dict[str, Any]:
    """One number of goals."""
    ending = f"-n{noise}" if noise else ""
    tasks = [f"ladder-g{goals}-h{given.horizon}-s{number}{ending}" for number in range(1, given.numbers + 1)]
    rows = [row for own in play(project, tasks, given.episodes).values() for row in own]
    successes = sum(row["success"]["landmark"] for row in rows)
    interval = wilson(successes, len(rows))
    expected = [simulated(project, task, given.horizon) for task in tasks]
    return {
        "goals": goals,
        "noise": noise,
        "tasks": tasks,
        "episodes": len(rows),
        "successes": successes,
        "success": successes / len(rows),
        "interval": [interval.low, interval.high],
        "mean_steps": mean(row["steps"] for row in rows),
        "died": sum(row["ended"] == "died" for row in rows),
        "simulated": {who: mean(rates[who] for rates in expected) for who in expected[0]},
    }


if __name__ == "__main__":
    main()
