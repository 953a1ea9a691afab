"""How much is evaluated, and with which seeds: the ``[evaluate]`` table of maestro.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["POLICIES", "EvaluateConfig"]

POLICIES = ("trained", "untrained", "random")
"""What drives the same programs in an evaluation: the trained network, the network it began as, and chance."""


class EvaluateConfig(BaseModel):
    """The ``[evaluate]`` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skill_episodes: int = Field(default=64, ge=1, description="episodes of the training policy over skills, for each driving policy")
    task_episodes: int = Field(default=64, ge=1, description="episodes of each task, for each driving policy")
    max_steps: int = Field(default=2_000, ge=1, description="cut episodes after so many steps, or at the task's own limit if lower")
    tasks: tuple[str, ...] = Field(default=(), description="ids of the tasks to evaluate; empty: all that have a program")
    games: int = Field(default=32, ge=1, description="games played together")
    workers: int = Field(default=2, ge=0, description="processes that play them; 0: this process")
    seed: int = Field(default=1, ge=0, description="of the episodes; every driving policy gets the same episodes")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of every interval")
    permutations: int = Field(default=9_999, ge=99, description="relabellings of every significance test")
