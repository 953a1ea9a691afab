"""What the trained skills meet, in real games of the corridor."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.agents import Setting
from maestromotif.agents.captions import keep_policy_captions
from maestromotif.errors import ArtifactError
from maestromotif.feedback.met import read_counts
from maestromotif.feedback.tables import CaptionTable


def _quiet(_fraction: float, _text: str) -> None:
    return None


def test_every_step_is_counted_for_the_skill_that_acted(setting: Setting, tmp_path: Path) -> None:
    steps = keep_policy_captions(setting, tmp_path, 480, 1, _quiet, num_games=4)
    table, counts = CaptionTable.load(tmp_path / "captions.parquet", setting.domain), read_counts(tmp_path)
    assert sum(steps.values()) == int(table.counts.sum()) == 480
    assert {skill: sum(of.values()) for skill, of in counts.items()} == {skill: number for skill, number in steps.items() if number}
    # The policy over skills of this fixture alternates between the two ends; the network walks as its skill says.
    assert steps["go_left"] > 100
    assert steps["go_right"] > 100
    position = {"go_left": "left", "go_right": "right"}
    rows = table.rows()
    for skill, side in position.items():
        texts = {table.texts[rows[key]]: count for key, count in counts[skill].items()}
        towards = sum(count for text, count in texts.items() if side in text)
        assert towards > 0.8 * steps[skill], texts


def test_the_same_seed_gives_the_same_captions(setting: Setting, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        keep_policy_captions(setting, tmp_path / folder, 200, 3, _quiet, num_games=4)
    keep_policy_captions(setting, tmp_path / "other", 200, 4, _quiet, num_games=4)
    assert read_counts(tmp_path / "one") == read_counts(tmp_path / "two")
    assert read_counts(tmp_path / "one") != read_counts(tmp_path / "other")


def test_a_damaged_table_of_counts_is_named(setting: Setting, tmp_path: Path) -> None:
    keep_policy_captions(setting, tmp_path, 40, 1, _quiet, num_games=4)
    path = tmp_path / "skills.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match=r"skills\.parquet is missing or damaged"):
        read_counts(tmp_path)
