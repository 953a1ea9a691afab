"""How much annotators agree: the same pairs, judged by each, and a matrix of shares and of Cohen's kappa."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maestromotif.feedback.tables import PreferenceTable
from maestromotif.files import write_atomically
from maestromotif.types import Verdict

__all__ = ["MATRIX_FILE", "compare_verdicts", "write_matrix"]

MATRIX_FILE = "agreement.json"
_PARSED = (Verdict.FIRST, Verdict.SECOND, Verdict.TIE)


def compare_verdicts(one: Mapping[str, Verdict], other: Mapping[str, Verdict]) -> dict[str, Any]:
    """Two annotators on the pairs, by id, that both answered.

    Returns:
        ``pairs``: those of which both verdicts could be read; ``decided``: those that both decided; ``agreement``: share of ``decided``
        with the same verdict, None if there are none; ``kappa``: Cohen's (1960), over first, second and tie of all ``pairs``, None where
        it is undefined because both always say the same one thing.
    """
    both = [(one[pair], other[pair]) for pair in one if pair in other and one[pair] in _PARSED and other[pair] in _PARSED]
    decided = [(first, second) for first, second in both if first.decided and second.decided]
    same = sum(first is second for first, second in decided)
    return {
        "pairs": len(both),
        "decided": len(decided),
        "agreement": same / len(decided) if decided else None,
        "kappa": _kappa(both),
    }


def _kappa(both: Sequence[tuple[Verdict, Verdict]]) -> float | None:
    if not both:
        return None
    number = len(both)
    observed = sum(first is second for first, second in both) / number
    shares = [[sum(pair[side] is verdict for pair in both) / number for side in (0, 1)] for verdict in _PARSED]
    expected = sum(first * second for first, second in shares)
    return None if math.isclose(expected, 1.0) else (observed - expected) / (1 - expected)


def write_matrix(folder: Path, tables: Mapping[str, Mapping[str, PreferenceTable]]) -> dict[str, Any]:
    """Write ``agreement.json``: every two annotators, for each skill and for all pairs together.

    Args:
        tables: by annotator, then skill.

    Returns:
        What was written: ``annotators``, and by skill ``ties`` and ``unparsed`` (shares by annotator, None without pairs) and ``matrix``
        (rows of ``compare_verdicts``, None on the diagonal).
    """
    names = list(tables)
    skills = list(dict.fromkeys(skill for of in tables.values() for skill in of))
    found = {"annotators": names, "skills": {skill: _part(tables, [skill]) for skill in skills}, "all": _part(tables, skills)}
    write_atomically(folder / MATRIX_FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _part(tables: Mapping[str, Mapping[str, PreferenceTable]], skills: Sequence[str]) -> dict[str, Any]:
    verdicts = {
        name: {f"{skill}/{row.pair}": row.verdict for skill in skills if skill in of for row in of[skill].preferences}
        for name, of in tables.items()
    }
    return {
        "pairs": max(map(len, verdicts.values())),
        "ties": {name: _share(of, Verdict.TIE) for name, of in verdicts.items()},
        "unparsed": {name: _share(of, Verdict.UNPARSED) for name, of in verdicts.items()},
        "matrix": [[None if row == name else compare_verdicts(verdicts[row], verdicts[name]) for name in verdicts] for row in verdicts],
    }


def _share(verdicts: Mapping[str, Verdict], wanted: Verdict) -> float | None:
    return sum(verdict is wanted for verdict in verdicts.values()) / len(verdicts) if verdicts else None
