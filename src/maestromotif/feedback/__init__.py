"""Phase 1a: play becomes captions, and pairs of captions become preferences."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maestromotif.feedback.config import AnnotateConfig, CollectConfig

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

_HOMES = {
    "Annotator": "protocol",
    "AnnotatorContext": "protocol",
    "Briefing": "protocol",
    "CaptionTable": "tables",
    "Judgement": "protocol",
    "PreferenceTable": "tables",
    "SkillVerdicts": "annotation",
    "annotate": "annotation",
    "collect": "interactions",
    "parse_verdict": "verdicts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
