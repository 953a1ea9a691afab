"""Reward models: agreement with a synthetic judge, files, and tables that equal the trained network."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.feedback.tables import CaptionTable
from maestromotif.rewards import RewardConfig, RewardTable, fit
from maestromotif.rewards.bradley_terry import _clearly_better, _Fitted, _losses, build_corpus, fit_bradley_terry
from maestromotif.rewards.encoders.hashed import HashedReader, HashedScorer
from maestromotif.rewards.encoders.networks import HashedNetwork
from maestromotif.rewards.features import feature_hashes
from maestromotif.rewards.model import Ensemble, RewardModel
from maestromotif.rewards.pipeline import fit_shaping
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

from .worlds import SIGNS, SKILLS, domain, judge_deep, judge_gold, make_captions, write_preferences

CONFIG = RewardConfig()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with captions, 2,000 preferences for each skill, and their reward models."""
    folder = tmp_path_factory.mktemp("fitted")
    captions = make_captions(1500, 0)
    captions.save(folder / "captions.parquet", domain(), {})
    write_preferences(folder, captions, "deep", judge_deep, 2000)
    write_preferences(folder, captions, "gold", judge_gold, 2000, noise=0.02)
    fit(domain(), SKILLS, folder / "captions.parquet", folder, CONFIG, folder / "rewards", 1)
    return folder


def card(folder: Path, skill: str) -> dict[str, object]:
    return dict(json.loads((folder / f"rewards/reward-{skill}.json").read_text()))


@pytest.mark.parametrize(("skill", "judge"), [("deep", judge_deep), ("gold", judge_gold)])
def test_models_agree_with_a_judge_on_pairs_they_never_saw(fitted: Path, skill: str, judge: object) -> None:
    held_out = card(fitted, skill)["held_out"]
    assert isinstance(held_out, dict)
    assert held_out["agreement"] >= 0.95
    assert held_out["decided"] > 80
    # And on captions that they never saw, with fewer preferences than a real run has.
    others = make_captions(600, 9)
    fresh = [others.reward_input(row) for row in range(300)]
    table = RewardTable.load(fitted / "rewards", domain(), SKILLS)
    raw = [table.raw(given)[SKILLS.ids.index(skill)] for given in fresh]
    score = [judge_deep(given) if judge is judge_deep else judge_gold(given) for given in fresh]
    pairs = [(one, other) for one in range(300) for other in range(one) if score[one] != score[other]]
    assert np.mean([(raw[one] > raw[other]) == (score[one] > score[other]) for one, other in pairs]) >= 0.9


def test_what_matters_most_earns_most(fitted: Path) -> None:
    table = RewardTable.load(fitted / "rewards", domain(), SKILLS)
    inputs = [RewardInput("", signs) for signs in [(1, 1, 0, 0), (0, 3, 0, 1), (0, 1, 0, 0), (0, 0, 0, 0), (2, 3, 0, 0)]]
    deeper, stairs, few, nothing, higher = (table.rewards(key, lambda given=given: given)[0] for key, given in enumerate(inputs))  # type: ignore[misc]
    assert deeper > 1.5 * stairs > 0.0 == few == nothing == higher


def test_a_skill_may_have_a_contrast_of_its_own(fitted: Path, tmp_path: Path) -> None:
    shares, given = [], [RewardInput("", signs) for signs in [(1, 1, 0, 0), (0, 3, 0, 1)]]
    for contrast in (1.0, 3.0):
        skills = SkillSet((replace(SKILLS["deep"], contrast=contrast),))
        fit(domain(), skills, fitted / "captions.parquet", fitted, CONFIG, tmp_path, 1)  # an earlier fit with another contrast is no use
        table = RewardTable.load(tmp_path, domain(), skills)
        arriving, stairs = table.batch(np.arange(1, 3), lambda row: given[row])[:, 0]
        shares.append(stairs / arriving)
    assert 0 < shares[1] < 0.5 * shares[0] < 0.5
    with pytest.raises(ConfigError, match=r"contrast must lie in \[1, 10\]"):
        SkillSet.parse('[[skill]]\nid = "a"\ndescription = "b"\ncontrast = 0.5\n')


def test_cards_tell_what_was_measured(fitted: Path) -> None:
    found = card(fitted, "gold")
    assert found["threshold_quantile"] == 0.9
    assert found["verdicts"]["unparsed"] > 0  # type: ignore[index]
    highest, lowest = found["highest"], found["lowest"]
    assert isinstance(highest, list)
    assert isinstance(lowest, list)
    assert all("gold" in entry["message"] for entry in highest)
    assert highest[0]["reward"] > 0 == lowest[0]["reward"]
    assert found["by_sign"]["level"]["deeper"]["captions"] > 0  # type: ignore[index]
    assert found["warnings"] == []
    deep = card(fitted, "deep")["by_sign"]
    assert deep["level"]["deeper"]["mean_reward"] > 3 * deep["squares"]["some"]["mean_reward"]  # type: ignore[index]


