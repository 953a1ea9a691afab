"""The ``[train]`` section of maestro.toml."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

__all__ = ["AUTO", "NetworkConfig", "SettledConfig", "TrainConfig", "cores"]


# Widths of the networks by name; see networks.py.
_SIZES: dict[str, dict[str, Any]] = {
    "small": {"features": 128, "hidden": 128, "core": "gru"},
    "light": {"features": 256, "hidden": 256, "core": "lstm"},
    "reference": {"features": 512, "hidden": 512, "core": "gru"},
}
# Values that stand for those.
_LEFT_TO_NETWORK = {"features": 0, "hidden": 0, "core": "auto"}


class NetworkConfig(BaseModel):
    """Shape of the skill policy.

    Attributes:
        network: ``"small"`` sums embeddings of sparse features, made for processors; ``"light"`` is a small convolution over a
            crop of glyphs, as other libraries use it, for comparisons; ``"reference"`` has the size of the paper's network.
        conditioning: how the network knows the active skill.
        features: width of the first layer, into which all observation features are summed; given as 0, it becomes the network's own.
        hidden: width of the core; given as 0, it becomes the network's own.
        core: ``"gru"`` and ``"lstm"`` remember within a call of a skill; ``"ff"`` sees only the present; ``"auto"`` becomes the
            network's own.
        reset_memory: forget at skill boundaries too, not only at the start of an episode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Literal["small", "light", "reference"] = Field(
        default="small", description='"small" is made for processors, "reference" has the size of the paper\'s network.'
    )
    conditioning: Literal["onehot", "film", "multihead", "separate", "hypernetwork"] = Field(
        default="onehot", description="How the network knows the active skill; see docs/training.md."
    )
    features: int = Field(default=0, ge=0, description="Width of the first layer; 0: the network's own.")
    hidden: int = Field(default=0, ge=0, description="Width of the core; 0: the network's own.")
    core: Literal["auto", "gru", "lstm", "ff"] = Field(
        default="auto", description='"gru" and "lstm" remember, "ff" sees only the present; "auto": the network\'s own.'
    )
    reset_memory: bool = Field(default=True, description="Forget where a call of a skill ends, not only where an episode does.")

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, values: Any) -> Any:
        """What is not given, or left to the network, follows from the network's name."""
        if not isinstance(values, dict) or values.get("network", "small") not in _SIZES:
            return values
        given = {name: value for name, value in values.items() if value != _LEFT_TO_NETWORK.get(name, ...)}
        return {**_SIZES[values.get("network", "small")], **given}


