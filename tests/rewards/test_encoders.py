"""The encoders against their twins in torch, ensembles, ties as an outcome, soft targets, and files that were damaged."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import load, save

from maestromotif.errors import ArtifactError, ConfigError
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.rewards import RewardConfig, RewardTable, fit
from maestromotif.rewards.bradley_terry import fit_bradley_terry, outcomes
from maestromotif.rewards.encoders.characters import CharacterReader
from maestromotif.rewards.encoders.networks import CharacterNetwork, DenseNetwork
from maestromotif.rewards.encoders.sentences import Dense, SentenceReader
from maestromotif.rewards.model import read_card
from maestromotif.skills import SkillSet
from maestromotif.types import RewardInput

from .worlds import SIGNS, SKILLS, domain, judge_gold, make_captions, write_preferences

ONE = SkillSet((SKILLS["gold"],))
SIZES = tuple(len(spec.values) for spec in SIGNS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions and 1,500 preferences for the skill ``gold``."""
    folder = tmp_path_factory.mktemp("world")
    captions = make_captions(500, 0)
    captions.save(folder / "captions.parquet", domain(), {})
    write_preferences(folder, captions, "gold", judge_gold, 1500)
    return folder


def fitted(world: Path, out: Path, **settings: Any) -> dict[str, Any]:
    fit(domain(), ONE, world / "captions.parquet", world, RewardConfig(**settings), out, 1)
    return read_card(out, "gold")


def randomise(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.normal_(generator=torch.Generator().manual_seed(number))
        if isinstance(network, CharacterNetwork):
            network.bytes[0] = 0.0


def test_character_networks_equal_their_numpy_twins() -> None:
    captions = make_captions(700, 3)
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    inputs += [RewardInput("", (0, 0, 0, 0)), RewardInput("ünïcode ☃ " * 60, (1, 3, 2, 1)), RewardInput("x", (2, 0, 0, 0))]
    reader = CharacterReader(SIZES)
    features = reader.read(inputs)
    network = CharacterNetwork(features.signs.shape[1], 8, torch.Generator().manual_seed(1))
    randomise(network)
    scorer = network.export()
    with torch.no_grad():
        expected = network(features).numpy()
        chosen = np.array([5, 2, 5, len(inputs) - 3])
        assert network(features.take(chosen)).numpy() == pytest.approx(expected[chosen], rel=1e-4, abs=1e-3)
    assert scorer.raws(features) == pytest.approx(expected, rel=1e-4, abs=1e-3)
    alone = [scorer.raws(reader.read([given]))[0] for given in inputs[-10:]]
    assert alone == pytest.approx(expected[-10:], rel=1e-4, abs=1e-3)
    # The rest of a message longer than 256 bytes is not read; what comes before it is.
    same, other = (reader.read([RewardInput(text, (0, 0, 0, 0))]) for text in ("a" * 256 + "b", "b" + "a" * 255))
    assert scorer.raws(same) == pytest.approx(scorer.raws(reader.read([RewardInput("a" * 256, (0, 0, 0, 0))])))
    assert scorer.raws(same) != pytest.approx(scorer.raws(other))


def test_heads_over_vectors_equal_their_numpy_twins() -> None:
    features = Dense(np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32))
    network = DenseNetwork(12, 6, torch.Generator().manual_seed(1))
    randomise(network)
    with torch.no_grad():
        assert network.export().raws(features) == pytest.approx(network(features).numpy(), rel=1e-4, abs=1e-4)


def test_the_character_encoder_learns_and_its_table_needs_no_torch(world: Path, tmp_path: Path) -> None:
    settings = {"encoder": "character-cnn", "epochs": 12, "batch_size": 64}
    card = fitted(world, tmp_path / "one", **settings)
    assert card["held_out"]["agreement"] >= 0.93
    low, high = card["held_out"]["interval"]
    assert low < card["held_out"]["agreement"] <= high
    assert sum(one["pairs"] for one in card["calibration"]["bins"]) == card["held_out"]["decided"]
    assert fitted(world, tmp_path / "two", **settings)["sha256"] == card["sha256"]
    code = (
        "import sys; from pathlib import Path; from tests.rewards.worlds import *; from maestromotif.rewards import RewardTable\n"
        "from maestromotif.skills import SkillSet; from maestromotif.types import RewardInput\n"
        "table = RewardTable.load(Path(sys.argv[1]), domain(), SkillSet((SKILLS['gold'],)))\n"
        "more, less = (table.raw(RewardInput(text, (0, 0, 0, 0)))[0] for text in ('You find 7 gold pieces.', 'The newt bites!'))\n"
        "print(more > less, 'torch' in sys.modules)"
    )
    path = ":".join([str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "one"], check=True, capture_output=True, env={"PYTHONPATH": path}, timeout=60
    )
    assert done.stdout.split() == [b"True", b"False"]


