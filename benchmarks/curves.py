"""Learning curves of trainings, skill by skill, from their metrics: success per call in equal stretches of steps, and when half of the
calls first succeeded.

    python benchmarks/curves.py --out benchmarks/results/curves.json --svg docs/images/curves.svg seed-1=s1 seed-2=s2 seed-3=s3

Each argument is a name and a project, or a ``metrics.jsonl``. The picture shows the mean of the trainings, and their range as a band.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maestromotif.files import write_atomically

STRETCH = 250_000  # steps
CALLS = 20  # fewer in a stretch say nothing about "half of them"

Rows = Sequence[Mapping[str, Any]]


def read(source: Path) -> list[dict[str, Any]]:
    """Rows of ``metrics.jsonl``, one for each update."""
    path = source / "artifacts" / "training" / "metrics.jsonl" if source.is_dir() else source
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def counted(rows: Rows, skill: str) -> tuple[int, int]:
    """Calls of a skill that ended in these rows, and how many of them succeeded."""
    cells = [row["skills"][skill] for row in rows]
    return sum(cell["calls"] for cell in cells), round(sum(cell["calls"] * (cell["success"] or 0.0) for cell in cells))


def half(rows: Rows, skill: str) -> int | None:
    """Steps at which half of a skill's calls first succeeded, over a stretch that ends there; None: never."""
    start = 0
    for end, row in enumerate(rows):
        while rows[start]["steps"] <= row["steps"] - STRETCH:
            start += 1
        if row["steps"] >= STRETCH:
            calls, successes = counted(rows[start : end + 1], skill)
            if calls >= CALLS and 2 * successes >= calls:
                return int(row["steps"])
    return None


def curve(rows: Rows) -> dict[str, Any]:
    """What one training did, by skill; a stretch holds the updates that ended in it, and the last one may be shorter."""
    places = np.array([(row["steps"] - 1) // STRETCH for row in rows])
    stretches = [[row for row, place in zip(rows, places.tolist(), strict=True) if place == number] for number in range(places[-1] + 1)]
    skills = {}
    for skill in rows[0]["skills"]:
        pairs = [counted(stretch, skill) for stretch in stretches]
        skills[skill] = {"calls": [calls for calls, _ in pairs], "successes": [won for _, won in pairs], "half at": half(rows, skill)}
    return {"steps": rows[-1]["steps"], "seconds": round(rows[-1]["time"]["elapsed"]), "skills": skills}


def draw(trainings: Mapping[str, Any], path: Path) -> None:
    """One panel for each skill, side by side; stretches that not all trainings finished are left out."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    skills = list(next(iter(trainings.values()))["skills"])
    length = min(training["steps"] for training in trainings.values()) // STRETCH
    x = (np.arange(length) + 0.5) * STRETCH / 1e6
    with mpl.rc_context({"svg.hashsalt": "curves", "font.size": 9}):
        figure = Figure(figsize=(11, 2.6), layout="constrained")
        for number, (axes, skill) in enumerate(zip(np.ravel(figure.subplots(1, len(skills), sharey=True)), skills, strict=True)):
            colour = f"C{number}"
            cells = [training["skills"][skill] for training in trainings.values()]
            with np.errstate(invalid="ignore"):
                rates = np.array([np.divide(cell["successes"][:length], cell["calls"][:length]) for cell in cells]) * 100
            axes.fill_between(x, rates.min(0), rates.max(0), color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, rates.mean(0), color=colour)
            axes.set(title=skill, xlabel="million steps", ylim=(0, 100))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", alpha=0.3)
        figure.axes[0].set_ylabel("calls that succeed, %")
        figure.savefig(path, metadata={"Date": None, "Creator": None}, facecolor="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainings", nargs="+", metavar="NAME=PROJECT")
    parser.add_argument("--what", default="", help="a line about the trainings, kept with the figures")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    named = dict(argument.split("=", 1) for argument in options.trainings)
    trainings = {name: curve(read(Path(source))) for name, source in named.items()}
    write_atomically(options.out, json.dumps({"what": options.what, "stretch": STRETCH, "trainings": trainings}) + "\n")
    if options.svg:
        draw(trainings, options.svg)
    for name, training in trainings.items():
        for skill, cell in training["skills"].items():
            when = "never" if cell["half at"] is None else f"at {cell['half at'] / 1e6:.2f} million steps"
            print(f"{name}: {skill}: half of its calls {when}; {cell['successes'][-1]} of the last {cell['calls'][-1]}")


if __name__ == "__main__":
    main()
