"""The chat annotator over HTTP: prompts, retry, unparsed answers, failures, and kill -9 in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError, ChatError
from maestromotif.feedback import AnnotateConfig, CollectConfig, PreferenceTable, annotate, collect
from maestromotif.feedback.annotators.chat import comparison_request
from maestromotif.llm import ChatConfig, make_chat
from maestromotif.llm.testing import Answer, ChatServer, completion
from maestromotif.skills import SkillSet
from maestromotif.stages.files import sweep
from maestromotif.types import Caption, Pair, RewardInput, Verdict

DOMAIN = Corridor()
SKILLS = SkillSet((SkillSet.parse(DOMAIN.skills_toml)["go_left"],))
CONFIG = AnnotateConfig(annotator="chat", pairs=30, concurrency=3)
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    collect(DOMAIN, CollectConfig(steps=2000, num_games=4, shard_steps=2000), folder, 1)
    return folder / "captions.parquet"


def opinion(body: dict[str, Any]) -> str:
    """What a judge that likes the left end says about the two captions of a question."""
    question = body["messages"][1]["content"]
    first, second = (part.split(">>>")[0] for part in question.split("<<<")[1:3])
    marks = ["reach the left end" in caption for caption in (first, second)]
    return "VERDICT: NONE" if marks[0] == marks[1] else f"VERDICT: {1 if marks[0] else 2}"


def chat_config(server: ChatServer, **options: Any) -> ChatConfig:
    return ChatConfig(kind="openai", base_url=server.url, model="m", backoff=0.0, **options)


def preferences(folder: Path) -> PreferenceTable:
    return PreferenceTable.load(folder / "preferences-go_left.parquet", DOMAIN, "go_left")


def test_verdicts_arrive_in_the_table(captions: Path, tmp_path: Path) -> None:
    with ChatServer(lambda _, body: completion("1. The corridor...\n" + opinion(body))) as server:
        (result,) = annotate(DOMAIN, SKILLS, captions, CONFIG, make_chat(chat_config(server), DOMAIN, tmp_path / "llm"), tmp_path, 1)
        calls = len(server.requests)
    assert calls == 30
    table = preferences(tmp_path)
    assert len(table) == 30
    assert result.counts["first"] + result.counts["second"] > 3
    assert result.counts["tie"] > 3
    lines = [json.loads(line) for line in (tmp_path / "transcript-go_left.jsonl").read_text().splitlines()]
    assert "corridor" in lines[0]["system"]
    assert len(lines) == 31
    by_pair = {row.pair: row.verdict for row in table.preferences}
    for line in lines[1:]:
        question, answer = line["exchange"]
        assert "Caption 1" in question
        assert by_pair[line["pair"]] is Verdict(line["verdict"])
        assert answer.endswith(opinion({"messages": [None, {"content": question}]}))


def test_one_retry_then_unparsed(captions: Path, tmp_path: Path) -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        asked_again = len(body["messages"]) == 4
        return completion(opinion(body) if asked_again and "slip" not in body["messages"][1]["content"] else "It depends.")

    with ChatServer(behave) as server:
        (result,) = annotate(DOMAIN, SKILLS, captions, CONFIG, make_chat(chat_config(server), DOMAIN, None), tmp_path, 1)
        assert len(server.requests) == 60
        again = next(body for _, _, body in server.requests if len(body["messages"]) == 4)
    assert [message["role"] for message in again["messages"]] == ["system", "user", "assistant", "user"]
    assert "verdict alone" in again["messages"][3]["content"]
    assert 0 < result.counts["unparsed"] < 30
    targets = preferences(tmp_path).targets()
    assert sum(target != target for target in targets) == result.counts["unparsed"]


def test_a_failing_endpoint_keeps_what_was_answered(captions: Path, tmp_path: Path) -> None:
    with ChatServer(lambda number, body: completion(opinion(body)) if number < 12 else Answer(500)) as server:
        chat = make_chat(chat_config(server, max_retries=1), DOMAIN, None)
        with pytest.raises(ChatError, match="answered 500"):
            annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
    assert not (tmp_path / "preferences-go_left.parquet").exists()
    with ChatServer(lambda _, body: completion(opinion(body))) as server:
        # Another address is another annotator, whose answers would not count; so the id is kept.
        chat_again = make_chat(chat_config(server), DOMAIN, None)
        chat_again.id = chat.id  # type: ignore[misc]
        annotate(DOMAIN, SKILLS, captions, CONFIG, chat_again, tmp_path, 1)
        assert len(server.requests) <= 30 - 12 + CONFIG.concurrency
    assert len(preferences(tmp_path)) == 30


CHILD = """
import sys
from pathlib import Path
from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, annotate
from maestromotif.llm import ChatConfig, make_chat
from maestromotif.skills import SkillSet

