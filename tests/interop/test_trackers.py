"""W&B and MLflow follow a training: the real packages, offline, and what must not reach them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maestromotif.errors import ConfigError
from maestromotif.project import Project, init_project
from maestromotif.stages import trackers
from maestromotif.stages.trackers import STATE_FILE, following

SECRET = "sk-never-to-be-sent"


def open_project(root: Path) -> Project:
    init_project(root, "corridor")
    return Project.open(root)


def line(steps: int) -> str:
    skill = {"calls": 3, "return": steps / 100, "success": None, "ends": {"over": 1.0}}
    return (
        json.dumps({"update": steps, "steps": steps, "entropy": 0.5, "faults": {f"a fault {SECRET}": 1}, "skills": {"go_left": skill}})
        + "\n"
    )


@contextmanager
def followed(project: Project, folder: Path, *names: str, warnings: list[str] | None = None) -> Iterator[Any]:
    """A training that writes as it likes; ``progress`` looks at once."""
    folder.mkdir(exist_ok=True)
    told: list[str] = [] if warnings is None else warnings
    with following(names, project, folder, lambda fraction, text: None, told.append) as progress:
        yield progress
    assert warnings is not None or not told, told


class Listener:
    """In place of a tracker."""

    heard: list[tuple[str, int, bool | None]]

    def __init__(self, run: str, name: str, settings: dict[str, Any], folder: Path) -> None:
        self.run = run

    def send(self, steps: int, numbers: dict[str, float]) -> None:
        assert numbers["skills/go_left/return"] == steps / 100
        type(self).heard.append((self.run, steps, None))

    def close(self, finished: bool) -> None:
        type(self).heard.append((self.run, -1, finished))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bool | None]]:
    Listener.heard = []
    monkeypatch.setattr(trackers, "_TRACKERS", {"json": Listener})
    monkeypatch.setattr(trackers, "_INTERVAL", 0.0)
    return Listener.heard


def test_an_interrupted_training_goes_on_in_the_same_run_and_nothing_is_sent_twice(tmp_path: Path, heard: list[Any]) -> None:
    project, folder = open_project(tmp_path / "p"), tmp_path / "training.part"
    folder.mkdir()
    metrics = folder / "metrics.jsonl"

    def interrupted() -> None:
        with followed(project, folder, "json") as progress:
            progress(0.0, "")
            metrics.write_text(line(10) + line(20) + line(30)[:9])
            progress(0.1, "")
            assert [entry[1] for entry in heard] == [10, 20]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert heard[-1][2] is False
    metrics.write_text(line(10))  # cut back to a checkpoint
    with followed(project, folder, "json") as progress:
        progress(0.0, "")
        metrics.write_text(line(10) + line(20) + line(30))
        progress(0.1, "")
        metrics.write_text(line(10) + line(20) + line(30) + line(40))
    assert [entry[1] for entry in heard] == [10, 20, -1, 30, 40, -1]
    assert heard[-1][2] is True
    assert len({entry[0] for entry in heard}) == 1


def test_a_tracker_that_fails_is_left_out_and_the_training_goes_on(
    tmp_path: Path, heard: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "send", lambda self, steps, numbers: 1 / 0)
    warnings: list[str] = []
    with followed(open_project(tmp_path / "p"), tmp_path / "t", "json", warnings=warnings) as progress:
        (tmp_path / "t/metrics.jsonl").write_text(line(10))
        progress(0.5, "")
        (tmp_path / "t/metrics.jsonl").write_text(line(10) + line(20))
        progress(1.0, "")
    assert len(warnings) == 1
    assert "json gets no more numbers of this training (ZeroDivisionError" in warnings[0]


def test_a_tracker_that_is_not_installed_is_named_before_the_training_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match="wandb is not installed") as told,
        followed(open_project(tmp_path / "p"), tmp_path / "t", "wandb"),
    ):
        pass
    assert "maestromotif[wandb]" in told.value.remedy


def test_one_line_of_the_file_names_them(tmp_path: Path) -> None:
    root = tmp_path / "p"
    init_project(root, "corridor")
    assert Project.open(root, ['train.log=["wandb", "mlflow"]']).config.train.log == ("wandb", "mlflow")
    with pytest.raises(ConfigError, match=r"\[train\] log"):
        Project.open(root, ['train.log=["papyrus"]'])


def test_wandb_keeps_the_numbers_offline_and_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="needs the extra maestromotif[wandb]")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    project = open_project(tmp_path / "p")
    with followed(project, tmp_path / "t", "wandb"):
        (tmp_path / "t/metrics.jsonl").write_text(line(10) + line(20))
    wandb.teardown()  # as the command's end does
    (kept,) = (tmp_path / "p/wandb").glob("offline-run-*/*.wandb")
    content = kept.read_bytes()
    assert content.count(b"skills/go_left/return") >= 2
    assert b"learning_rate" in content
    for path in (tmp_path / "p/wandb").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert json.loads((tmp_path / "t" / STATE_FILE).read_text())["wandb"]["steps"] == 20


def test_mlflow_keeps_the_numbers_in_one_run_over_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra maestromotif[mlflow]")
    pytest.importorskip("alembic", reason="needs the extra maestromotif[mlflow]")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = open_project(tmp_path / "p")
    for steps in (10, 20):
        with followed(project, tmp_path / "t", "mlflow"), open(tmp_path / "t/metrics.jsonl", "a") as file:
            file.write(line(steps))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'p/mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("maestromotif").experiment_id])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "skills/go_left/return")
    assert [(one.step, one.value) for one in history] == [(10, 0.1), (20, 0.2)]
    assert run.data.params["domain"] == "corridor"
    assert SECRET.encode() not in (tmp_path / "p/mlflow.db").read_bytes()
