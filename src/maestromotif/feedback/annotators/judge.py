"""The offline annotator: a model writes a scoring program once per skill, and the program compares all pairs."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence

from maestromotif.errors import ProgramError
from maestromotif.feedback.annotators.options import NoOptions
from maestromotif.feedback.protocol import PROMPTS, AnnotatorContext, Briefing, Judgement
from maestromotif.feedback.scoring import score_inputs
from maestromotif.feedback.tables import CaptionTable
from maestromotif.feedback.words import fallback_variables
from maestromotif.llm.chat import ChatReply, ChatRequest, Message
from maestromotif.llm.prompts import Prompt
from maestromotif.programs.sandbox import check_source
from maestromotif.skills import Skill
from maestromotif.types import Pair, RewardInput, Verdict

__all__ = ["JudgeAnnotator", "compare_scores", "extract_program", "tie_margin"]

_BLOCK = re.compile(r"^[ \t]*```[ \t]*(?:python|py)?[ \t]*\r?\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL | re.IGNORECASE)


class JudgeAnnotator:
    """Scores captions with a generated program, run in a throw-away process, and compares the scores."""

    Options = NoOptions

    def __init__(self, context: AnnotatorContext) -> None:
        self._domain = context.domain
        self._config = context.config
        self._chat = context.chat
        self._captions = context.captions
        self._shown = context.shown or context.captions
        self._seed = context.seed
        self.id = f"judge:{context.chat.id}"
        self._scores: dict[str, dict[RewardInput, float]] = {}

    def brief(self, skill: Skill) -> Briefing:
        """Get a program that passes the checks and scores all captions.

        Raises:
            ProgramError: the model's programs do not work; names skill and line.
            ChatError: the model cannot be asked.
        """
        messages = self._question(skill)
        problems: list[str] = []
        exchange = [messages[-1].content]
        for _ in range(self._config.judge_rounds):
            reply = self._chat.complete(self._request(skill, messages))
            repeated = bool(problems) and reply.text == exchange[-2]
            exchange.append(reply.text)
            try:
                source = extract_program(reply.text, skill.id)
                check_source(source, (), _filename(skill.id))
                tie_margin(source, skill.id)
                self._score_all(source, skill)
            except ProgramError as error:
                problems.append(error.problem)
                if repeated or reply.source != "endpoint":
                    break  # it would only be said again
                repair = Prompt.load(PROMPTS / "judge-repair.txt").render(problem=error.problem)
                messages = (*messages, Message("assistant", reply.text.strip() or "(no answer)"), Message("user", repair))
                exchange.append(repair)
                continue
            transcript = {"system": messages[0].content, "exchange": exchange, "source": reply.source, "program": source}
            return Briefing(transcript, source, _warning(skill, reply))
        raise ProgramError(
            f"the scoring program of skill {skill.id!r} does not work: {problems[-1]}",
            "Reword the skill's text, ask another model, or mend the recorded answer",
        )

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        scores = self._score_all(briefing.program, skill)
        margin = tie_margin(briefing.program, skill.id)
        for pair in pairs:
            first, second = scores[pair.first.reward_input], scores[pair.second.reward_input]
            yield Judgement(pair, compare_scores(first, second, margin), detail={"scores": [first, second]})

    def _score_all(self, source: str, skill: Skill) -> dict[RewardInput, float]:
        """The program's score of every caption, computed once."""
        found = self._scores.get(source)
        if found is None:
            inputs = [self._captions.reward_input(row) for row in range(len(self._captions))]
            specs, seconds = self._domain.sign_specs, self._config.judge_seconds
            found = dict(zip(inputs, score_inputs(source, inputs, specs, _filename(skill.id), seconds), strict=True))
            self._scores[source] = found
        return found

    def _question(self, skill: Skill) -> tuple[Message, ...]:
        system = Prompt.load(PROMPTS / "judge-system.txt").render(title=self._domain.title, knowledge=self._domain.knowledge)
        signs = "\n".join(f"  {spec.name!r}: {spec.doc}; one of {', '.join(map(repr, spec.values))}" for spec in self._domain.sign_specs)
        user = Prompt.load(PROMPTS / "judge-user.txt").render(
            skill=skill.id,
            preference=skill.preference_text.strip(),
            messages=_example_messages(self._shown, self._config.example_messages),
            signs=signs,
        )
        return Message("system", system), Message("user", user)

    def _request(self, skill: Skill, messages: tuple[Message, ...]) -> ChatRequest:
        return ChatRequest(
            name=f"{self._domain.id}/judge/{skill.id}",
            messages=messages,
            subject=skill.preference_text,
            temperature=self._config.temperature,
            top_p=self._config.top_p,
            max_tokens=self._config.max_tokens,
            seed=self._seed,
            variables=fallback_variables(skill),
        )


def compare_scores(first: float, second: float, margin: float) -> Verdict:
    """The verdict of two scores; equal, or closer than the margin, is a tie."""
    if abs(first - second) <= margin:
        return Verdict.TIE
    return Verdict.FIRST if first > second else Verdict.SECOND


def extract_program(text: str, skill: str) -> str:
    """The last fenced code block that defines ``score``, or the whole text if it is bare code.

    Raises:
        ProgramError: there is none.
    """
    blocks = [block for block in _BLOCK.findall(text) if re.search(r"^def score\(", block, re.MULTILINE)]
    if blocks:
        return str(blocks[-1]).strip("\n") + "\n"
    if "```" not in text and re.match(r"\s*(?:[A-Z_]+ *=|def |#)", text) and re.search(r"^def score\(", text, re.MULTILINE):
        return text.strip("\n") + "\n"
    raise ProgramError(f"the answer about skill {skill!r} holds no ```python block that defines score(message, changes)", "Ask again")


def tie_margin(source: str, skill: str) -> float:
    """The number that the program assigns to TIE_MARGIN at its top level; 0.0 if it does not.

    Raises:
        ProgramError: it is no plain number, negative, or not finite.
    """
    margin = 0.0
    for statement in ast.parse(source).body:
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
        )
        if not any(isinstance(target, ast.Name) and target.id == "TIE_MARGIN" for target in targets):
            continue
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        number = value.value if isinstance(value, ast.Constant) else None
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            problem = f"{_filename(skill)}:{statement.lineno}: TIE_MARGIN must be a plain number of at least 0"
            raise ProgramError(problem, "Write it like TIE_MARGIN = 0.5")
        margin = float(number)
    return margin


def _filename(skill: str) -> str:
    return f"judge-{skill}.py"


def _warning(skill: Skill, reply: ChatReply) -> str:
    if not reply.is_fallback:
        return ""
    return (
        f"{skill.id}: no scoring program is recorded for this text, so captions are judged only by the words they share with it; "
        "configure an endpoint under [annotator] for a judge that understands it"
    )


def _example_messages(captions: CaptionTable, number: int) -> str:
    """Half of them the messages seen most often, half spread over all the others."""
    seen: dict[str, int] = {}
    for message, count in zip(captions.messages, captions.counts.tolist(), strict=True):
        text = " ".join(message.split())
        if text:
            seen[text] = seen.get(text, 0) + count
    ranked = sorted(seen, key=lambda text: (-seen[text], text))
    common, rest = ranked[: number // 2], ranked[number // 2 :]
    spread = rest[:: max(1, len(rest) // max(1, number - len(common)))][: number - len(common)]
    return "\n".join(f"  {text}" for text in (*common, *spread)) or "  (none)"
