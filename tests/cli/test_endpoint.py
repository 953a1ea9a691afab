"""Endpoints that fail, from the command line: one clear line, exit code 2, a project that nobody touched; and one that answers."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maestromotif.domains import load_domain
from maestromotif.llm import RecordedChat
from maestromotif.llm.testing import Answer, ChatServer, completion

from .conftest import configure, environment, hashes, maestromotif, one_error

_KEY = "sk-never-to-be-shown"


@pytest.fixture
def copy(collected: Path, tmp_path: Path) -> Path:
    shutil.copytree(collected, tmp_path / "project")
    return tmp_path / "project"


def _use(root: Path, url: str, timeout: float = 5.0) -> None:
    configure(
        root,
        {
            "chat.kind": "openai",
            "chat.base_url": url,
            "chat.model": "some-model",
            "chat.timeout": timeout,
            "chat.max_retries": 1,
            "chat.backoff": 0.01,
            "chat.max_backoff": 0.05,
            "annotate.annotator": "chat",
            "annotate.pairs": 20,
        },
    )


def _untouched(root: Path) -> dict[str, str]:
    """All files but the ledger, which tells of calls that failed too."""
    return {name: digest for name, digest in hashes(root).items() if name != "artifacts/llm/ledger.jsonl"}


def _run(command: str, root: Path) -> Any:
    return maestromotif(command, root, env=environment(MAESTROMOTIF_API_KEY=_KEY))


_FAILURES: dict[str, tuple[Callable[[int, dict[str, Any]], Answer], tuple[str, ...]]] = {
    "timeout": (lambda number, body: Answer(delay=3.0), ("timeout",)),
    "429": (lambda number, body: Answer(status=429, body=b'{"error": "slow down"}'), ("429",)),
    "500": (lambda number, body: Answer(status=500, body=b"oops"), ("500",)),
    "401": (lambda number, body: Answer(status=401, body=b'{"error": "who are you"}'), ("401", "MAESTROMOTIF_API_KEY")),
    "nonsense": (lambda number, body: Answer(body=b"<html>not what was asked</html>"), ()),
    "empty object": (lambda number, body: Answer(body=b"{}"), ()),
}


@pytest.mark.parametrize("command", ["annotate", "program"])
@pytest.mark.parametrize("failure", _FAILURES)
def test_a_failing_endpoint_is_one_line_and_changes_nothing(copy: Path, failure: str, command: str) -> None:
    behave, told = _FAILURES[failure]
    with ChatServer(behave) as server:
        _use(copy, server.url, timeout=0.5 if failure == "timeout" else 5.0)
        before = _untouched(copy)
        line = one_error(_run(command, copy))
        for part in (f"{copy / 'maestro.toml'}: [chat] base_url", server.url, *told):
            assert part in line
        assert _KEY not in line
        assert _untouched(copy) == before
        if failure in ("timeout", "429", "500"):
            assert len(server.requests) >= 2, "not tried again"


@pytest.mark.parametrize("command", ["annotate", "program"])
def test_a_refused_connection_is_one_line_and_changes_nothing(copy: Path, command: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _use(copy, f"http://127.0.0.1:{port}/v1")
    before = _untouched(copy)
    line = one_error(_run(command, copy))
    assert f"127.0.0.1:{port}" in line
    assert f"{copy / 'maestro.toml'}: [chat] base_url" in line
    assert _untouched(copy) == before


def test_an_endpoint_that_answers_writes_the_programs(copy: Path) -> None:
    answers = RecordedChat(load_domain("corridor").recorded_answers).answers
    recorded = {answer.name: answer.text for answer in answers if answer.name.startswith("corridor/")}

    def behave(number: int, body: dict[str, Any]) -> Answer:
        asked = body["messages"][-1]["content"]
        if "Do not write that program" in asked:
            return completion("There are no cases.")
        if "ANSWER: YES" in asked:
            return completion("It does.\nANSWER: YES")
        skill = next((skill for skill in ("go_left", "go_right") if f'called "{skill}"' in asked), None)
        return completion(recorded[f"corridor/programs/{skill}" if skill else "corridor/training-policy"])

    with ChatServer(behave) as server:
        _use(copy, server.url)
        result = _run("program", copy)
        assert result.returncode == 0, result.stderr
        assert len(server.requests) == 9, "a program, its cases and a verdict, three times"
        path, headers, body = server.requests[0]
        assert path.endswith("/chat/completions")
        assert headers["Authorization"] == f"Bearer {_KEY}"
        assert body["model"] == "some-model"
        assert (copy / "artifacts" / "programs" / "skills.py").exists()
        # Nothing is asked twice: what was answered lies in the store.
        assert _run("program", copy).returncode == 0
        shutil.rmtree(copy / "artifacts" / "programs")
        assert _run("program", copy).returncode == 0
        assert len(server.requests) == 9
    everything = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
    assert _KEY.encode() not in everything


def test_a_dry_run_asks_nothing_and_writes_nothing(copy: Path) -> None:
    with ChatServer(lambda number, body: completion("no")) as server:
        _use(copy, server.url)
        before = hashes(copy)
        annotate = maestromotif("annotate", copy, "--dry-run")
        assert "20 pairs for each of 2 skills: 40 questions to some-model" in annotate.stdout
        assert "--- user ---" in annotate.stdout
        program = maestromotif("program", copy, "--dry-run")
        assert "3 questions to some-model" in program.stdout
        assert not server.requests
        assert hashes(copy) == before


def test_doctor_says_whether_the_endpoint_answers(copy: Path) -> None:
    with ChatServer(lambda number, body: completion("ready")) as server:
        _use(copy, server.url)
        result = maestromotif("doctor", copy, env=environment(COLUMNS="200"))
        assert "'ready'" in result.stdout
        assert "corridor" in result.stdout
        assert "steps/s" in result.stdout
    result = maestromotif("doctor", copy, env=environment(COLUMNS="200"))
    assert result.returncode == 2
    assert "no" in result.stdout
