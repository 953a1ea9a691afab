"""Deployment: skills and tasks played zero-shot by the trained network, and beside it by an untrained one and by chance.

Importing this package imports no torch; the parts that play are loaded when first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maestromotif.agents.config import POLICIES, EvaluateConfig

if TYPE_CHECKING:
    from maestromotif.agents.evaluate import Setting, evaluate_skills, evaluate_task, evaluate_tasks
    from maestromotif.agents.tasks import Solved, find_task, solve, task_id

__all__ = [
    "POLICIES",
    "EvaluateConfig",
    "Setting",
    "Solved",
    "evaluate_skills",
    "evaluate_task",
    "evaluate_tasks",
    "find_task",
    "solve",
    "task_id",
]

_HOMES = {
    "Setting": "evaluate",
    "Solved": "tasks",
    "evaluate_skills": "evaluate",
    "evaluate_task": "evaluate",
    "evaluate_tasks": "evaluate",
    "find_task": "tasks",
    "solve": "tasks",
    "task_id": "tasks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
