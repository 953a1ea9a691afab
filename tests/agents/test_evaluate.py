"""Evaluations of a real corridor under real programs, and what is kept of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from maestromotif.agents import POLICIES, EvaluateConfig, Setting, evaluate_skills, evaluate_task, evaluate_tasks
from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.rl import EpisodeResult, play
from maestromotif.skills import SkillSet


class CountingPlayer:
    """Plays for real and remembers what was asked; may be interrupted before a given play."""

    def __init__(self, interrupt_at: int = -1) -> None:
        self.asked: list[dict[str, Any]] = []
        self._interrupt_at = interrupt_at

    def __call__(self, *arguments: Any, **options: Any) -> Sequence[EpisodeResult]:
        if len(self.asked) == self._interrupt_at:
            raise KeyboardInterrupt
        self.asked.append({**options, "policy": "random" if isinstance(arguments[2], str) else "network"})
        return play(*arguments, **options)


def test_a_network_that_walks_beats_one_that_does_not_and_chance(setting: Setting, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    summary = evaluate_skills(setting, out)
    assert summary == json.loads((out / "skills.json").read_text())
    go_left = summary["skills"]["go_left"]
    assert go_left["policies"]["trained"]["rate"] > 0.8
    assert go_left["policies"]["trained"]["rate"] > go_left["policies"]["untrained"]["rate"]
    assert go_left["tests"]["untrained"]["p_value"] < 0.05
    assert go_left["tests"]["random"]["difference"] > 0
    for policy in POLICIES:
        calls = pq.read_table(out / "skills" / f"{policy}.calls.parquet").to_pylist()
        episodes = pq.read_table(out / "skills" / f"{policy}.episodes.parquet").to_pylist()
        assert [row["episode"] for row in episodes] == list(range(12))
        assert {row["seed"] for row in episodes} == {
            row["seed"] for row in pq.read_table(out / "skills" / "random.episodes.parquet").to_pylist()
        }
        assert all(row["steps"] <= 40 for row in episodes)
        for name, skill in summary["skills"].items():
            own = [row for row in calls if row["skill"] == name]
            found = skill["policies"][policy]
            assert found["trials"] == len(own) == sum(found["causes"].values())
            assert found["successes"] == sum(row["success"] for row in own)
            assert found["steps"] == sum(row["end"] - row["start"] for row in own)
        steps = sum(row["steps"] for row in episodes)
        assert sum(row["end"] - row["start"] for row in calls) == steps == summary["policies"][policy]["steps"]


def test_success_is_the_measure_or_else_the_skills_own_termination(setting: Setting, tmp_path: Path) -> None:
    skills = setting.skills.skills
    bare = replace(setting, skills=SkillSet((replace(skills[0], measure=""), *skills[1:])))
    summary = evaluate_skills(bare, tmp_path / "evaluation")
    calls = pq.read_table(tmp_path / "evaluation" / "skills" / "trained.calls.parquet").to_pylist()
    assert summary["skills"][skills[0].id]["success"] == "its own termination"
    assert all(row["success"] == (row["cause"] == "over") for row in calls if row["skill"] == skills[0].id)
    measured = skills[1]
    assert all(row["success"] == row[f"measure.{measured.measure}"] for row in calls if row["skill"] == measured.id)


def test_a_task_is_judged_by_its_criteria_and_claims_are_compared_with_them(setting: Setting, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    summary = evaluate_task(setting, "both_ends", tmp_path / "both_ends.py", out)
    trained, random = summary["policies"]["trained"], summary["policies"]["random"]
    assert trained["success"]["landmark"]["rate"] > 0.8
    assert trained["success"]["landmark"]["rate"] > random["success"]["landmark"]["rate"]
    assert trained["claims"] == {
        "claimed_and_true": trained["success"]["landmark"]["successes"],
        "claimed_but_false": 0,
        "true_but_unclaimed": 0,
        "neither": 12 - trained["success"]["landmark"]["successes"],
    }
    assert summary["tests"]["landmark"]["random"]["p_value"] < 0.05
    assert summary["cut"] is True
    assert summary["own_limit"] == 120
    assert sum(entry["episodes"] for entry in random["failures"]) == 12 - random["success"]["landmark"]["successes"]
    assert sum(entry["share"] for entry in trained["time"].values()) == pytest.approx(1)


def test_a_free_task_ends_with_its_own_claim(setting: Setting, tmp_path: Path) -> None:
    player = CountingPlayer()
    summary = evaluate_task(
        replace(setting, player=player), "my_own", tmp_path / "both_ends.py", tmp_path / "e", description="Both ends.", episodes=5
    )
    assert summary["free"] is True
    assert summary["description"] == "Both ends."
    assert summary["policies"]["trained"]["success"] == {}
    assert summary["policies"]["trained"]["claimed"]["rate"] > 0.5
    assert all(asked["stop_on_claim"] and asked["task"] == "" and asked["episodes"] == 5 for asked in player.asked)


def test_an_interrupted_evaluation_goes_on_with_the_cell_that_was_not_finished(setting: Setting, tmp_path: Path) -> None:
    out, whole = tmp_path / "evaluation", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        evaluate_skills(replace(setting, player=CountingPlayer(interrupt_at=2)), out)
    assert not (out / "skills.json").exists()
    rest = CountingPlayer()
    summary = evaluate_skills(replace(setting, player=rest), out)
    assert [asked["policy"] for asked in rest.asked] == ["random"]
    assert summary == evaluate_skills(setting, whole)
    again = CountingPlayer()
    assert evaluate_skills(replace(setting, player=again), out) == summary
    assert again.asked == []
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_cell_is_played_again_when_what_it_was_made_from_changes_or_its_file_is_damaged(setting: Setting, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    evaluate_skills(setting, out)

    def replayed(changed: Setting) -> list[str]:
        player = CountingPlayer()
        evaluate_skills(replace(changed, player=player), out)
        return [asked["policy"] for asked in player.asked]

    assert replayed(replace(setting, config=setting.config.model_copy(update={"games": 3}))) == []
    (out / "skills" / "untrained.calls.parquet").write_bytes(b"PAR1")
    assert replayed(setting) == ["network"]
    (setting.training / "policy.safetensors").write_bytes((setting.training / "untrained.safetensors").read_bytes())
    assert replayed(replace(setting)) == ["network"]
    assert replayed(replace(setting, config=setting.config.model_copy(update={"seed": 2}))) == ["network", "network", "random"]


def test_how_many_games_play_together_does_not_matter(setting: Setting, tmp_path: Path) -> None:
    one = evaluate_task(setting, "both_ends", tmp_path / "both_ends.py", tmp_path / "one")
    few = replace(setting, config=setting.config.model_copy(update={"games": 1}))
    other = evaluate_task(few, "both_ends", tmp_path / "both_ends.py", tmp_path / "other")
    assert one["policies"] == other["policies"]


def test_tasks_of_the_configuration_need_programs(setting: Setting, tmp_path: Path) -> None:
    programs = {"both_ends": tmp_path / "both_ends.py"}
    assert list(evaluate_tasks(setting, programs, tmp_path / "e")) == ["both_ends"]
    wanting = replace(setting, config=setting.config.model_copy(update={"tasks": ("three_crossings",)}))
    with pytest.raises(ArtifactError, match=r"three_crossings.*has no program.*solve"):
        evaluate_tasks(wanting, programs, tmp_path / "e")


def test_wrong_inputs_say_what_to_do(setting: Setting, tmp_path: Path) -> None:
    odd = SkillSet((replace(setting.skills.skills[0], measure="flew"),))
    with pytest.raises(ConfigError, match=r"go_left.*unknown measure 'flew'.*reached_left_end"):
        evaluate_skills(replace(setting, skills=odd), tmp_path / "e")
    with pytest.raises(ArtifactError, match=r"missing\.py.*maestromotif solve"):
        evaluate_task(setting, "both_ends", tmp_path / "missing.py", tmp_path / "e")
    (setting.training / "policy.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"policy\.safetensors.*maestromotif train"):
        evaluate_skills(setting, tmp_path / "e")


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="episods"):
        EvaluateConfig(episods=3)  # type: ignore[call-arg]
