"""``bench`` with language models, from the command line, against a real HTTP server; and once in NetHack."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestromotif.agents import Setting
from maestromotif.agents.llm_policy import LLM_POLICIES, LLMPolicyConfig
from maestromotif.agents.llm_policy.playing import LLMGames, PlayedEpisode, play_llm
from maestromotif.bench.cells import BenchOrder, cells_of
from maestromotif.domains import load_domain
from maestromotif.llm.ledger import Ledger, total
from maestromotif.llm.testing import Answer, ChatServer, ScriptedChat, completion
from maestromotif.pretrained import locate
from maestromotif.rl import NetworkConfig, SkillPolicy
from maestromotif.skills import SkillSet

from ..cli.conftest import configure, environment, hashes, maestromotif, make_project, one_error
from .talking import Asked, choices_of, walks

_KEY = "sk-never-to-be-shown"
_SMALL = ("--tasks", "both_ends", "--episodes", "4", "--max-steps", "40")


@pytest.fixture
def root(tmp_path: Path, setting: Setting) -> Path:
    """A corridor project with the programs and the network of the fixtures, and no program for any task."""
    root = make_project(tmp_path / "project")
    configure(root, {"domain.id": "corridor"})
    path = root / "maestro.toml"
    path.write_text(path.read_text().replace("[domain]\n", "[domain]\nlength = 5\n", 1))
    shutil.copytree(setting.programs, root / "artifacts" / "programs")
    shutil.copytree(setting.training, root / "artifacts" / "training")
    return root


def _use(root: Path, url: str, **more: Any) -> None:
    chat = {"kind": "openai", "base_url": url, "model": "some-model", "timeout": 5.0, "max_retries": 1, "backoff": 0.01, **more}
    configure(root, {f"chat.{name}": value for name, value in chat.items()} | {"llm_policy.games": 3})


def _bench(root: Path, *arguments: object, policies: str = "llm-actions") -> subprocess.CompletedProcess[str]:
    return maestromotif("bench", root, "--policies", policies, *_SMALL, *arguments, env=environment(MAESTROMOTIF_API_KEY=_KEY))


def _rows(root: Path) -> list[dict[str, Any]]:
    rows = map(json.loads, (root / "artifacts" / "bench" / "episodes.jsonl").read_text().splitlines())
    return sorted(rows, key=lambda row: (row["policy"], row["episode"]))


def test_both_policies_stand_in_the_tables_with_what_they_cost(root: Path) -> None:
    asked = Asked(walks)
    with ChatServer(asked) as server:
        _use(root, server.url, price_per_million_prompt=1000.0)
        result = _bench(root, policies="random,llm-actions,llm-skills")
        # The random policy plays programs, and no task has one.
        assert "no program for this task" in one_error(result)
        result = _bench(root, policies="llm-actions,llm-skills")
        assert result.returncode == 0, result.stderr
        before = len(server.requests)
        assert server.requests[0][1]["Authorization"] == f"Bearer {_KEY}"
        again = json.loads(_bench(root, "--json", policies="llm-actions,llm-skills").stdout)
        assert len(server.requests) == before, "what was played is not played again"
    rows = _rows(root)
    assert [(row["policy"], row["episode"]) for row in rows] == [(policy, index) for policy in LLM_POLICIES for index in range(4)]
    assert {row["episode_seed"] for row in rows[:4]} == {row["episode_seed"] for row in rows[4:]}
    assert all(row["success"]["landmark"] for row in rows)
    assert rows[0]["calls"] == [["act", 0, rows[0]["steps"], "cut", "the episode was cut", False]]
    assert sum(row["llm"]["calls"] for row in rows) == before == asked.times.total()
    found = json.loads((root / "artifacts" / "bench" / "results.json").read_text())
    assert again == found
    for policy, spent in found["tasks"]["both_ends"]["llm"].items():
        own = [row for row in rows if row["policy"] == policy]
        assert spent["prompt_tokens"] == sum(row["llm"]["prompt_tokens"] for row in own) == 11 * spent["calls"]
        assert spent["cost"] == pytest.approx(spent["prompt_tokens"] / 1000)
        assert spent["steps"] == sum(row["steps"] for row in own)
    with (root / "artifacts" / "bench" / "table.csv").open() as file:
        table = {(row["measure"], row["policy"]): row for row in csv.DictReader(file) if row["task"] == "both_ends"}
    calls = found["tasks"]["both_ends"]["llm"]["llm-actions"]["calls"]
    assert float(table["tokens", "llm-actions"]["value"]) == pytest.approx(18 * calls / 4)
    assert "tokens" in result.stdout
    transcripts = sorted((root / "artifacts" / "bench" / "transcripts").glob("both_ends-llm-skills-seed1-*/episode-*.jsonl"))
    assert len(transcripts) == 4
    head, *decisions, end = map(json.loads, transcripts[0].read_text().splitlines())
    assert "You direct an agent" in head["system"]
    assert end == {"steps": rows[4]["steps"], "success": rows[4]["success"]}
    assert all(line["choice"] in line["choices"] and line["said"] and "Message:" in line["caption"] for line in decisions)
    everything = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert _KEY.encode() not in everything


def test_without_an_endpoint_the_command_says_what_it_needs(root: Path) -> None:
    line = one_error(_bench(root))
    assert 'llm-actions: needs an endpoint: set kind = "openai"' in line
    assert str(root / "maestro.toml") in line
    shown = _bench(root, "--dry-run")
    assert shown.returncode == 0
    assert "needs an endpoint" in shown.stdout
    assert "4 episodes, at most 160 steps" in shown.stdout
    # Beside a policy that asks nobody, whose rate is measured.
    program = root / "program.py"
    program.write_text("class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return startable[0]\n")
    shown = _bench(root, "--dry-run", "--program", f"both_ends={program}", policies="llm-actions,random")
    assert "both_ends, random, program program, seed 1: 4 episodes" in shown.stdout
    assert "as measured now" in shown.stdout


def test_a_dry_run_reckons_and_asks_nothing(root: Path) -> None:
    with ChatServer(Asked(walks)) as server:
        _use(root, server.url, price_per_million_prompt=2.0, price_per_million_completion=10.0)
        before = hashes(root)
        shown = _bench(root, "--dry-run", policies="llm-actions,llm-skills").stdout
        assert not server.requests
        assert hashes(root) == before
        acting, picking = (next(line for line in shown.splitlines() if f", {policy}, " in line) for policy in LLM_POLICIES)
        assert "4 episodes, at most 160 steps, at most about 1" in acting
        assert "tokens of questions" in picking
        assert "at the prices of maestro.toml" in acting
        assert "language models, all: at most about" in shown
        assert _bench(root).returncode == 0
        asked = len(server.requests)
        more = _bench(root, "--dry-run", "--episodes", "8").stdout
        steps = sum(row["steps"] for row in _rows(root))
        assert f"both_ends, llm-actions, seed 1: 4 episodes, about {steps} steps, about {steps} calls" in more
        assert "with 3 games at once" in more
        assert "all played" in _bench(root, "--dry-run").stdout
        assert len(server.requests) == asked


def test_a_limit_ends_the_command_in_one_line_and_the_next_goes_on(root: Path) -> None:
    asked = Asked(walks)
    with ChatServer(asked) as server:
        _use(root, server.url, max_calls=9)
        line = one_error(_bench(root))
        assert "the limit of max_calls = 9 is reached" in line
        assert "Raise it in maestro.toml" in line
        assert len(server.requests) == 9
        results = root / "artifacts" / "bench" / "results.json"
        assert json.loads(results.read_text())["complete"] is False
        assert one_error(_bench(root)) == line
        assert len(server.requests) == 9
        configure(root, {"chat.max_calls": 10_000})
        assert _bench(root).returncode == 0
        assert json.loads(results.read_text())["complete"] is True
    assert set(asked.times.values()) == {1}
    rows = _rows(root)
    assert [row["episode"] for row in rows] == [0, 1, 2, 3]
    assert sum(row["llm"]["calls"] for row in rows) == len(server.requests)
    spent = total(Ledger(root / "artifacts" / "llm" / "ledger.jsonl").entries(), lambda entry: entry.table)
    assert spent["chat"].calls == len(server.requests)
    shown = maestromotif("calls", root, "--verify").stdout
    assert "corridor/llm-actions/both_ends" in shown
    assert "all stored calls are what was written" in shown


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_play_goes_on_without_asking_again(root: Path, how: signal.Signals) -> None:
    def behave(body: dict[str, Any]) -> Answer:
        answer = completion("ACTION: left")
        answer.delay = 0.05
        return answer

    asked = Asked(behave)
    command = [sys.executable, "-m", "maestromotif", "bench", str(root), "--policies", "llm-actions", *_SMALL]
    with ChatServer(asked) as server:
        _use(root, server.url)
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(MAESTROMOTIF_API_KEY=_KEY), start_new_session=True
        )
        try:
            deadline = time.monotonic() + 60
            while len(server.requests) < 30:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(process.pid, how)
            assert process.wait(30) == (130 if how == signal.SIGINT else -signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        before = len(server.requests)
        assert before < 160
        assert _bench(root).returncode == 0
    rows = _rows(root)
    assert [(row["episode"], row["steps"], row["llm"]["decisions"]) for row in rows] == [(index, 40, 40) for index in range(4)]
    twice = sum(times > 1 for times in asked.times.values())
    # Ctrl-C waits for the answers under way; only kill -9 loses them.
    assert twice == 0 if how == signal.SIGINT else twice <= 3
    assert len(asked.times) == 160


def test_a_cell_is_known_by_model_prompts_and_settings(setting: Setting) -> None:
    player = {"model": "m@u", "settings": {"history": 4}, "prompts": {}}
    order = BenchOrder("a", {"both_ends": {"own": "", "other": "x"}}, LLM_POLICIES, (1,), 2, 0, player)

    def keys(order: BenchOrder, setting: Setting = setting) -> dict[str, set[str]]:
        cells = cells_of(setting, order)
        return {policy: {cell.key for cell in cells if cell.policy == policy} for policy in LLM_POLICIES}

    first = keys(order)
    assert all(len(own) == 1 for own in first.values()), "no program of the task decides anything"
    crossed = BenchOrder.from_json(json.loads(json.dumps({name: getattr(order, name) for name in order.__dataclass_fields__})))
    assert keys(crossed) == first
    changed = keys(BenchOrder("a", order.programs, LLM_POLICIES, (1,), 2, 0, {**player, "model": "other@u"}))
    assert not any(first[policy] & changed[policy] for policy in LLM_POLICIES)
    weights = setting.weights("trained")
    assert weights is not None
    shutil.copyfile(setting.training / "untrained.safetensors", weights)
    retrained = keys(order)
    assert retrained["llm-actions"] == first["llm-actions"], "a model that acts knows no training"
    assert retrained["llm-skills"] != first["llm-skills"]


def test_nethack_is_played_by_both(tmp_path: Path) -> None:
    pytest.importorskip("nle")
    domain = load_domain("nethack", {})
    skills = SkillSet.parse(domain.skills_toml)
    weights = tmp_path / "policy.safetensors"
    SkillPolicy(domain.observation_spec, skills.ids, NetworkConfig(features=8, hidden=8), seed=1).save(weights)
    program = (locate("nethack") / "programs" / "skills.py").read_text()

    def answer(number: int, request: Any) -> str:
        body = {"messages": [{"content": message.content} for message in request.messages]}
        choices = choices_of(body)
        return f"ACTION: {choices[number % len(choices)]}"

    for policy in LLM_POLICIES:
        chat = ScriptedChat(answer)
        games = LLMGames(domain, skills, policy, "gnomish_mines", 400, 5, LLMPolicyConfig(games=2), program, weights)
        if games.acts:
            games = LLMGames(domain, skills, policy, "gnomish_mines", 40, 5, LLMPolicyConfig(games=2))
        found: list[PlayedEpisode] = []
        play_llm(games, range(3), chat, found.append)
        assert sorted(episode.result.index for episode in found) == [0, 1, 2]
        decisions = [decision for episode in found for decision in episode.decisions]
        assert not any(decision.why for decision in decisions)
        assert all(episode.result.steps for episode in found)
        names = domain.actions if games.acts else skills.ids
        assert {decision.choice for decision in decisions} <= set(names)
        assert "Gnomish Mines" in chat.requests[0].messages[0].content
        assert "Dungeon level:" in chat.requests[0].messages[1].content
        assert "depth = 1" in chat.requests[0].messages[1].content
