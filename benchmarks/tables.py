"""The tables of docs/results.md and README.md, written from the files in benchmarks/results.

    python benchmarks/tables.py            # between the marks ``<!-- table: NAME -->`` and ``<!-- /table -->``
    python benchmarks/tables.py --check    # ends with 1 where a page says something else

What was measured, and with which commands, stands beside the tables in docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from maestromotif.bench.stats import wilson
from maestromotif.files import write_atomically

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES: Final = ("README.md", "docs/results.md")
_MARKED = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)


@dataclass(frozen=True)
class Task:
    """A task of the paper, and what was aimed at by its proxy; ``items`` are counted per episode."""

    id: str
    name: str
    aim: str
    items: bool = False


TASKS: Final = (
    Task("gnomish_mines", "Gnomish Mines", "65 %"),
    Task("delphi", "Delphi", "45 %"),
    Task("minetown", "Minetown", "20 %"),
    Task("transactions", "Transactions, items per episode", "1.0", items=True),
    Task("price_identification", "Price identification, items per episode", "0.7", items=True),
    Task("buc_identification", "BUC identification, items per episode", "2.0", items=True),
    Task("golden_exit", "Golden Exit", "40 %"),
    Task("level_up_and_sell", "Level Up & Sell", "20 %"),
    Task("discovery_hunger", "Discovery Hunger", "20 %"),
)
SKILLS: Final = ("discoverer", "descender", "ascender", "merchant", "worshipper")
_METHODS: Final = {
    "zero-shot": "skills, zero-shot",
    "motif": "Motif, one network per task",
    "embedding": "embedding similarity, one network per task",
    "task-reward": "task reward + score, one network per task",
    "untrained": "untrained",
    "random": "random",
    "explorer": "the scripted explorer",
}

Cell = Mapping[str, Any]


def load(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def cell(results: Cell, task: Task, criterion: str, policy: str = "trained") -> Cell:
    """What a policy achieved in a task: a rate, or the items of an episode."""
    found = results["tasks"][task.id]
    where = found["counts"][f"{criterion} count"] if task.items else found["criteria"][criterion]["policies"]
    chosen: Cell = where[policy]
    return chosen


def paper(results: Cell, task: Task) -> str:
    """What the paper has, by its proxy."""
    figure: str = results["tasks"][task.id]["criteria"]["proxy"]["paper"]
    return figure


def value(number: float, task: Task) -> str:
    return f"{number:.2f}" if task.items else f"{100 * number:.1f} %"


def mean(found: Cell, task: Task) -> str:
    """The mean over runs, ± its standard error."""
    error = found["standard_error"] or 0.0
    return f"{value(found['mean_of_runs'], task)} ± " + (f"{error:.2f}" if task.items else f"{100 * error:.1f}")


def table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def nine() -> str:
    """Both sets that ship, by proxy and landmark, beside the aims and the paper."""
    sets = [load("bench-nethack"), load("bench-nethack-travel")]

    def both(results: Cell, task: Task) -> str:
        proxy, landmark = (cell(results, task, criterion) for criterion in ("proxy", "landmark"))
        return f"{mean(proxy, task)} / {mean(landmark, task)}"

    header = ["task", "`reference`", "`travel`", "aimed at", "the paper"]
    return table(header, ([task.name, *(both(results, task) for results in sets), task.aim, paper(sets[0], task)] for task in TASKS))


def readme() -> str:
    """As ``nine``, with one figure in a cell: items are those that were really sold, priced and told."""
    sets = [load("bench-nethack"), load("bench-nethack-travel")]
    header = ["", "skills of the package", "with trips among their actions", "the paper"]

    def row(task: Task) -> list[str]:
        criterion = "landmark" if task.items else "proxy"
        return [task.name, *(mean(cell(results, task, criterion), task) for results in sets), paper(sets[0], task).split(" ±")[0]]

    return table(header, map(row, TASKS))


def trainings() -> str:
    """Further trainings: all together, and each by itself."""
    longer, shorter = load("bench-nethack-trainings"), load("bench-nethack-seeds")

    def row(task: Task) -> list[str]:
        criterion = "landmark" if task.items else "proxy"
        found = cell(longer, task, criterion)
        each: dict[str, list[float]] = {}
        for run in found["each"]:
            each.setdefault(run["training"], []).append(run["mean"])
        apart = ", ".join(value(sum(means) / len(means), task) for means in each.values())
        return [task.name, mean(found, task), apart, mean(cell(shorter, task, criterion), task), paper(longer, task).split(" ±")[0]]

    return table(["task", "three trainings", "each of them", "three of 3 million steps", "the paper"], map(row, TASKS))


def curriculum() -> str:
    """When half of a skill's calls first succeeded, in millions of steps."""

    def row(item: tuple[str, Cell]) -> list[str]:
        name, training = item
        halves = [training["skills"][skill]["half at"] for skill in SKILLS]
        return [name, *("never" if half is None else f"{half / 1e6:.2f}" for half in halves)]

    return table(["training", *(skill.capitalize() for skill in SKILLS)], map(row, load("curves")["trainings"].items()))


