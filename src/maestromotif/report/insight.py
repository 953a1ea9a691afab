"""Everything that a project knows of how far its rewards can be trusted, for the page and for the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.asking import preferences_path
from maestromotif.feedback.comparison import MATRIX_FILE
from maestromotif.feedback.interactions import CAPTIONS_FILE
from maestromotif.feedback.met import met_by, read_counts
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.llm import Ledger
from maestromotif.llm.ledger import LEDGER_FILE, total
from maestromotif.rewards.curve import read_curve
from maestromotif.rewards.insight import inspect_skill
from maestromotif.rewards.shift import skill_shift
from maestromotif.skills import Skill, SkillSet

__all__ = ["compared_captions", "gather_insight", "gather_shift", "read_matrix"]


def gather_insight(root: Path, domain: Domain, skills: SkillSet, shown: int) -> dict[str, Any]:
    """A document for these skills: ``skills`` (``inspect_skill``, and ``shift`` or None), ``calls`` and ``comparison``, None if unknown.

    Raises:
        ArtifactError: captions, preferences or reward models are missing or damaged.
    """
    artifacts = root / "artifacts"
    captions = compared_captions(artifacts, domain)
    folders = artifacts / "preferences", artifacts / "rewards"
    parts = []
    for skill in skills:
        shift = gather_shift(artifacts, domain, skill)
        part = inspect_skill(domain, skill, captions, *folders, shown)
        warnings = [*part["warnings"], *([shift["warning"]] if shift and shift["warning"] else [])]
        curve = part["curve"] or read_curve(artifacts / "rewards", skill.id)
        parts.append({**part, "curve": curve, "shift": shift, "warnings": list(dict.fromkeys(warnings))})
    totals = total(Ledger(artifacts / "llm" / LEDGER_FILE).entries(), lambda entry: entry.table).get("annotator")
    return {"skills": parts, "calls": asdict(totals) if totals else None, "comparison": read_matrix(artifacts)}


def compared_captions(artifacts: Path, domain: Domain) -> CaptionTable:
    """The captions that were compared, with those of later rounds."""
    merged = artifacts / "preferences" / CAPTIONS_FILE
    return CaptionTable.load(merged if merged.is_file() else artifacts / "interactions" / CAPTIONS_FILE, domain)


def gather_shift(artifacts: Path, domain: Domain, skill: Skill) -> dict[str, Any] | None:
    """``Shift.to_json`` of a skill; None if nothing was kept of what the trained policy meets.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    folder = artifacts / "policy-captions"
    if not (folder / CAPTIONS_FILE).is_file():
        return None
    met = met_by(CaptionTable.load(folder / CAPTIONS_FILE, domain), read_counts(folder).get(skill.id, {}))
    explorer = CaptionTable.load(artifacts / "interactions" / CAPTIONS_FILE, domain)
    path = preferences_path(artifacts / "shift", skill.id)
    answers = PreferenceTable.load(path, domain, skill.id) if path.is_file() else None
    return skill_shift(domain, skill, artifacts / "rewards", explorer, met, answers).to_json()


def read_matrix(artifacts: Path) -> dict[str, Any] | None:
    """What ``annotate --compare`` found; None if it was not asked for.

    Raises:
        ArtifactError: the file is damaged.
    """
    path = artifacts / "comparison" / MATRIX_FILE
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged ({error})", "Run `maestromotif annotate --compare` again") from error
