"""W&B and MLflow, told of a training by one line of maestro.toml: ``[train] log = ["wandb", "mlflow"]``.

They run in the command's process, which may hold their keys, and follow the metrics.jsonl that the training writes in a process of its own:
so no program ever runs beside such a key, and what a tracker does, however slow, costs the training nothing. They get numbers and the
settings of [train]; never programs, captions, prompts or keys.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from maestromotif.errors import ConfigError
from maestromotif.files import write_atomically
from maestromotif.project import Project
from maestromotif.rl.metrics import walk
from maestromotif.stages.fingerprint import digest
from maestromotif.stages.stage import Progress

__all__ = ["STATE_FILE", "following"]

STATE_FILE = "trackers.json"
_INTERVAL = 2.0  # seconds between looks
_NAME = "maestromotif"  # project, or experiment, unless the person's environment says otherwise
Numbers = Mapping[str, float]


class Tracker(Protocol):
    """One run at one tracker; ``run`` is what it is called there, by which it can be gone on with."""

    run: str

    def send(self, steps: int, numbers: Numbers) -> None: ...
    def close(self, finished: bool) -> None: ...


class _Wandb:
    def __init__(self, run: str, name: str, settings: Mapping[str, Any], folder: Path) -> None:
        import wandb

        # Neither what the terminal shows, nor code, nor what the machine is.
        private = {"console": "off", "disable_git": True, "save_code": False, "disable_job_creation": True}
        quiet = wandb.Settings(**private, x_disable_meta=True, x_disable_stats=True, x_save_requirements=False, silent=True)
        where = {"project": os.environ.get("WANDB_PROJECT", _NAME), "dir": str(folder)}
        self._run: Any = wandb.init(id=run, name=name, config=dict(settings), resume="allow", settings=quiet, **where)
        self._run.define_metric("*", step_metric="steps")
        self.run = run

    def send(self, steps: int, numbers: Numbers) -> None:
        self._run.log({**numbers, "steps": steps})

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class _Mlflow:
    def __init__(self, run: str, name: str, settings: Mapping[str, Any], folder: Path) -> None:
        import mlflow

        for library in ("mlflow", "alembic"):
            logging.getLogger(library).setLevel(logging.WARNING)  # their news would break the display
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        self._client: Any = mlflow.MlflowClient()
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", _NAME)
        known = self._client.get_experiment_by_name(experiment)
        place = known.experiment_id if known else self._client.create_experiment(experiment)
        # The server names runs; ours is found again by its tag.
        same = self._client.search_runs([place], f"tags.maestromotif = '{run}'")
        found = same[0] if same else self._client.create_run(place, tags={"maestromotif": run}, run_name=name)
        self._id = found.info.run_id
        self._client.update_run(self._id, status="RUNNING")
        if not same:
            for key, value in settings.items():
                self._client.log_param(self._id, key, value)
        self.run = run

    def send(self, steps: int, numbers: Numbers) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, steps) for name, value in numbers.items()])

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


_TRACKERS: Mapping[str, Callable[[str, str, Mapping[str, Any], Path], Tracker]] = {"wandb": _Wandb, "mlflow": _Mlflow}


@contextmanager
def following(names: Sequence[str], project: Project, folder: Path, progress: Progress, warn: Callable[[str], None]) -> Iterator[Progress]:
    """While the context is open, its value in place of ``progress`` also passes on what ``folder``/metrics.jsonl has more.

    An interrupted training goes on in the same run of the tracker, and nothing is sent twice: what was sent is kept in
    ``folder``/trackers.json. A tracker that fails is left out from then on, with a warning; the training goes on.

    Raises:
        ConfigError: a tracker's package is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            raise ConfigError(f"[train] log: {name} is not installed", f"pip install 'maestromotif[{name}]'")
    followers = [_Follower(name, project, folder, warn) for name in names]
    finished = False

    def progress_and_look(fraction: float, text: str) -> None:
        progress(fraction, text)
        for follower in followers:
            follower.look()

    try:
        yield progress_and_look
        finished = True
    finally:
        for follower in followers:
            follower.close(finished)


class _Follower:
    """One tracker beside one training."""

    def __init__(self, name: str, project: Project, folder: Path, warn: Callable[[str], None]) -> None:
        self._name, self._project, self._folder, self._warn = name, project, folder, warn
        self._tracker: Tracker | None = None
        self._failed = False
        self._looked = 0.0
        self._read = 0  # bytes of the file that were looked at
        state = self._state().get(name, {})
        self._sent = int(state.get("steps", 0))
        # Of this training and no other: a training that begins anew has another time of beginning.
        self._id = str(state.get("run") or digest({"folder": str(folder.resolve()), "began": time.time_ns(), "tracker": name}))

    def look(self) -> None:
        """Pass on what is new, if the last look is some time ago."""
        if time.monotonic() - self._looked >= _INTERVAL:
            self._looked = time.monotonic()
            self._safely(self._pass_on)

    def close(self, finished: bool) -> None:
        self._safely(self._pass_on)
        if self._tracker is not None:
            tracker = self._tracker
            self._safely(lambda: tracker.close(finished))

    def _safely(self, act: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            act()
        except Exception as error:  # whatever another's package does, the training goes on
            self._failed = True
            self._warn(f"{self._name} gets no more numbers of this training ({type(error).__name__}: {' '.join(str(error).split())[:200]})")

    def _pass_on(self) -> None:
        for line in self._new_lines():
            steps = int(line["steps"])
            if steps <= self._sent:
                continue
            numbers: dict[str, float] = {}
            walk({key: value for key, value in line.items() if key != "faults"}, "", numbers.__setitem__)
            if self._tracker is None:
                self._tracker = self._open()
            self._tracker.send(steps, numbers)
            self._sent = steps
        if self._tracker is not None:
            state = {**self._state(), self._name: {"run": self._id, "steps": self._sent}}
            write_atomically(self._folder / STATE_FILE, json.dumps(state) + "\n")

    def _new_lines(self) -> list[dict[str, Any]]:
        path = self._folder / "metrics.jsonl"
        if not path.is_file():
            return []
        if path.stat().st_size < self._read:
            self._read = 0  # cut back to a checkpoint
        with open(path, "rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            # The file was cut back and has grown again between two looks: from the beginning, since what was sent is not sent again.
            self._read = 0
            return []

    def _open(self) -> Tracker:
        project = self._project
        train = project.config.train.model_dump(mode="json", exclude={"log"})
        settings = {**train, "seed": project.seed, "domain": project.domain.id, "skills": ", ".join(project.skills.ids)}
        return _TRACKERS[self._name](self._id, project.root.resolve().name, settings, project.root)

    def _state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._folder / STATE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