def test_tables_equal_the_network_in_torch() -> None:
    captions = make_captions(100, 3)
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    corpus = build_corpus([feature_hashes(given) for given in inputs], 1)
    network = HashedNetwork(len(corpus.buckets), 8, torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.linear.normal_(generator=torch.Generator().manual_seed(2))
        network.bias.normal_(generator=torch.Generator().manual_seed(3))
        expected = network(corpus).numpy()
    model = Ensemble.build([network.export()], corpus)
    assert model.raws(corpus) == pytest.approx(expected, abs=1e-4)
    whole = RewardModel(HashedReader(corpus.buckets), model)
    table = RewardTable(["one"], [whole], [fit_shaping(expected.astype(np.float64), 0.5)])
    assert [table.raw(given)[0] for given in inputs] == pytest.approx(expected, abs=1e-4)


def test_features_that_a_model_does_not_know_count_for_nothing(fitted: Path) -> None:
    table = RewardTable.load(fitted / "rewards", domain(), SKILLS)
    assert table.raw(RewardInput("Xyzzy plugh qwerty", (0, 0, 0, 0))) == table.raw(RewardInput("", (0, 0, 0, 0)))


def test_features() -> None:
    assert feature_hashes(RewardInput("", (0, 0))) != feature_hashes(RewardInput("", (0, 1)))
    assert feature_hashes(RewardInput("12 gold", (0,))) == feature_hashes(RewardInput("7 GOLD!", (0,)))
    many = feature_hashes(RewardInput("go go go", (1, 1, 1)))
    assert len(many) == len(set(many)) == 1 + 1 + 1 + 3 + 3
    assert feature_hashes(RewardInput("?!", (0, 0))) == []


def test_each_input_is_computed_once(fitted: Path) -> None:
    table = RewardTable.load(fitted / "rewards", domain(), SKILLS)
    asked = []

    def make() -> RewardInput:
        asked.append(1)
        return RewardInput("", (1, 0, 0, 0))

    assert table.rewards(-5, make) == table.rewards(-5, make)
    assert len(asked) == 1
    assert len(table.rewards(-5, make)) == 2
    assert table.discount().window == CONFIG.count_window


def test_the_reward_of_one_skill_is_that_of_all_to_the_last_bit(fitted: Path) -> None:
    alone, table = (RewardTable.load(fitted / "rewards", domain(), SKILLS) for _ in range(2))
    asked: list[int] = []

    def make(given: RewardInput) -> RewardInput:
        asked.append(1)
        return given

    captions = CaptionTable.load(fitted / "captions.parquet", domain())
    inputs = [captions.reward_input(row) for row in range(60)]
    inputs += [RewardInput(inputs[place].message, inputs[-place].signs) for place in range(60)] + [RewardInput("", (0, 0, 0, 0))]
    paid = 0
    for key, given in enumerate(inputs):
        row = table.rewards(-1 - key, lambda given=given: given)  # type: ignore[misc]
        for skill in range(len(SKILLS)):
            for _ in range(2):
                assert alone.reward(skill, -1 - key, lambda given=given: make(given)) == row[skill]  # type: ignore[misc]
                paid += row[skill] != 0
    assert len(asked) == len(inputs) * len(SKILLS)
    assert paid > 10
    stored = int(captions.keys[3])
    assert alone.reward(1, stored, lambda: inputs[3]) == table.rewards(stored, lambda: inputs[3])[1]


def test_the_same_seed_gives_the_same_bytes_and_nothing_is_fitted_twice(fitted: Path, tmp_path: Path) -> None:
    arguments = (domain(), SKILLS, fitted / "captions.parquet", fitted, CONFIG)
    for file in (fitted / "rewards").glob("*deep*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    times = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    results = fit(*arguments, tmp_path, 1)
    assert {file: file.stat().st_mtime_ns for file in times} == times
    for file in sorted((fitted / "rewards").iterdir()):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert fit(*arguments, tmp_path, 1) == results


def test_tables_load_without_torch(fitted: Path) -> None:
    code = "import sys, maestromotif.rewards.table as t; assert not {'torch', 'urllib3', 'pyarrow'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(path for path in sys.path if path)}, timeout=60)


@pytest.mark.parametrize("file", ["reward-deep.safetensors", "reward-deep.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "other"])
def test_damaged_files_are_named(fitted: Path, tmp_path: Path, file: str, damage: str) -> None:
    for source in (fitted / "rewards").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    path = tmp_path / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        path.write_bytes((tmp_path / file.replace("deep", "gold")).read_bytes())
    else:
        path.write_bytes(content[:-50] if damage == "truncated" else b"")
    with pytest.raises(ArtifactError, match=file.replace(".", r"\.")):
        RewardTable.load(tmp_path, domain(), SKILLS)


def test_models_of_another_world_are_refused(fitted: Path) -> None:
    with pytest.raises(ArtifactError, match="domain"):
        RewardTable.load(fitted / "rewards", domain("elsewhere"), SKILLS)
    with pytest.raises(ArtifactError, match="signs"):
        RewardTable.load(fitted / "rewards", domain(signs=SIGNS[::-1]), SKILLS)


def test_preferences_must_fit_the_captions(fitted: Path, tmp_path: Path) -> None:
    other = make_captions(50, 5)
    CaptionTable(other.keys + 10_000_000, other.messages, other.signs, other.texts, other.counts).save(
        tmp_path / "captions.parquet", domain(), {}
    )
    with pytest.raises(ArtifactError, match=r"captions\.parquet"):
        fit(domain(), SKILLS, tmp_path / "captions.parquet", fitted, CONFIG, tmp_path, 1)
    write_preferences(tmp_path, make_captions(1500, 0), "deep", judge_deep, 5)
    with pytest.raises(ArtifactError, match="5 usable preferences"):
        fit(domain(), SKILLS, fitted / "captions.parquet", tmp_path, CONFIG, tmp_path, 1)


def test_few_pairs_and_ties_only() -> None:
    """A tiny world can be fitted; where nothing is decided, agreement is unknown, not perfect."""
    captions = make_captions(8, 2)
    corpus = build_corpus([feature_hashes(captions.reward_input(row)) for row in range(len(captions))], 1)
    pairs_P = np.stack(np.triu_indices(len(captions), 1), axis=1)
    score = np.array([judge_deep(captions.reward_input(row)) for row in range(len(captions))])
    target_P = np.where(score[pairs_P[:, 0]] == score[pairs_P[:, 1]], 0.5, (score[pairs_P[:, 0]] > score[pairs_P[:, 1]]).astype(float))
    assert fit_bradley_terry(corpus, pairs_P, target_P, CONFIG, 0).train_agreement > 0.9
    result = fit_bradley_terry(corpus, pairs_P, np.full(len(pairs_P), 0.5), CONFIG, 0)
    assert math.isnan(result.agreement)


def test_a_sign_that_was_seen_once_is_kept_and_a_word_is_not() -> None:
    inputs = [RewardInput("you fall", (1, 0)), RewardInput("you fall", (1, 1)), RewardInput("you jump", (2, 1))]
    kept = set(build_corpus([feature_hashes(given) for given in inputs], 2).buckets.tolist())
    seldom = set(feature_hashes(RewardInput("", (2, 0))))
    assert seldom
    assert seldom <= kept
    assert not set(feature_hashes(RewardInput("jump", (0, 0)))) & kept
    assert set(feature_hashes(RewardInput("fall", (0, 0)))) & kept


@pytest.mark.parametrize(("number", "learner"), [(30, "linear"), (4000, "network")])
def test_the_network_is_taken_only_where_it_is_clearly_better(number: int, learner: str) -> None:
    """A network that knows nothing, after few contested pairs where the linear model is worse by chance; one that is right, after many."""
    captions = make_captions(400, 0)
    corpus = build_corpus([feature_hashes(captions.reward_input(row)) for row in range(len(captions))], 2)
    rng = np.random.default_rng(0)
    pairs = rng.integers(len(captions), size=(number, 2))
    weights = rng.normal(size=len(corpus.buckets)).astype(np.float32)
    nothing = np.zeros(0, np.float32)
    right, none = (HashedScorer(one, np.zeros((len(one), 0), np.float32), nothing, nothing) for one in (weights, 0.0 * weights))
    raw = right.raws(corpus)
    target = (raw[pairs[:, 0]] > raw[pairs[:, 1]]).astype(float)
    if learner == "linear":
        # Seven of thirty answers are turned round, where the model is sure of the opposite.
        turned = np.argsort(-np.abs(raw[pairs[:, 0]] - raw[pairs[:, 1]]))[4:11]
        target[turned] = 1.0 - target[turned]
    network, linear = (none, right) if learner == "linear" else (right, none)
    losses = [_losses(scorer, corpus, pairs, target).mean() for scorer in (network, linear)]
    assert losses[0] < losses[1]
    one, other = (_Fitted(scorer, 0, 0.0, 0.0, 1.0) for scorer in (network, linear))
    assert _clearly_better(one, other, corpus, pairs, target) is (learner == "network")
