"""The [program] table of maestro.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from maestromotif.programs.guards import FUEL

__all__ = ["ProgramConfig"]


class ProgramConfig(BaseModel):
    """How programs are asked for, tried and metered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: int = Field(
        1,
        ge=1,
        description="Which of several sets of programs that are written independently is asked for; recorded answers hold a few.",
        exclude_if=lambda value: value == 1,
    )
    rounds: int = Field(3, ge=1, le=10, description="How often the coder may answer, the first time included; the best program is kept.")
    candidates: int = Field(
        1, ge=1, le=32, description="Answers to the first question about each program, asked at the same time; the best one goes on."
    )
    scenarios: bool = Field(
        True, description="Have an endpoint also write cases for each program from the words alone; one that fails is a doubt, no more."
    )
    assess: bool = Field(
        True, description="Ask the endpoint whether the finished program does what the words say; the answer is shown, and decides nothing."
    )
    episodes: int = Field(100, ge=1, le=10_000, description="Simulated episodes on which a program is tried.")
    max_ticks: int = Field(
        1_000, ge=10, le=100_000, description="Longest simulated episode of a task's program, in ticks of the simulator."
    )
    practice_ticks: int = Field(
        150, ge=10, le=100_000, description="The same for skill programs and the training policy, which never finish."
    )
    seconds: float = Field(60.0, gt=0, le=3_600, description="Longest time for all episodes of a trial; then its process is killed.")
    memory_mb: int = Field(1_024, ge=64, description="Memory that a trial may use beyond what the domain itself needs, in MiB.")
    fuel: int = Field(FUEL, ge=1_000, le=1_000_000, description="Loop turns and calls that programs may use in one step.")
    temperature: float = Field(0.2, ge=0, le=2, description="Sampling temperature of the coder.")
    top_p: float = Field(0.95, gt=0, le=1, description="Nucleus of the coder's sampling.")
    max_tokens: int = Field(4_096, ge=1, description="Longest answer, in tokens.")
