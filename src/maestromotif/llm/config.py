"""The [chat] tables of maestro.toml, and the model that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from maestromotif.domains.contract import Domain
from maestromotif.llm.budget import Budget, BudgetedChat
from maestromotif.llm.chat import ChatModel
from maestromotif.llm.ledger import LEDGER_FILE, Ledger, total
from maestromotif.llm.openai import OpenAIChat
from maestromotif.llm.recorded import RecordedChat
from maestromotif.llm.store import CallStore, StoredChat

__all__ = ["ChatConfig", "make_chat"]


class ChatConfig(BaseModel):
    """Which language model to ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["recorded", "openai"] = Field(
        default="recorded", description="'recorded' (shipped with the domain) or 'openai' (an endpoint)."
    )
    base_url: str = Field(default="", description="Of the endpoint, up to and including /v1.")
    model: str = Field(default="", description="The model's name at the endpoint.")
    api_key_env: str = Field(default="MAESTROMOTIF_API_KEY", min_length=1, description="Environment variable with the key; may be unset.")
    timeout: float = Field(default=180.0, gt=0, description="Seconds without an answer before a call is retried.")
    max_retries: int = Field(default=5, ge=0, le=20, description="Further tries on timeouts, lost connections, 429 and 5xx.")
    backoff: float = Field(default=1.0, ge=0, description="Seconds before the first retry; doubles with each.")
    max_backoff: float = Field(default=60.0, ge=0, description="Longest wait before a retry.")
    max_calls: int | None = Field(default=None, ge=0, description="Stop after so many calls, over all runs of the project.")
    max_total_tokens: int | None = Field(default=None, ge=0, description="Stop after so many tokens, over all runs of the project.")
    max_cost: float | None = Field(default=None, ge=0, description="Stop after so much money, over all runs; needs the prices below.")
    price_per_million_prompt: float = Field(default=0.0, ge=0, description="Price of a million tokens of questions, in any currency.")
    price_per_million_completion: float = Field(default=0.0, ge=0, description="Price of a million tokens of answers.")
    omit: tuple[Literal["temperature", "top_p", "max_tokens", "seed"], ...] = Field(
        default=(), description="Parameters the endpoint refuses."
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Further fields of each request's body.")

    @model_validator(mode="after")
    def _endpoint_is_named(self) -> Self:
        missing = [name for name in ("base_url", "model") if not getattr(self, name).strip()]
        if self.kind == "openai" and missing:
            raise ValueError(f'kind = "openai" needs {" and ".join(missing)}')
        if self.max_cost is not None and not (self.price_per_million_prompt or self.price_per_million_completion):
            raise ValueError("max_cost needs price_per_million_prompt, price_per_million_completion or both")
        return self

    @property
    def budget(self) -> Budget:
        prices = self.price_per_million_prompt, self.price_per_million_completion
        return Budget(self.max_calls, self.max_total_tokens, self.max_cost, *prices)


def make_chat(config: ChatConfig, domain: Domain, store_folder: Path | None, table: str = "coder", generation: int = 1) -> ChatModel:
    """The model that a table describes, behind the store, which notes each call in a ledger; budgets reckon with what the ledger tells.

    Args:
        store_folder: where calls are kept; None: nowhere.
        table: the table's name in maestro.toml, for error messages and the ledger.
        generation: of recorded answers; an endpoint is told by the seeds of its questions.

    Raises:
        ChatError: recorded answers cannot be read, there is no such generation of them, or base_url is no URL.
    """
    chat: ChatModel
    if config.kind == "recorded":
        chat = RecordedChat(domain.recorded_answers, table, generation)
    else:
        chat = OpenAIChat(
            config.base_url,
            config.model,
            api_key_env=config.api_key_env,
            timeout=config.timeout,
            max_retries=config.max_retries,
            backoff=config.backoff,
            max_backoff=config.max_backoff,
            omit=config.omit,
            extra_body=config.extra_body,
        )
    ledger = None if store_folder is None else Ledger(store_folder / LEDGER_FILE)
    if config.budget.limited:
        entries = ledger.entries() if ledger else iter(())
        chat = BudgetedChat(chat, config.budget, total(entries, lambda entry: entry.table).get(table))
    return chat if store_folder is None else StoredChat(chat, CallStore(store_folder), ledger, table)
