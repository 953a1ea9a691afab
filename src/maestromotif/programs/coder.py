"""Having programs written: ask, check, try on cases and in simulation, give the findings back, keep the best."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import ChatError, ProgramError
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.programs.answers import extract_program
from maestromotif.programs.assess import Assessment, read_assessment
from maestromotif.programs.attempt import Attempt
from maestromotif.programs.config import ProgramConfig
from maestromotif.programs.generations import add_to_log, card, note, record
from maestromotif.programs.requests import (
    Question,
    assess_text,
    examiner_text,
    remark_text,
    repair_text,
    scenario_text,
    system_text,
)
from maestromotif.programs.review import Abort, Accept, Ask, Edit, Review
from maestromotif.programs.scenario import Scenario, read_scenario, run_scenario, usual_facts
from maestromotif.programs.shape import contract_problems
from maestromotif.programs.trial import TrialReport

__all__ = ["Attempt", "Coder", "contract_problems", "first_requests", "opening", "request"]

Trial = Callable[[str], TrialReport]

# Added to a request's seed for each further candidate, so that no round of one asks with the seed of another.
_CANDIDATE = 7919
# The same for each further generation.
_GENERATION = 1_000_003
_LONGEST_ANSWER = 4 * 2**16  # characters; a program may have a quarter
_EXCERPT = 2_000  # of an answer that is too long, or of a refusal
_RECORDED = "recorded answers hold none"


@dataclass
class _Inquiry:
    """One program's way through the rounds.

    Attributes:
        messages: the conversation as it is asked next.
        attempts: all so far, in the order in which they were asked for.
        rounds: how often the coder was asked; candidates are asked for in one round.
        stopped: why it was not asked again though it might have been.
        is_live: an endpoint answered, so that more can be asked; recorded answers hold programs only.
    """

    question: Question
    trial: Trial
    variables: Mapping[str, str]
    messages: list[Message]
    attempts: list[Attempt] = field(default_factory=list)
    scenario: Scenario | None = None
    rounds: int = 0
    stopped: str = ""
    is_live: bool = False

    @property
    def best(self) -> Attempt:
        """The first of the best."""
        return max(self.attempts, key=lambda attempt: attempt.rank)


@dataclass
class Coder:
    """Asks one chat model for programs about one domain.

    Attributes:
        review: shows each finished program to a person; None: nobody is asked.
        log: file to which a line is added for each program that was written, whatever becomes of it; None: nowhere.
        transcript: one record for each answer, for a JSON Lines file.
        warnings: what a person should know of the answers.
        cards: by name of a question, where its program came from and what each layer said of it.
    """

    domain: Domain
    chat: ChatModel
    config: ProgramConfig
    seed: int = 0
    review: Review | None = None
    log: Path | None = None
    transcript: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, question: Question, trial: Trial, variables: Mapping[str, str]) -> tuple[Attempt, int]:
        """Ask until a program is good, for at most ``config.rounds`` rounds; the first has ``config.candidates`` answers.

        Args:
            trial: tries a checked source; called from several threads where there are several candidates.
            variables: what a recorded fallback answer may weave in.

        Returns:
            The best usable attempt, and the number of rounds.

        Raises:
            ChatError: no answer could be had, and none before it was usable.
            ProgramError: no answer kept the contract, naming the file, the line and the first problem of the best one; or the
                person who reviews it wants none.
        """
        inquiry = _Inquiry(question, trial, variables, opening(question, self.domain, self.config))
        self._round(inquiry, self.config.candidates)
        while inquiry.rounds < self.config.rounds and not inquiry.stopped and inquiry.best.problems:
            self._ask_for_repair(inquiry)
        best = inquiry.best if self.review is None else self._reviewed(inquiry, self.review)
        if not best.usable:
            raise ProgramError("; ".join(best.problems[:3]), self._remedy(inquiry))
        best = self._assessed(inquiry, best)
        self.cards[question.name] = card(question, best, inquiry.attempts, inquiry.rounds, self.config, inquiry.stopped)
        return best, inquiry.rounds

    # Asking

    def _round(self, inquiry: _Inquiry, answers: int) -> None:
        """Ask ``answers`` times at once, and try what is new; nothing new ends the rounds."""
        seeds = _seeds(self.seed + inquiry.rounds, answers, self.config)
        asked = inquiry.messages[-1]
        answers_by_seed = dict(map_concurrently(lambda seed: self._answer(inquiry, seed), seeds, answers))
        failures = [reply for reply in answers_by_seed.values() if isinstance(reply, ChatError)]
        replies = [(seed, reply) for seed in seeds if isinstance(reply := answers_by_seed[seed], ChatReply)]
        if failures:
            self._failed(inquiry, failures, len(replies))
        inquiry.rounds += bool(replies)
        inquiry.is_live = inquiry.is_live or any(reply.source == "endpoint" for _, reply in replies)
        known = {attempt.reply.text for attempt in inquiry.attempts}
        fresh: dict[str, tuple[int, ChatReply]] = {}
        for seed, reply in replies:
            if reply.text not in known:
                fresh.setdefault(reply.text, (seed, reply))
        if not fresh:
            # Who says the same again, as recorded answers always do, will not say better.
            inquiry.stopped = inquiry.stopped or "the coder gave the same answer again"
        for attempt in self._try_all(inquiry, list(fresh.values())):
            self._keep(inquiry, attempt, asked)

    def _failed(self, inquiry: _Inquiry, failures: Sequence[ChatError], answered: int) -> None:
        """Some calls had no answer: go on with those that had, or with an earlier program."""
        problem = failures[0].problem
        if answered:
            self.warnings.append(f"{inquiry.question.file}: {len(failures)} of {answered + len(failures)} candidates failed ({problem})")
            return
        if not any(attempt.usable for attempt in inquiry.attempts):
            raise failures[0]
        inquiry.stopped = problem
        text = f"the coder failed when asked to improve it ({problem}); an earlier program is kept"
        self.warnings.append(f"{inquiry.question.file}: {text}")

    def _answer(self, inquiry: _Inquiry, seed: int) -> ChatReply | ChatError:
        question = inquiry.question
        try:
            return self.chat.complete(request(question, inquiry.messages, self.config, seed, inquiry.variables))
        except ChatError as error:
            return error

    def _ask_for_repair(self, inquiry: _Inquiry) -> None:
        """Give the findings about the latest answer back (of several candidates, about the best)."""
        latest = inquiry.best if inquiry.rounds == 1 else inquiry.attempts[-1]
        trace = latest.report.trace if latest.report else ()
        self._say(inquiry, latest, repair_text(self.config.episodes, latest.problems, trace))
        self._round(inquiry, 1)

    @staticmethod
    def _say(inquiry: _Inquiry, about: Attempt, text: str) -> None:
        """Go on with the conversation after an answer. What a filter kept back is not repeated; it is asked for anew."""
        if about.reply.finish_reason == "content_filter":
            return
        said = about.reply.text[:_EXCERPT] if _is_too_long(about.reply) else about.reply.text
        # Some endpoints refuse an empty message, or two of a person's in a row.
        inquiry.messages += [Message("assistant", said.strip() or "(no answer)"), Message("user", text)]

    # Trying

    def _try_all(self, inquiry: _Inquiry, replies: Sequence[tuple[int, ChatReply]]) -> list[Attempt]:
        checked = [self._check(inquiry.question, seed, reply) for seed, reply in replies]
        todo = [number for number, attempt in enumerate(checked) if not attempt.problems]
        if inquiry.scenario is None:
            inquiry.scenario = self._scenario(inquiry) if todo else None
        scenario = inquiry.scenario or Scenario()

        def tried(number: int) -> Attempt:
            source = checked[number].source
            outcome = run_scenario(source, inquiry.question, scenario, self.domain, self.config, self.seed)
            return replace(checked[number], scenario=outcome, report=inquiry.trial(source))

        for number, attempt in map_concurrently(tried, todo, os.cpu_count() or 1):
            checked[number] = attempt
        return checked

    def _check(self, question: Question, seed: int, reply: ChatReply) -> Attempt:
        unusable = _unusable(reply)
        edited = reply.source == "edited"
        source = None if unusable else reply.text if edited else extract_program(reply.text, question.required)
        if source is None:
            wanted = f"the answer holds no Python program that defines {', '.join(question.required)}"
            return Attempt("", reply, (f"{question.file}:1: {unusable or wanted}{self._cut(reply)}",), seed=seed)
        problems = contract_problems(source, question, self.domain)
        if problems and reply.finish_reason == "length":
            problems = (*problems, f"{question.file}:1: the answer ends in the middle{self._cut(reply)}")
        return Attempt(source, reply, (), problems, seed=seed)

    def _cut(self, reply: ChatReply) -> str:
        if reply.finish_reason != "length":
            return ""
        return f" (it was cut off: raise max_tokens = {self.config.max_tokens} under [program], or have it answer more briefly)"

    def _scenario(self, inquiry: _Inquiry) -> Scenario:
        """Have the model that writes a program write cases for it, once for all rounds and candidates."""
        question = inquiry.question
        if not self.config.scenarios:
            return Scenario(skipped="turned off by [program] scenarios")
        if not inquiry.is_live:
            return Scenario(skipped=_RECORDED)
        text = scenario_text(question, usual_facts(self.domain, self.seed))
        try:
            answer = self._ask_examiner(question, "scenario", text)
        except ChatError as error:
            return self._without(question, "cases for it", error)
        scenario = read_scenario(answer.text, question, self.domain)
        verdict = "unusable" if scenario.skipped else "partly malformed" if scenario.malformed else "well formed"
        problems = (*([scenario.skipped] if scenario.skipped else []), *scenario.malformed)
        self._tell(note("scenario", question, text, answer, verdict, problems))
        return scenario

    def _without(self, question: Question, what: str, error: ChatError) -> Scenario:
        self.warnings.append(f"{question.file}: {what} could not be had ({error.problem})")
        return Scenario(skipped=error.problem)

    def _ask_examiner(self, question: Question, purpose: str, text: str) -> ChatReply:
        messages = [Message("system", examiner_text(self.domain)), Message("user", text)]
        return self.chat.complete(request(replace(question, name=question.about(purpose)), messages, self.config, self.seed, {}))

    def _assessed(self, inquiry: _Inquiry, best: Attempt) -> Attempt:
        """Have the model say whether the program does what the words say."""
        question, report = inquiry.question, best.report
        assert report is not None
        if not self.config.assess:
            return replace(best, assessment=Assessment("skipped", "turned off by [program] assess"))
        if not inquiry.is_live:
            return replace(best, assessment=Assessment("skipped", _RECORDED))
        text = assess_text(question, best.source, self.config.episodes, best.problems, report.trace)
        try:
            answer = self._ask_examiner(question, "assess", text)
        except ChatError as error:
            return replace(best, assessment=Assessment("skipped", self._without(question, "the model's own verdict", error).skipped))
        assessment = read_assessment(answer.text, answer.model)
        if assessment.verdict == "no":
            self.warnings.append(f"{question.file}: the model that wrote it doubts it: {assessment.reason}")
        self._tell(note("assessment", question, text, answer, assessment.verdict, [assessment.reason]))
        return replace(best, assessment=assessment)

    # A person's review

    def _reviewed(self, inquiry: _Inquiry, review: Review) -> Attempt:
        """Show the best program to a person until it is accepted; what comes after a remark or an edit is shown in its place."""
        shown, told = inquiry.best, ""
        while True:
            match review(inquiry.question, shown, told):
                case Accept():
                    return shown
                case Ask(remark):
                    before, inquiry.stopped = len(inquiry.attempts), ""
                    self._say(inquiry, shown, remark_text(remark))
                    self._round(inquiry, 1)
                    told = inquiry.stopped
                    if len(inquiry.attempts) > before:
                        shown = inquiry.attempts[-1]
                case Edit(source):
                    (shown,) = self._try_all(inquiry, [(0, ChatReply(source, model="a person", source="edited"))])
                    self._keep(inquiry, shown, Message("user", "(edited by hand)"))
                    told = ""
                case Abort():
                    raise ProgramError(
                        f"{inquiry.question.file}: the review was ended", "Nothing was changed; answers are kept and cost nothing"
                    )

    # Telling

    def _keep(self, inquiry: _Inquiry, attempt: Attempt, asked: Message) -> None:
        inquiry.attempts.append(attempt)
        self._tell(record(inquiry.question, inquiry.rounds, asked.content, attempt, _EXCERPT if _is_too_long(attempt.reply) else None))

    def _tell(self, line: dict[str, Any]) -> None:
        self.transcript.append(line)
        if self.log is not None:
            add_to_log(self.log, line)

    @staticmethod
    def _remedy(inquiry: _Inquiry) -> str:
        rounds = inquiry.rounds
        asked = f"The coder was asked {rounds} time{'s' if rounds > 1 else ''} ({inquiry.question.name})"
        return f"{asked}; reword the text it was given, or use a stronger model"


def opening(question: Question, domain: Domain, config: ProgramConfig) -> list[Message]:
    """The conversation's beginning."""
    return [Message("system", system_text(domain, config.fuel)), Message("user", question.text)]