def test_ensembles_disagree_most_where_they_know_least(world: Path, tmp_path: Path) -> None:
    settings = {"ensemble": 3, "batch_size": 128}
    card = fitted(world, tmp_path / "mean", **settings)
    assert card["held_out"]["agreement"] >= 0.95
    most = [entry["disagreement"] for entry in card["disagreement"]["most"]]
    assert most == sorted(most, reverse=True)
    assert most[-1] > card["disagreement"]["mean"] > 0.0
    captions = CaptionTable.load(world / "captions.parquet", domain())
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    mean = RewardTable.load(tmp_path / "mean", domain(), ONE)
    fitted(world, tmp_path / "careful", **settings, pessimism=2.0)
    careful = RewardTable.load(tmp_path / "careful", domain(), ONE)
    tensors = load((tmp_path / "careful" / "reward-gold.safetensors").read_bytes())
    assert careful.raws(inputs)[:, 0] == pytest.approx(mean.raws(inputs)[:, 0] - 2.0 * tensors["seen.spread"])
    assert tensors["seen.raw"] == pytest.approx(careful.raws(inputs)[:, 0])
    assert tensors["seen.keys"].tolist() == captions.keys.tolist()
    # Members were fitted to different draws of the same pairs.
    assert not np.array_equal(tensors["linear"], tensors["linear.1"])
    assert fitted(world, tmp_path / "again", **settings)["sha256"] == card["sha256"]
    with pytest.raises(ValidationError, match="pessimism needs an ensemble"):
        RewardConfig(pessimism=1.0)


def test_rewards_of_many_transitions_equal_those_of_each(world: Path, tmp_path: Path) -> None:
    captions = CaptionTable.load(world / "captions.parquet", domain())
    rows = np.random.default_rng(0).integers(len(captions), size=2000)
    for settings in ({}, {"ensemble": 2}):
        out = tmp_path / str(len(settings))
        fitted(world, out, batch_size=64, **settings)
        table, other = (RewardTable.load(out, domain(), ONE) for _ in range(2))
        asked: list[int] = []

        def make(number: int, asked: list[int] = asked) -> RewardInput:
            asked.append(number)
            return captions.reward_input(rows[number])

        found = table.batch(captions.keys[rows], make)
        expected = [other.rewards(int(captions.keys[row]), lambda row=row: captions.reward_input(row)) for row in rows.tolist()]  # type: ignore[misc]
        assert found == pytest.approx(np.array(expected), abs=1e-9)
        assert found.any()
        # Captions that were stored with the model are not computed again; others once.
        assert len(asked) == (0 if settings else len(set(rows.tolist())))
        unsigned = int(captions.keys[0]) % 2**64
        assert other.rewards(unsigned, lambda: captions.reward_input(0)) == other.rewards(
            int(captions.keys[0]), lambda: captions.reward_input(0)
        )


def test_ties_as_an_outcome(world: Path, tmp_path: Path) -> None:
    halves, outcome = (fitted(world, tmp_path / ties, ties=ties, batch_size=128) for ties in ("half", "outcome"))
    assert "tie_weight" not in halves
    ties = outcome["verdicts"]["tie"] / sum(outcome["verdicts"].values())
    assert outcome["tie_weight"] > 1.0 < 10 * ties
    assert outcome["held_out"]["agreement"] >= 0.95
    assert outcomes(np.array([1.0, 0.0, 0.5, 0.8])).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0.8, 0, pytest.approx(0.2)]]


def test_davidsons_weight_is_found() -> None:
    """Verdicts drawn from a known model: the differences and the weight of ties come back."""
    rng = np.random.default_rng(0)
    features = Dense(np.eye(4, dtype=np.float32))
    score = np.array([0.0, 0.5, 1.0, 2.0])
    pairs_P = np.array([(one, other) for one in range(4) for other in range(4) if one != other])[rng.integers(12, size=30_000)]
    half_P = (score[pairs_P[:, 0]] - score[pairs_P[:, 1]]) / 2
    weight_P3 = np.stack([np.exp(half_P), np.full(len(half_P), 0.7), np.exp(-half_P)], axis=1)
    drawn_P = rng.random(len(half_P)) * weight_P3.sum(axis=1)
    target_P = np.where(drawn_P < weight_P3[:, 0], 1.0, np.where(drawn_P < weight_P3[:, :2].sum(axis=1), 0.5, 0.0))
    config = RewardConfig(encoder="sentence", ties="outcome", hidden=0, weight_decay=0.0, learning_rate=0.02, epochs=12)
    result = fit_bradley_terry(features, pairs_P, target_P, config, 1)
    assert result.tie_weight == pytest.approx(0.7, rel=0.1)
    raw = result.model.raws(features)
    assert raw - raw[0] == pytest.approx(score, abs=0.15)
    assert result.calibration.error < 0.04


def test_soft_targets_are_matched() -> None:
    features = Dense(np.eye(2, dtype=np.float32))
    config = RewardConfig(encoder="sentence", hidden=0, weight_decay=0.0, learning_rate=0.05)
    result = fit_bradley_terry(features, np.tile([0, 1], (300, 1)), np.full(300, 0.8), config, 1)
    raw = result.model.raws(features)
    assert 1 / (1 + np.exp(raw[1] - raw[0])) == pytest.approx(0.8, abs=0.02)
    assert (result.held_out_decided, result.agreement) == (30, 1.0)


