"""The annotate stage: for each skill, pairs are sampled and judged, and the verdicts become a table of preferences."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.annotators import make_annotator
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.interactions import CAPTIONS_FILE, Progress
from maestromotif.feedback.journal import Answered, Journal
from maestromotif.feedback.pairs import Question, pairs_of_keys
from maestromotif.feedback.protocol import Annotator, AnnotatorContext, Closing, Judgement, Telling
from maestromotif.feedback.questions import Pairing, Questions
from maestromotif.feedback.rounds import Round
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatModel
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Verdict

__all__ = ["SkillVerdicts", "annotate", "in_batches"]

# Judgements are made safe after so many or so many seconds, whatever comes first.
_BATCH, _SECONDS = 512, 2.0


@dataclass(frozen=True, slots=True)
class SkillVerdicts:
    """What came of one skill; of ``failed`` pairs nobody knows, and the next run asks about them again."""

    skill: str
    counts: dict[str, int]
    warnings: tuple[str, ...]
    failed: int = 0


def annotate(
    domain: Domain,
    skills: SkillSet,
    captions_path: Path,
    config: AnnotateConfig,
    chat: ChatModel,
    out: Path,
    seed: int,
    progress: Progress = lambda _fraction, _text: None,
    home: Path | None = None,
    aside: Callable[[], AbstractContextManager[object]] = nullcontext,
    rounds: Sequence[Round] = (),
) -> tuple[SkillVerdicts, ...]:
    """For each skill write ``preferences-<skill>.parquet``, a card ``preferences-<skill>.json`` and ``transcript-<skill>.jsonl``.

    A pair that was answered is not asked about again, also after the process was killed.

    Args:
        chat: who writes scoring programs (annotator "judge") or compares pairs (annotator "chat").
        home, aside: see ``AnnotatorContext``.
        rounds: further questions, asked after all others. The captions of all together are then written to ``captions.parquet``.

    Raises:
        ArtifactError: captions are missing, damaged, or too few.
        ChatError, ProgramError: no answer, or no scoring program that works.
    """
    captions = CaptionTable.load(captions_path, domain)
    if len(captions) < 2:
        raise ArtifactError(f"{captions_path} holds fewer than two captions", "Raise steps in [collect]")
    everything = captions.merge(*(one.captions for one in rounds)) if rounds else captions
    if rounds:
        everything.save(out / CAPTIONS_FILE, domain, {"rounds": len(rounds)})
    annotator = make_annotator(AnnotatorContext(domain, config, chat, everything, seed, shown=captions, home=home, aside=aside))
    pairing = Pairing(captions, config, annotator, seed)
    results = []
    try:
        for number, skill in enumerate(skills):

            def report(fraction: float, text: str, done: int = number) -> None:
                progress((done + fraction) / len(skills), text)

            further = [pair for one in rounds for pair in pairs_of_keys(everything, one.pairs.get(skill.id, ()))]
            results.append(_annotate_skill(domain, skill, pairing.questions(skill), further, annotator, out, report))
    finally:
        if isinstance(annotator, Closing):
            annotator.close(len(results) == len(skills))
    return tuple(results)


def _annotate_skill(
    domain: Domain,
    skill: Skill,
    questions: Questions,
    further: Sequence[Question],
    annotator: Annotator,
    out: Path,
    report: Progress,
) -> SkillVerdicts:
    report(0.0, f"{skill.id}: getting ready")
    briefing = annotator.brief(skill)
    if briefing.program:
        write_atomically(out / f"judge-{skill.id}.py", briefing.program)
    journal = Journal(out / f"transcript-{skill.id}.jsonl", {"skill": skill.id, "annotator": annotator.id, **briefing.transcript})
    known = journal.open()
    asked: dict[str, Question] = {}
    most = questions.most + len(further)

    def keep(judgements: Sequence[Judgement]) -> None:
        journal.append(judgements)
        # A pair whose verdict was taken back comes twice.
        known.update((one.pair.id, Answered.of(one)) for one in judgements)
        done = sum(pair in known for pair in asked)
        report(done / most, f"{skill.id}: {done:,} of {questions.limit}{most:,} pairs")

    def ask(batch: Sequence[Question]) -> None:
        asked.update((question[0].id, question) for question in batch)
        fresh = [pair for pair, _, _ in batch if pair.id not in known]
        in_batches(annotator.annotate(skill, briefing, fresh) if fresh else iter(()), keep)

    while batch := questions.more(known):
        ask(batch)
    ask(further)
    rows = tuple(known[pair].preference(skill.id, pair, annotator.id) for pair in asked)
    first, second = (np.array([question[column] for question in asked.values()], np.int64) for column in (1, 2))
    counts = Counter(row.verdict.value for row in rows)
    ordered = {verdict.value: counts[verdict.value] for verdict in Verdict}
    PreferenceTable(rows, first, second).save(out / f"preferences-{skill.id}.parquet", domain, skill.id, {"verdicts": ordered})
    told = dict(annotator.tell(journal.path)) if isinstance(annotator, Telling) else {}
    warnings = (*((briefing.warning,) if briefing.warning else ()), *told.pop("warnings", ()))
    card = {
        "skill": skill.id,
        "annotator": annotator.id,
        "source": briefing.transcript.get("source", "endpoint"),
        "pairs": len(rows),
        "verdicts": ordered,
        "warnings": list(warnings),
        **questions.told(),
        **told,
    }
    write_atomically(out / f"preferences-{skill.id}.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    report(1.0, f"{skill.id}: {len(rows):,} pairs, {ordered['tie'] / len(rows):.0%} ties{questions.ending}")
    return SkillVerdicts(skill.id, ordered, warnings, sum(row.reason == "failed" for row in rows))


def in_batches(judgements: Iterator[Judgement], keep: Callable[[Sequence[Judgement]], None]) -> None:
    """Hand judgements on in batches, and the rest even if the annotator fails in between."""
    batch: list[Judgement] = []
    since = time.monotonic()
    try:
        for judgement in judgements:
            batch.append(judgement)
            if len(batch) >= _BATCH or time.monotonic() - since >= _SECONDS:
                keep(batch)
                batch, since = [], time.monotonic()
    finally:
        if batch:
            keep(batch)
