"""Which policies there are, how they are asked, and what of them decides how an episode goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from maestromotif.agents.evaluate import Setting
    from maestromotif.project import Project

__all__ = ["ACTIONS", "LLM_POLICIES", "PROMPTS", "SKILLS", "LLMPolicyConfig", "cell_identity", "needs_endpoint", "player_identity"]

ACTIONS, SKILLS = "llm-actions", "llm-skills"
LLM_POLICIES = (ACTIONS, SKILLS)
"""What a language model decides: every action, or which skill comes next."""
PROMPTS = Path(__file__).parent / "prompts"


class LLMPolicyConfig(BaseModel):
    """The ``[llm_policy]`` table. Which model is asked, and what it may cost, is said under ``[chat]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    history: int = Field(default=4, ge=0, le=50, description="earlier decisions that the model is shown, each with the caption it led to")
    repeat: int = Field(default=1, ge=1, le=100, description="environment steps that an answer of llm-actions holds for")
    temperature: float = Field(default=0.1, ge=0, le=2, description="of the answers")
    top_p: float = Field(default=0.95, gt=0, le=1, description="of the answers")
    max_tokens: int = Field(default=300, ge=8, description="longest answer; models that think aloud at length need more")
    games: int = Field(default=8, ge=1, le=256, description="games played together, and so the most questions that are open at a time")


def needs_endpoint(project: Project) -> str | None:
    """What a project lacks for a language model to play; None: nothing. No answers are recorded for games that nobody has played."""
    if project.config.chat.kind == "openai":
        return None
    return 'needs an endpoint: set kind = "openai" with base_url and model under [chat] in maestro.toml'


def player_identity(project: Project) -> dict[str, Any]:
    """What of the model and of its prompts decides how it plays, as plain values."""
    from maestromotif.agents.cells import digest

    return {
        "model": project.player().id,
        "settings": project.config.llm_policy.model_dump(mode="json", exclude={"games"}),
        "prompts": {path.stem: digest(path.read_bytes()) for path in sorted(PROMPTS.glob("*.txt"))},
    }


def cell_identity(setting: Setting, policy: str, player: Mapping[str, Any], max_steps: int) -> dict[str, Any]:
    """As ``Setting.cell_identity``. A model that acts knows no skills, so its episodes are the same for all trainings.

    Raises:
        ArtifactError: the skills' programs or weights are missing.
    """
    if policy == SKILLS:
        return {**setting.cell_identity(policy, "", 0, max_steps), "player": dict(player)}
    domain = {"domain": setting.domain.id, "options": dict(setting.domain.options)}
    return {**domain, "policy": policy, "max_steps": max_steps, "player": dict(player)}
