"""Episodes kept call by call with the facts, and judged by another program than the one that drives."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestromotif.agents import Setting
from maestromotif.agents.witness import accomplished, play_witnessed, read_stories, read_witnessed
from maestromotif.domains.corridor import Corridor

from .conftest import TASK

LIAR = TASK.replace("return self.done", "return True")
# Turns back before it gets to the left end.
_TURNS_BACK = "    def interrupt(self, facts, skill):\n        return skill == 'go_left' and facts.position < 2\n\n    def is_done"
STUBBORN = TASK.replace('"go_right" if self.left else "go_left"', '"go_right"').replace("    def is_done", _TURNS_BACK)


def _play(setting: Setting, folder: Path, task: str, name: str, source: str, judge: str, place: str = "there") -> None:
    play_witnessed(setting, folder, name, task, source, judge, 12, place, lambda fraction, text: None)


def test_every_call_is_kept_with_the_facts_at_its_end(setting: Setting, corridor: Corridor, tmp_path: Path) -> None:
    _play(setting, tmp_path, "both_ends", "program", TASK, TASK)
    cell = read_witnessed(tmp_path, "program")
    stories = read_stories(cell, accomplished(cell, corridor, "both_ends"))
    assert len(stories) == 12
    assert sum(story.success for story in stories) >= 8
    for story in stories:
        assert sum(call.steps for call in story.calls) == story.steps
        for call in story.calls:
            assert set(call.after) == {spec.name for spec in corridor.fact_specs}
            assert call.expected == (call.after["at_left_end"] if call.skill == "go_left" else call.after["at_right_end"])
            assert set(call.before) <= set(call.after)
            assert call.reason


def test_the_same_episodes_come_to_both_versions(setting: Setting, tmp_path: Path) -> None:
    for name in ("old", "new"):
        _play(setting, tmp_path, "both_ends", name, TASK, TASK)
    _play(setting, tmp_path, "both_ends", "elsewhere", TASK, TASK, place="another")
    old, new, elsewhere = (read_witnessed(tmp_path, name).episodes for name in ("old", "new", "elsewhere"))
    assert old == new
    assert old.column("seed") != elsewhere.column("seed")


def test_being_watched_changes_nothing(setting: Setting, tmp_path: Path) -> None:
    _play(setting, tmp_path, "both_ends", "program", TASK, TASK)
    plain = setting.play("trained", TASK, 12, setting.longest("both_ends"), "there", task="both_ends", stop_on_claim=False)
    watched = read_witnessed(tmp_path, "program")
    assert watched.episodes.column("steps").to_pylist() == [episode.steps for episode in plain]
    assert watched.episodes.column("success.landmark").to_pylist() == [episode.success["landmark"] for episode in plain]
    ends = [(call.skill, call.start, call.end) for episode in plain for call in episode.calls]
    assert [(row["skill"], row["start"], row["end"]) for row in watched.calls.to_pylist()] == ends


def test_a_free_task_is_judged_by_the_first_program_not_by_who_drives(setting: Setting, corridor: Corridor, tmp_path: Path) -> None:
    _play(setting, tmp_path, "free_task", "old", TASK, TASK)
    _play(setting, tmp_path, "free_task", "liar", LIAR, TASK)
    _play(setting, tmp_path, "free_task", "stubborn", STUBBORN, TASK)
    found = {name: accomplished(read_witnessed(tmp_path, name), corridor, "free_task") for name in ("old", "liar", "stubborn")}
    # The same choices of skills, so that the same episodes are accomplished, whatever it claims for itself.
    assert found["liar"] == found["old"]
    assert sum(found["old"]) >= 8
    assert sum(found["stubborn"]) < sum(found["old"])
    liar = read_stories(read_witnessed(tmp_path, "liar"), found["liar"])
    assert all(story.claimed for story in liar), "its own claims are kept beside the judge's"


def test_finished_episodes_are_not_played_again(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _play(setting, tmp_path, "both_ends", "program", TASK, TASK)

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("played again")

    monkeypatch.setattr(Setting, "play", refuse)
    _play(setting, tmp_path, "both_ends", "program", TASK, TASK)
    with pytest.raises(AssertionError, match="played again"):
        _play(setting, tmp_path, "both_ends", "program", STUBBORN, TASK)
