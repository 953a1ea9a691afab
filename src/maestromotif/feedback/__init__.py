"""Phase 1a: play becomes captions, and pairs of captions become preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.feedback.config import AnnotateConfig, CollectConfig
from maestromotif.lazy import lazily

if TYPE_CHECKING:
    from maestromotif.feedback.annotation import SkillVerdicts, annotate
    from maestromotif.feedback.interactions import collect
    from maestromotif.feedback.protocol import Annotator, AnnotatorContext, Briefing, Judgement
    from maestromotif.feedback.tables import CaptionTable, PreferenceTable
    from maestromotif.feedback.verdicts import parse_verdict

__all__ = [
    "AnnotateConfig",
    "Annotator",
    "AnnotatorContext",
    "Briefing",
    "CaptionTable",
    "CollectConfig",
    "Judgement",
    "PreferenceTable",
    "SkillVerdicts",
    "annotate",
    "collect",
    "parse_verdict",
]

__getattr__ = lazily(
    __name__,
    annotation=["SkillVerdicts", "annotate"],
    interactions=["collect"],
    protocol=["Annotator", "AnnotatorContext", "Briefing", "Judgement"],
    tables=["CaptionTable", "PreferenceTable"],
    verdicts=["parse_verdict"],
)
