"""Rewards of transitions by key, for the training loop: numpy only, each distinct reward input computed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maestromotif.domains.contract import Domain
from maestromotif.rewards.discount import CountDiscount
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

__all__ = ["RewardTable"]


class RewardTable:
    """Maps a transition's reward key to the rewards of all skills (order of ``skills``)."""

    skills: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path, domain: Domain, skills: SkillSet) -> RewardTable:
        """Read ``reward-<skill>.safetensors`` and ``.json`` of every skill.

        Raises:
            ArtifactError: a file is missing, truncated, or made for other signs or another domain.
        """
        raise NotImplementedError

    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> list[float]:
        """K floats: normalised, thresholded, scaled, before the count discount. Not to be changed by the caller.

        Args:
            key: ``DomainEnv.reward_key``.
            make_input: called only when the key is new.
        """
        raise NotImplementedError

    def discount(self) -> CountDiscount:
        """A new count discount with the window that the rewards were fitted for; one per game."""
        raise NotImplementedError