def curves() -> str:
    """Success per call of the three trainings together, in stretches of a million steps."""
    found = load("curves")
    width = 1_000_000 // found["stretch"]
    length = max(training["steps"] for training in found["trainings"].values()) / 1e6

    def row(million: int) -> list[str]:
        cells = []
        for skill in SKILLS:
            parts = [training["skills"][skill] for training in found["trainings"].values()]
            calls, won = (
                sum(sum(part[what][million * width : (million + 1) * width]) for part in parts) for what in ("calls", "successes")
            )
            cells.append(f"{100 * won / calls:.0f} % of {calls:,}" if calls else "no calls")
        return [f"{million} to {min(million + 1, length):.3g}", *cells]

    return table(["millions of steps", *(skill.capitalize() for skill in SKILLS)], map(row, range(-int(-length // 1))))


def isolated() -> str:
    """Trained all at once and each for itself, at equal steps: success per call."""
    found = load("curriculum")

    def row(item: tuple[str, str]) -> list[str]:
        label, name = item
        cells = []
        for skill in SKILLS:
            won, calls = found[name]["evaluation"][skill]["successes"], found[name]["evaluation"][skill]["calls"]
            interval = wilson(won, calls)
            shown = f"{100 * won / calls:.1f} % ({100 * interval.low:.0f}-{100 * interval.high:.0f})"
            cells.append(shown if calls >= 10 else f"{won} of {calls} call{'s' * (calls != 1)}")
        return [label, *cells]

    return table(
        ["", *(skill.capitalize() for skill in SKILLS)],
        map(row, {"all at once": "program", "isolated": "isolated", "untrained": "untrained"}.items()),
    )


def baselines() -> str:
    """Skills beside networks that were trained for each task."""
    found = load("baselines")

    def row(task: Task) -> list[str]:
        cells = []
        for method in _METHODS:
            policy = cell(found, task, "landmark", method)
            if task.items:
                cells.append(f"{policy['mean']:.2f}" + ("" if policy["low"] is None else f" ({policy['low']:.2f}-{policy['high']:.2f})"))
            else:
                cells.append(f"{100 * policy['rate']:.1f} % ({100 * policy['low']:.0f}-{100 * policy['high']:.0f})")
        return [task.name, *cells]

    def steps() -> list[str]:
        methods = (found["methods"][method] for method in _METHODS)
        return ["steps, all networks together", *(f"{method['steps'] / 1e6:.2f} million" if method["steps"] else "-" for method in methods)]

    return table(["", *_METHODS.values()], iter([*map(row, TASKS), steps()]))


def broken() -> str:
    """Where the chains of episodes that failed broke, with ``reference``: the last call, and how it ended."""
    found = load("bench-nethack")

    def row(task: Task) -> list[str]:
        failures = found["tasks"][task.id]["failures"]["trained"]
        most = sorted(failures["broke_at"].items(), key=lambda item: -item[1])[:4]
        return [
            task.name.split(",")[0],
            f"{failures['failed']} of {failures['episodes']}",
            ", ".join(f"{where} {count}" for where, count in most),
        ]

    return table(["task", "failed", "broke most often at"], map(row, TASKS))


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    made.__name__: made for made in (nine, readme, trainings, curriculum, curves, isolated, baselines, broken)
}


def filled(text: str) -> str:
    """A page with its tables as the files have them."""
    return _MARKED.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[4]}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name in PAGES:
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            stale.append(name)
            if not check:
                write_atomically(page, filled(text))
    for name in stale:
        print(f"{name}: {'has other figures than benchmarks/results; run make docs' if check else 'written'}")
    raise SystemExit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
