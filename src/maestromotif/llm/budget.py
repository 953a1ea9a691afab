"""Limits on calls, tokens and money, over all runs of a project."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from maestromotif.errors import BudgetError
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest
from maestromotif.llm.ledger import Totals
from maestromotif.llm.store import tokens

__all__ = ["Budget", "BudgetedChat"]

_REMEDY = "Raise it in maestro.toml and run the same command again; what was answered is kept and costs nothing"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; None: no limit.

    Attributes:
        max_calls: calls, failed ones too; the tries of one call count once.
        max_total_tokens: of questions and answers.
        max_cost: in the currency of the prices.
        prompt_price, completion_price: of a million tokens.
    """

    max_calls: int | None = None
    max_total_tokens: int | None = None
    max_cost: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    @property
    def limited(self) -> bool:
        return any(limit is not None for limit in (self.max_calls, self.max_total_tokens, self.max_cost))

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1e6


class BudgetedChat:
    """A ``ChatModel`` that stops at a limit. Calls answered from a store outside it cost nothing.

    Calls under way are reckoned with as if each cost what calls cost on average, so that many at once do not pass a limit together. It can
    be passed by as much as their answers are longer than the average, and by the very first calls, of which no average is known.

    Args:
        spent: in earlier runs.
    """

    def __init__(self, inner: ChatModel, budget: Budget, spent: Totals | None = None) -> None:
        spent = spent or Totals()
        self._inner = inner
        self._budget = budget
        self._lock = threading.Lock()
        self._calls, self._answered = spent.calls, spent.answered
        self._prompt, self._completion = spent.prompt_tokens, spent.completion_tokens
        self._under_way = 0

    @property
    def id(self) -> str:
        return self._inner.id

    def complete(self, request: ChatRequest) -> ChatReply:
        with self._lock:
            self._check()
            self._calls += 1
            self._under_way += 1
        try:
            reply = self._inner.complete(request)
        except BaseException:
            with self._lock:
                self._under_way -= 1
            raise
        prompt, completion, _ = tokens(request, reply)
        with self._lock:
            self._under_way -= 1
            self._answered += 1
            self._prompt += prompt
            self._completion += completion
        return reply

    def _check(self) -> None:
        share = 1 + self._under_way / max(1, self._answered)
        prompt, completion = share * self._prompt, share * self._completion
        spent = {
            "max_calls": (self._calls, self._budget.max_calls),
            "max_total_tokens": (prompt + completion, self._budget.max_total_tokens),
            "max_cost": (self._budget.cost(prompt, completion), self._budget.max_cost),
        }
        for name, (so_far, limit) in spent.items():
            if limit is not None and so_far >= limit:
                raise BudgetError(f"the limit of {name} = {limit:g} is reached", _REMEDY)
