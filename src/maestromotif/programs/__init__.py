"""Phases 2 and 3: generated programs. Checked, metered, tried in simulation, repaired by the coder, run beside the games.

The parts that run beside games (``schedule``, ``sandbox``) import nothing heavy; the coder is loaded when first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

_HOMES = {
    "ProgramConfig": "config",
    "ProgramResult": "write",
    "ProgramSchedule": "schedule",
    "Schedule": "schedule",
    "TrialReport": "trial",
    "recheck": "write",
    "run_trial": "trial",
    "write_programs": "write",
    "write_task_program": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
