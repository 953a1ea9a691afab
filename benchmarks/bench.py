"""How fast ``bench`` plays beside training: alternately, in one run, since machines are shared.

    python benchmarks/bench.py --project my-dungeon

Both with as many workers, and with the weights that training began with. Training acts and learns; a bench acts, asks programs and
criteria after every step, keeps every call, and waits for its longest episode.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from train import measure_training

from maestromotif.bench.cells import BenchOrder, play_cells
from maestromotif.bench.log import EpisodeLog
from maestromotif.files import write_atomically
from maestromotif.project import Project
from maestromotif.rl.config import TrainConfig
from maestromotif.stages.catalogue import evaluation_setting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, help="a project with a training and a task's program")
    parser.add_argument("--task", help="by default the first that has a program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=128, help="of each bench")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    project = Project.open(arguments.project)
    task = arguments.task or next(task for task in project.domain.tasks if (project.folder(f"task:{task}") / f"{task}.py").exists())
    source = (project.folder(f"task:{task}") / f"{task}.py").read_text(encoding="utf-8")
    setting = evaluation_setting(project)
    setting = replace(setting, config=setting.config.model_copy(update={"workers": arguments.workers, "games": arguments.games}))
    order = BenchOrder("benchmark", {task: {"own": source}}, ("untrained",), (1,), arguments.episodes)
    config = TrainConfig(workers=arguments.workers, games=arguments.games, groups=1, tensorboard=False, checkpoint_seconds=1e9)
    rounds = []
    for number in range(arguments.rounds):
        training = measure_training(project, config, 60_000, False)
        with tempfile.TemporaryDirectory() as folder:
            rates = play_cells(setting, order, EpisodeLog(Path(folder)), lambda fraction, text: None)
        found = {
            "training": training["learning"]["steps_per_second"],
            "acting": training["acting"]["steps_per_second"],
            "bench": rates[task],
        }
        rounds.append({**found, "ratio": found["bench"] / found["training"]})
        print(f"round {number + 1}: " + ", ".join(f"{name} {value:,.2f}" for name, value in rounds[-1].items()), flush=True)
    ratio = statistics.median(entry["ratio"] for entry in rounds)
    print(f"bench plays at {ratio:.0%} of the rate of training (median)")
    if arguments.out:
        write_atomically(arguments.out, json.dumps({"task": task, "rounds": rounds, "ratio": ratio}, indent=1) + "\n")


if __name__ == "__main__":
    main()
