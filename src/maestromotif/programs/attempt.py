"""One answer of the coder, and what each layer of trust says of its program."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maestromotif.llm.chat import ChatReply
from maestromotif.programs.assess import Assessment
from maestromotif.programs.scenario import Outcome
from maestromotif.programs.trial import TrialReport

__all__ = ["LAYERS", "Attempt", "digest_of"]

# In the order in which a program meets them.
LAYERS = ("answer", "check", "contract", "scenario", "simulation", "assessment")
_NOT_REACHED: Mapping[str, Any] = {"verdict": "not reached", "problems": []}


def digest_of(source: str) -> str:
    """16 hexadecimal digits of the sha256 of a program."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Attempt:
    """One program and what became of it.

    Attributes:
        source: the program; empty if the answer held none.
        reply: the answer; a program that a person wrote stands in one of source ``"edited"``.
        no_program: why the answer is of no use; empty if it holds a program.
        refusals: why the program was not even tried.
        scenario: how it did in the cases written for it; None if it was not tried.
        report: of its trial; None if it was not tried.
        assessment: what the model itself says of it; None if it was not asked.
        seed: of the request.
    """

    source: str
    reply: ChatReply
    no_program: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    scenario: Outcome | None = None
    report: TrialReport | None = None
    assessment: Assessment | None = None
    seed: int = 0

    @property
    def edited(self) -> bool:
        return self.reply.source == "edited"

    @property
    def usable(self) -> bool:
        return self.report is not None and not self.report.fatal

    @property
    def problems(self) -> tuple[str, ...]:
        """All that the coder should mend, the worst first."""
        return (*self.no_program, *self.refusals, *self._tried, *(self.scenario.failed if self.scenario else ()))

    @property
    def _tried(self) -> tuple[str, ...]:
        return (*self.report.fatal, *self.report.weak) if self.report else ()

    @property
    def rank(self) -> tuple[bool, float, int, int]:
        """Greater is better: usable, then simulated success, then fewer doubts of the trial, then fewer failed cases."""
        if self.report is None:
            return False, -1.0, 0, -len(self.no_program)
        return self.usable, self.report.score, -len(self.report.weak), -len(self.scenario.failed if self.scenario else ())

    @property
    def verdict(self) -> str:
        """``"good"``, ``"weak"`` (usable, with doubts of the trial) or ``"refused"``."""
        return self.report.verdict if self.report else "refused"

    @property
    def digest(self) -> str:
        return digest_of(self.source)

    def layers(self) -> dict[str, dict[str, Any]]:
        """The verdict of each layer, with its reasons."""
        found = {layer: dict(_NOT_REACHED) for layer in LAYERS}
        found["answer"] = _layer(self.no_program)
        if self.no_program:
            return found
        found["check"] = _layer(self.refusals)
        if self.scenario is not None:
            found["scenario"] = self.scenario.as_json()
        if self.report is not None:
            kept = set(self.report.contract)
            found["contract"] = _judged(self.report, [problem for problem in self._tried if problem in kept])
            found["simulation"] = _judged(self.report, [problem for problem in self._tried if problem not in kept]) | _measured(self.report)
        if self.assessment is not None:
            found["assessment"] = self.assessment.as_json()
        return found


def _layer(problems: tuple[str, ...]) -> dict[str, Any]:
    return {"verdict": "refused" if problems else "passed", "problems": list(problems)}


def _judged(report: TrialReport, problems: list[str]) -> dict[str, Any]:
    verdict = "passed" if not problems else "refused" if set(problems) & set(report.fatal) else "weak"
    return {"verdict": verdict, "problems": problems}


def _measured(report: TrialReport) -> dict[str, Any]:
    return {"episodes": report.episodes, **({"success": report.score} if report.kind == "task" else {})}
