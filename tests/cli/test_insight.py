"""Looking at rewards, at what the trained policy meets, and asking further, as a person would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maestromotif.stages.card import Card
from tests.cli.conftest import maestromotif, make_project, one_error


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose explorer looked around for 32 steps in a long corridor, so that much is left for the policy to meet."""
    small = {"collect__steps": 32, "collect__shard_steps": 32, "train__steps": 2048, "program__episodes": 2}
    root = make_project(tmp_path_factory.mktemp("projects") / "long", **small)
    path = root / "maestro.toml"
    path.write_text(path.read_text().replace('id = "corridor"', 'id = "corridor"\nlength = 31'))
    for command in ("collect", "annotate", "reward", "program", "train"):
        result = maestromotif(command, root)
        assert result.returncode == 0, result.stderr
    return root


def test_a_round_from_the_policy_keeps_answers_and_the_rest_follows(trained: Path) -> None:
    artifacts = trained / "artifacts"
    result = maestromotif("annotate", trained, "--from-policy")
    assert "nothing is known of what the trained policy meets" in one_error(result)
    result = maestromotif("shift", trained, "--steps", 4000, "--pairs", 18)
    assert result.returncode == 0, result.stderr
    assert "a fall by more than 5%" in result.stdout

    before = (artifacts / "preferences" / "transcript-go_left.jsonl").read_bytes()
    result = maestromotif("annotate", trained, "--from-policy", "--pairs", 10)
    assert result.returncode == 0, result.stderr
    assert "about go_left" in result.stdout
    after = (artifacts / "preferences" / "transcript-go_left.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    # The round is an input: made from nothing, the artifact is the same.
    card = Card.read(artifacts / "preferences")
    again = maestromotif("annotate", trained, "--again")
    assert again.returncode == 0, again.stderr
    made = Card.read(artifacts / "preferences")
    assert card is not None
    assert made is not None
    assert (made.identity, made.files) == (card.identity, card.files)

    result = maestromotif("reward", trained)
    assert "annotate changed" in result.stdout
    assert f"maestromotif train {trained}" in result.stdout
    found = json.loads(maestromotif("reward", trained, "--inspect", "--skill", "go_left", "--json").stdout)["skills"][0]
    assert found["shift"]["agreement"] > 0.9
    assert found["health"]["pairs"] > 16
    # A second round needs a policy that was trained on the new rewards.
    assert "the stage train is not done (reward changed)" in one_error(maestromotif("annotate", trained, "--from-policy"))


def test_inspect_shows_every_part_and_wrong_uses_are_told(trained: Path) -> None:
    result = maestromotif("reward", trained, "--inspect", "--captions", 2)
    assert result.returncode == 0, result.stderr
    for text in ("Highest reward", "Lowest reward", "threshold: nothing above", "Most contested pairs", "ties"):
        assert text in result.stdout
    # Measured once, and known from then on.
    curves = [maestromotif("reward", trained, "--inspect", "--skill", "go_left", "--json", *more) for more in (["--curve"], [])]
    points, known = (json.loads(result.stdout)["skills"][0]["curve"] for result in curves)
    assert points == known
    assert "no skill 'go_up'" in one_error(maestromotif("reward", trained, "--inspect", "--skill", "go_up"))
    assert "--pairs needs one of" in one_error(maestromotif("annotate", trained, "--pairs", 3))


def test_annotators_are_compared_on_the_same_pairs(trained: Path) -> None:
    result = maestromotif("annotate", trained, "--compare", "random,ground-truth")
    assert result.returncode == 0, result.stderr
    found = json.loads((trained / "artifacts" / "comparison" / "agreement.json").read_text())
    assert found["annotators"] == ["judge", "random", "ground-truth"]
    judge = found["all"]["matrix"][0]
    assert judge[2]["agreement"] == 1.0 > judge[1]["agreement"]
    assert "ground-truth" in result.stdout
    assert "costs something" in one_error(maestromotif("annotate", trained, "--compare", "human"))
