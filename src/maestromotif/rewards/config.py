"""The [reward] table of maestro.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RewardConfig"]


class RewardConfig(BaseModel):
    """How reward models are fitted and how their rewards are shaped for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = Field(default=32, ge=0, le=1024, description="Width of the model's hidden layer beside its linear part; 0: linear only.")
    epochs: int = Field(default=40, ge=1, description="Most passes over the preferences; a held-out part may end them earlier.")
    batch_size: int = Field(default=512, ge=1, description="Pairs in each step of the optimiser.")
    learning_rate: float = Field(default=1e-2, gt=0, description="Of AdamW.")
    weight_decay: float = Field(default=0.3, ge=0, description="Of AdamW.")
    patience: int = Field(default=3, ge=1, description="Passes without a better validation loss before fitting ends.")
    validation: float = Field(default=0.1, gt=0, lt=0.5, description="Share of pairs that decides when fitting ends.")
    held_out: float = Field(default=0.1, gt=0, lt=0.5, description="Share of pairs never used in fitting, on which agreement is measured.")
    threshold: Literal["soft", "hard"] = Field(
        default="soft", description="'hard' keeps rewards above the quantile as they are (the paper); 'soft' keeps what they exceed it by."
    )
    threshold_quantile: float = Field(
        default=0.85, ge=0, lt=1, description="Rewards below this quantile over distinct captions are zero; a skill may name its own."
    )
    better_than_nothing: float = Field(
        default=0.75,
        ge=0,
        lt=1,
        description="A caption earns only if the model finds it better than one in which nothing happened with at least this "
        "probability; 0: the paper. Where most captions mean nothing to a skill, a quantile alone would pay for noise.",
    )
    contrast: float = Field(
        default=1.0, ge=1, le=10, description="1: the paper. Above 1, small rewards shrink as (reward / top reward) ** (contrast - 1)."
    )
    clip: float = Field(default=10.0, gt=0, description="Largest normalised reward.")
    scale: float = Field(default=0.1, gt=0, description="Factor of all rewards.")
    count_window: int = Field(default=20, ge=1, description="Window of the count discount.")
    count_exponent: float = Field(
        default=3.0, ge=0, description="Rewards are divided by (sightings in the window) to this power; 0: never."
    )
    count_kind: Literal["steps", "distinct"] = Field(
        default="steps", description="Whether the window counts steps (the paper) or different events (the paper's released code)."
    )
