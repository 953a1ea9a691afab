"""Having programs written: ask, check, try in simulation, give the findings back, keep the best."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import ChatError, ProgramError
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message
from maestromotif.programs.answers import extract_program
from maestromotif.programs.check import parse_checked
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.requests import Question, repair_text, system_text
from maestromotif.programs.schedule import POLICY_CLASS
from maestromotif.programs.trial import TrialReport

__all__ = ["Attempt", "Coder", "contract_problems"]


@dataclass(frozen=True)
class Attempt:
    """One answer of the coder and what became of it.

    Attributes:
        source: the program; empty if the answer held none.
        refusals: why it was not even tried.
        report: of its trial; None if it was not tried.
    """

    source: str
    reply: ChatReply
    refusals: tuple[str, ...] = ()
    report: TrialReport | None = None

    @property
    def usable(self) -> bool:
        return self.report is not None and not self.report.fatal

    @property
    def problems(self) -> tuple[str, ...]:
        return self.refusals if self.report is None else (*self.report.fatal, *self.report.weak)

    @property
    def rank(self) -> tuple[bool, int, float]:
        """Greater is better."""
        if self.report is None:
            return False, -1_000, 0.0
        return self.usable, -len(self.report.weak), self.report.score


@dataclass
class Coder:
    """Asks one chat model for programs about one domain.

    Attributes:
        transcript: one record for each answer, for a JSON Lines file.
        warnings: what a person should know of the answers.
    """

    domain: Domain
    chat: ChatModel
    config: ProgramConfig
    seed: int = 0
    transcript: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def write(self, question: Question, trial: Callable[[str], TrialReport], variables: Mapping[str, str]) -> tuple[Attempt, int]:
        """Ask until a program is good, for at most ``config.rounds`` answers.

        Args:
            trial: tries a checked source.
            variables: what a recorded fallback answer may weave in.

        Returns:
            The best usable attempt, and the number of answers.

        Raises:
            ChatError: no answer could be had, and none before it was usable.
            ProgramError: no answer kept the contract; naming the file, the line and the first problem of the best one.
        """
        messages = [Message("system", system_text(self.domain, self.config.fuel)), Message("user", question.text)]
        attempts: list[Attempt] = []
        for number in range(self.config.rounds):
            try:
                reply = self.chat.complete(self._request(question, messages, number, variables))
            except ChatError:
                if any(attempt.usable for attempt in attempts):
                    self.warnings.append(f"{question.file}: the coder failed when asked to improve it; an earlier program is kept")
                    break
                raise
            if any(reply.text == earlier.reply.text for earlier in attempts):
                break  # who says the same again, as recorded answers always do, will not say better
            attempt = self._try(question, reply, trial)
            self._record(question, number, messages[-1], attempt)
            attempts.append(attempt)
            if not attempt.problems:
                break
            trace = attempt.report.trace if attempt.report else ()
            messages += [Message("assistant", reply.text), Message("user", repair_text(self.config.episodes, attempt.problems, trace))]
        best = max(attempts, key=lambda attempt: attempt.rank)
        if not best.usable:
            raise ProgramError("; ".join(best.problems[:3]), self._remedy(question, len(attempts)))
        return best, len(attempts)

    def _request(self, question: Question, messages: list[Message], number: int, variables: Mapping[str, str]) -> ChatRequest:
        return ChatRequest(
            name=question.name,
            messages=tuple(messages),
            subject=question.subject,
            temperature=self.config.temperature,
            top_p=self.config.top_p,
            max_tokens=self.config.max_tokens,
            seed=self.seed + number,
            variables=variables,
        )

    def _try(self, question: Question, reply: ChatReply, trial: Callable[[str], TrialReport]) -> Attempt:
        source = extract_program(reply.text, question.required)
        if source is None:
            cut = " (it was cut off: raise max_tokens)" if reply.finish_reason == "length" else ""
            return Attempt(
                "", reply, (f"{question.file}:1: the answer holds no Python program that defines {', '.join(question.required)}{cut}",)
            )
        problems = contract_problems(source, question, self.domain)
        return Attempt(source, reply, problems) if problems else Attempt(source, reply, (), trial(source))

    def _record(self, question: Question, number: int, asked: Message, attempt: Attempt) -> None:
        report = attempt.report
        self.transcript.append(
            {
                "name": question.name,
                "round": number + 1,
                "subject": question.subject,
                "asked": asked.content,
                "answer": attempt.reply.text,
                "model": attempt.reply.model,
                "source": attempt.reply.source,
                "program": attempt.source,
                "verdict": report.verdict if report else "refused",
                "problems": list(attempt.problems),
            }
        )

    @staticmethod
    def _remedy(question: Question, answers: int) -> str:
        asked = f"The coder was asked {answers} time{'s' if answers > 1 else ''} ({question.name})"
        return f"{asked}; reword the text it was given, or use a stronger model"


def contract_problems(source: str, question: Question, domain: Domain) -> tuple[str, ...]:
    """What a look at the source says against it: forbidden constructs, missing or misshapen functions."""
    try:
        tree = parse_checked(source, [spec.name for spec in domain.fact_specs], question.file)
    except ProgramError as error:
        # Found again, each on a line of its own, so that the coder sees all of them.
        return tuple(re.split(rf"; (?={re.escape(question.file)}:\d+: )", error.problem))
    problems: list[str] = []
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, parameters in question.functions:
        problems += _shape_problems(question.file, functions.get(name), name, parameters)
    if question.methods:
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        found = classes.get(POLICY_CLASS)
        if found is None:
            problems.append(f"{question.file}:1: the program does not define class {POLICY_CLASS}")
        else:
            methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
            optional = {"__init__": 0, "observe": 1, "interrupt": 2}
            wanted = {**{name: count for name, count in optional.items() if name in methods}, **dict(question.methods)}
            for name, parameters in wanted.items():
                problems += _shape_problems(question.file, methods.get(name), name, parameters, method=True)
    return tuple(problems)


def _shape_problems(file: str, node: ast.FunctionDef | None, name: str, parameters: int, method: bool = False) -> list[str]:
    if node is None:
        return [f"{file}:1: the program does not define {POLICY_CLASS + '.' if method else ''}{name}"]
    arguments = node.args
    most = len(arguments.posonlyargs) + len(arguments.args) - (method and not node.decorator_list)
    least = most - len(arguments.defaults)
    required_keywords = sum(default is None for default in arguments.kw_defaults)
    if required_keywords or least > parameters or (most < parameters and arguments.vararg is None):
        return [f"{file}:{node.lineno}: {name} must take {parameters} argument{'s' * (parameters != 1)}{' beside self' if method else ''}"]
    return []
