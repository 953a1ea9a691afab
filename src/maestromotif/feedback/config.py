"""The [collect] and [annotate] tables of maestro.toml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AnnotateConfig", "CollectConfig"]


class CollectConfig(BaseModel):
    """How much the explorer plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=160_000, ge=1, description="Environment steps, all games together.")
    num_games: int = Field(default=16, ge=1, le=4096, description="Games played side by side.")
    shard_steps: int = Field(default=32_000, ge=1, description="Environment steps between savings; an interruption repeats at most these.")


class AnnotateConfig(BaseModel):
    """Who compares captions, and how many pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    annotator: str = Field(
        default="judge",
        description="Who compares. 'judge': the model writes one scoring program for each skill, which then compares all pairs; "
        "'chat': the model compares each pair itself, which needs an endpoint and one call or two for each pair; 'human': you do; "
        "'embedding', 'ground-truth', 'random', 'ensemble': see docs/feedback.md.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Of the annotator itself; see docs/feedback.md.")
    compare_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Of other annotators that --compare names, by name: { embedding = { ties = 0.1 } }."
    )
    pairs: int = Field(default=15_000, ge=1, description="Pairs of captions compared for each skill; with active pairing, at most.")
    pairing: Literal["auto", "uniform", "active"] = Field(
        default="auto",
        description="How pairs are chosen. 'uniform': all beforehand; 'active': in batches, those from which most would be learnt after "
        "the answers so far; 'auto': active where each answer costs something, as with 'chat' and 'human'.",
    )
    stop: bool = Field(default=True, description="Whether active pairing ends when agreement with held-out answers no longer rises.")
    min_pairs: int = Field(default=400, ge=1, description="Pairs that active pairing asks about before it may end.")
    concurrency: int = Field(default=8, ge=1, le=256, description="Calls of the model at the same time (annotator 'chat').")
    temperature: float = Field(default=0.1, ge=0, le=2, description="Sampling temperature of the model.")
    top_p: float = Field(default=0.95, gt=0, le=1, description="Nucleus of the model's sampling.")
    max_tokens: int = Field(default=4_096, ge=1, description="Longest answer, in tokens.")
    judge_rounds: int = Field(default=3, ge=1, le=10, description="How often a model may try to write a scoring program that works.")
    judge_seconds: float = Field(default=60.0, gt=0, description="Longest time that a scoring program may take for all its captions.")
    example_messages: int = Field(default=30, ge=0, le=500, description="Messages shown to the model that writes a scoring program.")