url, captions, out = sys.argv[1:]
domain = Corridor()
skills = SkillSet((SkillSet.parse(domain.skills_toml)["go_left"],))
chat = make_chat(ChatConfig(kind="openai", base_url=url, model="m"), domain, Path(out) / "llm")
annotate(domain, skills, Path(captions), AnnotateConfig(annotator="chat", pairs=30, concurrency=3), chat, Path(out), 1)
"""


def test_kill_minus_nine_and_resume(captions: Path, tmp_path: Path) -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        answer = completion(opinion(body))
        answer.delay = 0.02
        return answer

    with ChatServer(behave) as server:
        command = [sys.executable, "-c", CHILD, server.url, str(captions), str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for target in (5, 14):
            child = subprocess.Popen(command, env=environment)
            limit = time.monotonic() + 30
            while len(server.requests) < target and time.monotonic() < limit:
                time.sleep(0.005)
            os.kill(child.pid, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
            assert not (tmp_path / "preferences-go_left.parquet").exists()
        subprocess.run(command, env=environment, check=True, timeout=60)
        # Only calls under way at the two kills may have been asked twice.
        assert 30 <= len(server.requests) <= 30 + 2 * CONFIG.concurrency
    with ChatServer(lambda _, body: completion(opinion(body))) as server:
        annotate(DOMAIN, SKILLS, captions, CONFIG, make_chat(chat_config(server), DOMAIN, None), tmp_path / "whole", 1)
    assert [row.verdict for row in preferences(tmp_path).preferences] == [
        row.verdict for row in preferences(tmp_path / "whole").preferences
    ]
    # A kill in the middle of a write may leave a hidden file, which the next run sweeps, but never a half under a good name.
    assert all(path.name.startswith(".") for path in tmp_path.rglob("*.tmp"))
    sweep(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_torn_last_line_is_forgotten_and_a_damaged_one_named(captions: Path, tmp_path: Path) -> None:
    with ChatServer(lambda _, body: completion(opinion(body))) as server:
        chat = make_chat(chat_config(server), DOMAIN, None)
        annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
        path = tmp_path / "transcript-go_left.jsonl"
        path.write_bytes(path.read_bytes()[:-25])
        annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
        assert len(server.requests) == 31
        assert all(json.loads(line) for line in path.read_text().splitlines())
        lines = path.read_text().splitlines()
        lines[3] = lines[3][:-9]
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(ArtifactError, match=r"transcript-go_left\.jsonl, line 4"):
            annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)


def test_another_text_asks_everything_again(captions: Path, tmp_path: Path) -> None:
    other = SkillSet.parse('[[skill]]\nid = "go_left"\ndescription = "Keep away from the right end."')
    with ChatServer(lambda _, body: completion(opinion(body))) as server:
        chat = make_chat(chat_config(server), DOMAIN, None)
        annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
        annotate(DOMAIN, other, captions, CONFIG, chat, tmp_path, 1)
        assert len(server.requests) == 60


def test_the_question_is_golden() -> None:
    pair = Pair("x", Caption("Message: You step left.", RewardInput("", ())), Caption("Message: {{first}}", RewardInput("", ())))
    request = comparison_request(DOMAIN, SKILLS["go_left"], pair, CONFIG, 3)
    text = "\n\n".join(f"[{message.role}]\n{message.content}" for message in request.messages) + "\n"
    assert text == (GOLDEN / "compare.txt").read_text(encoding="utf-8")
    assert (request.name, request.seed, request.temperature) == ("corridor/compare/go_left", 3, 0.1)
