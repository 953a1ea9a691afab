"""Several annotators as one, by vote or by average; what each of them said stays in the transcript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from maestromotif.domains.contract import Domain
from maestromotif.errors import ConfigError
from maestromotif.feedback.annotators import check_annotator, make_annotator
from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.journal import last_entries
from maestromotif.feedback.protocol import Annotator, AnnotatorContext, Briefing, Closing, Judgement
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Pair, Verdict

__all__ = ["EnsembleAnnotator", "agreement", "by_average", "by_vote"]

# Pairs that all members judge before any of them goes on.
_CHUNK = 256
_TARGETS = {Verdict.FIRST: 1.0, Verdict.SECOND: 0.0, Verdict.TIE: 0.5}


class Member(AnnotatorOptions):
    annotator: str = Field(description="Name of an annotator.")
    options: dict[str, Any] = Field(default_factory=dict, description="Of that annotator.")


class EnsembleAnnotator:
    """Asks all members about every pair. A member without a verdict abstains; if all do, there is none."""

    class Options(AnnotatorOptions):
        members: tuple[Member, ...] = Field(min_length=2, description="The annotators that are asked.")
        rule: Literal["vote", "average"] = Field(default="vote", description="How their verdicts become one.")

    def __init__(self, context: AnnotatorContext) -> None:
        options = read_options(self.Options, context.config.options)
        self._rule = options.rule
        self._members: dict[str, Annotator] = {}
        for name, member in zip(_names(options.members), options.members, strict=True):
            config = context.config.model_copy(update={"annotator": member.annotator, "options": member.options})
            self._members[name] = make_annotator(replace(context, config=config))
        self.id = f"ensemble:{self._rule}:{'+'.join(member.id for member in self._members.values())}"
        self._briefings: dict[str, dict[str, Briefing]] = {}

    @property
    def costly(self) -> bool:
        """Whether one of the members is; see ``Annotator``."""
        return any(getattr(member, "costly", False) for member in self._members.values())

    @staticmethod
    def check(options: Options, domain: Domain, skills: SkillSet) -> None:
        """Whether every member could be made.

        Raises:
            ConfigError: one could not, or is an ensemble itself.
        """
        for number, member in enumerate(options.members, 1):
            where = f"annotate.options.members {number}"
            if member.annotator == "ensemble":
                raise ConfigError(f"[{where}] annotator: an ensemble cannot be a member of one", "Name its members here")
            check_annotator(member.annotator, member.options, domain, skills, where)

    def brief(self, skill: Skill) -> Briefing:
        found = {name: member.brief(skill) for name, member in self._members.items()}
        self._briefings[skill.id] = found
        transcript = {
            "rule": self._rule,
            "members": {name: {"annotator": self._members[name].id, **given.transcript} for name, given in found.items()},
            "source": "ensemble",
        }
        program = next((given.program for given in found.values() if given.program), "")
        return Briefing(transcript, program, "; ".join(given.warning for given in found.values() if given.warning))

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        rule = by_vote if self._rule == "vote" else by_average
        for start in range(0, len(pairs), _CHUNK):
            chunk = pairs[start : start + _CHUNK]
            said: dict[str, dict[str, Judgement]] = {pair.id: {} for pair in chunk}
            for name, member in self._members.items():
                for judgement in member.annotate(skill, self._briefings[skill.id][name], chunk):
                    said[judgement.pair.id][name] = judgement
            for pair in chunk:
                verdict, target, reason = rule(list(said[pair.id].values()))
                yield Judgement(pair, verdict, target, reason, {"members": {name: _told(one) for name, one in said[pair.id].items()}})

    def close(self, finished: bool) -> None:
        for member in self._members.values():
            if isinstance(member, Closing):
                member.close(finished)

    def tell(self, transcript: Path) -> Mapping[str, Any]:
        """See ``agreement``."""
        return {"agreement": agreement(transcript, list(self._members))}


def by_vote(judgements: Sequence[Judgement]) -> tuple[Verdict, float | None, str]:
    """The verdict that more members gave than any other, else a tie; with target (None) and reason."""
    votes = Counter(one.verdict for one in judgements if one.verdict is not Verdict.UNPARSED)
    if not votes:
        return Verdict.UNPARSED, None, next((one.reason for one in judgements if one.reason), "")
    most = max(votes.values())
    winners = [verdict for verdict, number in votes.items() if number == most]
    return winners[0] if len(winners) == 1 else Verdict.TIE, None, ""


def by_average(judgements: Sequence[Judgement]) -> tuple[Verdict, float | None, str]:
    """The mean of the members' targets and the side that it is on; if it is on neither, the vote decides."""
    targets = [_TARGETS[one.verdict] if one.target is None else one.target for one in judgements if one.verdict is not Verdict.UNPARSED]
    if not targets:
        return by_vote(judgements)
    mean = sum(targets) / len(targets)
    if abs(mean - 0.5) < 1e-9:
        return by_vote(judgements)[0], mean, ""
    return Verdict.FIRST if mean > 0.5 else Verdict.SECOND, mean, ""


def agreement(transcript: Path, members: Sequence[str]) -> dict[str, Any]:
    """How often members say the same, over pairs on which both have a verdict.

    Args:
        transcript: of a skill; of several lines about a pair the last one counts.

    Returns:
        ``members`` (names), ``same`` (matrix of shares, None without a common pair) and ``pairs`` (matrix of numbers of pairs).
    """
    size = len(members)
    same, pairs = [[0] * size for _ in members], [[0] * size for _ in members]
    for entry in last_entries(transcript).values():
        given = [entry["members"].get(name, {}).get("verdict", "unparsed") for name in members]
        valid = [place for place, verdict in enumerate(given) if verdict != "unparsed"]
        for one, other in [*combinations(valid, 2), *((place, place) for place in valid)]:
            for row, column in {(one, other), (other, one)}:
                pairs[row][column] += 1
                same[row][column] += given[one] == given[other]
    everyone = range(size)
    shares = [[round(same[row][at] / pairs[row][at], 4) if pairs[row][at] else None for at in everyone] for row in everyone]
    return {"members": list(members), "same": shares, "pairs": pairs}


def _names(members: Sequence[Member]) -> list[str]:
    """Names of annotators; the second of a name gets a number."""
    seen: Counter[str] = Counter()
    names = []
    for member in members:
        seen[member.annotator] += 1
        number = seen[member.annotator]
        names.append(member.annotator if number == 1 else f"{member.annotator} {number}")
    return names


def _told(judgement: Judgement) -> dict[str, Any]:
    told: dict[str, Any] = {"verdict": judgement.verdict.value}
    if judgement.target is not None:
        told["target"] = judgement.target
    if judgement.reason:
        told["reason"] = judgement.reason
    return {**told, **judgement.detail}
