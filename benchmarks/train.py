"""How fast training is, what each part of it costs, and how that compares with the games alone.

    python benchmarks/train.py                            # NetHack, on one core and on all
    python benchmarks/train.py --project demo             # with the programs and rewards of a trained project
    python benchmarks/train.py --networks reference --cores 2
    python benchmarks/train.py --profile                  # and where the time goes

Five measurements with the same games, each with one thing more: the games alone (nle, prompts and macros), with features, with programs and
rewards, with the network acting, with the network learning from every step once. The first three are played by chance and without any
exchange between processes; the games alone play the very actions that were played with features. Prints a table, and stores everything
as JSON where ``--out`` says. Trust the ratios of one run more than figures of two.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import multiprocessing
import os
import platform
import pstats
import queue
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.domains.contract import ACTION_MASK
from maestromotif.project import Project
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, build_part, describe_domain, load_part_domain, split
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.training import Training, read_sources

NETWORKS: dict[str, dict[str, Any]] = {
    "small, feed-forward": {"network": "small", "core": "ff"},
    "small, GRU": {"network": "small"},
    "light, feed-forward": {"network": "light", "core": "ff"},
    "light, LSTM": {"network": "light"},
    "reference": {"network": "reference"},
}
_SEED = 1


def pss() -> int:
    """Proportional memory of this process, in bytes; 0 where the system does not say."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]


def processor_seconds() -> float:
    """Of this process and its living children."""
    total = time.process_time()
    tick = os.sysconf("SC_CLK_TCK")
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


class Clock:
    """Seconds and processor seconds of what is done inside ``with``, summed."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.processor += time.process_time() - self._began[1]

    def per_step(self, steps: int) -> dict[str, float]:
        return {"wall": self.wall / steps, "processor": self.processor / steps}


def choose(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sums = mask.cumsum(1)
    return (sums > rng.random((len(mask), 1)) * sums[:, -1:]).argmax(1)


def play_part(text: str, games: tuple[int, int], turns: int, barrier: Any, out: Any, profile: bool) -> None:
    """One process's share of the measurements without a network."""
    spec = GamesSpec.from_json(text)
    domain, count = load_part_domain(spec), games[1] - games[0]
    result: dict[str, Any] = {}
    rng = np.random.default_rng(games[0])
    before = pss()
    env = domain.make_env(count)
    clock, script = Clock(), []
    env.reset(range(count), range(count))
    warm = 20
    seed = 1000
    barrier.wait()
    for turn in range(turns + warm):
        if turn == warm:
            clock = Clock()
        actions = choose(env.observation[ACTION_MASK], rng)
        with clock:
            env.step(actions)
            ended = np.flatnonzero(env.terminated_B).tolist()
            seeds = list(range(seed, seed + len(ended)))
            if ended:
                env.reset(ended, seeds)
        seed += len(ended)
        script.append((actions.tolist(), ended, seeds))
    result["features"] = clock.per_step(turns * count)
    result["bytes_per_game"] = (pss() - before) / count
    if hasattr(env, "games"):
        for game, one in enumerate(env.games):
            one.reset(game)
        barrier.wait()
        for turn, (actions, ended, seeds) in enumerate(script):
            if turn == warm:
                clock = Clock()
            with clock:
                for one, action in zip(env.games, actions, strict=True):
                    one.step(action)
                for game, number in zip(ended, seeds, strict=True):
                    env.games[game].reset(number)
        result["games"] = clock.per_step(turns * count)
    env.close()
    shape = (domain.observation_for(spec.observation), count, len(spec.skills), 1)
    arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
    arrays.guidance[...] = 1
    part = build_part(spec, domain, arrays, range(*games), (0,) * count, lambda result: None)
    part.reset()
    barrier.wait()
    profiler = cProfile.Profile() if profile and games[0] == 0 else None
    for turn in range(turns + warm):
        if turn == warm:
            clock = Clock()
            if profiler is not None:
                profiler.enable()
        arrays.action[...] = choose(arrays.observation[ACTION_MASK], rng)
        with clock:
            part.step()
    if profiler is not None:
        profiler.disable()
        stream = io.StringIO()
        pstats.Stats(profiler, stream=stream).sort_stats("tottime").print_stats(25)
        result["profile"] = stream.getvalue()
    result["programs"] = clock.per_step(turns * count)
    part.close()
    out.put(result)


