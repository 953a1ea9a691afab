"""A task in English: its program is written, then played zero-shot."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.agents.evaluate import Progress, Setting, evaluate_task, task_program
from maestromotif.domains.contract import Domain, Task

if TYPE_CHECKING:
    from maestromotif.llm.chat import ChatModel
    from maestromotif.programs.config import ProgramConfig

__all__ = ["Solved", "find_task", "solve", "task_id"]


@dataclass(frozen=True)
class Solved:
    """What came of a task.

    Attributes:
        task: its id.
        program: the policy over skills that was written for it.
        summary: see ``evaluate_task``.
    """

    task: str
    program: Path
    summary: dict[str, Any]


# What may stand before a task's name without changing what is asked for.
_ASKING = {"please", "reach", "find", "go", "get", "come", "walk", "enter", "visit", "do", "play", "accomplish", "to", "into", "the", "a"}


def find_task(domain: Domain, text: str) -> Task | None:
    """The domain's task that a text names; None: a task of the person's own.

    It is named by its id or exactly its description (white space apart), or by the id's words, whatever their case and with a verb of
    asking before them: "Reach Minetown", "go to the Gnomish Mines".
    """
    if text in domain.tasks:
        return domain.tasks[text]
    wanted, name = " ".join(text.split()), _name(text)
    found = next((task for task in domain.tasks.values() if " ".join(task.description.split()) == wanted), None)
    return found or next((task for task in domain.tasks.values() if name and _name(task.id) == name), None)


def _name(text: str) -> list[str]:
    words = re.findall(r"[a-z0-9]+", text.lower().replace("&", " and "))
    return list(itertools.dropwhile(_ASKING.__contains__, words))


def task_id(domain: Domain, text: str) -> str:
    """A stable id for a task in English: the domain's own, or the first words with a digest of the whole."""
    known = find_task(domain, text)
    if known is not None:
        return known.id
    normal = " ".join(text.split())
    words = "_".join(re.findall(r"[a-z0-9]+", normal.lower()))[:32].strip("_")
    return f"{words or 'task'}_{hashlib.sha256(normal.encode()).hexdigest()[:6]}"


def solve(
    setting: Setting,
    text: str,
    chat: ChatModel,
    program_config: ProgramConfig,
    tasks: Path,
    out: Path,
    progress: Progress = lambda _fraction, _text: None,
    *,
    episodes: int | None = None,
) -> Solved:
    """Write a policy over skills for a task and play it with the trained skills, with no more training.

    A program that is there already, written or mended by hand, is kept.

    Args:
        text: what ``find_task`` knows one of the domain's tasks by, or any other task in English.
        tasks: folder of all tasks; the program lies in ``tasks/<id>/<id>.py``.
        out: folder of evaluations.

    Raises:
        ChatError: the task has no recorded answer and no endpoint is configured, or the endpoint fails.
        ProgramError: the coder's program never kept the contract.
    """
    from maestromotif.programs import write_task_program

    known = find_task(setting.domain, text)
    name = task_id(setting.domain, text)
    program = task_program(tasks, name)
    if not program.exists():
        progress(0.0, f"{name}: the coder writes a policy over skills")
        description = known.description if known else text
        write_task_program(setting.domain, setting.skills, description, name, chat, program_config, program.parent)

    def report(fraction: float, words: str) -> None:
        progress(0.1 + 0.9 * fraction, words)

    summary = evaluate_task(setting, name, program, out, report, description=" ".join(text.split()), episodes=episodes)
    return Solved(name, program, summary)
