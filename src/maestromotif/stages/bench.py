"""The games of a bench, in a process of its own; what has been played is in the bench's own folder, not in an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from maestromotif.stages.stage import Stage, Work

__all__ = ["bench_stage"]


def bench_stage(order: Mapping[str, Any], probe: int = 0) -> Stage:
    """Plays what is missing of one training.

    Args:
        order: a ``BenchOrder`` as plain values.
        probe: so many episodes of the first cell are played for a few seconds instead, to learn the rate; nothing is written.
    """
    options = {"order": dict(order), "probe": probe}
    return Stage("bench", "plays full episodes", (), lambda project: {}, partial(_bench, options), options=options)


def _bench(options: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    from maestromotif.bench.cells import BenchOrder, cells_of, measure_rate, play_cells
    from maestromotif.bench.log import EpisodeLog
    from maestromotif.stages.catalogue import evaluation_setting

    setting, order = evaluation_setting(work.project), BenchOrder.from_json(options["order"])
    if options["probe"]:
        return {"rate": measure_rate(setting, cells_of(setting, order)[0], options["probe"])}
    return {"rates": play_cells(setting, order, EpisodeLog(work.out), work.progress)}
