"""A project whose every free text is an attack on the page: markup, scripts, and ends of the elements it may land in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maestromotif.report import ReportSources
from maestromotif.skills import SkillSet

__all__ = ["ATTACK", "spoiled"]

ATTACK = (
    "\"'></title></style></script></svg></pre><script>window.attacked=1</script><img src=x onerror=window.attacked=1>"
    '<svg onload=window.attacked=1><a href="javascript:window.attacked=1">go</a><iframe src=//example.org></iframe>${{7*7}}{% raise %}&#60;'
)


def spoiled(project: ReportSources) -> ReportSources:
    """The project (changed in place) with the attack wherever a model, an environment or a person may write what they like."""
    artifacts = project.root / "artifacts"
    for name, columns in (("captions", ("caption",)), ("trained.calls", ("reason",))):
        for path in artifacts.rglob(f"{name}.parquet"):
            _spoil_columns(path, columns)
    for path in artifacts.rglob("transcript*.jsonl"):
        _spoil_lines(path, lambda line: line.update({key: line[key] + ATTACK for key in ("asked", "answer", "model") if key in line}))
    for skill in project.skills:
        _spoil(project.rewards / f"reward-{skill.id}.json", _spoil_reward)
        _spoil(project.preferences / f"preferences-{skill.id}.json", lambda found: found.update(warnings=[ATTACK]))
    for path in artifacts.rglob("trials.json"):
        _spoil(path, _spoil_trials)
    card = {"stage": ATTACK, "finished": ATTACK, "facts": {ATTACK: ATTACK}, "files": {ATTACK: [1, ATTACK]}}
    (project.training / "card.json").write_text(json.dumps(card), encoding="utf-8")
    for path in (*project.programs.glob("*.py"), *project.tasks.rglob("*.py")):
        path.write_text(f"# {ATTACK}\ntext = '''{ATTACK}'''\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    for path in (project.evaluation / "tasks").glob("*.json"):
        _spoil(path, lambda found: found.update(description=ATTACK))
    _spoil_lines(project.training / "metrics.jsonl", lambda line: line.update(warnings=[{"text": ATTACK}], faults={ATTACK: 3}))
    _spoil_lines(artifacts / "bench" / "episodes.jsonl", _spoil_episode)
    results = artifacts / "bench" / "results.json"
    # Names of policies, trainings and measures are keys all over that document.
    results.write_text(results.read_text(encoding="utf-8").replace('"untrained"', json.dumps(ATTACK)), encoding="utf-8")
    skills = [replace(skill, description=f"{ATTACK}. {ATTACK}", prefer=ATTACK) for skill in project.skills]
    return replace(project, skills=SkillSet(tuple(skills)), title=ATTACK)


def _spoil_columns(path: Path, columns: tuple[str, ...]) -> None:
    table = pq.read_table(path)
    for name in set(columns) & set(table.column_names):
        texts = pa.array([str(text) + ATTACK for text in table.column(name).to_pylist()])
        table = table.set_column(table.column_names.index(name), name, texts)
    pq.write_table(table, path)


def _spoil(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def _spoil_lines(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _spoil_reward(card: dict[str, Any]) -> None:
    for row in (*card["highest"], *card["lowest"]):
        row["caption"] = row["message"] = ATTACK
    card["warnings"] = [ATTACK]


def _spoil_trials(document: dict[str, Any]) -> None:
    for trial in document["programs"].values():
        trial.update(trace=[ATTACK], fatal=[ATTACK], weak=[ATTACK], verdict=ATTACK)


def _spoil_episode(row: dict[str, Any]) -> None:
    row["ended"] = ATTACK
    row["calls"] = [
        [f"{skill}{ATTACK}", start, end, f"{cause}{ATTACK}", ATTACK, done] for skill, start, end, cause, _, done in row["calls"]
    ]
    if row["policy"] == "trained":
        row["broke"] = 0