def measure_games(spec: GamesSpec, processes: int, steps: int, profile: bool) -> dict[str, Any]:
    """Steps a second and processor seconds a step of everything without a network."""
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(processes), context.Queue()
    shares = [(part.start, part.stop) for part in split(spec.num_games, processes)]
    turns = max(50, steps // spec.num_games)
    children = [context.Process(target=play_part, args=(spec.to_json(), share, turns, barrier, out, profile)) for share in shares]
    for child in children:
        child.start()
    results: list[dict[str, Any]] = []
    while len(results) < len(children):
        try:
            results.append(out.get(timeout=1))
        except queue.Empty:
            if any(child.exitcode for child in children):
                barrier.abort()
                raise SystemExit("a process that plays games has failed; see above") from None
    for child in children:
        child.join()
    found: dict[str, Any] = {}
    for name in ("games", "features", "programs"):
        if name in results[0]:
            found[name] = {
                "steps_per_second": sum(1 / result[name]["wall"] for result in results),
                "processor": float(np.mean([result[name]["processor"] for result in results])),
            }
    found["bytes_per_game"] = float(np.mean([result["bytes_per_game"] for result in results]))
    for result in results:
        if "profile" in result:
            print(result["profile"])
    return found


def measure_training(project: Project, config: TrainConfig, steps: int, profile: bool) -> dict[str, Any]:
    """The network acting, then acting and learning, with the parts of the latter."""
    programs, rewards = project.folder("program"), project.folder("reward")
    rollout = config.rollout * config.games
    updates = max(2, steps // rollout)
    acting, learning, parts = [0.0, 0.0], [0.0, 0.0], {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        training = Training(
            domain=project.domain,
            skills=project.skills,
            sources=read_sources(programs),
            rewards_dir=rewards,
            config=config,
            out=Path(folder),
            seed=_SEED,
            reward_maker="maestromotif.rl.build:load_rewards",
            home=project.root,
            stack=stack,
        )
        training.update()
        began = time.perf_counter(), processor_seconds()
        for _ in range(updates):
            training.experience.collect()
        acting = [time.perf_counter() - began[0], processor_seconds() - began[1]]
        training.update()
        began = time.perf_counter(), processor_seconds()
        for _ in range(updates):
            spent = training.update()["time"]
            for name, value in spent.items():
                if name not in ("elapsed", "steps_per_second"):
                    parts[name] = parts.get(name, 0.0) + value / updates / rollout
        learning = [time.perf_counter() - began[0], processor_seconds() - began[1]]
        if profile:
            from torch.profiler import ProfilerActivity
            from torch.profiler import profile as torch_profile

            with torch_profile(activities=[ProfilerActivity.CPU]) as profiler:
                training.update()
            print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40))
    total = updates * rollout
    return {
        "acting": {"steps_per_second": total / acting[0], "processor": acting[1] / total},
        "learning": {"steps_per_second": total / learning[0], "processor": learning[1] / total},
        "parts": parts,
    }


def small_project(folder: Path, domain: str) -> Project:
    """Programs and rewards made quickly, with the recorded answers and few pairs: what they cost does not depend on how good they are."""
    print("making programs and rewards (a minute or two; --project takes those of a project) ...", file=sys.stderr)
    command = [sys.executable, "-m", "maestromotif"]
    subprocess.run([*command, "init", str(folder), "--domain", domain], check=True, stdout=subprocess.DEVNULL)
    file = folder / "maestro.toml"
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^pairs = .*$", "pairs = 1_500", text)
    text = re.sub(r"(?ms)(\[collect\].*?^steps = )[\d_]+", r"\g<1>16_000", text)
    file.write_text(text, encoding="utf-8")
    for stage in ("collect", "annotate", "reward", "program"):
        subprocess.run([*command, stage, str(folder)], check=True, stdout=subprocess.DEVNULL)
    return Project.open(folder)


def describe_machine() -> dict[str, Any]:
    import torch

    model = ""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else ""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {"processor": model or platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "torch": torch.__version__}


LABELS = {
    "games": "games alone",
    "features": "+ features",
    "programs": "+ programs, rewards",
    "acting": "+ network acts",
    "learning": "+ network learns",
}


def print_table(cores: int, network: str, rows: dict[str, Any]) -> None:
    base = rows.get("games", rows["features"])["steps_per_second"]
    print(f"\n{network}, {cores} core{'s' if cores > 1 else ''}")
    print(f"{'':22}{'steps/s':>10}{'share':>8}{'CPU us/step':>13}{'steps/CPU-s':>13}")
    for name, label in LABELS.items():
        if name in rows:
            rate, used = rows[name]["steps_per_second"], rows[name]["processor"]
            print(f"{label:22}{rate:>10,.0f}{rate / base:>8.2f}{used * 1e6:>13.1f}{1 / used:>13,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="nethack", help="a registered domain (without --project)")
    parser.add_argument("--project", type=Path, help="a project with programs and rewards; without it, small ones are made")
    parser.add_argument("--cores", type=int, nargs="*", help="by default 1 and all; as many workers play")
    parser.add_argument("--networks", nargs="*", default=["small, feed-forward", "small, GRU", "reference"], help=", ".join(NETWORKS))
    parser.add_argument("--steps", type=int, default=120_000, help="of each measurement; fewer for networks that are not small")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of [train], for example games=128")
    parser.add_argument("--profile", action="store_true", help="also print where the time goes, inside the games and inside the trainer")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    everything = sorted(os.sched_getaffinity(0))
    values = dict(item.split("=", 1) for item in arguments.set)
    report: dict[str, Any] = {"machine": describe_machine(), "set": values, "runs": []}
    with tempfile.TemporaryDirectory() as folder:
        project = Project.open(arguments.project) if arguments.project else small_project(Path(folder) / "project", arguments.domain)
        for cores in arguments.cores or sorted({1, len(everything)}):
            os.sched_setaffinity(0, everything[:cores])
            alone: dict[str, Any] = {}
            for network in arguments.networks:
                settings = {"epochs": 1, "workers": cores, "groups": 1, "games": 64, "tensorboard": False, "checkpoint_seconds": 1e9}
                if network == "reference":  # some hundred times slower: shorter rollouts, so that few steps are enough
                    settings |= {"rollout": 16}
                config = TrainConfig(**{**settings, **NETWORKS[network], **values})
                if not alone:
                    spec = GamesSpec(
                        domain=describe_domain(project.domain),
                        options=dict(project.domain.options),
                        skills=tuple(project.skills),
                        sources=read_sources(project.folder("program")),
                        rewards=str(project.folder("reward").resolve()),
                        reward_maker="maestromotif.rl.build:load_rewards",
                        num_games=config.games,
                        seed=_SEED,
                        first_episodes=(0,) * config.games,
                        episode_steps=config.episode_steps,
                    )
                    alone = measure_games(spec, cores, arguments.steps, arguments.profile)
                steps = arguments.steps // {"small": 1, "light": 4, "reference": 60}[config.network]
                rows = {**alone, **measure_training(project, config, steps, arguments.profile)}
                print_table(cores, network, rows)
                report["runs"].append({"cores": cores, "network": network, **rows})
            print(f"memory: {alone['bytes_per_game'] / 2**20:.2f} MiB a game")
            os.sched_setaffinity(0, everything)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
