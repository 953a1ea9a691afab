"""How the annotator did, skill by skill, and what the language models cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maestromotif.llm import Ledger
from maestromotif.llm.ledger import LEDGER_FILE, Totals, total
from maestromotif.report.charts import Chart, share_chart
from maestromotif.report.rewards import RewardPart
from maestromotif.report.sources import Notes, ReportSources, tolerate

__all__ = ["Cost", "HealthPart", "HealthRow", "gather_health"]

_VERDICTS = ("first", "second", "tie", "unparsed")
_SLOTS = (0, 5, 4, 1)


@dataclass(frozen=True)
class HealthRow:
    """One skill's answers; None: not known."""

    skill: str
    annotator: str
    pairs: int
    ties: float
    unparsed: float
    flipped: float | None
    agreement: float | None


@dataclass(frozen=True)
class Cost:
    """Calls and tokens of one table of maestro.toml; ``money`` by its prices, None where it names none."""

    table: str
    totals: Totals
    money: float | None


@dataclass(frozen=True)
class HealthPart:
    """All skills together.

    Attributes:
        costs: by the table of maestro.toml that paid for them.
    """

    rows: list[HealthRow]
    chart: Chart | None
    costs: list[Cost]


def gather_health(sources: ReportSources, rewards: Sequence[RewardPart], notes: Notes) -> HealthPart:
    """Of the skills that have answers."""
    rows, shares = [], []
    for part in rewards:
        verdicts = _verdicts(part)
        pairs = sum(verdicts.values())
        if not pairs:
            continue
        parts = [verdicts.get(name, 0) / pairs for name in _VERDICTS]
        shares.append(parts)
        flipped = part.insight["health"]["flipped"] if part.insight else None
        agreement = part.card["held_out"]["agreement"] if part.card else None
        ties, unparsed = parts[2:]
        rows.append(HealthRow(part.skill.id, str((part.preferences or {}).get("annotator", "")), pairs, ties, unparsed, flipped, agreement))
    note = "Which of the two captions the annotator preferred. Many ties or answers without a verdict make a reward weak."
    skills = [row.skill for row in rows]
    chart = share_chart("verdicts", "Verdicts by skill", note, skills, _VERDICTS, shares, _SLOTS) if rows else None
    return HealthPart(rows, chart, tolerate(notes, LEDGER_FILE, lambda: _costs(sources)) or [])


def _costs(sources: ReportSources) -> list[Cost]:
    ledger = Ledger(sources.root / "artifacts" / "llm" / LEDGER_FILE)
    found = []
    for table, totals in total(ledger.entries(), lambda entry: entry.table).items():
        budget = sources.budgets.get(table)
        priced = budget is not None and (budget.prompt_price or budget.completion_price)
        money = budget.cost(totals.prompt_tokens, totals.completion_tokens) if budget is not None and priced else None
        found.append(Cost(table, totals, money))
    return found


def _verdicts(part: RewardPart) -> Mapping[str, int]:
    found = (part.card or part.preferences or {}).get("verdicts")
    return found if isinstance(found, dict) else {}
