"""How fast this machine trains a project: it trains for a moment, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from maestromotif.stages.stage import Stage, Work

__all__ = ["RATE", "rate_stage"]

RATE = "rate"
_UPDATES, _WARM = 8, 2  # updates that are made; the first ones compile


def rate_stage() -> Stage:
    """Its ``facts`` hold the ``rate``, in environment steps a second; it writes nothing."""
    return Stage(RATE, "trains for a moment", (), lambda project: {}, _measure)


def _measure(work: Work) -> Mapping[str, Any]:
    from maestromotif.rl import ScheduleSources, train

    project = work.project
    config = project.config.train.settled()
    steps = _UPDATES * config.rollout * config.games
    config = config.model_copy(update={"steps": steps, "schedule": "program", "tensorboard": False, "checkpoint_seconds": 3600.0})
    rates: list[float] = []
    with TemporaryDirectory() as folder:
        train(
            project.domain,
            project.skills,
            ScheduleSources(""),
            None,
            config,
            Path(folder),
            project.seed,
            on_update=lambda metrics: rates.append(metrics["time"]["steps_per_second"]),
        )
    return {"rate": fmean(rates[_WARM:])}
