"""The protocol of annotators, and the one that asks a chat model about each pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from maestromotif.domains.contract import Domain
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.verdicts import parse_verdict
from maestromotif.feedback.words import fallback_variables
from maestromotif.llm.chat import ChatModel, ChatRequest, Message
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.llm.prompts import Prompt
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["PROMPTS", "Annotator", "Briefing", "ChatAnnotator", "Judgement", "comparison_request"]

PROMPTS = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a pair, with what led to it (plain values; goes into the transcript)."""

    pair: Pair
    verdict: Verdict
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Briefing:
    """What an annotator needs and says once per skill, before it compares.

    Attributes:
        transcript: first line of the skill's transcript; plain values. Judgements made under another one do not count.
        program: source of a scoring program, where there is one.
        warning: something that the person should know; empty if nothing.
    """

    transcript: Mapping[str, Any]
    program: str = ""
    warning: str = ""


class Annotator(Protocol):
    """Whatever says which of two captions fits a skill better."""

    @property
    def id(self) -> str:
        """Stable name, stored with each preference."""
        ...

    def brief(self, skill: Skill) -> Briefing:
        """Get ready for a skill."""
        ...

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """Judge all pairs; judgements come as they become ready, in any order, each pair once."""
        ...


class ChatAnnotator:
    """Asks the model about each pair: reasons first, then a verdict line; one more question if there is none."""

    def __init__(self, domain: Domain, config: AnnotateConfig, chat: ChatModel, seed: int) -> None:
        self._domain = domain
        self._config = config
        self._chat = chat
        self._seed = seed
        self.id = f"chat:{chat.id}"

    def brief(self, skill: Skill) -> Briefing:
        return Briefing({"system": _system(self._domain), "preference": skill.preference_text})

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        for _, judgement in map_concurrently(lambda pair: self._ask(skill, pair), pairs, self._config.concurrency):
            yield judgement

    def _ask(self, skill: Skill, pair: Pair) -> Judgement:
        request = comparison_request(self._domain, skill, pair, self._config, self._seed)
        reply = self._chat.complete(request)
        verdict = parse_verdict(reply.text)
        exchange = [request.messages[-1].content, reply.text]
        if verdict is Verdict.UNPARSED:
            retry = Prompt.load(PROMPTS / "compare-retry.txt").render()
            # An empty assistant turn is refused by some servers.
            said = Message("assistant", reply.text.strip() or "(no answer)")
            again = self._chat.complete(
                ChatRequest(
                    name=request.name,
                    messages=(*request.messages, said, Message("user", retry)),
                    subject=request.subject,
                    temperature=request.temperature,
                    top_p=request.top_p,
                    max_tokens=request.max_tokens,
                    seed=request.seed,
                    variables=request.variables,
                )
            )
            verdict = parse_verdict(again.text)
            exchange += [retry, again.text]
        return Judgement(pair, verdict, {"exchange": exchange})


def comparison_request(domain: Domain, skill: Skill, pair: Pair, config: AnnotateConfig, seed: int) -> ChatRequest:
    """The question about one pair."""
    user = Prompt.load(PROMPTS / "compare-user.txt").render(
        skill=skill.id, preference=skill.preference_text.strip(), first=pair.first.text, second=pair.second.text
    )
    return ChatRequest(
        name=f"{domain.id}/compare/{skill.id}",
        messages=(Message("system", _system(domain)), Message("user", user)),
        subject=skill.preference_text,
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        seed=seed,
        variables=fallback_variables(skill),
    )


def _system(domain: Domain) -> str:
    return Prompt.load(PROMPTS / "compare-system.txt").render(title=domain.title, knowledge=domain.knowledge)
