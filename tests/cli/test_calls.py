"""What calls cost, before and after: the dry run, the ledger's totals, budgets, and pairs that nobody answered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maestromotif.llm.testing import Answer, ChatServer, completion

from .conftest import configure, hashes, maestromotif, one_error


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(lambda number, body: completion("VERDICT: 1")) as server:
        yield server


@pytest.fixture
def project(collected: Path, tmp_path: Path, server: ChatServer) -> Path:
    root = tmp_path / "project"
    shutil.copytree(collected, root)
    _use(root, server.url)
    return root


def _use(root: Path, url: str, **more: Any) -> None:
    chat = {"kind": "openai", "base_url": url, "model": "m", "max_retries": 1, "backoff": 0.01, **more}
    prices = {"price_per_million_prompt": 1000.0, "price_per_million_completion": 2000.0}
    configure(root, {f"chat.{key}": value for key, value in {**chat, **prices}.items()})
    configure(root, {"annotate.annotator": "chat", "annotate.pairs": 20})


def test_a_budget_stops_and_the_same_command_goes_on(project: Path, server: ChatServer) -> None:
    before = maestromotif("annotate", project, "--dry-run").stdout
    assert "40 questions to m" in before
    assert "characters / 4; answers are guessed at 300 tokens each" in before
    assert before.count("--- user ---") == 3
    line = one_error(maestromotif("annotate", project, "--set", "annotator.max_calls=12"))
    assert "max_calls = 12" in line
    assert "run the same command again" in line
    assert len(server.requests) == 12
    dry = maestromotif("annotate", project, "--dry-run").stdout
    assert "28 questions to m" in dry
    assert "12 more are answered in the store already" in dry
    assert "about 308 tokens of questions and 196 of answers (the mean of 12 earlier calls)" in dry
    assert "about 0.70 at the prices" in dry
    # Over all runs: the limit holds in the next one too.
    assert "max_calls = 13" in one_error(maestromotif("annotate", project, "--set", "annotator.max_calls=13"))
    assert len(server.requests) == 13
    done = maestromotif("annotate", project)
    assert done.returncode == 0, done.stderr
    assert "go_left: 20 pairs: 20 first" in done.stdout
    assert "calls in all runs: 40 (0 failed), 440 tokens of questions, 280 of answers, cost 1.0000" in done.stdout
    assert len(server.requests) == 40


def test_totals_and_hashes(project: Path) -> None:
    assert "no calls so far" in maestromotif("calls", project).stdout
    assert maestromotif("annotate", project).returncode == 0
    before = hashes(project)
    result = maestromotif("calls", project, "--verify")
    assert result.returncode == 0
    (row,) = [line.split() for line in result.stdout.splitlines() if "corridor/compare/go_left" in line]
    assert (row[:7], row[-1]) == (["annotator", "corridor/compare/go_left", "20", "0", "0", "220", "140"], "0.5000")
    assert "all stored calls are what was written" in result.stdout
    assert hashes(project) == before
    victim = next((project / "artifacts" / "llm").glob("??/*.json"))
    victim.write_text(victim.read_text().replace("left", "right"))
    result = maestromotif("calls", project, "--verify")
    assert result.returncode == 1
    assert str(victim) in result.stderr


def test_pairs_that_nobody_answered_are_asked_again_by_the_next_run(project: Path, server: ChatServer) -> None:
    lost: list[str] = []

    def behave(number: int, body: dict[str, Any]) -> Answer:
        question = body["messages"][1]["content"]
        if number == 7:
            lost.append(question)
        return Answer(500) if question in lost else completion("VERDICT: 1")

    with ChatServer(behave) as flaky:
        _use(project, flaky.url)
        result = maestromotif("annotate", project)
        assert result.returncode == 0, result.stderr
        assert "1 pairs got no answer; the next run asks about them again" in result.stdout
        assert "unparsed: 1 failed" in result.stdout
        lost[:] = ["nothing"]
        asked = len(flaky.requests)
        result = maestromotif("annotate", project)
        assert "1 questions that nobody answered are asked again" in result.stdout
        assert "20 pairs: 20 first, 0 second, 0 tie, 0 unparsed" in result.stdout
        assert len(flaky.requests) == asked + 1
        assert "up to date" in maestromotif("annotate", project).stdout
        assert len(flaky.requests) == asked + 1
