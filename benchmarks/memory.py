"""How much memory NetHack's games take, and whether playing and beginning anew makes it more.

    python benchmarks/memory.py --games 64 --steps 100000
    python benchmarks/memory.py --games 8 --steps 20000 --resets 2000

A scripted explorer plays, so that games visit levels. Memory is proportional (PSS: a page that N processes or mappings share counts
as 1/N to each) and counted from where one game had been played and closed again, so that interpreter, libraries and compiled code are
left out. The files in memory from which nle loads a game's own copy of its library are told apart, because nobody maps most of
them. Linux only. Prints JSON and stores it where ``--out`` says.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from maestromotif.domains.nethack.domain import NetHack

_MIB = 1 << 20


def used() -> dict[str, float]:
    """What this process holds: MiB of proportional memory, of anonymous memory, and of nle's files in memory; descriptors, mappings and
    temporary folders."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    descriptors = list(Path("/proc/self/fd").iterdir())
    copies = [path for path in descriptors if os.path.islink(path) and "memfd:nle" in os.readlink(path)]
    return {
        "pss": int(rollup.split("\nPss:")[1].split()[0]) / 1024,
        # Its own alone: shares of what others map too change with the others.
        "anonymous": int(rollup.split("\nAnonymous:")[1].split()[0]) / 1024,
        "copies": sum(path.stat().st_blocks * 512 for path in copies) / _MIB,
        "descriptors": len(descriptors),
        "mappings": len(Path("/proc/self/maps").read_bytes().splitlines()),
        "folders": sum(1 for _ in Path(tempfile.gettempdir()).iterdir()),
    }


def measure(num_games: int, steps: int, resets: int, marks: int) -> dict[str, object]:
    """Memory at ``marks`` moments of play.

    Args:
        steps: environment steps of all games together.
        resets: games begun anew while they play, beside those that end by themselves.
    """
    domain, explorer = NetHack(), NetHack().explorer(0)
    one = domain.make_env(1)
    one.reset([0], [0])
    for _ in range(20):
        one.step(explorer.act(one))
    one.close()
    gc.collect()
    before = used()
    env, explorer = domain.make_env(num_games), domain.explorer(1)
    env.reset(range(num_games), range(num_games))
    rounds, seed, forced = max(marks, steps // num_games), num_games, 0
    rows = [{"steps": 0, "resets": 0, "levels": 1.0, **used()}]
    for turn in range(1, rounds + 1):
        env.step(explorer.act(env))
        again = set(np.flatnonzero(env.terminated_B).tolist())
        while forced < resets * turn // rounds:
            again.add(forced % num_games)
            forced += 1
        env.reset(sorted(again), range(seed, seed + len(again)))
        seed += len(again)
        if turn * marks // rounds > (turn - 1) * marks // rounds:
            levels = float(np.mean([env.facts(game).levels_visited for game in range(num_games)]))
            rows.append({"steps": turn * num_games, "resets": seed - num_games, "levels": levels, **used()})
    env.close()
    after = used()
    last, first = rows[-1], rows[0]
    return {
        "games": num_games,
        "pss_of_games": round(last["pss"] - before["pss"], 1),
        "pss_per_game": round((last["pss"] - before["pss"]) / num_games, 2),
        "copies_per_game": round((last["copies"] - before["copies"]) / num_games, 2),
        "grown_since_the_first_mark": round(last["anonymous"] - rows[1]["anonymous"], 2),
        "descriptors_grown": last["descriptors"] - first["descriptors"],
        "left_after_closing": {name: after[name] - before[name] for name in ("descriptors", "folders")},
        "marks": [{name: round(value, 1) for name, value in row.items()} for row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100_000, help="environment steps of all games together")
    parser.add_argument("--resets", type=int, default=0, help="games begun anew on the way, beside those that end")
    parser.add_argument("--marks", type=int, default=10, help="how often memory is looked at")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # what is left in it is ours
        report = measure(arguments.games, arguments.steps, arguments.resets, arguments.marks)
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
