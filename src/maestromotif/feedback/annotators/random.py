"""An annotator without any idea: the floor below which no other should fall."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from pydantic import Field

from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.protocol import AnnotatorContext, Briefing, Judgement
from maestromotif.skills import Skill
from maestromotif.types import Pair, Verdict

__all__ = ["RandomAnnotator"]


class RandomAnnotator:
    """Verdicts by lot. The same seed, skill and pair always get the same one, in whatever order they come."""

    class Options(AnnotatorOptions):
        ties: float = Field(default=0.1, ge=0, le=1, description="Share of ties.")

    def __init__(self, context: AnnotatorContext) -> None:
        self._ties = read_options(self.Options, context.config.options).ties
        self._seed = context.seed
        self.id = "random"

    def brief(self, skill: Skill) -> Briefing:
        return Briefing({"source": "lot", "seed": self._seed, "ties": self._ties})

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        for pair in pairs:
            lot = hashlib.sha256(f"{self._seed}/{skill.id}/{pair.id}".encode()).digest()
            tie = int.from_bytes(lot[:8], "big") < self._ties * 2**64
            yield Judgement(pair, Verdict.TIE if tie else Verdict.FIRST if lot[8] % 2 else Verdict.SECOND)
