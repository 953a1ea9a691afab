"""Collecting captions: what is recorded, and resuming."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError
from maestromotif.feedback import CaptionTable, CollectConfig, collect
from maestromotif.feedback.tables import int64_key

CONFIG = CollectConfig(steps=2000, num_games=4, shard_steps=400)


class Stopped(Exception):
    """Stands for whatever ends a run."""


def load(folder: Path) -> CaptionTable:
    return CaptionTable.load(folder / "captions.parquet", Corridor())


def same(one: CaptionTable, other: CaptionTable) -> bool:
    return one.keys.tolist() == other.keys.tolist() and one.counts.tolist() == other.counts.tolist() and one.texts == other.texts


def test_every_distinct_input_is_recorded_once_with_its_count(tmp_path: Path) -> None:
    said: list[float] = []
    collect(Corridor(), CONFIG, tmp_path, 3, lambda fraction, _: said.append(fraction))
    captions = load(tmp_path)
    assert captions.counts.sum() == 2000
    assert len(set(captions.keys.tolist())) == len(captions)
    assert {captions.reward_input(row) for row in range(len(captions))} == {
        captions.caption(row).reward_input for row in range(len(captions))
    }
    assert "You reach the left end." in " ".join(captions.messages)
    assert said == sorted(said)
    assert said[-1] == 1.0


def test_an_interrupted_run_repeats_at_most_one_shard_and_gives_the_same(tmp_path: Path) -> None:
    collect(Corridor(), CONFIG, tmp_path / "whole", 3)

    def stop(fraction: float, _: str) -> None:
        if fraction > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        collect(Corridor(), CONFIG, tmp_path / "parts", 3, stop)
    shards = sorted((tmp_path / "parts/shards").glob("*.parquet"))
    times = {shard: shard.stat().st_mtime_ns for shard in shards}
    assert len(shards) in (2, 3)
    assert not (tmp_path / "parts/captions.parquet").exists()
    collect(Corridor(), CONFIG, tmp_path / "parts", 3)
    assert {shard: shard.stat().st_mtime_ns for shard in shards} == times
    assert same(load(tmp_path / "whole"), load(tmp_path / "parts"))


def test_what_is_done_is_not_done_again_and_more_steps_add_shards(tmp_path: Path) -> None:
    collect(Corridor(), CONFIG, tmp_path, 3)
    file = tmp_path / "captions.parquet"
    before = file.stat().st_mtime_ns
    collect(Corridor(), CONFIG, tmp_path, 3)
    assert file.stat().st_mtime_ns == before
    first = tmp_path / "shards/shard-00000.parquet"
    kept = first.stat().st_mtime_ns
    collect(Corridor(), CONFIG.model_copy(update={"steps": 2800}), tmp_path, 3)
    assert load(tmp_path).counts.sum() == 2800
    assert first.stat().st_mtime_ns == kept


def test_another_seed_or_other_options_play_again(tmp_path: Path) -> None:
    collect(Corridor(), CONFIG, tmp_path, 3)
    one = load(tmp_path)
    collect(Corridor(), CONFIG, tmp_path, 4)
    other = load(tmp_path)
    assert one.counts.tolist() != other.counts.tolist()
    collect(Corridor({"length": 5}), CONFIG, tmp_path, 4)
    assert load(tmp_path).counts.tolist() != other.counts.tolist()


@pytest.mark.parametrize("file", ["captions.parquet", "shards/shard-00001.parquet"])
def test_truncated_files_are_named(tmp_path: Path, file: str) -> None:
    collect(Corridor(), CONFIG, tmp_path, 3)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-40])
    if file != "captions.parquet":
        (tmp_path / "captions.parquet").unlink()
    with pytest.raises(ArtifactError, match=path.name):
        collect(Corridor(), CONFIG, tmp_path, 3)
    with pytest.raises(ArtifactError, match=r"captions\.parquet"):
        load(tmp_path)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    collect(Corridor(), CONFIG, tmp_path, 3)
    path = tmp_path / "captions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"maestromotif": b'{"table": "captions", "domain": "moon"}'}), path)
    with pytest.raises(ArtifactError, match="moon"):
        load(tmp_path)
    pq.write_table(table.drop_columns(["count"]), path)
    with pytest.raises(ArtifactError, match="columns"):
        load(tmp_path)


def test_keys_keep_their_bits() -> None:
    assert [int64_key(key) for key in (0, 5, 2**63 - 1, 2**63, 2**64 - 1, -1)] == [0, 5, 2**63 - 1, -(2**63), -1, -1]
