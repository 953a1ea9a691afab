"""Rewards of transitions by key, for the training loop: numpy only, each distinct reward input computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.rewards.discount import CountDiscount, Window
from maestromotif.rewards.features import FEATURE_VERSION, feature_hashes
from maestromotif.rewards.model import RewardModel, read_card, reward_paths
from maestromotif.rewards.pipeline import Shaping
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

__all__ = ["RewardTable"]

# About 20 MB; then the table starts afresh.
_MOST_ENTRIES = 100_000


class RewardTable:
    """Maps a transition's reward key to the rewards of all skills.

    Args:
        skills: ids, in the order of the rewards.
        models: the skills' reward models.
        shapings: the skills' pipelines.
        window, exponent, kind: the count discount that belongs to the rewards.
    """

    def __init__(
        self,
        skills: Sequence[str],
        models: Sequence[RewardModel],
        shapings: Sequence[Shaping],
        window: int = 20,
        exponent: float = 3.0,
        kind: Window = "steps",
    ) -> None:
        self.skills = tuple(skills)
        self._models = tuple(zip(models, shapings, strict=True))
        self._discount = (window, exponent, kind)
        self._known: dict[int, list[float]] = {}
        self._nothing = [0.0] * len(self.skills)
        # Models that were fitted together know the same features; then one dictionary serves all.
        shared: list[tuple[RewardModel, dict[int, int]]] = []
        self._rows: list[int] = []
        for model in models:
            place = next((place for place, (other, _) in enumerate(shared) if np.array_equal(other.buckets, model.buckets)), len(shared))
            if place == len(shared):
                shared.append((model, {bucket: row for row, bucket in enumerate(model.buckets.tolist())}))
            self._rows.append(place)
        self._dictionaries = [rows for _, rows in shared]

    @classmethod
    def load(cls, folder: Path, domain: Domain, skills: SkillSet) -> RewardTable:
        """Read ``reward-<skill>.safetensors`` and ``.json`` of every skill.

        Raises:
            ArtifactError: a file is missing, truncated, or made for other signs or another domain.
        """
        models, shapings = [], []
        discount: tuple[int, float, Window] = (20, 3.0, "steps")
        for skill in skills.ids:
            weights, card_path = reward_paths(folder, skill)
            card = read_card(folder, skill)
            _check(card, card_path, domain, skill)
            try:
                shapings.append(Shaping(**card["shaping"]))
                given = card["discount"]
                discount = (int(given["window"]), float(given["exponent"]), given["kind"])
                models.append(RewardModel.load(weights, str(card["sha256"])))
            except (KeyError, TypeError, ValueError) as error:
                raise ArtifactError(f"{card_path} is damaged ({error!r})", "Delete it and run `maestromotif reward`") from error
        return cls(skills.ids, models, shapings, *discount)

    def rewards(self, key: int, make_input: Callable[[], RewardInput]) -> list[float]:
        """K floats: normalised, thresholded, scaled, before the count discount. Not to be changed by the caller.

        Args:
            key: ``DomainEnv.reward_key``.
            make_input: called only when the key is new.
        """
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_ENTRIES:
                self._known.clear()
            found = self._compute(make_input())
            # Most transitions earn nothing for any skill: they share one list.
            self._known[key] = found if any(found) else self._nothing
        return found

    def raw(self, given: RewardInput) -> list[float]:
        """The models' raw outputs, before the pipeline."""
        hashes = feature_hashes(given)
        known = [np.array([rows[number] for number in hashes if number in rows], np.int64) for rows in self._dictionaries]
        return [model.raw(known[place]) for (model, _), place in zip(self._models, self._rows, strict=True)]

    def discount(self) -> CountDiscount:
        """A new count discount with the window that the rewards were fitted for; one per game."""
        return CountDiscount(*self._discount)

    def _compute(self, given: RewardInput) -> list[float]:
        return [shaping.one(raw) for raw, (_, shaping) in zip(self.raw(given), self._models, strict=True)]


def _check(card: dict[str, object], path: Path, domain: Domain, skill: str) -> None:
    wanted = {
        "skill": skill,
        "domain": domain.id,
        "feature_version": FEATURE_VERSION,
        "signs": [[spec.name, list(spec.values)] for spec in domain.sign_specs],
    }
    for name, value in wanted.items():
        if card.get(name) != value:
            shown = f" {card.get(name)!r}, not {value!r}" if name != "signs" else ""
            raise ArtifactError(f"{path} was made for other {name}{shown}", "Run `maestromotif reward` again")
