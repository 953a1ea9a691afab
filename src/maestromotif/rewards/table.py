"""Rewards of transitions by key, for the training loop: numpy alone, each distinct reward input computed once.

The encoder 'sentence' is the exception: at the first message that no interaction had, its model and torch are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.rewards.discount import CountDiscount, Window
from maestromotif.rewards.encoders import Reader
from maestromotif.rewards.encoders.hashed import HashedReader, HashedScorer
from maestromotif.rewards.features import FEATURE_VERSION
from maestromotif.rewards.model import RewardModel, read_card, reward_paths
from maestromotif.rewards.pipeline import Shaping, shape
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput, int64_key

__all__ = ["RewardTable"]

# About 20 MB, and 10 MB for each skill that is asked for alone; then the table starts afresh.
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
        self._nothing = [0.0] * len(self.skills)
        # Models that were fitted together read alike; then each input is read once for all.
        self._readers: list[Reader] = []
        self._reader_of: list[int] = []
        for model in models:
            place = next((place for place, other in enumerate(self._readers) if other.same(model.reader)), len(self._readers))
            if place == len(self._readers):
                self._readers.append(model.reader)
            self._reader_of.append(place)
        # One input at a time is what a game asks for; the common kind of model has a quick way for it.
        members = [model.ensemble.members[0] for model in models if len(model.ensemble.members) == 1]
        scorers = [member for member in members if isinstance(member, HashedScorer)]
        plain = [reader for reader in self._readers if isinstance(reader, HashedReader)]
        quick = len(scorers) == len(models) and len(plain) == len(self._readers)
        self._scorers, self._plain = (scorers, plain) if quick else ([], [])
        self._seen = self._precomputed()
        self._known = dict(self._seen)
        self._single: list[dict[int, float]] = [{} for _ in self.skills]

    @classmethod
    def load(cls, folder: Path, domain: Domain, skills: SkillSet) -> RewardTable:
        """Read ``reward-<skill>.safetensors`` and ``.json`` of every skill.

        Raises:
            ArtifactError: a file is missing, truncated, or made for other signs or another domain.
        """
        models, shapings = [], []
        discount: tuple[int, float, Window] = (20, 3.0, "steps")
        for skill in skills.ids:
            card_path = reward_paths(folder, skill)[1]
            card = read_card(folder, skill)
            _check(card, card_path, domain, skill)
            try:
                shapings.append(Shaping(**card["shaping"]))
                given = card["discount"]
                discount = (int(given["window"]), float(given["exponent"]), given["kind"])
                models.append(RewardModel.load(folder, skill, card))
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
            if len(self._known) >= len(self._seen) + _MOST_ENTRIES:
                self._known = dict(self._seen)
            found = self._seen.get(int64_key(key)) or self._compute(make_input())
            self._known[key] = found
        return found

    def reward(self, skill: int, key: int, make_input: Callable[[], RewardInput]) -> float:
        """What ``rewards`` gives one skill, by its place. Where that is quicker, nothing is computed for the others."""
        known = self._single[skill]
        found = known.get(key)
        if found is None:
            if len(known) >= _MOST_ENTRIES:
                known.clear()
            if not self._plain or int64_key(key) in self._seen:
                found = self.rewards(key, make_input)[skill]
            else:
                rows = self._plain[self._reader_of[skill]].rows(make_input())
                found = self._models[skill][1].one(self._scorers[skill].raw(rows))
            known[key] = found
        return found

    def batch(self, keys_N: NDArray[np.int64], make_input: Callable[[int], RewardInput]) -> NDArray[np.float64]:
        """Rewards of many transitions at once, float64 ``[N, K]``, as ``rewards`` gives them one by one.

        Args:
            keys_N: their reward keys.
            make_input: the input of a transition by its number; called once for each key that is new.
        """
        distinct, first, inverse = np.unique(keys_N, return_index=True, return_inverse=True)
        rewards_DK = np.zeros((len(distinct), len(self.skills)))
        new = []
        for place, key in enumerate(distinct.tolist()):
            found = self._known.get(key)
            if found is None:
                new.append(place)
            else:
                rewards_DK[place] = found
        if new:
            rewards_DK[new] = self._shaped(self.raws([make_input(number) for number in first[new].tolist()]))
        return rewards_DK[inverse]

    def raw(self, given: RewardInput) -> list[float]:
        """The models' raw outputs, before the pipeline."""
        return [float(raw) for raw in self.raws([given])[0]]

    def raws(self, inputs: Sequence[RewardInput]) -> NDArray[np.float64]:
        """The same for many inputs, float64 ``[N, K]``."""
        read = [reader.read(inputs) for reader in self._readers]
        columns = [model.ensemble.raws(read[place]) for (model, _), place in zip(self._models, self._reader_of, strict=True)]
        return np.stack(columns, axis=1)

    def _compute(self, given: RewardInput) -> list[float]:
        return self._row(self._shaped(self.raws([given]))[0])

    def discount(self) -> CountDiscount:
        """A new count discount with the window that the rewards were fitted for; one per game."""
        return CountDiscount(*self._discount)

    def _shaped(self, raw_NK: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([shape(raw_NK[:, skill], shaping) for skill, (_, shaping) in enumerate(self._models)], axis=1)

    def _row(self, reward_K: NDArray[np.float64]) -> list[float]:
        # Most transitions earn nothing for any skill: they share one list.
        return reward_K.tolist() if reward_K.any() else self._nothing

    def _precomputed(self) -> dict[int, list[float]]:
        """Rewards of the captions that all models were stored with; empty if one was stored with none."""
        seen = [model.seen for model, _ in self._models]
        first = seen[0] if seen else None
        if first is None or not all(one is not None and np.array_equal(one.keys, first.keys) for one in seen):
            return {}
        reward_NK = self._shaped(np.stack([one.raw for one in seen if one is not None], axis=1))
        return {key: self._row(reward_K) for key, reward_K in zip(first.keys.tolist(), reward_NK, strict=True)}


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
