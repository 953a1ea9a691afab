"""The domain's own measure of progress as an annotator: what a perfect judge would say, for ablations only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from maestromotif.domains.contract import Domain
from maestromotif.errors import ConfigError
from maestromotif.feedback.annotators.judge import compare_scores
from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.protocol import AnnotatorContext, Briefing, Judgement
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Pair, RewardInput, Verdict

__all__ = ["TruthAnnotator"]


class TruthAnnotator:
    """Compares ``Domain.caption_score`` of two captions."""

    class Options(AnnotatorOptions):
        margin: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="Scores that differ by no more than this are a tie.")

    def __init__(self, context: AnnotatorContext) -> None:
        self._margin = read_options(self.Options, context.config.options).margin
        self._domain = context.domain
        self.id = f"ground-truth:{context.domain.id}"

    @staticmethod
    def check(options: Options, domain: Domain, skills: SkillSet) -> None:
        """Whether the domain measures all these skills.

        Raises:
            ConfigError: naming those that it does not.
        """
        nothing = RewardInput("", (0,) * len(domain.sign_specs))
        unknown = [skill.id for skill in skills if domain.caption_score(skill.id, nothing) is None]
        if unknown:
            raise ConfigError(
                f"[annotate] annotator: 'ground-truth' has no measure of progress for {', '.join(unknown)} in the domain {domain.id}",
                "Leave these skills out, or choose another annotator",
            )

    def brief(self, skill: Skill) -> Briefing:
        self.check(self.Options(), self._domain, SkillSet((skill,)))
        return Briefing({"source": "domain", "margin": self._margin})

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        for pair in pairs:
            scores = [self._domain.caption_score(skill.id, caption.reward_input) for caption in (pair.first, pair.second)]
            first, second = scores
            if first is None or second is None:
                yield Judgement(pair, Verdict.UNPARSED, reason="failed")
            else:
                yield Judgement(pair, compare_scores(first, second, self._margin), detail={"scores": scores})
