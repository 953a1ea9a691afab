"""What ``solve`` would ask the coder and play, without doing either."""

from __future__ import annotations

from collections.abc import Iterator

from maestromotif.llm.store import CHARACTERS_PER_TOKEN
from maestromotif.programs.reality import reality_question
from maestromotif.programs.requests import Question, system_text, task_question
from maestromotif.project import Project
from maestromotif.stages.repair import RepairPlan, last_reality

__all__ = ["would_repair", "would_solve"]


def would_solve(project: Project, task: str, text: str) -> Iterator[str]:
    """Lines for a person: the question by which a task's program would be asked for. Writes nothing."""
    yield f"1 program for {task}: at most {project.config.program.rounds} questions to {_who(project)}"
    yield from _show(project, task_question(project.domain, project.skills, text, task))


def would_repair(project: Project, plan: RepairPlan) -> Iterator[str]:
    """Lines for a person: what a repair would play and ask, with what episodes showed that were played already. Writes nothing.

    Raises:
        ArtifactError: episodes that an earlier repair played are damaged.
    """
    reality = last_reality(project, plan.task)
    yield f"repair: at most {plan.rounds} new versions, for each at most {project.config.program.rounds} questions to {_who(project)}"
    yield f"each round plays {plan.episodes} episodes to learn from, and {plan.held_out} fresh ones with either version"
    if reality is None:
        yield "nothing was played yet: what the episodes show is left open below"
    yield from _show(project, reality_question(project.domain, project.skills, plan.text, plan.task, reality, plan.episodes))


def _who(project: Project) -> str:
    config = project.config.coder
    return "the answers that ship with the package" if config.kind == "recorded" else f"{config.model} at {config.base_url}"


def _show(project: Project, question: Question) -> Iterator[str]:
    config, coder = project.config.program, project.config.coder
    system = system_text(project.domain, config.fuel)
    tokens = (len(system) + len(question.text)) / CHARACTERS_PER_TOKEN
    line = f"about {tokens:,.0f} tokens of the first question, and at most {config.max_tokens:,} of its answer"
    if coder.budget.prompt_price or coder.budget.completion_price:
        line += f": at most {coder.budget.cost(tokens, config.max_tokens):,.2f} at the prices of maestro.toml"
    yield line
    yield f"\n{question.name} (temperature {config.temperature:g}):"
    yield f"\n--- system ---\n{system}"
    yield f"\n--- user ---\n{question.text}"
