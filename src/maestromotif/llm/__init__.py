"""Language models: one small protocol, an OpenAI-compatible client, recorded answers, and a store of every call."""

from maestromotif.llm.chat import ChatModel, ChatReply, ChatRequest, Message
from maestromotif.llm.recorded import RecordedChat

__all__ = ["ChatModel", "ChatReply", "ChatRequest", "Message", "RecordedChat"]