AUTO: Literal["auto"] = "auto"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _whole(least: int, most: int | None = None) -> Callable[[Any], Any]:
    """Checks for a whole number within these limits, or ``"auto"``."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most)):
            return value
        raise ValueError(f'must be "{AUTO}" or a whole number, {least} or more' if most is None else f'must be "{AUTO}", {least} or {most}')

    return check


_CountOrNone = Annotated[int | Literal["auto"], PlainValidator(_whole(0))]
_Count = Annotated[int | Literal["auto"], PlainValidator(_whole(1))]
_OneOrTwo = Annotated[int | Literal["auto"], PlainValidator(_whole(1, 2))]


class TrainConfig(NetworkConfig):
    """How the skills are trained. One environment step is one action in one game."""

    steps: int = Field(default=3_000_000, ge=1, description="Environment steps in all, over all games.")
    games: _Count = Field(default=64, description='Games played together; "auto" finds the fastest number.')
    workers: _CountOrNone = Field(
        default=AUTO, description='Processes that play them; 0 plays in the training process; "auto" finds the fastest number.'
    )
    groups: _OneOrTwo = Field(
        default=AUTO,
        description='Where the trainer acts, 2 lets half of the games step while it acts for the other half; "auto" tries both.',
    )
    acting: Literal["auto", "workers", "trainer"] = Field(
        default="auto", description="Which processes act with the network: those that play the games, or the trainer, for all of them."
    )
    patience: float = Field(default=60.0, gt=0, description="Seconds after which a worker that does not answer is restarted.")
    restarts: int = Field(default=20, ge=0, description="Training stops when workers had to be restarted more often.")
    initial: str = Field(
        default="",
        description="Weights to begin with: the name of shipped skills, or a policy.safetensors in the project's folder; empty: new ones.",
    )
    schedule: Literal["program", "isolated", "uniform", "hand-made", "learning-progress"] = Field(
        default="program",
        description='Who picks the next skill: "program", "isolated", "uniform", "hand-made" or "learning-progress"; see docs/training.md.',
    )
    schedule_file: str = Field(default="", description='The stages of schedule = "hand-made": a TOML file beside maestro.toml.')
    episode_steps: int = Field(default=5_000, ge=1, description="An episode is cut after this many steps.")
    rollout: int = Field(default=64, ge=1, description="Steps of each game between updates.")
    chunk: int = Field(default=16, ge=1, description="Steps through which the gradient of the memory flows; divides rollout.")
    minibatch: int = Field(default=1_024, ge=1, description="Steps in one gradient step.")
    epochs: int = Field(default=2, ge=1, description="Passes over each rollout.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Of Adam.")
    skip_rate: float = Field(
        default=8.0, gt=0, description="Each skill's linear map, and the spread of its continuous actions, learn so many times as fast."
    )
    decay: Literal["constant", "linear"] = Field(default="constant", description="What the learning rate does until the last step.")
    discount: float = Field(default=0.99, ge=0, lt=1, description="Of future rewards, per step.")
    gae: float = Field(default=0.95, ge=0, le=1, description="Lambda of generalised advantage estimation.")
    clip: float = Field(default=0.2, gt=0, description="Of the probability ratio.")
    value_clip: float = Field(default=0.5, gt=0, description="Of a value's change, in standard deviations of its skill's returns.")
    value_weight: float = Field(default=0.5, ge=0, description="Of the value loss.")
    entropy: float = Field(default=0.015, ge=0, description="Weight of the entropy bonus.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Of the gradient's norm.")
    advantage_floor: float = Field(
        default=0.01, gt=0, description="Advantages are divided by their standard deviation within the skill, or by this if it is smaller."
    )
    balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Weigh a skill's policy loss with its share of all steps to the power of minus this; 0: every step weighs the same.",
    )
    returns: Literal["cut", "renew", "flow"] = Field(
        default="cut",
        description='Where a call is over: "cut" ends its return; "renew" lets a new call follow if the last step was rewarded; '
        '"flow" goes on with the next skill.',
    )
    vtrace: Literal["auto", "on", "off"] = Field(
        default="auto", description='Correct returns for weights that have changed since acting; "auto": by more than one update.'
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description='Of the products; "auto": bfloat16 on a GPU that has it, and for larger networks on a processor that has it.',
    )
    compile: bool = Field(default=False, description="Use torch.compile for learning; pays on a GPU only.")
    device: str = Field(default="cpu", min_length=1, description='"cpu", "cuda", "cuda:1" ... for the network.')
    overlap: bool = Field(default=True, description="Learn from one rollout while the next is played, with weights one update old.")
    threads: int = Field(
        default=1, ge=1, description="Threads of the network while it learns; more only helps on an otherwise idle machine."
    )
    checkpoint_seconds: float = Field(default=60.0, ge=0, description="Time between checkpoints.")
    tensorboard: bool = Field(default=True, description="Write event files for TensorBoard beside metrics.jsonl.")
    log: tuple[Literal["wandb", "mlflow"], ...] = Field(
        default=(), description='Trackers that get the same numbers: "wandb", "mlflow"; each is an extra of the package.'
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.rollout % self.chunk:
            raise ValueError(f"chunk ({self.chunk}) must divide rollout ({self.rollout})")
        if self.minibatch % self.chunk:
            raise ValueError(f"chunk ({self.chunk}) must divide minibatch ({self.minibatch})")
        if self.schedule == "hand-made" and not self.schedule_file:
            raise ValueError('schedule = "hand-made" needs schedule_file, a TOML file beside maestro.toml')
        games, workers, groups = (number if isinstance(number, int) else None for number in (self.games, self.workers, self.groups))
        least = (groups or 1) * max(1, workers or 1)
        if games is not None and games < least:
            raise ValueError(f"games ({games}) must be at least groups * workers ({least})")
        return self

    def settled(self, workers: int | None = None, games: int | None = None, groups: int | None = None) -> SettledConfig:
        """With numbers in place of ``"auto"``: those given here, or else a good guess."""
        count = self.games if isinstance(self.games, int) else games or 64
        group_count = self.groups if isinstance(self.groups, int) else groups or 1
        guess = max(1, min(workers or cores(), count // group_count))
        worker_count = self.workers if isinstance(self.workers, int) else guess
        return SettledConfig(**{**self.model_dump(), "games": count, "groups": group_count, "workers": worker_count})

    @property
    def shape(self) -> NetworkConfig:
        """The part that shapes the network, and with it the checkpoints."""
        return NetworkConfig(**{name: getattr(self, name) for name in NetworkConfig.model_fields})


class SettledConfig(TrainConfig):
    """With a number of games, workers and groups."""

    games: int
    workers: int
    groups: int
