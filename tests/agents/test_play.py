"""Play, recorded step by step."""

from __future__ import annotations

from itertools import pairwise

from maestromotif.agents import Setting
from maestromotif.agents.play import record_play


def test_rows_follow_each_other_and_a_seed_repeats_them(setting: Setting) -> None:
    one, two = (record_play(setting, setting.training_policy, 400, 3, lambda _fraction, _text: None, num_games=4) for _ in range(2))
    assert one.equals(two)
    rows = one.to_pylist()
    assert sum(bool(row["skill"]) for row in rows) == 400
    for before, row in pairwise(rows):
        if (before["game"], before["episode"]) == (row["game"], row["episode"]):
            assert row["step"] == before["step"] + 1
            assert row["call"] >= before["call"]
            assert not before["over"]
            assert row["skill"] == before["skill"] or row["call"] > before["call"] or not before["skill"]
        else:
            assert row["step"] <= 1
