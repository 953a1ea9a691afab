"""Recording episodes, in a process of its own, confined like those of workers; they lie beside artifacts, not in one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from maestromotif.stages.stage import Stage, Work

__all__ = ["record_stage"]


def record_stage(order: Mapping[str, Any]) -> Stage:
    """Records what is missing of an order.

    Args:
        order: a ``RecordOrder`` as plain values.
    """
    return Stage("record", "records episodes", (), lambda project: {}, partial(_record, order), options={"order": dict(order)})


def _record(values: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    from maestromotif.recordings.play import RecordOrder, record_episodes
    from maestromotif.rl.worker import confine_player, warm_up
    from maestromotif.stages.catalogue import evaluation_setting

    setting, order = evaluation_setting(work.project), RecordOrder.from_json(values)
    work.out.mkdir(parents=True, exist_ok=True)
    rewards = [] if setting.rewards is None else [setting.rewards]

    def ready() -> None:
        warm_up(setting.domain)
        confine_player(setting.domain, rewards, [work.out])

    return {"kept": record_episodes(setting, order, work.out, work.progress, ready)}
