"""``program`` as a person meets it: review on a real terminal, candidates, budgets, failures, what a dry run shows."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestromotif.llm.testing import Answer, ChatServer, completion

from .conftest import configure, environment, hashes, maestromotif, one_error

SKILL = """\
def can_start(facts):
    return not facts.at_{side}_end

def is_over(facts, start):
    return facts.at_{side}_end
"""
POLICY = """\
import random


class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        return random.choice(startable)
"""
FORBIDDEN = "import os\n" + POLICY


def _block(source: str) -> str:
    return f"```python\n{source}```\n"


def _answer(body: dict[str, Any], policy: str = POLICY) -> Answer:
    asked = body["messages"][1]["content"]
    side = next((side for side in ("left", "right") if f'called "go_{side}"' in asked), None)
    return completion(_block(SKILL.format(side=side) if side else policy))


def _use(root: Path, server: ChatServer, **more: Any) -> None:
    settings = {"chat.kind": "openai", "chat.base_url": server.url, "chat.model": "m", "chat.max_retries": 0}
    configure(root, {**settings, "program.scenarios": False, "program.assess": False, **more})


class Terminal:
    """A command on a pseudo-terminal, 100 columns wide."""

    def __init__(self, *arguments: object, env: dict[str, str]) -> None:
        self.text = ""
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            os.execve(sys.executable, [sys.executable, "-m", "maestromotif", *map(str, arguments)], env)

    def wait_for(self, words: str, seconds: float = 60.0) -> str:
        """Read until the words appear; returns what came before and with them."""
        until = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < until, f"{words!r} did not appear in {self.text!r}"
            self._read(0.2)
        before, _, self.text = self.text.partition(words)
        return before + words

    def send(self, line: str) -> None:
        os.write(self.descriptor, f"{line}\n".encode())

    def end(self, seconds: float = 60.0) -> tuple[int, str]:
        """Exit code, and the rest of the text."""
        until = time.monotonic() + seconds
        while self._read(0.2):
            assert time.monotonic() < until, f"still running: {self.text!r}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.text

    def close(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.descriptor)

    def _read(self, seconds: float) -> bool:
        """Whether there may be more."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece.decode(errors="replace"))
        return bool(piece)


def _programs(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "artifacts" / "programs" / "trials.json").read_text())["programs"]
    return found


def test_review_needs_a_terminal(root: Path) -> None:
    before = hashes(root)
    assert "this is no terminal" in one_error(maestromotif("program", root, "--review"))
    assert hashes(root) == before


def test_a_person_accepts_remarks_edits_and_quits(root: Path, tmp_path: Path) -> None:
    def behave(number: int, body: dict[str, Any]) -> Answer:
        if "Say it with a helper" in body["messages"][-1]["content"]:
            return completion(
                _block(
                    "def _end(facts):\n    return facts.at_left_end\n\n"
                    + SKILL.format(side="left").replace("facts.at_left_end", "_end(facts)")
                )
            )
        return _answer(body)

    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "\\n# mine\\n" >> "$1"\n')
    editor.chmod(0o755)
    with ChatServer(behave) as server:
        _use(root, server)
        env = environment(VISUAL=str(editor), TERM="xterm", COLUMNS="100")
        terminal = Terminal("program", root, "--review", env=env)
        try:
            shown = terminal.wait_for("[q] quit")
            assert "go_left.py" in shown
            assert "def can_start(facts):" in shown
            assert re.search(r"simulation +passed, 8 simulated episodes", shown)
            terminal.send("r")
            terminal.wait_for("Remark")
            terminal.send("Say it with a helper.")
            assert "def _end(facts):" in terminal.wait_for("[q] quit")
            terminal.send("a")
            assert "go_right.py" in terminal.wait_for("[q] quit")
            terminal.send("e")
            assert "# mine" in terminal.wait_for("[q] quit")
            terminal.send("a")
            assert "training_policy.py" in terminal.wait_for("[q] quit")
            terminal.send("a")
            code, rest = terminal.end()
            assert code == 0, rest
        finally:
            terminal.close()
        text = (root / "artifacts" / "programs" / "skills.py").read_text()
        assert "go_left__end" in text or "_end(facts)" in text
        entries = _programs(root)
        assert {name: entry["edited"] for name, entry in entries.items()} == {
            "go_left": False,
            "go_right": True,
            "skills.py": True,
            "training_policy.py": False,
        }
        assert entries["go_right"]["card"]["source"] == "edited"
        before = hashes(root / "artifacts" / "programs")
        terminal = Terminal("program", root, "--review", env=env)
        try:
            terminal.wait_for("[q] quit")
            terminal.send("q")
            code, rest = terminal.end()
            assert code == 2
            assert "go_left.py: the review was ended" in rest
        finally:
            terminal.close()
        assert hashes(root / "artifacts" / "programs") == before


