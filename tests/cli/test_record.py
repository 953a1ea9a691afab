"""``record``, ``timeline`` and ``replay`` as a person calls them, on a trained corridor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import hashes, maestromotif, make_project, one_error

TASK = "both_ends"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny project with a bench."""
    root = make_project(tmp_path_factory.mktemp("recorded") / "corridor")
    for command in (("run", root), ("bench", root, "--tasks", TASK, "--episodes", "6")):
        result = maestromotif(*command)
        assert result.returncode == 0, result.stderr
    return root


def done(*arguments: object, cwd: Path | None = None) -> str:
    result = maestromotif(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def bench(root: Path, policy: str) -> dict[int, dict[str, Any]]:
    lines = (root / "artifacts" / "bench" / "episodes.jsonl").read_text().splitlines()
    return {row["episode"]: row for row in map(json.loads, lines) if row["policy"] == policy}


def test_episodes_of_the_bench_are_recorded_exactly_as_they_went(project: Path) -> None:
    home = project / "artifacts" / "recordings" / TASK
    told = done("record", project, TASK, "--numbers", "4,1", "--policy", "random")
    assert "random-1-4" in told
    assert "Next: maestromotif replay" in told
    rows = bench(project, "random")
    for number in (4, 1):
        card = json.loads((home / f"random-1-{number}" / "card.json").read_text())
        row = card["row"]
        assert {key: row[key] for key in ("steps", "calls", "success", "facts", "broke", "episode_seed", "cell")} == {
            key: rows[number][key] for key in ("steps", "calls", "success", "facts", "broke", "episode_seed", "cell")
        }
    before = hashes(home)
    done("record", project, TASK, "--numbers", "4,1", "--policy", "random")
    assert hashes(home) == before, "what is there is not played again"


def test_failed_episodes_alone(project: Path) -> None:
    failed = [number for number, row in sorted(bench(project, "random").items()) if not row["success"]["landmark"]]
    told = done("record", project, TASK, "--only", "failed", "--episodes", "2", "--policy", "random", "--max-steps", "120")
    names = [line.split()[0] for line in told.splitlines() if line.startswith("random-1-")]
    assert len(names) == 2
    assert names[: len(failed)] == [f"random-1-{number}" for number in failed[:2]]
    assert told.count("broke at") == 2


def test_a_timeline_of_every_episode_of_the_bench(project: Path) -> None:
    told = done("timeline", project, TASK)
    assert sum(line.startswith("trained-1-") for line in told.splitlines()) == 6
    failed = sum(not row["success"]["landmark"] for row in bench(project, "random").values())
    told = done("timeline", project, TASK, "--policy", "random", "--only", "failed")
    assert sum(line.startswith("random-1-") for line in told.splitlines()) == failed
    assert "no_such_task" in one_error(maestromotif("timeline", project, "no_such_task"))


def test_a_page_and_an_asciicast(project: Path, tmp_path: Path) -> None:
    done("record", project, TASK, "--numbers", "0,2")
    done("replay", project, TASK, cwd=tmp_path)
    assert (tmp_path / "replay.html").read_text().count("data-replay=") >= 2
    done("replay", project, "--episode", "trained-1-2", "--export", "cast", "--steps", ":9", cwd=tmp_path)
    assert len((tmp_path / f"{TASK}-trained-1-2.cast").read_text().splitlines()) == 11
    done("report", project)
    assert "data-replay=" in (project / "artifacts" / "report" / "index.html").read_text()


def test_damaged_recordings_are_left_out_with_a_notice(project: Path, tmp_path: Path) -> None:
    done("record", project, TASK, "--numbers", "3,5", "--policy", "untrained")
    track = project / "artifacts" / "recordings" / TASK / "untrained-1-3" / "track.parquet"
    track.write_bytes(track.read_bytes()[:-10])
    result = maestromotif("replay", project, "--out", tmp_path / "a.html")
    assert result.returncode == 0
    assert "left out: " in result.stderr
    assert "untrained-1-3/track.parquet" in result.stderr
    text = (tmp_path / "a.html").read_text()
    assert 'data-replay="both_ends/untrained-1-5"' in text
    assert 'data-replay="both_ends/untrained-1-3"' not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("record", TASK, "--numbers", "one"), "--numbers"),
        (("record", TASK, "--policy", "nobody"), "nobody"),
        (("record", "a task that nobody has solved"), "maestromotif solve"),
        (("replay", "--episode", "trained-9-9"), "trained-9-9"),
        (("replay", "three_crossings"), "maestromotif record"),
        (("replay", "--steps", "9:3"), "--steps"),
    ],
)
def test_what_a_person_can_get_wrong_is_one_line(project: Path, arguments: tuple[str, ...], words: str) -> None:
    command, *rest = arguments
    assert words in one_error(maestromotif(command, project, *rest))


@pytest.mark.slow
def test_nethack_under_the_trained_network_is_recorded_by_the_game_itself(tmp_path: Path) -> None:
    pytest.importorskip("nle")
    from maestromotif.domains.nethack.domain import NetHack
    from maestromotif.recordings import find_recordings

    task = "golden_exit"
    done("solve", "--pretrained", "nethack", task, "--episodes", 1, "--set", "evaluate.max_steps=60", cwd=tmp_path)
    root = tmp_path / "pretrained-nethack"
    done("bench", root, "--tasks", task, "--episodes", 3, "--policies", "trained", "--max-steps", 300)
    done("record", root, task, "--episodes", 3, "--max-steps", 300)
    rows = bench(root, "trained")
    found = find_recordings(root / "artifacts" / "recordings", NetHack(), print)
    assert [one.row["episode"] for one in found] == [0, 1, 2]
    for one in found:
        own = rows[one.row["episode"]]
        assert one.row["calls"] == own["calls"]
        assert one.row["facts"] == own["facts"]
        screens = list(one.screens())
        assert len(screens) == own["steps"] + 1
        if own["ended"] == "cut":
            assert f"HP:{own['facts']['hp']}(" in screens[-1].chars_HW[23].tobytes().decode("latin-1")
    done("replay", root, "--out", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text().count("data-replay=") >= 3
