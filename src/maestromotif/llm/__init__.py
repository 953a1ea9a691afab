"""Language models: one small protocol, an OpenAI-compatible client, recorded answers, and a store of every call."""

from maestromotif.llm.budget import Budget, BudgetedChat
from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message, Token
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.llm.config import ChatConfig, make_chat
from maestromotif.llm.ledger import Ledger
from maestromotif.llm.openai import OpenAIChat
from maestromotif.llm.recorded import RecordedChat
from maestromotif.llm.store import Call, CallStore, StoredChat

__all__ = [
    "Budget",
    "BudgetedChat",
    "Call",
    "CallStore",
    "ChatConfig",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "Ledger",
    "Message",
    "OpenAIChat",
    "RecordedChat",
    "StoredChat",
    "Token",
    "make_chat",
    "map_concurrently",
]
