"""The annotate stage: for each skill, pairs are sampled and judged, and the verdicts become a table of preferences."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.annotators import make_annotator
from maestromotif.feedback.config import AnnotateConfig
from maestromotif.feedback.interactions import CAPTIONS_FILE, Progress
from maestromotif.feedback.journal import Answered, Journal
from maestromotif.feedback.pairs import caption_digest, make_pair, sample_rows
from maestromotif.feedback.protocol import Annotator, AnnotatorContext, Closing, Judgement, Telling
from maestromotif.feedback.rounds import Round
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.files import write_atomically
from maestromotif.llm.chat import ChatModel
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Pair, Verdict

__all__ = ["SkillVerdicts", "annotate", "pairs_of_keys", "pairs_of_rows", "sample_pairs"]

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
    results = []
    try:
        for number, skill in enumerate(skills):

            def report(fraction: float, text: str, done: int = number) -> None:
                progress((done + fraction) / len(skills), text)

            further = [pair for one in rounds for pair in pairs_of_keys(everything, one.pairs.get(skill.id, ()))]
            results.append(_annotate_skill(domain, skill, captions, further, annotator, config, out, seed, report))
    finally:
        if isinstance(annotator, Closing):
            annotator.close(len(results) == len(skills))
    return tuple(results)


def sample_pairs(captions: CaptionTable, skill: Skill, num_pairs: int, seed: int) -> list[tuple[Pair, int, int]]:
    """Pairs for a skill with the keys of their first and second caption; they do not depend on the other skills."""
    name = int.from_bytes(hashlib.sha256(skill.id.encode()).digest()[:8], "big")
    rows = sample_rows(captions, num_pairs, np.random.default_rng([seed % 2**63, name]))
    return pairs_of_rows(captions, rows)


def pairs_of_keys(captions: CaptionTable, keys_P: Iterable[Sequence[int]]) -> list[tuple[Pair, int, int]]:
    """As ``pairs_of_rows``, for the captions with these keys."""
    row_of = captions.rows()
    rows = [[row_of[int(one)], row_of[int(other)]] for one, other in keys_P]
    return pairs_of_rows(captions, np.array(rows, np.int64).reshape(-1, 2))


def pairs_of_rows(captions: CaptionTable, rows: NDArray[np.int64]) -> list[tuple[Pair, int, int]]:
    """Pairs of these rows (int64 ``[P, 2]``) with the keys of their first and second caption; the same pair only once."""
    used = {row: captions.caption(row) for row in np.unique(rows).tolist()}
    digests = {row: caption_digest(caption) for row, caption in used.items()}
    pairs: dict[str, tuple[Pair, int, int]] = {}
    for one, other in rows.tolist():
        first, second = used[one], used[other]
        pair = make_pair(first, second, (digests[one], digests[other]))
        keys = int(captions.keys[one]), int(captions.keys[other])
        pairs[pair.id] = (pair, *(keys if pair.first is first else keys[::-1]))
    return list(pairs.values())


def _annotate_skill(
    domain: Domain,
    skill: Skill,
    captions: CaptionTable,
    further: Sequence[tuple[Pair, int, int]],
    annotator: Annotator,
    config: AnnotateConfig,
    out: Path,
    seed: int,
    report: Progress,
) -> SkillVerdicts:
    report(0.0, f"{skill.id}: getting ready")
    briefing = annotator.brief(skill)
    if briefing.program:
        write_atomically(out / f"judge-{skill.id}.py", briefing.program)
    sampled = list({entry[0].id: entry for entry in (*sample_pairs(captions, skill, config.pairs, seed), *further)}.values())
    journal = Journal(out / f"transcript-{skill.id}.jsonl", {"skill": skill.id, "annotator": annotator.id, **briefing.transcript})
    known = journal.open()
    asked = [pair for pair, _, _ in sampled if pair.id not in known]
    done = [len(sampled) - len(asked)]

    def keep(judgements: Sequence[Judgement]) -> None:
        journal.append(judgements)
        # A pair whose verdict was taken back comes twice.
        done[0] += len({one.pair.id for one in judgements} - set(known))
        known.update((one.pair.id, Answered.of(one)) for one in judgements)
        report(done[0] / len(sampled), f"{skill.id}: {done[0]:,} of {len(sampled):,} pairs")

    _in_batches(annotator.annotate(skill, briefing, asked) if asked else iter(()), keep)
    rows = tuple(known[pair.id].preference(skill.id, pair.id, annotator.id) for pair, _, _ in sampled)
    first, second = (np.array([entry[column] for entry in sampled], np.int64) for column in (1, 2))
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
        **told,
    }
    write_atomically(out / f"preferences-{skill.id}.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    report(1.0, f"{skill.id}: {len(rows):,} pairs, {ordered['tie'] / len(rows):.0%} ties")
    return SkillVerdicts(skill.id, ordered, warnings, sum(row.reason == "failed" for row in rows))


def _in_batches(judgements: Iterator[Judgement], keep: Callable[[Sequence[Judgement]], None]) -> None:
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
