"""Skills beside networks that were trained for a task: seeds x methods in one command, with one table.

    python benchmarks/zero_shot.py --domain grid --home work/grid --out benchmarks/results/zero-shot-grid.json

For every seed there is one training of the skills from AI feedback, one from the domain's own measure in place of feedback
(``annotator = "ground-truth"``), and for every task a network that is trained on the task's own reward (flat PPO) for as many steps as all
skills together had. All of them, the untrained network and chance play the same full episodes, a series for each seed.
``--flat-set train.core='"gru"'`` adds a row of flat networks with other settings.

Every part is a project below ``--home``, made and continued by ``maestromotif baselines``. So the same command goes on after an
interruption, and the table is written anew whenever a part is done.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.bench.aggregate import mean_and_error
from maestromotif.bench.stats import wilson
from maestromotif.domains.registry import load_domain

FEEDBACK, TRUTH, FLAT = "skills, feedback", "skills, ground truth", "flat PPO"


@dataclass(frozen=True)
class Part:
    """What one command trains and plays.

    Attributes:
        name: of its folders below ``--home``, a seed's number behind it.
        rows: a row of the table for each method of ``maestromotif baselines``.
        settings: of ``--set``.
    """

    name: str
    rows: Mapping[str, str]
    settings: Sequence[str] = ()


def parts(flat_settings: Sequence[str]) -> Iterator[Part]:
    """What each seed consists of, in the order in which it is done: a part for all seeds, then the next one."""
    yield Part("feedback", {"zero-shot": FEEDBACK, "untrained": "skills, untrained", "random": "chance"})
    yield Part("truth", {"zero-shot": TRUTH}, ['annotate.annotator="ground-truth"'])
    yield Part("flat", {"task-reward": FLAT})
    if flat_settings:
        yield Part("flat-other", {"task-reward": f"{FLAT}, {', '.join(flat_settings)}"}, flat_settings)


def play(part: Part, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train and play a part, or what is missing of it; what ``maestromotif baselines --json`` says."""
    project = options.home / f"{part.name}-{seed}"
    if not (project / "maestro.toml").is_file():
        _maestromotif("init", str(project), "--domain", options.domain)
    settings = [f"project.seed={seed}", f"train.steps={options.steps}", *options.set, *part.settings]
    chosen = ["--methods", ",".join(part.rows), "--tasks", ",".join(options.tasks)]
    # Each seed has episodes of its own, the same for all of its rows.
    counts = ["--steps", str(options.steps), "--episodes", str(options.episodes), "--seeds", f"{seed},", "--json"]
    said = _maestromotif("baselines", str(project), *chosen, *counts, *(word for one in settings for word in ("--set", one)))
    found: dict[str, Any] = json.loads(said)
    return found


def _maestromotif(*words: str) -> str:
    """Output of a command; its progress goes where this script's does.

    Raises:
        SystemExit: it failed, and has said why.
    """
    done = subprocess.run([sys.executable, "-m", "maestromotif", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def gather(rows: Mapping[str, str], found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A seed's part of each row: successes by task, and what the training cost."""
    gathered = {}
    for method, name in rows.items():
        spent = found["methods"][method]
        tasks = {}
        for task, one in found["tasks"].items():
            rate = one["criteria"][one["accomplished"]]["policies"][method]
            tasks[task] = {key: rate[key] for key in ("successes", "episodes", "low", "high")}
            tasks[task]["steps"] = one["counts"]["steps"][method]["mean"]
        cost = {"networks": spent["networks"], "steps": spent["steps"], "seconds": round(spent["seconds"])}
        gathered[name] = {"trained": cost, "tasks": tasks}
    return gathered


def over_seeds(seeds: Mapping[str, Mapping[str, Any]], row: str, task: str) -> dict[str, Any]:
    """A row's rate in a task: of all episodes with Wilson's interval, and the mean of the seeds with its standard error."""
    each = [seed[row]["tasks"][task] for seed in seeds.values() if row in seed]
    won, played = (sum(one[key] for one in each) for key in ("successes", "episodes"))
    interval = wilson(won, played)
    spread = mean_and_error([one["successes"] / one["episodes"] for one in each])
    error = spread.error if spread.runs > 1 else None
    together = {"successes": won, "episodes": played, "low": interval.low, "high": interval.high}
    return {**together, "mean": spread.mean, "standard_error": error, "each": [one["successes"] for one in each]}


def markdown(results: Mapping[str, Any]) -> str:
    """A row for each task, a column for each way to it: successes of each seed, the rate of all of them together, and its interval."""
    rows = list(results["rows"])
    lines = ["| task | " + " | ".join(rows) + " |", "| --- " * (len(rows) + 1) + "|"]
    for task in results["tasks"]:
        cells = []
        for row in rows:
            one = results["rows"][row][task]
            each = ", ".join(map(str, one["each"]))
            cells.append(f"{each}: {100 * one['mean']:.1f} % ({100 * one['low']:.0f}-{100 * one['high']:.0f})")
        lines.append(f"| `{task}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="grid")
    parser.add_argument("--home", type=Path, required=True, help="folder of the projects; keep it to go on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tasks", nargs="+", help="by default those that the domain recommends to evaluate, or all")
    parser.add_argument("--steps", type=int, help="of every training; by default what the domain recommends")
    parser.add_argument("--episodes", type=int, default=64, help="of each task, method and seed")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all projects")
    parser.add_argument("--flat-set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of a second row of flat networks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    domain = load_domain(options.domain)
    options.tasks = options.tasks or domain.recommended.get("evaluate", {}).get("tasks") or list(domain.tasks)
    options.steps = options.steps or domain.recommended["train"]["steps"]
    options.home.mkdir(parents=True, exist_ok=True)
    seeds: dict[str, dict[str, Any]] = {}
    for part in parts(options.flat_set):
        for seed in options.seeds:
            print(f"== seed {seed}: {', '.join(part.rows.values())}", file=sys.stderr)
            seeds.setdefault(str(seed), {}).update(gather(part.rows, play(part, seed, options)))
            results = summary(options, seeds)
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            print(markdown(results))


def summary(options: argparse.Namespace, seeds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything that was found so far."""
    rows = list(dict.fromkeys(row for seed in seeds.values() for row in seed))
    return {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "domain": options.domain,
        "settings": options.set,
        "steps": options.steps,
        "episodes": options.episodes,
        "tasks": options.tasks,
        "rows": {row: {task: over_seeds(seeds, row, task) for task in options.tasks} for row in rows},
        "seeds": seeds,
    }


if __name__ == "__main__":
    main()
