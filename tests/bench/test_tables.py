"""Tables from synthetic results: the paper's figures, standard errors, and which episodes were cut."""

from __future__ import annotations

from dataclasses import replace

from maestromotif.bench.cells import BenchOrder, Cell
from maestromotif.bench.results import bench_results
from maestromotif.bench.tables import as_csv, as_markdown
from maestromotif.domains import load_domain
from maestromotif.domains.contract import Domain, Task

_WON = {"a": (1, 1, 0, 0), "b": (1, 1, 1, 0), "chance": (0, 0, 0, 0)}


class _Printed:
    """The corridor, with a figure of a paper."""

    def __init__(self, domain: Domain) -> None:
        self.tasks: dict[str, Task] = {"both_ends": replace(domain.tasks["both_ends"], paper={"landmark": "46 ± 1.7"})}


def _results(labels: tuple[str, ...], max_steps: int = 0) -> dict[str, object]:
    domain = load_domain("corridor", {})
    policies = ("trained", "random")
    orders = [BenchOrder(label, {"both_ends": {"own": ""}}, policies, (1,), 4, max_steps) for label in labels]
    cells = [
        Cell(label, "both_ends", "own", policy, 1, max_steps or 120, label if policy == "trained" else "chance", "")
        for label in labels
        for policy in policies
    ]
    rows = {
        (key, index): {
            "seed": 1,
            "episode": index,
            "steps": 10 * index,
            "ended": "cut",
            "claimed": False,
            "success": {"landmark": bool(won), "proxy": True},
            "broke": None if won else 0,
            "calls": [["left", 0, 10, "timed out", "", False]],
        }
        for key, outcomes in _WON.items()
        for index, won in enumerate(outcomes)
    }
    return bench_results(_Printed(domain), orders, cells, rows)  # type: ignore[arg-type]


def test_one_training_has_intervals_and_the_papers_figure() -> None:
    lines = as_markdown(_results(("a",))).splitlines()
    assert lines[0] == "| task | measure | trained | random | paper |"
    assert "| both_ends | landmark | 50.0% 15-85 | 0.0% 0-49 | 46 ± 1.7 |" in lines
    assert any(line.startswith("| both_ends | steps | 15 ") for line in lines)
    assert "both_ends,landmark,trained,0.5," in as_csv(_results(("a",)))


def test_two_trainings_have_a_standard_error_and_chance_is_one_run() -> None:
    text = as_markdown(_results(("a", "b")))
    # 0.5 and 0.75: half their distance is the standard error.
    assert "| both_ends | landmark | 62.5% ± 12.5 | 0.0% 0-49 | 46 ± 1.7 |" in text


def test_cut_episodes_are_called_so() -> None:
    assert "both_ends (cut at 50 steps)" in as_markdown(_results(("a",), max_steps=50))
    assert "cut" not in as_markdown(_results(("a",)))


def test_failures_are_counted_where_chains_broke() -> None:
    found = _results(("a",))["tasks"]["both_ends"]["failures"]["trained"]  # type: ignore[index]
    assert (found["episodes"], found["failed"]) == (4, 2)
    assert found["broke_at"] == {"left timed out": 2}
    assert found["calls"][0]["last"] == 2
