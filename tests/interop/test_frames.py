"""A project's results as tables, and the numbers in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import maestromotif
from maestromotif.errors import ArtifactError, ProjectError
from maestromotif.frames import TABLES
from maestromotif.report import ReportSources
from maestromotif.rl.metrics_table import METRICS_TABLE, metrics_table


@pytest.fixture
def root(project: ReportSources) -> Path:
    (project.root / "maestro.toml").write_text("", encoding="utf-8")
    return project.root


def test_every_table_is_there_with_the_numbers_of_the_artifacts(root: Path) -> None:
    loaded = maestromotif.load(root)
    assert set(TABLES) - set(loaded.available) <= {"llm_calls"}
    results = {(row["name"], row["criterion"], row["policy"]): row for row in loaded.table("results").to_pylist()}
    summary = json.loads((root / "artifacts/evaluation/skills.json").read_text())
    for skill, found in summary["skills"].items():
        for policy, score in found["policies"].items():
            assert results[skill, found["success"], policy]["rate"] == score["rate"]
    assert results["both_ends", "landmark", "trained"]["trials"] == 12
    lines = [json.loads(line) for line in (root / "artifacts/training/metrics.jsonl").read_text().splitlines()]
    metrics = loaded.table("metrics")
    assert metrics.column("steps").to_pylist() == [line["steps"] for line in lines]
    assert metrics.column("skills/go_left/return").to_pylist() == [line["skills"]["go_left"]["return"] for line in lines]
    assert loaded.table("skill_metrics").num_rows == len(lines) * len(summary["skills"])
    played = loaded.table("episodes").to_pylist()
    assert {(row["task"], row["policy"]) for row in played} == {(task, who) for task in ("", "both_ends") for who in summary["policies"]}
    assert loaded.table("bench_episodes").num_rows == 36


def test_frames_of_pandas_hold_the_same(root: Path) -> None:
    pytest.importorskip("pandas")
    loaded = maestromotif.load(root)
    frame = loaded.pandas("results")
    assert frame["rate"].tolist() == loaded.table("results").column("rate").to_pylist()


def test_frames_of_polars_hold_the_same(root: Path) -> None:
    pytest.importorskip("polars")
    loaded = maestromotif.load(root)
    assert loaded.polars("calls").shape == loaded.table("calls").shape


def test_a_training_leaves_its_metrics_as_parquet_too(root: Path) -> None:
    folder = root / "artifacts/training"
    kept = pq.read_table(folder / METRICS_TABLE)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert kept.equals(metrics_table(lines))
    (folder / METRICS_TABLE).unlink()
    assert maestromotif.load(root).table("metrics").equals(kept)


def test_what_is_missing_is_told_with_the_command_that_makes_it(root: Path) -> None:
    (root / "artifacts/bench").rename(root / "artifacts/elsewhere")
    loaded = maestromotif.load(str(root))
    with pytest.raises(ArtifactError, match="nothing there for bench") as told:
        loaded.table("bench")
    assert "maestromotif bench" in told.value.remedy
    with pytest.raises(ArtifactError, match="'results2' is no table"):
        loaded.table("results2")
    (root / "artifacts/evaluation/skills.json").write_text('{"skills": 3}')
    with pytest.raises(ArtifactError, match="results cannot be read"):
        loaded.table("results")
    with pytest.raises(ProjectError, match="not a project"):
        maestromotif.load(root / "artifacts")


def test_the_metrics_of_a_training_under_way_can_be_read(root: Path) -> None:
    done = root / "artifacts/training"
    (done / METRICS_TABLE).unlink()
    path = done / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    done.rename(done.with_name("training.part"))
    loaded = maestromotif.load(root)
    lines = (done.with_name("training.part") / "metrics.jsonl").read_text().count("\n")
    assert loaded.table("metrics").num_rows == lines
    assert loaded.table("skill_metrics").num_rows == 2 * loaded.table("metrics").num_rows


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, maestromotif; print(sorted({'torch', 'pyarrow', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
