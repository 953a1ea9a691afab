"""Questions beside those that rewards are fitted to: other annotators on the same pairs, and pairs of what a trained policy met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maestromotif.domains.contract import Domain
from maestromotif.feedback.annotation import in_batches
from maestromotif.feedback.interactions import Progress
from maestromotif.feedback.journal import Answered, Journal
from maestromotif.feedback.pairs import Question
from maestromotif.feedback.protocol import Annotator, Closing, Judgement
from maestromotif.feedback.tables import PreferenceTable
from maestromotif.skills import Skill, SkillSet

__all__ = ["COMPARE", "PROBE", "ROUND", "ask", "ask_about_all", "preferences_path"]

# Added to the project's seed, so that questions for different purposes are different ones.
PROBE, ROUND, COMPARE = 101, 211, 307


def preferences_path(folder: Path, skill: str, prefix: str = "preferences") -> Path:
    return folder / f"{prefix}-{skill}.parquet"


def ask(annotator: Annotator, domain: Domain, skill: Skill, questions: Sequence[Question], path: Path, report: Progress) -> PreferenceTable:
    """Have pairs judged, write the preferences to ``path``, and beside it the transcript, from which an interrupted call goes on."""
    report(0.0, f"{skill.id}: getting ready")
    briefing = annotator.brief(skill)
    journal = Journal(path.with_suffix(".jsonl"), {"skill": skill.id, "annotator": annotator.id, **briefing.transcript})
    known = journal.open()
    fresh = [pair for pair, _, _ in questions if pair.id not in known]

    def keep(judgements: Sequence[Judgement]) -> None:
        journal.append(judgements)
        known.update((one.pair.id, Answered.of(one)) for one in judgements)
        report(1 - sum(pair.id not in known for pair in fresh) / len(fresh), f"{skill.id}: {len(questions):,} pairs by {annotator.id}")

    in_batches(annotator.annotate(skill, briefing, fresh) if fresh else iter(()), keep)
    rows = tuple(known[pair.id].preference(skill.id, pair.id, annotator.id) for pair, _, _ in questions)
    first, second = (np.array([question[column] for question in questions], np.int64) for column in (1, 2))
    table = PreferenceTable(rows, first, second)
    table.save(path, domain, skill.id, {"annotator": annotator.id})
    return table


def ask_about_all(
    annotator: Annotator,
    domain: Domain,
    skills: SkillSet,
    questions: Callable[[Skill], Sequence[Question]],
    folder: Path,
    report: Progress,
    prefix: str = "preferences",
) -> dict[str, PreferenceTable]:
    """``ask`` for every skill about which there are questions; ``<prefix>-<skill>.parquet`` and ``.jsonl`` in ``folder``."""
    tables: dict[str, PreferenceTable] = {}
    finished = False
    try:
        for number, skill in enumerate(skills):

            def tell(fraction: float, text: str, done: int = number) -> None:
                report((done + fraction) / len(skills), text)

            asked = questions(skill)
            if asked:
                tables[skill.id] = ask(annotator, domain, skill, asked, preferences_path(folder, skill.id, prefix), tell)
        finished = True
    finally:
        if isinstance(annotator, Closing):
            annotator.close(finished)
    return tables
