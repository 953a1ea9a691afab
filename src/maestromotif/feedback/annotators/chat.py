"""The annotator that asks a chat model about each pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from maestromotif.domains.contract import Domain
from maestromotif.errors import CallError, ConfigError
from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.journal import last_entries
from maestromotif.feedback.protocol import PROMPTS, AnnotatorContext, Briefing, Judgement
from maestromotif.feedback.verdicts import first_probability, is_refusal, parse_verdict
from maestromotif.feedback.words import fallback_variables
from maestromotif.llm.chat import ChatReply, ChatRequest, Message
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.llm.prompts import Prompt
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["ChatAnnotator", "ChatOptions", "comparison_request"]

# So many failures in a row, or as many as calls are made at once, mean that there is no point in going on.
_LOST = 4
# More is refused by some endpoints.
_ALTERNATIVES = 10
# A person should know when the order of the captions decides more often than this.
_MANY_FLIPS = 0.2
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["1", "2", "NONE"]}},
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}


class ChatOptions(AnnotatorOptions):
    """``[annotate.options]`` of the annotator "chat"."""

    structured: Literal["auto", "off", "json-schema"] = Field(
        default="auto",
        description="Whether the server is asked to see to it that answers are JSON. 'auto': yes, and no more once it refuses.",
    )
    orders: Literal[1, 2] = Field(default=1, description="2: each pair is asked about in both orders, at twice the cost.")
    soft: bool = Field(default=False, description="Targets from the probabilities of the verdict's token, where the server tells them.")


@dataclass(frozen=True, slots=True)
class _Opinion:
    """The answer about a pair in one order, told of the pair as it is, whichever caption was shown first.

    Attributes:
        probability: that the first is better, from the tokens' probabilities.
        reason: why there is no verdict.
        dropped: see ``ChatReply``.
    """

    verdict: Verdict
    probability: float | None
    reason: str
    exchange: Sequence[str]
    dropped: tuple[str, ...]


class ChatAnnotator:
    """Asks the model about each pair: reasons first, then a verdict; one more question if there is none."""

    costly = True  # see ``Annotator``

    Options = ChatOptions

    def __init__(self, context: AnnotatorContext) -> None:
        self._domain = context.domain
        self._config = context.config
        self._options = read_options(ChatOptions, context.config.options)
        self._chat = context.chat
        self._seed = context.seed
        self.id = f"chat:{context.chat.id}"

    def brief(self, skill: Skill) -> Briefing:
        question = {"system": _system(self._domain), "preference": skill.preference_text}
        return Briefing({**question, "options": self._options.model_dump()})

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """As they become ready. A pair whose call failed for good has no verdict, for the reason "failed".

        Raises:
            CallError: so many calls failed in a row that the endpoint must be gone.
            ChatError: no call can succeed, or a limit is reached.
        """
        failed_in_a_row = 0
        for pair, answer in map_concurrently(lambda pair: self._judge(skill, pair), pairs, self._config.concurrency):
            if isinstance(answer, Judgement):
                failed_in_a_row = 0
                yield answer
                continue
            failed_in_a_row += 1
            if failed_in_a_row >= max(_LOST, self._config.concurrency):
                raise answer
            yield Judgement(pair, Verdict.UNPARSED, reason="failed", detail={"error": str(answer)})

    def tell(self, transcript: Path) -> Mapping[str, Any]:
        """For the card: why verdicts are missing, and how much the order of the captions decides."""
        last = last_entries(transcript).values()
        reasons = Counter(entry["reason"] for entry in last if entry.get("reason"))
        dropped = Counter(name for entry in last for name in entry.get("dropped", ()))
        told: dict[str, Any] = {"reasons": dict(reasons)} if reasons else {}
        told |= {"without": dict(dropped)} if dropped else {}
        given = [tuple(map(Verdict, entry.get("opinions", ()))) for entry in last]
        both = [opinions for opinions in given if len(opinions) == 2 and Verdict.UNPARSED not in opinions]
        warnings = _warnings(reasons, dropped)
        if both:
            told["orders"] = orders = _order_effects(both)
            if orders["flipped"] > _MANY_FLIPS:
                warnings.append(f"the model contradicts itself about {orders['flipped']:.0%} of the pairs when their order is swapped")
        return {**told, "warnings": warnings} if warnings else told

    def _judge(self, skill: Skill, pair: Pair) -> Judgement | CallError:
        """The judgement, or why there is none, which is for the caller to weigh."""
        try:
            opinions = [self._ask(skill, pair)]
            if self._options.orders == 2:
                opinions.append(_swapped(self._ask(skill, pair.swap())))
        except CallError as error:
            return error
        verdict, target, reason = _combine(opinions, self._options.soft)
        detail: dict[str, Any] = {"exchange": [text for opinion in opinions for text in opinion.exchange]}
        if self._options.orders == 2:
            detail["opinions"] = [opinion.verdict.value for opinion in opinions]
        dropped = sorted({name for opinion in opinions for name in opinion.dropped})
        if dropped:
            detail["dropped"] = dropped
        return Judgement(pair, verdict, target, reason, detail)

    def _ask(self, skill: Skill, pair: Pair) -> _Opinion:
        request = comparison_request(self._domain, skill, pair, self._config, self._seed, self._options)
        reply = self._chat.complete(request)
        if "response_format" in reply.dropped and self._options.structured == "json-schema":
            problem = "[annotate.options] structured: the server refuses response_format with a JSON schema"
            raise ConfigError(problem, 'Set it to "auto" or "off"')
        verdict, reason = _read(reply)
        exchange = [request.messages[-1].content, reply.text]
        dropped = set(reply.dropped)
        # A model that will not answer is not pressed.
        if verdict is Verdict.UNPARSED and reason not in ("refused", "filtered"):
            retry = Prompt.load(PROMPTS / "compare-retry.txt").render()
            # An empty assistant turn is refused by some servers.
            said = Message("assistant", reply.text.strip() or "(no answer)")
            messages = (*request.messages, said, Message("user", retry))
            reply = self._chat.complete(replace(request, messages=messages, schema=None))
            verdict, again = _read(reply)
            reason = again or reason if verdict is Verdict.UNPARSED else ""
            exchange += [retry, reply.text]
            dropped |= set(reply.dropped)
        probability = first_probability(reply.tail, verdict)
        if self._options.soft and verdict is not Verdict.UNPARSED and probability is None:
            dropped.add("logprobs")
        return _Opinion(verdict, probability, reason, exchange, tuple(sorted(dropped)))


def comparison_request(
    domain: Domain, skill: Skill, pair: Pair, config: AnnotateConfig, seed: int, options: ChatOptions | None = None
) -> ChatRequest:
    """The question about one pair."""
    options = options or ChatOptions()
    structured = options.structured != "off"
    user = Prompt.load(PROMPTS / "compare-user.txt").render(
        skill=skill.id,
        preference=skill.preference_text.strip(),
        first=pair.first.text,
        second=pair.second.text,
        form=Prompt.load(PROMPTS / ("compare-form-json.txt" if structured else "compare-form-line.txt")).render(),
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
        schema=_SCHEMA if structured else None,
        top_logprobs=_ALTERNATIVES if options.soft else 0,
    )


def _system(domain: Domain) -> str:
    return Prompt.load(PROMPTS / "compare-system.txt").render(title=domain.title, knowledge=domain.knowledge)


def _read(reply: ChatReply) -> tuple[Verdict, str]:
    """The verdict of an answer, or why it has none; the reason is empty where that is not known."""
    verdict = Verdict.UNPARSED if reply.finish_reason == "refusal" else parse_verdict(reply.text)
    if verdict is not Verdict.UNPARSED:
        return verdict, ""
    known = {"refusal": "refused", "content_filter": "filtered", "length": "length"}
    return verdict, known.get(reply.finish_reason, "refused" if is_refusal(reply.text) else "")


def _swapped(opinion: _Opinion) -> _Opinion:
    probability = None if opinion.probability is None else 1 - opinion.probability
    return replace(opinion, verdict=opinion.verdict.swap(), probability=probability)


def _combine(opinions: Sequence[_Opinion], soft: bool) -> tuple[Verdict, float | None, str]:
    """Verdict, target and reason of a pair, from the answers in one order or both.

    Contradicting orders are a tie, and a tie beside a choice leans to the choice; the target is the mean. Where one order has no verdict
    the pair has none, since the other one's bias would go unseen.
    """
    verdicts = [opinion.verdict for opinion in opinions]
    if Verdict.UNPARSED in verdicts:
        return Verdict.UNPARSED, None, next((opinion.reason for opinion in opinions if opinion.reason), "")
    hard = {Verdict.FIRST: 1.0, Verdict.SECOND: 0.0, Verdict.TIE: 0.5}
    targets = [hard[one.verdict] if one.probability is None or not soft else one.probability for one in opinions]
    agreed = len(set(verdicts)) == 1
    decided = {verdict for verdict in verdicts if verdict.decided}
    verdict = verdicts[0] if agreed else decided.pop() if len(decided) == 1 else Verdict.TIE
    return verdict, None if agreed and not soft else sum(targets) / len(targets), ""


def _order_effects(opinions_P: Sequence[tuple[Verdict, ...]]) -> dict[str, float]:
    """How much the order decides, over pairs with a verdict in both orders (told of the pair as it is).

    Returns:
        ``pairs``; ``flipped``, the share in which the other caption wins when the order is swapped; ``agreed``, the share with the same
        verdict; ``first_shown``, the share of all choices that fell on the caption shown first (one half without a bias).
    """
    number = len(opinions_P)
    flipped = sum(one.decided and one is other.swap() for one, other in opinions_P)
    agreed = sum(one is other for one, other in opinions_P)
    first = sum((one is Verdict.FIRST) + (other is Verdict.SECOND) for one, other in opinions_P)
    choices = sum(one.decided + other.decided for one, other in opinions_P)
    return {
        "pairs": number,
        "flipped": flipped / number,
        "agreed": agreed / number,
        "first_shown": first / choices if choices else 0.5,
    }


def _warnings(reasons: Mapping[str, int], dropped: Mapping[str, int]) -> list[str]:
    found = []
    if reasons.get("failed"):
        found.append(f"{reasons['failed']} pairs got no answer; the next run asks about them again")
    withheld = {name: reasons[name] for name in ("refused", "filtered", "length") if reasons.get(name)}
    if withheld:
        found.append(f"no verdict: {', '.join(f'{number} {name}' for name, number in withheld.items())}")
    if dropped.get("response_format"):
        found.append("the server refuses structured output; answers were read as plain text")
    if dropped.get("logprobs"):
        found.append(f"the server gave no probabilities of the verdict for {dropped['logprobs']} pairs; their targets are hard")
    return found
