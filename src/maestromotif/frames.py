"""A project's results as tables, for notebooks: ``maestromotif.load("my-project")``.

Only files are read: neither the domain nor its games need to be installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from maestromotif.errors import ArtifactError, MaestroError, ProjectError
from maestromotif.files import whole_lines

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["TABLES", "Loaded", "load"]

TABLES: Mapping[str, tuple[str, str]] = {
    "results": ("success of skills and tasks, by policy, with intervals", "evaluate"),
    "metrics": ("a row for each update of the training", "train"),
    "skill_metrics": ("a row for each update and skill", "train"),
    "episodes": ("every episode of the evaluation", "evaluate"),
    "calls": ("every call of a skill in them", "evaluate"),
    "bench": ("full episodes: a row for each task, measure and policy", "bench"),
    "bench_episodes": ("every full episode", "bench"),
    "captions": ("every distinct caption that was compared", "collect"),
    "preferences": ("every answer of the annotator", "annotate"),
    "llm_calls": ("every call to a language model", "annotate"),
}
"""What each table holds, and the command that makes what it is read from."""


def load(project: str | Path) -> Loaded:
    """The results of the project in this folder.

    Raises:
        ProjectError: there is no such folder, or no project in it.
    """
    root = Path(project)
    if not (root / "maestro.toml").is_file():
        raise ProjectError(f"{root}: no maestro.toml there, so not a project", f"Make one with `maestromotif init {root}`")
    return Loaded(root)


class Loaded:
    """A project's tables; each is read when it is first asked for, and kept.

    ``loaded.table("results")`` is a ``pyarrow.Table``; ``loaded.pandas("results")`` and ``loaded.polars("results")`` are frames.
    ``TABLES`` says what there is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._artifacts = root / "artifacts"
        self._tables: dict[str, pa.Table] = {}
        self._readers: dict[str, Callable[[], pa.Table | None]] = {
            "results": self._results,
            "metrics": self._metrics,
            "skill_metrics": self._skill_metrics,
            "episodes": lambda: self._played("episodes"),
            "calls": lambda: self._played("calls"),
            "bench": self._bench,
            "bench_episodes": lambda: _rows(_json_lines(self._artifacts / "bench" / "episodes.jsonl")),
            "captions": self._captions,
            "preferences": self._preferences,
            "llm_calls": lambda: _rows(_json_lines(self._artifacts / "llm" / "ledger.jsonl")),
        }

    def __repr__(self) -> str:
        return f"<project {self.root.resolve().name!r} with {', '.join(self.available) or 'no results yet'}>"

    @property
    def available(self) -> list[str]:
        """Names of the tables that there is something for."""
        found = []
        for name in TABLES:
            try:
                self.table(name)
            except MaestroError:
                continue
            found.append(name)
        return found

    def table(self, name: str) -> pa.Table:
        """One of ``TABLES``.

        Raises:
            ArtifactError: there is no such table, nothing to read it from yet, or a file is damaged.
        """
        if name not in TABLES:
            raise ArtifactError(f"{name!r} is no table of a project", f"Tables: {', '.join(TABLES)}")
        if name not in self._tables:
            found = self._read(name)
            if found is None:
                raise ArtifactError(f"{self.root}: nothing there for {name}", f"Run `maestromotif {TABLES[name][1]} {self.root}` first")
            self._tables[name] = found
        return self._tables[name]

    def pandas(self, name: str) -> pandas.DataFrame:
        """The same as a pandas frame; see ``table``."""
        _require("pandas")
        return self.table(name).to_pandas()

    def polars(self, name: str) -> polars.DataFrame:
        """The same as a polars frame; see ``table``."""
        return _require("polars").from_arrow(self.table(name))

    def _read(self, name: str) -> pa.Table | None:
        try:
            return self._readers[name]()
        except (OSError, pa.ArrowException, ValueError, LookupError, TypeError, AttributeError) as error:
            text = " ".join(str(error).split())[:200]
            raise ArtifactError(f"{self.root}: {name} cannot be read ({text})", f"Run `maestromotif {TABLES[name][1]}` again") from error

    def _results(self) -> pa.Table | None:
        evaluation = self._artifacts / "evaluation"
        rows: list[dict[str, Any]] = []
        skills = _json(evaluation / "skills.json")
        for skill, found in (skills or {}).get("skills", {}).items():
            rows += [_result("evaluation", "skill", skill, found["success"], *score) for score in found["policies"].items()]
        for path in sorted([*(evaluation / "tasks").glob("*.json"), *(self._artifacts / "solved").glob("*/tasks/*.json")]):
            document = _json(path) or {}
            for policy, found in document["policies"].items():
                scores = found["success"] or {"claimed": found["claimed"]}
                where = "evaluation" if path.is_relative_to(evaluation) else "solved"
                rows += [_result(where, "task", document["task"], criterion, policy, score) for criterion, score in scores.items()]
        return _rows(rows)

    def _metrics(self) -> pa.Table | None:
        from maestromotif.rl.metrics import read_metrics
        from maestromotif.rl.metrics_table import METRICS_TABLE, metrics_table

        folder = self._training()
        if (folder / METRICS_TABLE).is_file():
            return pq.read_table(folder / METRICS_TABLE)
        return metrics_table(read_metrics(folder / "metrics.jsonl")) if (folder / "metrics.jsonl").is_file() else None

    def _skill_metrics(self) -> pa.Table | None:
        rows = []
        for line in _json_lines(self._training() / "metrics.jsonl"):
            for skill, found in line["skills"].items():
                ends = {f"ends.{cause}": share for cause, share in found["ends"].items()}
                own = {name: value for name, value in found.items() if name not in ("ends", "steps")}
                rows.append(
                    {"update": line["update"], "steps": line["steps"], "skill": skill, "active_steps": found["steps"], **own, **ends}
                )
        return _rows(rows)

    def _training(self) -> Path:
        """The finished training, else the one under way."""
        done = self._artifacts / "training"
        return done if done.is_dir() else done.with_name("training.part")

    def _played(self, part: str) -> pa.Table | None:
        evaluation = self._artifacts / "evaluation"
        folders = [("", evaluation / "skills"), *((path.name, path) for path in sorted((evaluation / "tasks").glob("*/")))]
        tables = []
        for task, folder in folders:
            for path in sorted(folder.glob(f"*.{part}.parquet")):
                table = pq.read_table(path)
                for name, value in (("policy", path.name.partition(".")[0]), ("task", task)):
                    table = table.add_column(0, name, pa.array([value] * len(table), pa.string()))
                tables.append(table)
        return pa.concat_tables(tables, promote_options="default") if tables else None

    def _bench(self) -> pa.Table | None:
        from maestromotif.bench.tables import rows_of

        found = []
        for name in ("bench", "baselines"):
            document = _json(self._artifacts / name / "results.json")
            found += [{"source": name, **row} for row in rows_of(document)] if document else []
        return _rows(found)

    def _captions(self) -> pa.Table | None:
        places = [self._artifacts / folder / "captions.parquet" for folder in ("preferences", "interactions")]
        return next((pq.read_table(path) for path in places if path.is_file()), None)

    def _preferences(self) -> pa.Table | None:
        tables = []
        for path in sorted((self._artifacts / "preferences").glob("preferences-*.parquet")):
            table = pq.read_table(path)
            skill = path.stem.removeprefix("preferences-")
            tables.append(table.add_column(0, "skill", pa.array([skill] * len(table), pa.string())).replace_schema_metadata(None))
        return pa.concat_tables(tables, promote_options="default") if tables else None


def _result(source: str, kind: str, name: str, criterion: str, policy: str, score: Mapping[str, Any]) -> dict[str, Any]:
    counted = {part: score[part] for part in ("successes", "trials", "rate", "low", "high")}
    return {"source": source, "kind": kind, "name": name, "criterion": criterion, "policy": policy, **counted}


def _rows(rows: Iterable[Mapping[str, Any]]) -> pa.Table | None:
    """Rows of plain values as a table; what is itself a list or an object is kept as JSON."""
    kept = [{name: _plain(value) for name, value in row.items()} for row in rows]
    names = list(dict.fromkeys(name for row in kept for name in row))
    return pa.table({name: [row.get(name) for row in kept] for name in names}) if kept else None


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _json(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(path)]


def _require(package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        raise ArtifactError(f"{package} is not installed", f"pip install {package}; or use table(), which needs neither") from error
