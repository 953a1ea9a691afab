"""What is counted per episode: counted to the end, and reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from maestromotif.agents.records import episodes_table
from maestromotif.bench.tables import cell_text, rows_of
from maestromotif.domains.nethack.domain import NetHack
from maestromotif.rl.episodes import EpisodeResult, Recorder
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

PLAIN: dict[str, Any] = {"int": 0, "bool": False, "str": ""}
TRUTH = {"dnum": 0, "dlevel": 1, "on_oracle_level": False, "on_minetown_level": False, "escaped": False, "died": False}


@pytest.mark.parametrize(("task", "counted"), [("transactions", True), ("minetown", False)])
def test_counts_go_on_after_success(task: str, counted: bool) -> None:
    domain, results = NetHack(), list[EpisodeResult]()
    recorder = Recorder(domain, task, stop_on_success=True, stop_on_claim=False, finished=results.append)
    plain = {spec.name: PLAIN[spec.type] for spec in domain.fact_specs}

    def facts(sold: int) -> Any:
        return SimpleNamespace(**{**plain, "items_sold": sold, "gold": 10 * sold, "branch": "mines", "branch_level": 3})

    episode: Any = SimpleNamespace(index=0, seed=5, schedule=SimpleNamespace(claims_done=False, faults={}, reason=""))
    truth = {**TRUTH, "on_minetown_level": True}
    recorder.begin(0, episode, facts(0), truth)
    assert recorder.step(0, facts(1), truth, 1) is not counted
    recorder.step(0, facts(4), truth, 2)
    recorder.end(0, facts(4), 2, EndCause.CUT)
    assert results[0].success == {"proxy": True, "landmark": True}
    assert results[0].counts == ({"proxy": 4, "landmark": 4} if counted else {})
    assert EpisodeResult.from_json(results[0].to_json()) == results[0]
    table = episodes_table(results, SkillSet.parse(domain.skills_toml), ("proxy", "landmark"))
    assert ("count.landmark" in table.column_names) is counted
    if counted:
        assert table["count.landmark"].to_pylist() == [4]


def test_counts_stand_in_tables_as_counts_beside_the_papers() -> None:
    one = {"mean_of_runs": 0.5, "low": 0.25, "high": 0.75, "runs": 1, "standard_error": None}
    found = {
        "max_steps": 10,
        "cut": False,
        "criteria": {"proxy": {"paper": "0.66", "policies": {"trained": one}}},
        "counts": {"proxy count": {"trained": one}},
        "failures": {"trained": {"episodes": 4}},
    }
    rate, count = rows_of({"tasks": {"transactions": found}, "all tasks": {}})
    assert (rate["paper"], cell_text(rate)) == (None, "50.0% 25-75")
    assert (count["paper"], cell_text(count)) == ("0.66", "0.50 0.25-0.75")
