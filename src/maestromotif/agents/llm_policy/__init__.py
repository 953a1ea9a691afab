"""Policies that are a language model: one acts, one picks skills that the trained network carries out.

Neither learns anything: in each decision the model is told the task, what is known of the world, and what has just happened. ``moments``
has the questions, ``answers`` reads what was said, ``asking`` asks, ``player`` is the process that plays, ``playing`` brings them together.
"""

from maestromotif.agents.llm_policy.config import (
    ACTIONS,
    LLM_POLICIES,
    SKILLS,
    LLMPolicyConfig,
    cell_identity,
    needs_endpoint,
    player_identity,
)

__all__ = ["ACTIONS", "LLM_POLICIES", "SKILLS", "LLMPolicyConfig", "cell_identity", "needs_endpoint", "player_identity"]
