"""The annotator that asks a chat model about each pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maestromotif.domains.contract import Domain
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.protocol import PROMPTS, AnnotatorContext, Briefing, Judgement
from maestromotif.feedback.verdicts import parse_verdict
from maestromotif.feedback.words import fallback_variables
from maestromotif.llm.chat import ChatRequest, Message
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.llm.prompts import Prompt
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["ChatAnnotator", "comparison_request"]


class ChatAnnotator:
    """Asks the model about each pair: reasons first, then a verdict line; one more question if there is none."""

    def __init__(self, context: AnnotatorContext) -> None:
        self._domain = context.domain
        self._config = context.config
        self._chat = context.chat
        self._seed = context.seed
        self.id = f"chat:{context.chat.id}"

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
        return Judgement(pair, verdict, detail={"exchange": exchange})


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
