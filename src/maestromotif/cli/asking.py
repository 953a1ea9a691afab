"""What language models that play would be asked, and what that would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from maestromotif.cli.display import duration

if TYPE_CHECKING:
    from maestromotif.agents import Setting
    from maestromotif.bench.cells import BenchOrder
    from maestromotif.project import Project

__all__ = ["dry_run_with_model"]


def dry_run_with_model(trainings: Sequence[tuple[Project, Setting, BenchOrder]], rows: Mapping[tuple[str, int], dict[str, Any]]) -> bool:
    """Print what is left for language models to play, cell by cell and in all; whether anything is.

    Args:
        rows: of the bench so far.
    """
    from maestromotif.agents.llm_policy import LLM_POLICIES, needs_endpoint
    from maestromotif.bench.llm import Estimate, estimate_llm, llm_cells

    seen: set[str] = set()
    found: list[Estimate] = []
    for project, setting, order in trainings:
        if not set(order.policies) & set(LLM_POLICIES):
            continue
        if problem := needs_endpoint(project):
            typer.echo(f"{', '.join(policy for policy in order.policies if policy in LLM_POLICIES)}: {problem}")
        for cell in llm_cells(setting, order):
            if cell.key in seen:
                continue
            seen.add(cell.key)
            place = ", ".join([*([cell.label] if len(trainings) > 1 else []), cell.task, cell.policy, f"seed {cell.seed}"])
            estimate = estimate_llm(setting, cell, project.config.llm_policy, order.episodes, rows)
            if not estimate.episodes:
                typer.echo(f"{place}: all played")
                continue
            found.append(estimate)
            bound = "about" if estimate.measured else "at most"
            typer.echo(f"{place}: {estimate.episodes} episodes, {bound} {estimate.steps:,.0f} steps, {_spending(project, [estimate])}")
    if found:
        project = trainings[0][0]
        typer.echo(f"language models, all: {_spending(project, found)}{_time(project, found)}")
        typer.echo("answers that are in the store cost nothing again; limits: max_calls, max_total_tokens, max_cost under [chat]")
    return bool(found)


def _spending(project: Project, estimates: Sequence[Any]) -> str:
    bound = "about" if all(one.measured for one in estimates) else "at most about"
    calls, prompt, completion = (sum(getattr(one, name) for one in estimates) for name in ("calls", "prompt_tokens", "completion_tokens"))
    line = f"{bound} {calls:,.0f} calls with {prompt:,.0f} tokens of questions and {completion:,.0f} of answers"
    budget = project.config.chat.budget
    if budget.prompt_price or budget.completion_price:
        line += f": {budget.cost(prompt, completion):,.2f} at the prices of maestro.toml"
    return line


def _time(project: Project, estimates: Sequence[Any]) -> str:
    """How long these calls take, by what calls of the same kind took before; empty where there were none."""
    from maestromotif.agents.llm_policy import LLM_POLICIES
    from maestromotif.llm import Ledger
    from maestromotif.llm.ledger import LEDGER_FILE, total

    entries = Ledger(project.calls / LEDGER_FILE).entries()
    kinds = {f"{project.domain.id}/{policy}" for policy in LLM_POLICIES}
    before = total((one for one in entries if one.purpose.rpartition("/")[0] in kinds), lambda entry: "").get("")
    if before is None or not before.answered:
        return ""
    seconds = sum(one.calls for one in estimates) * before.seconds / before.answered / project.config.llm_policy.games
    return f", {duration(seconds)} with {project.config.llm_policy.games} games at once"
