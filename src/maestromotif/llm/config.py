"""The [chat] tables of maestro.toml, and the model that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from maestromotif.domains.contract import Domain
from maestromotif.llm.chat import ChatModel
from maestromotif.llm.openai import OpenAIChat
from maestromotif.llm.recorded import RecordedChat
from maestromotif.llm.store import BudgetedChat, CallStore, StoredChat

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
    max_calls: int | None = Field(default=None, ge=0, description="Stop after so many calls of one command.")
    max_total_tokens: int | None = Field(default=None, ge=0, description="Stop after so many tokens of one command.")
    omit: tuple[Literal["temperature", "top_p", "max_tokens", "seed"], ...] = Field(
        default=(), description="Parameters the endpoint refuses."
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Further fields of each request's body.")

    @model_validator(mode="after")
    def _endpoint_is_named(self) -> Self:
        missing = [name for name in ("base_url", "model") if not getattr(self, name).strip()]
        if self.kind == "openai" and missing:
            raise ValueError(f'kind = "openai" needs {" and ".join(missing)}')
        return self


def make_chat(config: ChatConfig, domain: Domain, store_folder: Path | None, table: str = "coder") -> ChatModel:
    """The model that a table describes, behind the store.

    Args:
        store_folder: where calls are kept; None: nowhere.
        table: the table's name in maestro.toml, for error messages.

    Raises:
        ChatError: recorded answers cannot be read, or base_url is no URL.
    """
    chat: ChatModel
    if config.kind == "recorded":
        chat = RecordedChat(domain.recorded_answers, table)
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
    if config.max_calls is not None or config.max_total_tokens is not None:
        chat = BudgetedChat(chat, config.max_calls, config.max_total_tokens)
    return chat if store_folder is None else StoredChat(chat, CallStore(store_folder))
