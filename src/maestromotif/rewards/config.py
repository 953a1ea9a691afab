"""The [reward] table of maestro.toml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Encoder", "RewardConfig"]

Encoder = Literal["hashed", "character-cnn", "sentence"]
# Learning rate and weight decay that suit each encoder.
_RATES: dict[Encoder, tuple[float, float]] = {"hashed": (1e-2, 0.3), "character-cnn": (2e-3, 0.01), "sentence": (2e-3, 0.01)}


class RewardConfig(BaseModel):
    """How reward models are fitted and how their rewards are shaped for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Encoder = Field(
        default="hashed",
        description="How the message is read. 'hashed': words and word pairs; 'character-cnn': a convolution over its bytes; "
        "'sentence': a frozen model of sentence-transformers (pip install 'maestromotif[embedding]').",
    )
    sentence_model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2", description="Folder or hub name of the model for encoder 'sentence'."
    )
    learner: Literal["auto", "network", "linear"] = Field(
        default="auto",
        description="'linear': a linear model with a prior, best where answers are few or contradict each other (encoder 'hashed'); "
        "'network'; 'auto': both are fitted, and the network is kept if its validation loss is clearly lower.",
    )
    ensemble: int = Field(
        default=1, ge=1, le=32, description="Members, each fitted to a draw of the pairs; above 1, disagreement is known."
    )
    pessimism: float = Field(default=0.0, ge=0, description="Rewards are the mean minus so many standard deviations over the members.")
    ties: Literal["half", "outcome"] = Field(
        default="half", description="'half': a tie is half a win for each side (the paper); 'outcome': a third outcome (Davidson's model)."
    )
    calibrate: bool = Field(
        default=False, description="Fit a temperature of the probabilities to the validation pairs; kept if it lowers their error."
    )
    hidden: int = Field(default=32, ge=0, le=1024, description="Width of the model's hidden layer beside its linear part; 0: linear only.")
    epochs: int = Field(default=40, ge=1, description="Most passes over the preferences; a held-out part may end them earlier.")
    batch_size: int = Field(default=512, ge=1, description="Pairs in each step of the optimiser.")
    learning_rate: float | None = Field(default=None, gt=0, description="Of AdamW; without it 0.01 (hashed) or 0.002 (others).")
    weight_decay: float | None = Field(default=None, ge=0, description="Of AdamW; without it 0.3 (hashed) or 0.01 (others).")
    patience: int = Field(default=3, ge=1, description="Passes without a better validation loss before fitting ends.")
    validation: float = Field(default=0.1, gt=0, lt=0.5, description="Share of pairs that decides when fitting ends.")
    held_out: float = Field(default=0.1, gt=0, lt=0.5, description="Share of pairs never used in fitting, on which agreement is measured.")
    normalise: bool = Field(default=True, description="Take mean and standard deviation over distinct captions out of rewards.")
    threshold: Literal["soft", "hard", "off"] = Field(
        default="soft",
        description="'hard' keeps rewards above the quantile as they are (the paper); 'soft' keeps what they exceed it by; 'off' all.",
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

    @model_validator(mode="after")
    def _linear_fits(self) -> Self:
        if self.learner == "linear" and not self.may_be_linear:
            raise ValueError("learner = 'linear' needs encoder = 'hashed', ensemble = 1 and ties = 'half'")
        return self

    @property
    def may_be_linear(self) -> bool:
        """Whether the linear model with a prior can be fitted."""
        return self.learner != "network" and self.encoder == "hashed" and self.ensemble == 1 and self.ties == "half"

    @property
    def rate(self) -> float:
        """Learning rate of the encoder, unless one is named."""
        return _RATES[self.encoder][0] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """Weight decay of the encoder, unless one is named."""
        return _RATES[self.encoder][1] if self.weight_decay is None else self.weight_decay

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pessimism and self.ensemble < 2:
            raise ValueError("pessimism needs an ensemble of 2 or more, since one model does not disagree with itself")
        return self
