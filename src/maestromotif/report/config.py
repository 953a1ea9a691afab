"""The ``[report]`` table of maestro.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ReportConfig"]


class ReportConfig(BaseModel):
    """What the page shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", description="heading of the page; empty: the name of the project's folder")
    captions: int = Field(default=8, ge=1, le=100, description="captions shown at each end of every skill's reward")
    transcripts: bool = Field(default=True, description="show what was asked of the coder and what it answered")
    max_transcript_chars: int = Field(default=60_000, ge=1_000, description="longest transcript shown in full; of longer ones, the ends")
