"""Bad input: one clear line, and nothing of a project is lost; captions in any alphabet go all the way."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.domains.corridor.env import CorridorEnv
from maestromotif.errors import ArtifactError, ConfigError, MaestroError, ProgramError
from maestromotif.feedback import AnnotateConfig, CaptionTable, CollectConfig, annotate, collect
from maestromotif.llm import RecordedChat
from maestromotif.llm.testing import ChatServer, ScriptedChat, completion
from maestromotif.project import Project, init_project
from maestromotif.rewards import RewardConfig, fit
from maestromotif.skills import SkillSet
from maestromotif.stages.catalogue import stage_by_id
from maestromotif.stages.runner import open_runner
from maestromotif.types import Caption, RewardInput

from ..project.conftest import Log

DOMAIN = Corridor()
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
_WORDS = {"left": "налево 👈", "right": "向右走", "wall": "🧱", "end": "край", "You": "Вы"}


class _FarEnv(CorridorEnv):
    """The corridor, told in Russian, Chinese and emoji."""

    def caption(self, game: int) -> Caption:
        given = super().caption(game)
        return Caption(_translated(given.text), RewardInput(_translated(given.reward_input.message), given.reward_input.signs))


class _Far(Corridor):
    def make_env(self, num_games: int) -> _FarEnv:
        return _FarEnv(num_games)


def _translated(text: str) -> str:
    for word, other in _WORDS.items():
        text = text.replace(word, other)
    return text


_JUDGE = 'Так:\n```python\ndef score(message, changes):\n    return 1.0 if "налево 👈" in message else 0.0\n```\n'


@pytest.mark.parametrize("annotator", ["judge", "embedding", "random"])
def test_other_alphabets_go_all_the_way(tmp_path: Path, annotator: str) -> None:
    domain = _Far()
    skills = SkillSet.parse('[[skill]]\nid = "go_left"\ndescription = "Идти налево 👈 до края, 不要向右走."')
    collect(domain, CollectConfig(steps=1000, num_games=4, shard_steps=1000), tmp_path, 1)
    captions = tmp_path / "captions.parquet"
    assert any("向右走" in message for message in CaptionTable.load(captions, domain).messages)
    (result,) = annotate(domain, skills, captions, AnnotateConfig(annotator=annotator), ScriptedChat(lambda *_: _JUDGE), tmp_path, 1)
    assert result.counts["first"] + result.counts["second"] > 0
    (fitted,) = fit(domain, skills, captions, tmp_path, RewardConfig(epochs=3), tmp_path, 1)
    assert fitted.skill == "go_left"
    assert annotator == "random" or "налево" in (tmp_path / "transcript-go_left.jsonl").read_text(encoding="utf-8")


def test_no_captions_at_all(tmp_path: Path) -> None:
    CaptionTable.build({}, len(DOMAIN.sign_specs)).save(tmp_path / "captions.parquet", DOMAIN, {})
    for annotator in ("judge", "embedding", "random", "ground-truth"):
        with pytest.raises(ArtifactError, match="fewer than two captions"):
            annotate(DOMAIN, SKILLS, tmp_path / "captions.parquet", AnnotateConfig(annotator=annotator), RecordedChat(()), tmp_path, 1)


def test_a_skill_without_preference_text_is_judged_by_its_description() -> None:
    skills = SkillSet.parse('[[skill]]\nid = "hop"\ndescription = "Hop."\nprefer = ""')
    assert skills["hop"].preference_text == "Hop."
    with pytest.raises(ConfigError, match="description is missing or empty"):
        SkillSet.parse('[[skill]]\nid = "hop"\ndescription = "  "\nprefer = "Hops."')


# In a project: what a failing stage leaves.


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collected") / "project"
    init_project(root, "corridor")
    run(root, "collect")
    return root


@pytest.fixture
def root(collected: Path, tmp_path: Path) -> Path:
    shutil.copytree(collected, tmp_path / "project")
    return tmp_path / "project"


def run(root: Path, *stages: str, settings: tuple[str, ...] = ()) -> None:
    project = Project.open(root, settings)
    with open_runner(project, "test", Log()) as runner:
        runner.run([stage_by_id(project, stage) for stage in stages])


def hashes(root: Path) -> dict[str, str]:
    """Of all files but the lock and the store of calls, which keeps even answers that are no use."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".lock" and "llm" not in path.parts]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fails(root: Path, *stages: str, error: type[MaestroError], match: str, settings: tuple[str, ...] = ()) -> None:
    before = hashes(root)
    with pytest.raises(error, match=match):
        run(root, *stages, settings=settings)
    assert hashes(root) == before


@pytest.mark.parametrize(
    ("body", "told"), [("return float('nan')", "no finite number"), ("return {}['x']", "KeyError"), ("return message.x", "x")]
)
def test_a_judge_that_fails_changes_nothing(root: Path, body: str, told: str) -> None:
    program = f"```python\ndef score(message, changes):\n    {body}\n```"
    with ChatServer(lambda number, _: completion(f"Try {number}.\n{program}")) as server:
        settings = ('chat.kind="openai"', f'chat.base_url="{server.url}"', 'chat.model="m"')
        fails(root, "annotate", error=ProgramError, match=told, settings=settings)


def test_captions_that_were_edited_by_hand(root: Path) -> None:
    path = root / "artifacts" / "interactions" / "captions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2).drop_columns(["count"]), path)
    fails(root, "collect", error=ArtifactError, match=r"captions\.parquet.*truncated or overwritten")


def test_preferences_that_were_edited_by_hand(root: Path) -> None:
    run(root, "annotate")
    path = root / "artifacts" / "preferences" / "preferences-go_left.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    fails(root, "annotate", "reward", error=ArtifactError, match=r"preferences-go_left\.parquet.*truncated or overwritten")


@pytest.mark.parametrize(
    "line", ['{"pair": "x"}', '{"pair": "x", "verdict": "left"}', "[1]", "nonsense", '{"pair": "x", "verdict": "tie", "target": "half"}']
)
def test_a_journal_that_was_edited_by_hand_is_left_as_it_is(root: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("annotate.annotator=human", "annotate.pairs=4")

    def typed(*lines: str) -> Any:
        return iter([*lines, ""])

    monkeypatch.setattr("sys.stdin.readline", typed("1\n", "t\n").__next__, raising=False)
    with pytest.raises(KeyboardInterrupt):
        run(root, "annotate", settings=settings)
    for journal in (
        root / "artifacts" / "preferences.part" / "transcript-go_left.jsonl",
        next((root / "artifacts").rglob("human/*.jsonl")),
    ):
        whole = journal.read_text()
        journal.write_text(whole + line + "\n")
        before = {name: digest for name, digest in hashes(root).items() if not name.endswith("card.json")}
        with pytest.raises(ArtifactError, match="line 4 is damaged"):
            run(root, "annotate", settings=settings)
        assert {name: digest for name, digest in hashes(root).items() if not name.endswith("card.json")} == before
        journal.write_text(whole)
    monkeypatch.setattr("sys.stdin.readline", typed("e\n", "\n", "e\n", "\n").__next__, raising=False)
    run(root, "annotate", settings=settings)
    assert (root / "artifacts" / "preferences" / "preferences-go_left.parquet").exists()