def test_an_edited_program_that_is_not_allowed_cannot_be_accepted(root: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "\\nimport os\\n" >> "$1"\n')
    editor.chmod(0o755)
    with ChatServer(lambda number, body: _answer(body)) as server:
        _use(root, server)
        terminal = Terminal("program", root, "--review", env=environment(EDITOR=str(editor), VISUAL="", TERM="xterm", COLUMNS="100"))
        try:
            terminal.wait_for("[q] quit")
            terminal.send("e")
            shown = terminal.wait_for("[q] quit")
            assert "the module 'os' is not available" in shown
            assert "[a] accept" not in shown.rpartition("check")[2]
        finally:
            terminal.close()


def test_failures_are_counted_over_all_runs_also_failed_ones(root: Path) -> None:
    assert "no program was written so far" in maestromotif("program", root, "--failures").stdout
    with ChatServer(lambda number, body: _answer(body, FORBIDDEN)) as server:
        _use(root, server)
        line = one_error(maestromotif("program", root))
        assert "training_policy.py:1: the module 'os' is not available" in line
    result = maestromotif("program", root, "--failures")
    assert result.returncode == 0, result.stderr
    assert "3 programs written: 2 good, 1 refused (by 3 endpoint)" in result.stdout
    assert re.search(r"1 +the module '…' is not available", result.stdout)
    found = json.loads(maestromotif("program", root, "--failures", "--json").stdout)
    assert found["layers"]["check"] == {"verdicts": {"passed": 2, "refused": 1}, "rules": {"the module '…' is not available": 1}}
    assert "--json needs --failures" in one_error(maestromotif("program", root, "--json"))


def test_a_spent_budget_is_one_line_and_raising_it_asks_nothing_twice(root: Path) -> None:
    with ChatServer(lambda number, body: _answer(body)) as server:
        _use(root, server, **{"chat.max_calls": 2})
        line = one_error(maestromotif("program", root))
        assert f"{root / 'maestro.toml'}: [chat] base_url: the limit of max_calls = 2 is reached" in line
        assert "what was answered is kept" in line
        assert not (root / "artifacts" / "programs").exists()
        assert maestromotif("program", root, "--set", "chat.max_calls=3").returncode == 0
        assert len(server.requests) == 3
        # More candidates are a change, fewer are none.
        more = maestromotif("program", root, "--candidates", 2, "--set", "chat.max_calls=9")
        assert "candidates raised from 1 to 2" in more.stdout
        assert len(server.requests) == 6
        assert "up to date" in maestromotif("program", root).stdout


def test_a_dry_run_shows_every_question_and_what_it_costs(root: Path) -> None:
    with ChatServer(lambda number, body: _answer(body)) as server:
        _use(root, server, **{"program.scenarios": True, "chat.price_per_million_completion": 100.0})
        before = hashes(root)
        text = maestromotif("program", root, "--dry-run", "--candidates", 2).stdout
        assert not server.requests
        assert hashes(root) == before
    assert "6 questions to m" in text
    assert "at most 2 repairs of each program" in text
    assert "9 calls if every program is good at once" in text
    assert "15 calls at most" in text
    assert "at the prices of maestro.toml" in text
    for shown in ('called "go_left"', 'called "go_right"', "This policy over skills is used while the skills are being trained"):
        assert shown in text
    assert text.count("--- system ---") == 1


@pytest.mark.parametrize("pair", [("--dry-run", "--review"), ("--review", "--failures")])
def test_options_that_exclude_each_other(root: Path, pair: tuple[str, str]) -> None:
    assert "exclude each other" in one_error(maestromotif("program", root, *pair))


def test_a_project_of_the_second_generation_runs_from_recorded_answers(root: Path) -> None:
    result = maestromotif("program", root, "--set", "program.generation=2")
    assert result.returncode == 0, result.stderr
    assert "def go_left_arrived(" in (root / "artifacts" / "programs" / "skills.py").read_text()
    assert {entry["verdict"] for entry in _programs(root).values()} == {"good"}
    back = maestromotif("program", root)
    assert "[program] generation changed from 2 to nothing" in back.stdout
    assert "arrived" not in (root / "artifacts" / "programs" / "skills.py").read_text()


def test_an_endpoint_is_asked_anew_for_another_generation(root: Path) -> None:
    with ChatServer(lambda number, body: _answer(body)) as server:
        _use(root, server)
        assert maestromotif("program", root).returncode == 0
        assert maestromotif("program", root, "--set", "program.generation=2").returncode == 0
        seeds = [body["seed"] for _, _, body in server.requests]
        assert len(seeds) == 6
        assert len(set(seeds)) == 2
        # The first one is in the store.
        assert maestromotif("program", root).returncode == 0
        assert len(server.requests) == 6
