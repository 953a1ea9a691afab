"""The games of a bench, in a process of its own; what has been played is in the bench's own folder, not in an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.config import CONFIG_FILE
from maestromotif.errors import ConfigError
from maestromotif.stages.stage import Progress, Stage, Work

if TYPE_CHECKING:
    from maestromotif.bench.cells import BenchOrder
    from maestromotif.project import Project

__all__ = ["bench_stage", "check_player", "play_with_model", "with_player"]


def bench_stage(order: Mapping[str, Any], probe: int = 0) -> Stage:
    """Plays what is missing of one training.

    Args:
        order: a ``BenchOrder`` as plain values.
        probe: so many episodes of the first cell that asks nobody are played for a few seconds instead, to learn the rate; nothing is
            written.
    """
    options = {"order": dict(order), "probe": probe}
    return Stage("bench", "plays full episodes", (), lambda project: {}, partial(_bench, options), options=options)


def _bench(options: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    from maestromotif.agents.llm_policy import LLM_POLICIES
    from maestromotif.bench.cells import BenchOrder, cells_of, measure_rate, play_cells
    from maestromotif.bench.log import EpisodeLog
    from maestromotif.stages.catalogue import evaluation_setting

    setting, order = evaluation_setting(work.project), BenchOrder.from_json(options["order"])
    if options["probe"]:
        first = next(cell for cell in cells_of(setting, order) if cell.policy not in LLM_POLICIES)
        return {"rate": measure_rate(setting, first, options["probe"])}
    return {"rates": play_cells(setting, order, EpisodeLog(work.out), work.progress)}


def with_player(project: Project, order: BenchOrder) -> BenchOrder:
    """The order with what a language model is known by, where one is to play."""
    from maestromotif.agents.llm_policy import LLM_POLICIES, player_identity

    return replace(order, player=player_identity(project)) if set(order.policies) & set(LLM_POLICIES) else order


def check_player(project: Project, order: BenchOrder) -> None:
    """See that the language models of an order can play.

    Raises:
        ConfigError: the project names no endpoint.
    """
    from maestromotif.agents.llm_policy import LLM_POLICIES, needs_endpoint

    asked = [policy for policy in order.policies if policy in LLM_POLICIES]
    if asked and (problem := needs_endpoint(project)):
        raise ConfigError(f"{', '.join(asked)}: {problem}", f"{project.root / CONFIG_FILE} explains every key")


def play_with_model(project: Project, order: BenchOrder, home: Path, progress: Progress) -> None:
    """Play what is missing of the cells of language models. They are asked from this process, which may hold keys; games are played in
    others. For what may be raised see ``bench.llm.play_llm_cells``.

    Args:
        order: see ``with_player``.

    Raises:
        ConfigError: the project names no endpoint.
    """
    from maestromotif.agents.llm_policy import LLM_POLICIES
    from maestromotif.bench.llm import play_llm_cells
    from maestromotif.stages.catalogue import evaluation_setting

    if not set(order.policies) & set(LLM_POLICIES):
        return
    check_player(project, order)
    config = project.config
    play_llm_cells(evaluation_setting(project), order, project.player(), config.chat.budget, config.llm_policy, home, progress)
