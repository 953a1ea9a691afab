"""Recording what a language model has played: word for word what it chose, with nobody asked again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from maestromotif.agents import Setting
from maestromotif.agents.llm_policy import LLMPolicyConfig
from maestromotif.bench.llm import read_choices
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError
from maestromotif.llm.testing import ChatServer
from maestromotif.recordings import read_recording
from maestromotif.recordings.play import RecordOrder, record_episodes

from ..agents.talking import Asked, walks
from ..cli.conftest import configure, environment, maestromotif, make_project, one_error

_TASK = "both_ends"


@pytest.fixture
def root(tmp_path: Path, setting: Setting) -> Path:
    """A corridor project in which a language model has played: three episodes each way. The model is gone."""
    root = make_project(tmp_path / "project")
    path = root / "maestro.toml"
    configure(root, {"domain.id": "corridor"})
    path.write_text(path.read_text().replace("[domain]\n", "[domain]\nlength = 5\n", 1))
    for name, folder in (("programs", setting.programs), ("training", setting.training)):
        shutil.copytree(folder, root / "artifacts" / name)
    with ChatServer(Asked(walks)) as server:
        chat = {"kind": "openai", "base_url": server.url, "model": "some-model", "max_retries": 0}
        configure(root, {f"chat.{name}": value for name, value in chat.items()} | {"llm_policy.repeat": 2})
        bench = ("--tasks", _TASK, "--episodes", 3, "--max-steps", 40, "--policies", "llm-actions,llm-skills")
        result = maestromotif("bench", root, *bench, env=environment(MAESTROMOTIF_API_KEY="sk-for-the-bench"))
    assert result.returncode == 0, result.stderr
    return root


def record(root: Path, policy: str, *more: object) -> Any:
    return maestromotif("record", root, _TASK, "--policy", policy, "--max-steps", 40, *more)


def rows(root: Path, policy: str) -> dict[int, dict[str, Any]]:
    lines = map(json.loads, (root / "artifacts" / "bench" / "episodes.jsonl").read_text().splitlines())
    return {row["episode"]: row for row in lines if row["policy"] == policy}


def test_the_episodes_of_the_bench_are_played_again_without_a_model(root: Path) -> None:
    for policy, numbers in (("llm-actions", [0, 1]), ("llm-skills", [2])):
        chosen = ("--numbers", 2) if policy == "llm-skills" else ("--episodes", 2)
        result = record(root, policy, *chosen)
        assert result.returncode == 0, result.stderr
        assert f"{policy}-1-{numbers[0]}" in result.stdout
        for number in numbers:
            folder = root / "artifacts" / "recordings" / _TASK / f"{policy}-1-{number}"
            found = read_recording(folder, Corridor({"length": 5}))
            row = rows(root, policy)[number]
            assert {**row, **found.row} == row, "but for what it cost, which only the bench knows"
            assert found.track.skill[1:] == [call[0] for call in found.row["calls"] for _ in range(call[1], call[2])]
    pages = maestromotif("replay", root, "--out", root / "all.html")
    assert pages.returncode == 0, pages.stderr
    assert "left out" not in pages.stderr
    text = (root / "all.html").read_text()
    assert all(f"{_TASK}/{name}" in text for name in ("llm-actions-1-0", "llm-actions-1-1", "llm-skills-1-2"))
    told = one_error(record(root, "llm-actions", "--numbers", "1,7"))
    assert "episode 7 has not been played by llm-actions" in told
    assert f"bench {root} --tasks {_TASK} --policies llm-actions" in told


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        (["right", "jump"], "decision 1 was 'jump', which cannot be chosen there"),
        (["right", "right"], "episode 0 goes on after its 2 decisions"),
        (["right"] * 1000, "episode 0 is over before all of its 1000 decisions"),
    ],
)
def test_choices_that_do_not_fit_the_game_are_refused(setting: Setting, tmp_path: Path, choices: list[str], told: str) -> None:
    place, llm_policy = f"bench/{_TASK}", LLMPolicyConfig().model_dump()
    order = RecordOrder(_TASK, "landmark", "", "llm-actions", 1, place, (0,), 1, "", 40, "key", {"0": choices}, {}, llm_policy)
    with pytest.raises(ArtifactError, match=told):
        record_episodes(setting, order, tmp_path / "out", lambda fraction, text: None)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_transcript_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episode-1.jsonl"
    lines = [{"task": _TASK}, {"choice": "left"}, {"choice": "right"}, {"steps": 2, "success": {"landmark": True}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_choices(path) == ["left", "right"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:-1]))
    with pytest.raises(ArtifactError, match="not a whole transcript"):
        read_choices(path)
