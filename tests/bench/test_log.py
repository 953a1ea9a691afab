"""Rows of played episodes survive a crash, and say where a chain of skills broke."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.bench.log import EpisodeLog, episode_row, row_story
from maestromotif.errors import ArtifactError
from maestromotif.programs.story import chain
from maestromotif.rl.episodes import Call, EpisodeResult
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

_SKILLS = SkillSet((Skill("left", "Go left.", "closer to the left end", 10), Skill("right", "Go right.", "closer to the right end", 10)))


def _row(*ends: tuple[str, EndCause], success: bool = False, index: int = 0) -> dict[str, object]:
    calls = tuple(Call(skill, 5 * place, 5 * place + 5, cause, "why", 0.0, {}) for place, (skill, cause) in enumerate(ends))
    result = EpisodeResult(
        index, 7, 5 * len(ends), EndCause.CUT, {"landmark": success}, {"landmark": 3 if success else -1}, False, calls, {"x": 1}
    )
    return episode_row(result, _SKILLS, "landmark", cell="c", task="t")


def test_a_chain_breaks_where_calls_begin_to_fail_for_good() -> None:
    over, late, cut = EndCause.OVER, EndCause.TIMED_OUT, EndCause.CUT
    assert _row(("left", over), ("right", late), ("left", over), ("right", late), ("right", cut))["broke"] == 3
    assert _row(("left", late), ("right", late))["broke"] == 0
    assert _row(("left", late), ("right", over))["broke"] == 1
    assert _row(("left", late), success=True)["broke"] is None
    assert _row()["broke"] is None


def test_a_row_tells_the_timeline() -> None:
    row = _row(("left", EndCause.OVER), ("right", EndCause.CUT))
    assert row["calls"] == [["left", 0, 5, "over", "why", True], ["right", 5, 10, "cut", "why", False]]
    assert chain(row_story(row, "landmark")) == "left > right"


def test_a_torn_line_is_cut_off_and_its_episode_is_missing(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path / "new" / "folder")
    assert log.read() == {}
    log.open()
    for index in range(3):
        log.add(_row(("left", EndCause.OVER), index=index))
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-20])
    assert set(log.read()) == {("c", 0), ("c", 1)}
    log.open()
    log.add(_row(("left", EndCause.OVER), index=2))
    assert log.path.read_bytes() == whole


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path)
    log.path.write_text('{"cell": "c", "episode": 1}\nnonsense\n{"cell": "c", "episode": 2}\n')
    with pytest.raises(ArtifactError, match=r"episodes.jsonl:2: not a played episode. Delete that line"):
        log.read()
