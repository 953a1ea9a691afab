"""Agreement between annotators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.feedback.comparison import compare_verdicts, write_matrix
from maestromotif.feedback.tables import PreferenceTable
from maestromotif.types import Preference, Verdict

F, S, T, U = Verdict.FIRST, Verdict.SECOND, Verdict.TIE, Verdict.UNPARSED


def _table(verdicts: Sequence[Verdict], skill: str = "sit") -> PreferenceTable:
    keys = np.zeros(len(verdicts), np.int64)
    return PreferenceTable(tuple(Preference(skill, str(place), verdict, "a") for place, verdict in enumerate(verdicts)), keys, keys)


def _named(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    return {str(place): verdict for place, verdict in enumerate(verdicts)}


def test_agreement_is_of_pairs_that_both_decided_and_kappa_of_all_that_could_be_read() -> None:
    found = compare_verdicts(_named([F, F, S, T, U, F]), _named([F, S, S, T, F, T]))
    assert found["pairs"] == 5
    assert found["decided"] == 3
    assert found["agreement"] == pytest.approx(2 / 3)
    # Observed 3/5; by chance 3/5 * 1/5 + 1/5 * 2/5 + 1/5 * 2/5.
    assert found["kappa"] == pytest.approx((0.6 - 0.28) / (1 - 0.28))


def test_kappa_is_unknown_where_nobody_can_disagree() -> None:
    assert compare_verdicts(_named([T, T]), _named([T, T])) == {"pairs": 2, "decided": 0, "agreement": None, "kappa": None}
    assert compare_verdicts({}, {})["kappa"] is None


@given(st.lists(st.tuples(st.sampled_from([F, S, T, U]), st.sampled_from([F, S, T, U])), max_size=40))
def test_it_is_the_same_from_either_side_and_never_above_one(pairs: list[tuple[Verdict, Verdict]]) -> None:
    one, other = _named([first for first, _ in pairs]), _named([second for _, second in pairs])
    found = compare_verdicts(one, other)
    assert found == pytest.approx(compare_verdicts(other, one), nan_ok=True)
    assert found["kappa"] is None or found["kappa"] <= 1 + 1e-9


def test_the_matrix_counts_skills_apart_and_together(tmp_path: Path) -> None:
    tables = {
        "one": {"sit": _table([F, S, T, U]), "run": _table([F, F], "run")},
        "two": {"sit": _table([F, F, T, F]), "run": _table([F, S], "run")},
    }
    found = write_matrix(tmp_path, tables)
    assert json.loads((tmp_path / "agreement.json").read_text()) == found
    assert found["all"]["pairs"] == 6
    assert found["all"]["matrix"][0][1]["agreement"] == pytest.approx(2 / 4)
    assert found["skills"]["run"]["matrix"][1][0]["agreement"] == pytest.approx(1 / 2)
    assert found["skills"]["sit"]["ties"] == {"one": 0.25, "two": 0.25}
    assert found["all"]["unparsed"] == {"one": pytest.approx(1 / 6), "two": 0.0}
    assert found["all"]["matrix"][0][0] is None
