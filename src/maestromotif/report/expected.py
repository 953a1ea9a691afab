"""What a task's program was expected to do, from simulated episodes, beside what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from maestromotif.programs.trial import expected_rate
from maestromotif.report.results import Results, Score, TaskRow
from maestromotif.report.sources import Notes, ReportSources, read_json_file, tolerate

__all__ = ["Expected", "beside", "gather_expected"]


@dataclass(frozen=True)
class Expected:
    """One criterion of one task.

    Attributes:
        simulated: success by how skills fare in the simulator (see ``Domain.simulators``), within as many steps as the real episodes had.
        episodes: simulated ones.
        max_steps: of the real episodes; without any, of the task, 0 where it has no limit.
        real: of the trained network; None: it was not evaluated.
    """

    task: str
    criterion: str
    simulated: dict[str, float]
    episodes: int
    max_steps: int
    real: Score | None

    @property
    def apart(self) -> bool:
        """Whether the rate with measured skills lies outside the interval of the real one."""
        rate = self.simulated.get("measured")
        return self.real is not None and rate is not None and not self.real.low <= rate <= self.real.high


def gather_expected(sources: ReportSources, results: Results, notes: Notes) -> list[Expected]:
    """For every task whose program was tried on ``Domain.simulators``; repaired programs have their own trials and are left out."""
    found: list[Expected] = []
    rows = {row.task: row for row in results.tasks if not row.repaired}
    for folder in sorted(sources.tasks.glob("[!.]*/")):
        document = read_json_file(folder / "trials.json", notes) or {}
        trial = (document.get("programs") or {}).get(f"{folder.name}.py") or {}
        known = sources.domain.tasks.get(folder.name)
        limit, expected, row = known.max_steps if known else 0, trial.get("expected") or {}, rows.get(folder.name)
        found += tolerate(notes, "trials.json", lambda: list(beside(folder.name, expected, limit, row))) or []  # noqa: B023 - called at once
    return found


def beside(task: str, expected: Mapping[str, Any], limit: int, row: TaskRow | None) -> Iterable[Expected]:
    """Each criterion of a trial's ``expected``, the landmark first.

    Args:
        limit: steps of the task where it was not evaluated.
        row: its evaluation.
    """
    max_steps = row.max_steps if row else limit
    names = sorted({name for kept in expected.values() for name in kept["success_steps"]}, key=lambda name: (name != "landmark", name))
    for name in names:
        rates = {who: expected_rate(kept, name, max_steps or 10**9) for who, kept in expected.items()}
        scores = row.scores.get("its own claim" if name == "claimed" else name, {}) if row else {}
        episodes = min(int(kept["episodes"]) for kept in expected.values())
        simulated = {who: rate for who, rate in rates.items() if rate is not None}
        yield Expected(task, name, simulated, episodes, max_steps, scores.get("trained"))
