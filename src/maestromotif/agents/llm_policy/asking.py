"""One decision of a language model: a question, at most one more, and a choice whatever comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maestromotif.agents.llm_policy.answers import parse_choice
from maestromotif.agents.llm_policy.moments import Briefing, Moment
from maestromotif.errors import CallError
from maestromotif.feedback.verdicts import is_refusal
from maestromotif.llm.budget import Budget
from maestromotif.llm.chat import ChatModel, ChatReply, Message
from maestromotif.llm.store import tokens

__all__ = ["Decider", "Decision", "tally"]

_WITHHELD = {"refusal": "refused", "content_filter": "filtered"}
_PROBLEMS = {
    "empty": "Your answer is empty.",
    "none": "Your answer does not name one choice clearly.",
    "length": "Your answer was cut off before it named a choice.",
    "not possible": "What you named is not possible now.",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done in a moment, and why.

    Attributes:
        why: "" where the model chose, else why its choice could not be had: "empty", "none", "length", "not possible", "refused",
            "filtered", or "failed" (the endpoint gave no answer).
        said: its answers, one or two.
        calls, prompt_tokens, completion_tokens: what they took, whether they came from the endpoint now or from the store.
        error: of a call that failed.
    """

    moment: Moment
    choice: str
    why: str
    said: tuple[str, ...]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    error: CallError | None = None

    def to_json(self) -> dict[str, Any]:
        """A line of a transcript."""
        moment = self.moment
        told: dict[str, Any] = {
            "step": moment.step,
            "caption": moment.caption,
            "facts": dict(moment.facts),
            "choices": list(moment.choices),
        }
        told |= {"said": list(self.said), "choice": self.choice}
        return {**told, "why": self.why, "error": str(self.error)} if self.error else {**told, "why": self.why}


class Decider:
    """Asks a model. Several threads may ask at once."""

    def __init__(self, chat: ChatModel, briefing: Briefing) -> None:
        self._chat, self._briefing = chat, briefing

    def decide(self, moment: Moment) -> Decision:
        """The model's choice; where it names none twice, or will not answer, or the call fails for good, the default.

        Raises:
            ChatError: no call can succeed, or a limit is reached.
        """
        request = self._briefing.request(moment)
        said: list[str] = []
        spent = [0, 0]
        for last in (False, True):
            try:
                reply = self._chat.complete(request)
            except CallError as error:
                return self._decision(moment, None, "failed", said, spent, error)
            said.append(reply.text)
            for place, number in enumerate(tokens(request, reply)[:2]):
                spent[place] += number
            choice, why = self._read(reply, moment)
            # A model that will not answer is not pressed.
            if choice is not None or last or why in _WITHHELD.values():
                break
            # An empty assistant turn is refused by some servers.
            answer = Message("assistant", reply.text.strip() or "(no answer)")
            again = Message("user", self._briefing.retry(moment, _PROBLEMS[why]))
            request = replace(request, messages=(*request.messages, answer, again))
        return self._decision(moment, choice, why, said, spent)

    def _read(self, reply: ChatReply, moment: Moment) -> tuple[str | None, str]:
        if reply.finish_reason in _WITHHELD:
            return None, _WITHHELD[reply.finish_reason]
        choice, why = parse_choice(reply.text, moment.choices, self._briefing.names or moment.choices)
        if choice is None and why != "not possible":
            why = "length" if reply.finish_reason == "length" else "refused" if is_refusal(reply.text) else why
        return choice, why

    def _decision(
        self, moment: Moment, choice: str | None, why: str, said: Sequence[str], spent: Sequence[int], error: CallError | None = None
    ) -> Decision:
        chosen = self._briefing.default(moment) if choice is None else choice
        return Decision(moment, chosen, why, tuple(said), len(said), spent[0], spent[1], error)


def tally(decisions: Sequence[Decision], budget: Budget) -> Mapping[str, Any]:
    """What an episode's decisions took: numbers for its row.

    Returns:
        ``decisions``; ``retried``, those that took two questions; ``defaults``, how many have no choice of the model, by reason;
        ``calls``, ``prompt_tokens``, ``completion_tokens``; ``cost`` by the prices of ``[chat]``.
    """
    defaults: dict[str, int] = {}
    for one in decisions:
        if one.why:
            defaults[one.why] = defaults.get(one.why, 0) + 1
    prompt, completion = sum(one.prompt_tokens for one in decisions), sum(one.completion_tokens for one in decisions)
    return {
        "decisions": len(decisions),
        "retried": sum(len(one.said) > 1 for one in decisions),
        "defaults": dict(sorted(defaults.items())),
        "calls": sum(one.calls for one in decisions),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost": budget.cost(prompt, completion),
    }
