"""How fast reward models are fitted and asked, how well they agree, and how encoders compare.

    python benchmarks/rewards.py                      # makes a NetHack project of its own first
    python benchmarks/rewards.py --steps 4000000      # with more captions: a quarter of an hour more
    python benchmarks/rewards.py --project nh         # with the captions and preferences of a project, which are only read

Fits default models to all preferences, asks for the rewards of a million transitions, and compares variants on fewer pairs. Seconds are
processor seconds; ``OMP_NUM_THREADS=1`` keeps numpy to the one thread that fitting uses.
``--sentence-model`` adds the encoder 'sentence'.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.project import Project
from maestromotif.rewards import RewardConfig, RewardTable, fit
from maestromotif.rewards.model import read_card
from maestromotif.skills import SkillSet

_TRANSITIONS, _DISTINCT = 1_000_000, 50_000


def fit_one(project: Project, skill: str, pairs: int, out: Path, **settings: Any) -> dict[str, Any]:
    """Fit one skill's model to the first ``pairs`` preferences, and say what came of it."""
    source, skills = project.folder("annotate") / f"preferences-{skill}.parquet", SkillSet((project.skills[skill],))
    table = PreferenceTable.load(source, project.domain, skill)
    part = replace(table, preferences=table.preferences[:pairs], first_keys=table.first_keys[:pairs], second_keys=table.second_keys[:pairs])
    out.mkdir()
    part.save(out / source.name, project.domain, skill, {})
    captions = project.folder("collect") / "captions.parquet"
    began = time.process_time()
    fit(project.domain, skills, captions, out, RewardConfig(**settings), out / "rewards", project.seed)
    seconds = time.process_time() - began
    card = read_card(out / "rewards", skill)
    held_out, calibration = card["held_out"], card["calibration"]
    return {
        "skill": skill,
        "pairs": len(part),
        "seconds": round(seconds, 1),
        "epochs": card["training"]["epochs"],
        "agreement": held_out["agreement"],
        "interval": held_out["interval"],
        "decided": held_out["decided"],
        "calibration_error": calibration["error"],
        "temperature": calibration["temperature"],
    }


def ask(project: Project, folder: Path, skills: SkillSet) -> dict[str, Any]:
    """Rewards of many transitions, drawn from the captions as often as they were seen, by a table that knows none yet."""
    captions = CaptionTable.load(project.folder("collect") / "captions.parquet", project.domain)
    distinct = min(_DISTINCT, len(captions))
    counts = captions.counts[:distinct]
    rng = np.random.default_rng(0)
    # Each once, then by their frequency: most transitions are of a few kinds.
    rows = np.concatenate([np.arange(distinct), rng.choice(distinct, _TRANSITIONS - distinct, p=counts / counts.sum())])
    rows = rng.permutation(rows)
    table = RewardTable.load(folder, project.domain, skills)
    began = time.process_time()
    table.batch(captions.keys[rows], lambda number: captions.reward_input(rows[number]))
    seconds = time.process_time() - began
    return {"transitions": len(rows), "distinct": distinct, "skills": len(skills), "seconds": round(seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--steps", type=int, default=160_000, help="of the explorer, where a project is made")
    parser.add_argument("--pairs", type=int, default=100_000, help="for each skill, where a project is made")
    parser.add_argument("--skills", nargs="+", default=["discoverer", "descender"])
    parser.add_argument("--compare-pairs", type=int, default=20_000, help="pairs on which encoders are compared, for the first skill")
    parser.add_argument("--sentence-model", default="", help="folder of a sentence-transformers model")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(Project.open(options.project or make_project(Path(name), options.steps, options.pairs)), options)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def make_project(folder: Path, steps: int, pairs: int) -> Path:
    """A NetHack project with captions and the recorded judge's preferences."""
    project = folder / "project"
    given = ["--set", f"collect.steps={steps}", "--set", f"annotate.pairs={pairs}"]
    for command in (["init", str(project)], ["collect", str(project), *given], ["annotate", str(project), *given]):
        subprocess.run([sys.executable, "-m", "maestromotif", *command], check=True, stdout=subprocess.DEVNULL)
    return project


def measure(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    """All measurements."""
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "python": platform.python_version(), "threads": 1}
    variants: dict[str, dict[str, Any]] = {
        "hashed": {},
        "hashed, linear": {"hidden": 0},
        "hashed, ties as an outcome": {"ties": "outcome"},
        "hashed, calibrated": {"calibrate": True},
        "hashed, ensemble of 3": {"ensemble": 3},
        "character-cnn": {"encoder": "character-cnn"},
    }
    if options.sentence_model:
        variants["sentence"] = {"encoder": "sentence", "sentence_model": options.sentence_model}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result["fit"] = [fit_one(project, skill, 10**9, folder / f"fit-{skill}") for skill in options.skills]
        print(json.dumps(result["fit"], indent=1))
        first = options.skills[0]
        result["ask"] = {"hashed": ask(project, folder / f"fit-{first}" / "rewards", SkillSet((project.skills[first],)))}
        print(result["ask"])
        result["encoders"] = {}
        for number, (variant, settings) in enumerate(variants.items()):
            out = folder / str(number)
            found = fit_one(project, first, options.compare_pairs, out, **settings)
            if variant == "character-cnn":
                result["ask"][variant] = ask(project, out / "rewards", SkillSet((project.skills[first],)))
            result["encoders"][variant] = found
            print(f"{variant}: {found}")
    return result


if __name__ == "__main__":
    main()
