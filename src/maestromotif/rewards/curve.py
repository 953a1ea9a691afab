"""How the agreement of a skill's reward model rises with the number of answers: measured on request, and kept beside the rewards."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.bench.stats import wilson
from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.files import write_atomically
from maestromotif.rewards.calibration import count_right
from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.model import read_card
from maestromotif.rewards.shift import model_differences
from maestromotif.rewards.table import RewardTable
from maestromotif.skills import Skill, SkillSet

__all__ = ["CURVES", "keep_curve", "learning_curve", "read_curve"]

CURVES = "curves"
_SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
_LEAST_ANSWERS = 10


def keep_curve(domain: Domain, skill: Skill, captions_path: Path, preferences: Path, rewards: Path) -> list[dict[str, Any]]:
    """Measure the learning curve of the model in the folder ``rewards``, with its own settings, and keep it beside that folder.

    Raises:
        ArtifactError: captions, preferences or the reward model are missing, damaged or do not belong together.
    """
    card = read_card(rewards, skill.id)
    made_by = card["made_by"]
    points = learning_curve(domain, skill, captions_path, preferences, RewardConfig(**made_by["config"]), int(made_by["seed"]))
    kept = {"skill": skill.id, "made_for": card["fingerprint"], "curve": points}
    write_atomically(_path(rewards, skill.id), json.dumps(kept, indent=1) + "\n")
    return points


def read_curve(rewards: Path, skill: str) -> list[dict[str, Any]]:
    """The points that ``keep_curve`` kept of a skill; none if it was not asked for, or for a model that was made otherwise.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    path = _path(rewards, skill)
    if not path.is_file():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        points = [dict(point) for point in kept["curve"]]
        made_for = kept["made_for"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} is damaged ({error})", "Delete it, and measure it again with `maestromotif reward --inspect --curve`"
        ) from error
    return points if made_for == read_card(rewards, skill)["fingerprint"] else []


def _path(rewards: Path, skill: str) -> Path:
    # Not within the artifact, which has only what its inputs decide.
    return rewards.parent / CURVES / f"{skill}.json"


def learning_curve(
    domain: Domain, skill: Skill, captions_path: Path, preferences: Path, config: RewardConfig, seed: int
) -> list[dict[str, Any]]:
    """Held-out agreement of models fitted to an eighth, a quarter, a half and all of the answers; a point is as in the card's ``curve``.

    The same answers are held out each time, a share ``config.held_out`` of all; the others are taken in an order drawn from ``seed``.
    A part too small to be fitted to is left out.

    Raises:
        ArtifactError: captions or preferences are missing, damaged or do not belong together.
    """
    from maestromotif.rewards.fitting import fit

    one = SkillSet((skill,))
    captions = CaptionTable.load(captions_path, domain)
    answers = PreferenceTable.load(preferences / f"preferences-{skill.id}.parquet", domain, skill.id)
    usable = np.flatnonzero(~np.isnan(answers.targets()))
    order = np.random.default_rng(seed).permutation(usable)
    held = max(1, round(config.held_out * len(order)))
    held_out, others = _only(answers, order[:held]), order[held:]
    points = []
    for share in _SHARES:
        part = _only(answers, others[: round(share * len(others))])
        if len(part) < _LEAST_ANSWERS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            part.save(Path(folder) / f"preferences-{skill.id}.parquet", domain, skill.id, {})
            fit(domain, one, captions_path, Path(folder), config, Path(folder) / "rewards", seed)
            model = RewardTable.load(Path(folder) / "rewards", domain, one)
        difference_P, target_P = model_differences(model, captions, held_out)
        right, number = count_right(difference_P, target_P)
        interval = wilson(right, number)
        agreement = right / number if number else None
        points.append({"questions": len(part), "decided": number, "agreement": agreement, "low": interval.low, "high": interval.high})
    return points


def _only(answers: PreferenceTable, rows: NDArray[np.int64]) -> PreferenceTable:
    return PreferenceTable(tuple(answers.preferences[row] for row in rows.tolist()), answers.first_keys[rows], answers.second_keys[rows])
