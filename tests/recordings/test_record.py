"""Recording on the corridor: the episodes of the bench, step by step, whole or not there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maestromotif.agents import Setting
from maestromotif.bench.cells import BenchOrder, cells_of, play_cells
from maestromotif.bench.log import EpisodeLog
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError
from maestromotif.recordings import Recorded, Track, find_recordings, read_recording
from maestromotif.recordings.play import CLAIM, RecordOrder, free_cell, record_episodes
from tests.agents.conftest import TASK
from tests.recordings.drawn import DrawnCorridor

NAME = "both_ends"


def quiet(_fraction: float, _text: str) -> None:
    return None


def order_of(setting: Setting, **changed: Any) -> RecordOrder:
    policy = changed.get("policy", "trained")
    cell = cells_of(setting, BenchOrder("a", {NAME: {"own": TASK}}, (policy,), (1,), 1, 40))[0]
    order = RecordOrder(NAME, "landmark", TASK, policy, 1, f"bench/{NAME}", (0, 1, 2, 3), 4, "", cell.max_steps, cell.key)
    return replace(order, **changed)


def bench_rows(setting: Setting, home: Path, policy: str, episodes: int) -> dict[int, dict[str, Any]]:
    log = EpisodeLog(home)
    play_cells(setting, BenchOrder("a", {NAME: {"own": TASK}}, (policy,), (1,), episodes, 40), log, quiet)
    return {row["episode"]: row for row in log.read().values()}


@pytest.mark.parametrize("policy", ["trained", "random", "explorer"])
def test_a_recording_is_the_episode_that_the_bench_played(setting: Setting, tmp_path: Path, policy: str) -> None:
    rows = bench_rows(setting, tmp_path / "bench", policy, 6)
    names = record_episodes(setting, order_of(setting, policy=policy, candidates=(5, 2, 0), enough=3), tmp_path / "out", quiet)
    assert names == [f"{policy}-1-5", f"{policy}-1-2", f"{policy}-1-0"]
    for name in names:
        found = read_recording(tmp_path / "out" / name, setting.domain)
        row = dict(rows[found.row["episode"]])
        assert {**found.row, "training": row["training"], "program": row["program"]} == row


def test_the_track_tells_every_step(setting: Setting, tmp_path: Path) -> None:
    record_episodes(setting, order_of(setting), tmp_path, quiet)
    found = read_recording(tmp_path / "trained-1-1", setting.domain)
    track, calls = found.track, found.row["calls"]
    assert len(track) == found.row["steps"] + 1
    assert track.skill[0] == ""
    for skill, start, end, *_ in calls:
        assert track.skill[start + 1 : end + 1] == [skill] * (end - start)
    for name, value in found.row["facts"].items():
        assert track.facts[name][-1] == value
    moved = [step for step in range(len(track)) if "position" in track.changes(step)]
    assert moved
    for step in moved:
        before, after = track.changes(step)["position"]
        assert abs(after - before) == 1
    assert all(track.caption[1:])
    assert list(found.screens()) == []
    assert found.pictures() == []


@pytest.mark.parametrize("only", ["failed", "successful"])
def test_only_episodes_of_one_outcome(setting: Setting, tmp_path: Path, only: Any) -> None:
    rows = bench_rows(setting, tmp_path / "bench", "random", 12)
    fits = [number for number, row in sorted(rows.items()) if row["success"]["landmark"] is (only == "successful")]
    assert 0 < len(fits) < 12
    order = order_of(setting, policy="random", candidates=tuple(range(12)), enough=2, only=only)
    assert record_episodes(setting, order, tmp_path / "out", quiet) == [f"random-1-{number}" for number in fits[:2]]
    assert len(list((tmp_path / "out").iterdir())) == len(fits[:2]), "what was looked at and not wanted is not kept"


def test_what_is_there_is_not_played_again_but_damage_and_other_programs_are(setting: Setting, tmp_path: Path) -> None:
    order = order_of(setting, candidates=(0, 1), enough=2)
    record_episodes(setting, order, tmp_path, quiet)
    cards = [tmp_path / f"trained-1-{number}" / "card.json" for number in (0, 1)]
    first = [card.stat().st_ino for card in cards]
    record_episodes(setting, order, tmp_path, quiet)
    assert [card.stat().st_ino for card in cards] == first
    (tmp_path / "trained-1-1" / "track.parquet").write_bytes(b"PAR1")
    record_episodes(setting, order, tmp_path, quiet)
    second = [card.stat().st_ino for card in cards]
    assert second[0] == first[0]
    assert second[1] != first[1]
    changed = order_of(setting, candidates=(0,), enough=1, source=TASK + "\n# another\n", key="another")
    record_episodes(setting, changed, tmp_path, quiet)
    assert cards[0].stat().st_ino != second[0]


def test_an_interrupted_recording_leaves_nothing_that_could_be_taken_for_one(setting: Setting, tmp_path: Path) -> None:
    def stop(_fraction: float, _text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_episodes(setting, order_of(setting), tmp_path / "out", stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_never_read(setting: Setting, tmp_path: Path) -> None:
    order = order_of(setting, candidates=(0,), enough=1)
    record_episodes(setting, order, tmp_path / NAME, quiet)
    part = tmp_path / NAME / ".trained-1-7.part"
    shutil.copytree(tmp_path / NAME / "trained-1-0", part)
    assert [one.id for one in find_recordings(tmp_path, setting.domain, print)] == [f"{NAME}/trained-1-0"]
    record_episodes(setting, order, tmp_path / NAME, quiet)
    assert not part.exists()


def test_a_free_task_is_judged_by_its_program(setting: Setting, tmp_path: Path) -> None:
    cell = free_cell(setting, "to and fro", TASK, "trained", 1, 0)
    order = RecordOrder("to and fro", CLAIM, TASK, "trained", 1, "bench/to and fro", (0,), 1, "", cell.max_steps, cell.key)
    (name,) = record_episodes(setting, order, tmp_path, quiet)
    found = read_recording(tmp_path / name, setting.domain)
    assert found.row["success"] == {CLAIM: True}
    assert found.success


def test_pictures_are_kept_once_each(setting: Setting, tmp_path: Path) -> None:
    drawn = replace(setting, domain=DrawnCorridor({"length": 5}))
    record_episodes(drawn, order_of(setting, candidates=(1,), enough=1), tmp_path, quiet)
    found = read_recording(tmp_path / "trained-1-1", drawn.domain)
    pictures = found.pictures()
    assert 2 <= len(pictures) <= 5
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    places: dict[int, int] = {}
    for frame, position in zip(found.track.frame, found.track.facts["position"], strict=True):
        assert places.setdefault(position, frame) == frame
    assert len(places) == len(pictures)


@pytest.mark.parametrize("damage", ["no card", "torn card", "short track", "changed track", "track of another episode", "list", "no row"])
def test_what_is_damaged_is_skipped_with_a_notice(setting: Setting, tmp_path: Path, damage: str) -> None:
    home = tmp_path / "recordings"
    record_episodes(setting, order_of(setting, candidates=(0, 1), enough=2), home / NAME, quiet)
    folder = home / NAME / "trained-1-0"
    card, track = folder / "card.json", folder / "track.parquet"
    if damage == "no card":
        card.unlink()
    elif damage == "torn card":
        card.write_bytes(card.read_bytes()[:100])
    elif damage == "list":
        card.write_text("[]")
    elif damage == "no row":
        card.write_text(json.dumps({**json.loads(card.read_text()), "row": {}}))
    elif damage == "short track":
        track.write_bytes(track.read_bytes()[:-40])
    elif damage == "changed track":
        track.write_bytes(track.read_bytes()[:-40] + b"\0" * 40)
    else:
        shutil.copy(home / NAME / "trained-1-1" / "track.parquet", track)
    notices: list[str] = []
    found = find_recordings(home, setting.domain, notices.append)
    assert [one.id for one in found] == [f"{NAME}/trained-1-1"]
    assert len(notices) == (damage != "no card")
    assert all(str(folder) in notice and "Record the episode again" in notice for notice in notices)


def test_a_recording_that_is_shorter_than_its_track_is_told(tmp_path: Path) -> None:
    track = Track(["", "go_left"], [0.0, 0.0], [0, 1], ["", ""], {})
    with pytest.raises(ArtifactError, match="before step 0"):
        list(Recorded(tmp_path, {}, track, Corridor()).screens())
