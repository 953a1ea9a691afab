"""Phases 2 and 3: generated programs. Checked, metered, tried in simulation, repaired by the coder, run beside the games.

The parts that run beside games (``schedule``, ``sandbox``) import nothing heavy; the coder is loaded when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.lazy import lazily

if TYPE_CHECKING:
    from maestromotif.programs.config import ProgramConfig
    from maestromotif.programs.schedule import ProgramSchedule, Schedule
    from maestromotif.programs.trial import TrialReport, run_trial
    from maestromotif.programs.write import ProgramResult, recheck, write_programs, write_task_program

__all__ = [
    "ProgramConfig",
    "ProgramResult",
    "ProgramSchedule",
    "Schedule",
    "TrialReport",
    "recheck",
    "run_trial",
    "write_programs",
    "write_task_program",
]

__getattr__ = lazily(
    __name__,
    config=["ProgramConfig"],
    schedule=["ProgramSchedule", "Schedule"],
    trial=["TrialReport", "run_trial"],
    write=["ProgramResult", "recheck", "write_programs", "write_task_program"],
)
