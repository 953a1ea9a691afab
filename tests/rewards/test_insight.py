"""What is told of a skill's reward, on a real project in the corridor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, CaptionTable, CollectConfig, PreferenceTable, annotate, collect
from maestromotif.llm.recorded import RecordedChat
from maestromotif.rewards import RewardConfig, fit
from maestromotif.rewards.curve import learning_curve
from maestromotif.rewards.insight import inspect_skill
from maestromotif.rewards.shift import FALL, fell, skill_shift
from maestromotif.skills import Skill, SkillSet


class Made:
    """Captions, preferences and a reward model of one skill."""

    def __init__(self, root: Path) -> None:
        self.domain = Corridor({"length": 7})
        self.skill: Skill = SkillSet.parse(self.domain.skills_toml)["go_left"]
        self.root, self.path = root, root / "captions.parquet"
        collect(self.domain, CollectConfig(steps=2_000, num_games=8, shard_steps=2_000), root, 1)
        self.captions = CaptionTable.load(self.path, self.domain)
        one = SkillSet((self.skill,))
        annotate(self.domain, one, self.path, AnnotateConfig(pairs=200), RecordedChat(self.domain.recorded_answers), root, 1)
        fit(self.domain, one, self.path, root, RewardConfig(), root / "rewards", 1)

    def answers(self) -> PreferenceTable:
        return PreferenceTable.load(self.root / "preferences-go_left.parquet", self.domain, "go_left")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


def test_the_ends_and_the_distribution_are_of_distinct_captions(made: Made) -> None:
    found = inspect_skill(made.domain, made.skill, made.captions, made.root, made.root / "rewards", 3)
    assert "reach the left end" in found["highest"][0]["caption"]
    assert found["highest"][0]["reward"] > 0 == found["lowest"][0]["reward"]
    assert found["highest"][0]["normalised"] > found["highest"][1]["normalised"] > found["lowest"][0]["normalised"]
    assert sum(found["histogram"]["counts"]) == len(made.captions)
    assert found["histogram"]["edges"][0] < found["histogram"]["threshold"] < found["histogram"]["edges"][-1]
    assert sum(found["health"]["verdicts"].values()) == found["health"]["pairs"] == len(made.answers())
    json.dumps(found, allow_nan=False)


def test_a_verdict_against_the_model_is_the_most_contested(made: Made, tmp_path: Path) -> None:
    answers = made.answers()
    row = next(place for place, one in enumerate(answers.preferences) if one.verdict.decided)
    turned = replace(answers.preferences[row], verdict=answers.preferences[row].verdict.swap())
    preferences = (*answers.preferences[:row], turned, *answers.preferences[row + 1 :])
    changed = PreferenceTable(preferences, answers.first_keys, answers.second_keys)
    changed.save(tmp_path / "preferences-go_left.parquet", made.domain, "go_left", {})
    line = {"pair": turned.pair, "verdict": turned.verdict.value, "exchange": ["which?", "this one, because it was told to say so"]}
    (tmp_path / "transcript-go_left.jsonl").write_text('{"fingerprint": ""}\n' + json.dumps(line) + "\n")
    found = inspect_skill(made.domain, made.skill, made.captions, tmp_path, made.root / "rewards", 2)["contested"]
    assert found[0]["pair"] == turned.pair
    assert found[0]["disagrees"]
    assert "told to say so" in found[0]["words"]
    assert (found[0]["model"] > 0.5) != (found[0]["annotator"] == "first")
    assert not found[1]["disagrees"]


def test_the_learning_curve_holds_the_same_answers_out(made: Made) -> None:
    points = learning_curve(made.domain, made.skill, made.path, made.root, RewardConfig(epochs=5), 1)
    assert len({point["decided"] for point in points}) == 1
    assert [point["questions"] for point in points] == sorted(point["questions"] for point in points)
    assert points[-1]["questions"] == len(made.answers()) - round(0.1 * len(made.answers()))
    assert all(point["low"] <= point["agreement"] <= point["high"] for point in points)


def _shift(made: Made, met: CaptionTable, answers: PreferenceTable | None) -> dict[str, object]:
    return skill_shift(made.domain, made.skill, made.root / "rewards", made.captions, met, answers).to_json()


def test_agreement_on_what_the_policy_met_is_that_of_the_answers(made: Made) -> None:
    found = _shift(made, made.captions, made.answers())
    assert found["unseen_captions"] == found["unseen_steps"] == found["unseen_reward"] == 0.0
    assert found["agreement"] == pytest.approx(1.0, abs=0.1)
    assert not found["fell"]
    assert found["warning"] == ""


def test_a_fall_is_told_with_its_interval(made: Made) -> None:
    answers = made.answers()
    turned = PreferenceTable(
        tuple(replace(one, verdict=one.verdict.swap()) for one in answers.preferences), answers.first_keys, answers.second_keys
    )
    found = _shift(made, made.captions, turned)
    assert found["fell"]
    assert f"a fall by more than {FALL:.0%}" in str(found["warning"])


def test_what_may_be_chance_is_no_fall() -> None:
    assert fell(80, 100, 0.98)
    assert not fell(94, 100, 0.98)  # by 4 %
    assert not fell(9, 10, 0.97)  # by 7 %, but the interval reaches up to 98 %
    assert fell(7, 10, 0.95)
    assert not fell(0, 0, 0.98)
    assert not fell(0, 10, None)


def test_rewards_from_captions_that_the_explorer_never_saw_are_counted(made: Made) -> None:
    reaches = next(row for row, text in enumerate(made.captions.texts) if "reach the left end" in text)
    rows = np.array([reaches, (reaches + 1) % len(made.captions)])
    met = made.captions.select(rows)
    explorer = made.captions.select(np.array([row for row in range(len(made.captions)) if row != reaches]))
    found = skill_shift(made.domain, made.skill, made.root / "rewards", explorer, met, None)
    assert found.unseen_captions == 0.5
    assert found.unseen_reward == pytest.approx(1.0, abs=0.3)
    assert found.agreement is None
    assert not found.fell