def test_a_temperature_is_stored_only_where_it_helps(world: Path, tmp_path: Path) -> None:
    found = fitted(world, tmp_path, calibrate=True, batch_size=128)["calibration"]
    assert found["temperature"] > 0.0
    assert (found["temperature"] == 1.0) == (found["error"] == found["error_without_temperature"])


@pytest.mark.parametrize("settings", [{}, {"ensemble": 2}, {"encoder": "character-cnn"}])
def test_weights_that_are_no_numbers_or_do_not_fit_are_refused(world: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    card = fitted(world, tmp_path, batch_size=16, epochs=1, **settings)
    path = tmp_path / "reward-gold.safetensors"
    tensors = load(path.read_bytes())

    def spoil(changed: dict[str, Any]) -> None:
        content = save(changed)
        path.write_bytes(content)
        (tmp_path / "reward-gold.json").write_text(json.dumps({**card, "sha256": hashlib.sha256(content).hexdigest()}))

    nan = tensors["linear"].copy()
    nan[3] = np.nan
    for changed, told in [
        ({**tensors, "linear": nan}, "linear are finite"),
        ({**tensors, "linear": tensors["linear"][1:]}, "linear has shape"),
        ({name: tensor for name, tensor in tensors.items() if name != "bias"}, "bias"),
    ]:
        spoil(changed)
        with pytest.raises(ArtifactError, match=told) as caught:
            RewardTable.load(tmp_path, domain(), ONE)
        assert "maestromotif reward" in caught.value.remedy


def test_targets_must_be_probabilities(world: Path, tmp_path: Path) -> None:
    table = PreferenceTable.load(world / "preferences-gold.parquet", domain(), "gold")
    rows = (replace(table.preferences[0], target=1.5), *table.preferences[1:])
    PreferenceTable(rows, table.first_keys, table.second_keys).save(tmp_path / "preferences-gold.parquet", domain(), "gold", {})
    with pytest.raises(ArtifactError, match=r"preferences-gold\.parquet"):
        fit(domain(), ONE, world / "captions.parquet", tmp_path, RewardConfig(), tmp_path / "out", 1)


def test_each_step_of_the_pipeline_can_be_turned_off(world: Path, tmp_path: Path) -> None:
    captions = CaptionTable.load(world / "captions.parquet", domain())
    off = {"normalise": False, "threshold": "off", "clip": 1000.0, "scale": 1.0, "count_exponent": 0.0}
    fitted(world, tmp_path, batch_size=64, **off)
    table = RewardTable.load(tmp_path, domain(), ONE)
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    found = table.batch(captions.keys, lambda number: inputs[number])
    assert found == pytest.approx(table.raws(inputs))
    assert found.min() < 0.0 < found.max()
    discount = table.discount()
    assert [discount.factor(3) for _ in range(4)] == [1.0] * 4


def test_the_sentence_encoder_says_what_it_lacks(world: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['sentence_transformers'] = None\n"
        "from maestromotif.rewards.encoders.sentences import SentenceReader; from maestromotif.types import RewardInput\n"
        "SentenceReader((), 'somewhere', '').read([RewardInput('hello', ())])"
    )
    env = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, timeout=60)
    assert b"pip install 'maestromotif[embedding]'" in done.stderr


def test_sentence_models_on_disk(world: Path, tmp_path: Path) -> None:
    """With a real, small, untrained model of sentence-transformers, where that package is installed."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    words = sorted({word for text in make_captions(500, 0).messages for word in text.lower().replace("!", " !").replace(".", " .").split()})
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words) + 5, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = tmp_path / "model"
    sentence_transformers.SentenceTransformer(str(folder), device="cpu").save(str(model))
    out = tmp_path / "out" / "rewards"
    card = fitted(world, out, encoder="sentence", sentence_model=str(model))
    assert card["held_out"]["interval"][0] > 0.6  # vectors of a model without training tell something, not much
    assert len(list((tmp_path / "out" / "vectors").iterdir())) == 1
    table = RewardTable.load(out, domain(), ONE)
    captions = CaptionTable.load(world / "captions.parquet", domain())
    stored = load((out / "reward-gold.safetensors").read_bytes())["seen.raw"]
    assert table.raw(captions.reward_input(7))[0] == pytest.approx(stored[7], abs=1e-4)
    (model / "README.md").write_text("changed")
    fresh = RewardTable.load(out, domain(), ONE)
    # What was seen needs no model; what was not, needs the very one.
    assert fresh.rewards(int(captions.keys[7]), lambda: captions.reward_input(7)) == table.rewards(
        int(captions.keys[7]), lambda: captions.reward_input(7)
    )
    with pytest.raises(ArtifactError, match="is not the one"):
        fresh.raw(RewardInput("Something new.", (0, 0, 0, 0)))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        SentenceReader(SIZES, str(tmp_path / "nowhere"), "").read([RewardInput("hello", (0, 0, 0, 0))])