def first_requests(question: Question, variables: Mapping[str, str], domain: Domain, config: ProgramConfig, seed: int) -> list[ChatRequest]:
    """What is asked in the first round, once for each candidate."""
    messages = opening(question, domain, config)
    return [request(question, messages, config, own, variables) for own in _seeds(seed, config.candidates, config)]


def _seeds(first: int, answers: int, config: ProgramConfig) -> list[int]:
    return [first + _GENERATION * (config.generation - 1) + _CANDIDATE * number for number in range(answers)]


def request(question: Question, messages: Sequence[Message], config: ProgramConfig, seed: int, variables: Mapping[str, str]) -> ChatRequest:
    """What is sent to the model."""
    return ChatRequest(
        name=question.name,
        messages=tuple(messages),
        subject=question.subject,
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        seed=seed,
        variables=variables,
    )


def _is_too_long(reply: ChatReply) -> bool:
    return len(reply.text) > _LONGEST_ANSWER


def _unusable(reply: ChatReply) -> str:
    """Why no program need be looked for in an answer; empty if one should be."""
    if reply.finish_reason == "content_filter":
        return "the endpoint's content filter kept the question or the answer back"
    if reply.finish_reason == "refusal":
        return f"the model refused to answer: {' '.join(reply.text.split())[:200]!r}"
    if _is_too_long(reply):
        return f"the answer has {len(reply.text):,} characters, more than {_LONGEST_ANSWER:,}"
    return "" if reply.text.strip() else "the answer is empty"
