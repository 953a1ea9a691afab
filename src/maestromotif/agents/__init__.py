"""Deployment: skills and tasks played zero-shot by the trained network, and beside it by an untrained one and by chance.

Importing this package imports no torch; the parts that play are loaded when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.agents.config import POLICIES, EvaluateConfig
from maestromotif.lazy import lazily

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

__getattr__ = lazily(
    __name__,
    evaluate=["Setting", "evaluate_skills", "evaluate_task", "evaluate_tasks"],
    tasks=["Solved", "find_task", "solve", "task_id"],
)
