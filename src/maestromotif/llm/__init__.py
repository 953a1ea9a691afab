"""Language models: one small protocol, an OpenAI-compatible client, recorded answers, and a store of every call."""

from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message
from maestromotif.llm.concurrent import map_concurrently
from maestromotif.llm.config import ChatConfig, make_chat
from maestromotif.llm.openai import OpenAIChat
from maestromotif.llm.recorded import RecordedChat
from maestromotif.llm.store import BudgetedChat, CallStore, StoredChat

__all__ = [
    "BudgetedChat",
    "CallStore",
    "ChatConfig",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "Message",
    "OpenAIChat",
    "RecordedChat",
    "StoredChat",
    "make_chat",
    "map_concurrently",
]
