"""Captions of a trained policy: merged tables, frozen rounds of questions, and pairs among what a skill met."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError
from maestromotif.feedback import AnnotateConfig, CaptionTable, CollectConfig, PreferenceTable, annotate, collect
from maestromotif.feedback.met import met_by, policy_pairs
from maestromotif.feedback.rounds import Round, add_round, load_rounds
from maestromotif.llm.recorded import RecordedChat
from maestromotif.skills import SkillSet
from maestromotif.types import Caption, RewardInput


@pytest.fixture(scope="module")
def domain() -> Corridor:
    return Corridor({"length": 7})


@pytest.fixture(scope="module")
def skills(domain: Corridor) -> SkillSet:
    return SkillSet.parse(domain.skills_toml)


@pytest.fixture(scope="module")
def captions_path(domain: Corridor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    collect(domain, CollectConfig(steps=2_000, num_games=8, shard_steps=2_000), folder, 1)
    return folder / "captions.parquet"


def _other(captions: CaptionTable, number: int) -> CaptionTable:
    """Captions that the explorer never saw."""
    signs = captions.reward_input(0).signs
    texts = [(f"a new thing {place}", f"You meet thing {place}.") for place in range(number)]
    entries = {1000 + place: (Caption(text, RewardInput(message, signs)), place + 1) for place, (text, message) in enumerate(texts)}
    return CaptionTable.build(entries, captions.signs.shape[1])


def test_merged_tables_keep_the_first_text_and_add_counts(domain: Corridor, captions_path: Path) -> None:
    captions = CaptionTable.load(captions_path, domain)
    other = _other(captions, 3)
    merged = captions.merge(other, captions)
    assert merged.keys.tolist() == [*captions.keys.tolist(), *other.keys.tolist()]
    assert merged.counts.tolist() == [*(2 * captions.counts).tolist(), *other.counts.tolist()]
    assert merged.texts == (*captions.texts, *other.texts)


def test_rounds_come_back_in_order_and_a_missing_one_is_told(domain: Corridor, captions_path: Path, tmp_path: Path) -> None:
    table = _other(CaptionTable.load(captions_path, domain), 4)
    pairs = {"go_left": np.array([[1000, 1001], [1002, 1003]]), "go_right": np.array([[1001, 1003]])}
    assert [add_round(tmp_path, Round(table, {skill: keys}), domain) for skill, keys in pairs.items()] == [1, 2]
    first, second = load_rounds(tmp_path, domain)
    assert first.captions.texts == table.texts
    assert first.pairs["go_left"].tolist() == [[1000, 1001], [1002, 1003]]
    assert list(second.pairs) == ["go_right"]
    shutil.rmtree(tmp_path / "1")
    with pytest.raises(ArtifactError, match="holds the rounds 2"):
        load_rounds(tmp_path, domain)


def test_a_round_without_its_captions_is_damaged(domain: Corridor, captions_path: Path, tmp_path: Path) -> None:
    table = _other(CaptionTable.load(captions_path, domain), 2)
    add_round(tmp_path, Round(table, {"go_left": np.array([[1000, 5]])}), domain)
    with pytest.raises(ArtifactError, match="captions that are not beside it"):
        load_rounds(tmp_path, domain)


def test_a_round_adds_questions_and_keeps_every_old_answer(domain: Corridor, skills: SkillSet, captions_path: Path, tmp_path: Path) -> None:
    captions = CaptionTable.load(captions_path, domain)
    config, chat = AnnotateConfig(pairs=20), RecordedChat(domain.recorded_answers)
    annotate(domain, skills, captions_path, config, chat, tmp_path, 1)
    old = PreferenceTable.load(tmp_path / "preferences-go_left.parquet", domain, "go_left")
    transcript = (tmp_path / "transcript-go_left.jsonl").read_bytes()
    table = _other(captions, 3)
    round_ = Round(table, {"go_left": np.array([[1000, 1001], [1002, int(captions.keys[0])]])})
    # The key of a caption beside the round's own is known too, since tables are merged.
    annotate(domain, skills, captions_path, config, chat, tmp_path, 1, rounds=[round_])
    new = PreferenceTable.load(tmp_path / "preferences-go_left.parquet", domain, "go_left")
    assert new.preferences[: len(old)] == old.preferences
    assert len(new) == len(old) + 2
    assert (tmp_path / "transcript-go_left.jsonl").read_bytes().startswith(transcript)
    assert len(PreferenceTable.load(tmp_path / "preferences-go_right.parquet", domain, "go_right")) == len(old)
    assert len(CaptionTable.load(tmp_path / "captions.parquet", domain)) == len(captions) + 3


def test_pairs_of_what_a_skill_met_leave_out_the_measured_ones(domain: Corridor, skills: SkillSet, captions_path: Path) -> None:
    captions = CaptionTable.load(captions_path, domain)
    policy = _other(captions, 12)
    everything = captions.merge(policy)
    met = met_by(policy, {1000 + place: 7 for place in range(10)})
    assert set(met.counts.tolist()) == {7}
    skill = skills["go_left"]
    measured = policy_pairs(everything, met, skill, 30, 5, np.zeros((0, 2), np.int64))
    keys = np.array([question[1:] for question in measured])
    further = policy_pairs(everything, met, skill, 100, 6, keys)
    taken = {frozenset(pair) for pair in keys.tolist()}
    rest = {frozenset(question[1:]) for question in further}
    assert len(measured) == len(taken) == 30
    assert len(rest) == 45 - 30
    assert not taken & rest
    assert {key for pair in taken | rest for key in pair} == set(range(1000, 1010))
