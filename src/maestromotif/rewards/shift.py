"""Whether a reward model still agrees with its annotator on what the trained policy meets, which the explorer may never have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.bench.stats import wilson
from maestromotif.domains.contract import Domain
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.rewards.calibration import count_right
from maestromotif.rewards.model import read_card
from maestromotif.rewards.table import RewardTable
from maestromotif.skills import Skill, SkillSet

__all__ = ["FALL", "Shift", "fell", "model_differences", "skill_shift"]

# A fall of the agreement by more than this is told, if it is no chance: the interval must lie below the held-out agreement.
FALL = 0.05


@dataclass(frozen=True)
class Shift:
    """One skill on the policy's own captions.

    Attributes:
        steps, captions: transitions in which the skill was at work, and distinct captions among them.
        unseen_captions, unseen_steps: shares of those whose reward input the explorer never saw.
        unseen_reward: share of the rewards, before the count discount, that such captions earned; None if nothing was earned.
        questions, decided: pairs that the annotator was asked about, and those it decided.
        agreement: of the reward model, on the decided ones, with its 95 % interval; None if there are none.
        held_out: agreement on the explorer's held-out pairs, as the model's card has it.
        fell: the agreement is lower than ``held_out`` by more than ``FALL``, and its interval lies below it.
    """

    skill: str
    steps: int
    captions: int
    unseen_captions: float
    unseen_steps: float
    unseen_reward: float | None
    questions: int
    decided: int
    agreement: float | None
    interval: tuple[float, float]
    held_out: float | None
    fell: bool

    @property
    def warning(self) -> str:
        """A sentence for the person; empty if all is well."""
        if not self.fell or self.agreement is None or self.held_out is None:
            return ""
        low, high = self.interval
        return (
            f"{self.skill}: the reward model agrees with the annotator on {self.agreement:.1%} ({low:.1%} to {high:.1%}) of pairs that the "
            f"trained policy met, and on {self.held_out:.1%} of held-out pairs of the explorer: a fall by more than {FALL:.0%}. "
            "`maestromotif annotate --from-policy` asks about what it met"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "warning": self.warning}


def skill_shift(
    domain: Domain, skill: Skill, rewards: Path, explorer: CaptionTable, met: CaptionTable, answers: PreferenceTable | None
) -> Shift:
    """Measure one skill.

    Args:
        rewards: folder of the reward models.
        explorer: captions of the explorer.
        met: captions that the skill met, with the number of steps of each.
        answers: of the annotator, on pairs of ``met``; None if there was nothing to ask.

    Raises:
        ArtifactError: the reward model is missing or damaged.
    """
    table = RewardTable.load(rewards, domain, SkillSet((skill,)))
    reward_N = table.batch(met.keys, met.reward_input)[:, 0]
    unseen_N = ~np.isin(met.keys, explorer.keys)
    mass_N = reward_N * met.counts
    mass = float(mass_N.sum())
    right = number = questions = 0
    if answers is not None:
        questions = len(answers)
        difference_P, target_P = model_differences(table, met, answers)
        right, number = count_right(difference_P, target_P)
    interval = wilson(right, number)
    held_out = read_card(rewards, skill.id)["held_out"]["agreement"]
    agreement = right / number if number else None
    return Shift(
        skill.id,
        int(met.counts.sum()),
        len(met),
        float(unseen_N.mean()) if len(met) else 0.0,
        float(met.counts[unseen_N].sum() / max(1, met.counts.sum())),
        float(mass_N[unseen_N].sum()) / mass if mass else None,
        questions,
        number,
        agreement,
        (interval.low, interval.high),
        held_out,
        fell(right, number, held_out),
    )


def fell(right: int, number: int, held_out: float | None) -> bool:
    """Whether ``right`` of ``number`` is less than ``held_out`` by more than ``FALL``, and so much less that it is no chance."""
    return number > 0 and held_out is not None and held_out - right / number > FALL and wilson(right, number).high < held_out


def model_differences(
    table: RewardTable, captions: CaptionTable, answers: PreferenceTable
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw reward of the first minus that of the second, and the annotator's target, of all pairs with an answer, float64 ``[P]`` both.

    Args:
        table: of one skill.
        captions: hold those of all pairs.
    """
    target_P = answers.targets()
    usable_P = ~np.isnan(target_P)
    row_of = captions.rows()
    first, second = ([row_of[key] for key in keys[usable_P].tolist()] for keys in (answers.first_keys, answers.second_keys))
    raw = _raws(table, captions, sorted({*first, *second}))
    difference_P = np.array([raw[one] - raw[other] for one, other in zip(first, second, strict=True)], np.float64)
    return difference_P, target_P[usable_P]


def _raws(table: RewardTable, captions: CaptionTable, rows: Sequence[int]) -> dict[int, float]:
    if not rows:
        return {}
    return dict(zip(rows, table.raws([captions.reward_input(row) for row in rows])[:, 0].tolist(), strict=True))
