"""How long a project's page takes to make and to open, and how large it is.

    python benchmarks/report.py [PROJECT...] [--home FOLDER] [--out FILE]

Without PROJECT, a large one is made first, by the commands that a person types: skills that ship trained, play, answers and rewards of
its own, nine tasks evaluated, benched in three trainings, and fifty full episodes recorded. In a ``--home`` that is kept, what is there
already is not made again. Of several projects, each one's page and the comparison of all.

Making is measured in a process of its own, imports included, as seconds and as processor time, which what else a machine does changes
less. Opening is measured in Chromium, from the request to the first paint after the load event, the median of five; without the extra
``browser`` it is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from maestromotif.files import write_atomically

_RUNS = ("large", "large-2", "large-3")  # trainings of the bench; the page is that of the first
_TASKS = 9
_RECORDED = 50  # episodes, in full
_PLAYED = {"max_steps": 600, "task_episodes": 16, "skill_episodes": 16}  # by the evaluation of the first
_HARDLY = {"max_steps": 1, "task_episodes": 1, "skill_episodes": 1}  # by that of the others, of which only the bench is shown
_PLAY = ["--set", "collect.steps=60000", "--set", "annotate.pairs=2000"]
_ROUNDS = 5
_MAKE = """
import sys
from pathlib import Path
from maestromotif.project import Project
from maestromotif.report import ReportSources, write_comparison, write_report
out, *folders = map(Path, sys.argv[1:])
opened = [Project.open(folder) for folder in folders]
sources = [ReportSources.standard(one.root, one.domain, one.skills) for one in opened]
if len(sources) == 1:
    write_report(sources[0], opened[0].config.report, out.parent)
else:
    write_comparison(sources, out)
"""


def make_large(home: Path) -> Path:
    """The large project below ``home``; one that is whole is left as it is."""
    projects = [home / name for name in _RUNS]
    if (projects[0] / "artifacts" / "interactions").exists():  # what is given last
        return projects[0]
    for project in projects:
        if not project.exists():
            _command("init", project, "--domain", "nethack", "--pretrained")
    from maestromotif.project import Project

    tasks = tuple(Project.open(projects[0]).domain.tasks)
    assert len(tasks) == _TASKS
    for project, lengths in zip(projects, (_PLAYED, _HARDLY, _HARDLY), strict=True):
        settings = {"tasks": json.dumps(tasks), **lengths}
        _command("run", project, *(word for name, value in settings.items() for word in ("--set", f"evaluate.{name}={value}")))
    _command("bench", *projects, "--episodes", 8, "--max-steps", 600)
    for number, task in enumerate(tasks):
        _command("record", projects[0], task, "--episodes", _RECORDED // _TASKS + (number < _RECORDED % _TASKS))
    _give_rewards(home, projects[0])
    return projects[0]


def _give_rewards(home: Path, project: Path) -> None:
    """Play, answers and reward models of a project without a training, so that the page has what one made from the start has."""
    other = home / "play"
    if not other.exists():
        _command("init", other, "--domain", "nethack")
    for stage in ("collect", "annotate", "reward"):
        _command(stage, other, *_PLAY)
    for name in ("rewards", "preferences", "interactions"):
        shutil.rmtree(project / "artifacts" / name, ignore_errors=True)
        shutil.copytree(other / "artifacts" / name, project / "artifacts" / name)


def _command(*words: object) -> None:
    print("maestromotif", *words, flush=True)
    subprocess.run([sys.executable, "-m", "maestromotif", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def made_in(projects: list[Path], path: Path) -> dict[str, float]:
    """Make the page of one project, or the comparison of several. Seconds, wall and processor: of the first time, when what games have
    shown has to be read, and the median of ``_ROUNDS`` further times."""
    for project in projects:
        for kept in (project / "artifacts" / "recordings").glob("*/*/.replay.json"):
            kept.unlink()
    wall, processor = [], []
    for _ in range(1 + _ROUNDS):
        began, before = time.perf_counter(), _children()
        subprocess.run([sys.executable, "-c", _MAKE, str(path), *map(str, projects)], check=True)
        wall.append(time.perf_counter() - began)
        processor.append(_children() - before)
    again = {"seconds": statistics.median(wall[1:]), "processor_seconds": statistics.median(processor[1:])}
    return {"first_seconds": wall[0], "first_processor_seconds": processor[0], **again}


def _children() -> float:
    """Seconds that processors have spent on ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def opening_seconds(path: Path) -> float | None:
    """Median over fresh pages of one browser; None without one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        seconds = []
        for _ in range(_ROUNDS):
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(path.as_uri())
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seconds.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return statistics.median(seconds)


def measure(projects: list[Path], folder: Path) -> dict[str, Any]:
    """One page, in one line."""
    name = projects[0].name if len(projects) == 1 else "comparison"
    path = folder / name / "index.html"
    path.parent.mkdir()
    found: dict[str, Any] = {"page": name, **made_in(projects, path), "megabytes": path.stat().st_size / 1e6}
    found["opens_in_seconds"] = opening_seconds(path)
    shown = "not measured" if found["opens_in_seconds"] is None else f"{found['opens_in_seconds']:.2f} s"
    print(
        f"{name}: made in {found['first_seconds']:.1f} s ({found['first_processor_seconds']:.1f} s of a processor), again in "
        f"{found['seconds']:.1f} s ({found['processor_seconds']:.1f} s), {found['megabytes']:.2f} MB, opens in {shown}",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", type=Path)
    parser.add_argument("--home", type=Path, help="where the large project is made; by default a folder that is removed again")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        projects = arguments.projects or [make_large(arguments.home or Path(scratch))]
        pages = [[project] for project in projects] + ([projects] if len(projects) > 1 else [])
        found = [measure(page, Path(scratch)) for page in pages]
    if arguments.out is not None:
        document = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "pages": found}
        write_atomically(arguments.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
