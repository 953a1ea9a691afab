"""Playing with a language model behind a real HTTP server, in the corridor: the same episodes whatever the server does."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maestromotif.agents import Setting
from maestromotif.agents.llm_policy import ACTIONS, LLM_POLICIES, SKILLS, LLMPolicyConfig
from maestromotif.agents.llm_policy.asking import tally
from maestromotif.agents.llm_policy.moments import Moment, Past
from maestromotif.agents.llm_policy.playing import LLMGames, PlayedEpisode, play_llm, rehearse_llm
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import BudgetError, ChatError
from maestromotif.llm import Budget, ChatConfig, make_chat
from maestromotif.llm.testing import Answer, ChatServer, completion
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.rl.networks import SkillPolicy
from maestromotif.rl.rollout import play

from .talking import Asked, choices_of, first, walks

GOLDEN = Path(__file__).parent / "golden"
_FIRST = "class PolicyOverSkills:\n    def next_skill(self, facts, finished, startable):\n        return startable[0]\n"
# Both skills may always start, so that there is something to choose wherever one ends.
_FREE = """
def can_start(skill, facts):
    return True


def is_over(skill, facts, start):
    return facts.at_left_end if skill == "go_left" else facts.at_right_end
"""
_KEY = "sk-never-to-be-shown"


@pytest.fixture
def games(setting: Setting) -> LLMGames:
    config = LLMPolicyConfig(games=3)
    return LLMGames(setting.domain, setting.skills, ACTIONS, "both_ends", 60, 11, config, _FREE, setting.weights("trained"))


@contextmanager
def model(behave: Any, store: Path | None = None, **config: Any) -> Iterator[tuple[ChatServer, Any]]:
    with ChatServer(behave) as server:
        settings = {"timeout": 5.0, "max_retries": 2, "backoff": 0.01, "max_backoff": 0.05, **config}
        # The port is the same for all that ask this server, so that a store serves all of them.
        yield server, make_chat(ChatConfig(kind="openai", base_url=server.url, model="m", **settings), Corridor({}), store, "chat")


def played(games: LLMGames, chat: Any, indices: Sequence[int] = range(5)) -> list[PlayedEpisode]:
    found: list[PlayedEpisode] = []
    play_llm(games, indices, chat, found.append)
    return sorted(found, key=lambda episode: episode.result.index)


def results(episodes: Sequence[PlayedEpisode]) -> list[EpisodeResult]:
    return [episode.result for episode in episodes]


@pytest.mark.parametrize("policy", LLM_POLICIES)
def test_a_model_that_knows_what_to_do_accomplishes_the_task(games: LLMGames, policy: str) -> None:
    seen: list[tuple[float, str]] = []
    asked = Asked(walks)
    with model(asked) as (server, chat):
        found: list[PlayedEpisode] = []
        play_llm(replace(games, policy=policy), range(5), chat, found.append, lambda fraction, text: seen.append((fraction, text)))
    assert sorted(episode.result.index for episode in found) == list(range(5))
    assert all(episode.result.success["landmark"] for episode in found)
    spent = [tally(episode.decisions, Budget(prompt_price=1e6, completion_price=1e6)) for episode in found]
    assert sum(one["decisions"] for one in spent) == len(server.requests) == asked.times.total() == len(asked.times)
    assert all(one["prompt_tokens"] == 11 * one["calls"] and one["cost"] == 18 * one["calls"] for one in spent)
    assert all(one["retried"] == 0 and one["defaults"] == {} for one in spent)
    if policy == ACTIONS:
        assert all(len(episode.decisions) == episode.result.steps for episode in found)
    else:
        assert len(server.requests) < sum(episode.result.steps for episode in found)
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)
    assert seen[-1][0] == 1.0
    assert "5 of 5 episodes" in seen[-1][1]


def test_actions_are_played_in_the_episodes_of_all_policies(games: LLMGames) -> None:
    """By stepping the corridor itself with the same seeds."""
    with model(Asked(lambda body: "ACTION: right")) as (_, chat):
        found = results(played(games, chat))
    for result in found:
        env = games.domain.make_env(1)
        env.reset([0], [episode_seed(games.seed, result.index)])
        assert result.seed == episode_seed(games.seed, result.index)
        for _ in range(result.steps):
            env.step(np.array([1]))
        assert result.facts["position"] == env.facts(0).position
        assert result.facts["bumps"] == env.facts(0).bumps


def test_skills_that_a_model_picks_go_as_those_that_a_program_picks(games: LLMGames, setting: Setting) -> None:
    weights = setting.weights("trained")
    assert weights is not None
    with model(Asked(first)) as (_, chat):
        asked = results(played(replace(games, policy=SKILLS), chat))
    programmed = play(
        games.domain,
        games.skills,
        SkillPolicy.load(weights),
        ScheduleSources(_FIRST, games.skill_program),
        episodes=5,
        max_steps=games.max_steps,
        seed=games.seed,
        workers=0,
        task="both_ends",
        stop_on_claim=False,
    )
    assert asked == programmed
    assert any(len(result.calls) > 2 for result in asked)


def test_how_many_games_are_played_together_does_not_matter(games: LLMGames) -> None:
    with model(Asked(lambda body: f"ACTION: {choices_of(body)[body['seed'] % 3]}")) as (_, chat):
        found = [played(replace(games, config=LLMPolicyConfig(games=number)), chat) for number in (1, 4)]
    assert found[0] == [replace(one, decisions=found[0][index].decisions) for index, one in enumerate(found[1])]
    assert [[one.choice for one in episode.decisions] for episode in found[0]] == [
        [one.choice for one in each.decisions] for each in found[1]
    ]


def test_an_answer_may_hold_for_several_steps(games: LLMGames) -> None:
    with model(Asked(walks)) as (server, chat):
        held = played(replace(games, config=LLMPolicyConfig(games=3, repeat=4)), chat)
    steps = sum(episode.result.steps for episode in held)
    assert steps / 4 <= len(server.requests) < steps / 2
    assert "An action that you name is played 4 times" in server.requests[0][2]["messages"][0]["content"]


def _garbage(number: int) -> Answer:
    texts = [
        "",
        "I would rather not say.",
        "ACTION: fly\n" * 3,
        "\ud800 \x00 {" + "[" * 5000,
        '{"action": ["left", "right"]}',
        "<think>left",
    ]
    return completion(texts[number % len(texts)], "length" if number % 5 == 0 else "stop")


@pytest.mark.parametrize("policy", LLM_POLICIES)
def test_whatever_a_model_says_the_game_goes_on(games: LLMGames, policy: str) -> None:
    with model(lambda number, body: _garbage(number)) as (server, chat):
        found = played(replace(games, policy=policy, max_steps=20), chat)
    assert [episode.result.index for episode in found] == list(range(5))
    decisions = [decision for episode in found for decision in episode.decisions]
    assert all(decision.why for decision in decisions)
    assert len(server.requests) == 2 * len(decisions) == sum(decision.calls for decision in decisions)
    retries = [body for _, _, body in server.requests if len(body["messages"]) == 4]
    assert len(retries) == len(decisions)
    assert all("Answer with one line alone" in body["messages"][-1]["content"] for body in retries)
    assert all(message["content"].strip() for body in retries for message in body["messages"])
    spent = tally(decisions, Budget())
    assert spent["retried"] == len(decisions)
    assert sum(spent["defaults"].values()) == len(decisions)
    if policy == ACTIONS:
        assert {decision.choice for decision in decisions} == {"wait"}


def test_a_choice_in_the_second_answer_counts(games: LLMGames) -> None:
    def behave(number: int, body: dict[str, Any]) -> Answer:
        return completion(walks(body) if len(body["messages"]) == 4 else "Well, let me see.")

    with model(behave) as (_, chat):
        found = played(games, chat)
    assert all(episode.result.success["landmark"] for episode in found)
    spent = [tally(episode.decisions, Budget()) for episode in found]
    assert all(one["retried"] == one["decisions"] and one["calls"] == 2 * one["decisions"] and not one["defaults"] for one in spent)


@pytest.mark.parametrize(
    ("answer", "why"),
    [("I'm sorry, but I can't help with that.", "refused"), (completion("", "content_filter"), "filtered")],
)
def test_a_model_that_will_not_answer_is_not_pressed(games: LLMGames, answer: str | Answer, why: str) -> None:
    with model(Asked(lambda body: answer)) as (server, chat):
        found = played(replace(games, max_steps=4), chat, [0, 1])
    decisions = [decision for episode in found for decision in episode.decisions]
    assert {decision.why for decision in decisions} == {why}
    assert len(server.requests) == len(decisions) == 8


def test_faults_of_the_server_change_nothing(games: LLMGames) -> None:
    """Each question meets another fault when it is first asked."""
    faults = [
        Answer(status=429, body=b"slow down", headers={"Retry-After": "0.02"}),
        Answer(status=500, body=b"oops"),
        Answer(body=b"<html>"),
        Answer(delay=0.8),
    ]
    met: Counter[str] = Counter()
    lock = threading.Lock()

    def behave(number: int, body: dict[str, Any]) -> Answer:
        key = repr((body["messages"][-1], body["seed"]))
        with lock:
            met[key] += 1
            again = met[key] > 1
        return completion(walks(body)) if again else faults[sum(key.encode()) % len(faults)]

    few = replace(games, max_steps=12)
    with model(Asked(walks)) as (_, chat):
        smooth = results(played(few, chat, range(3)))
    with model(behave, timeout=0.4) as (_, chat):
        assert results(played(few, chat, range(3))) == smooth
    assert min(met.values()) >= 2


def test_a_call_that_fails_for_good_costs_one_decision(games: LLMGames) -> None:
    def behave(number: int, body: dict[str, Any]) -> Answer:
        refused = "Step 2." in body["messages"][-1]["content"]
        return Answer(status=400, body=b'{"error": "too long"}') if refused else completion(walks(body))

    with model(behave) as (_, chat):
        found = played(replace(games, max_steps=30), chat, range(3))
    for episode in found:
        assert [decision.moment.step for decision in episode.decisions if decision.why == "failed"] == [2]
        assert episode.decisions[2].choice == "wait"
        assert "400" in episode.decisions[2].to_json()["error"]


def test_an_endpoint_that_is_gone_ends_the_play_soon(games: LLMGames) -> None:
    with ChatServer(lambda number, body: completion("")) as server:
        url = server.url
    chat = make_chat(ChatConfig(kind="openai", base_url=url, model="m", max_retries=0), Corridor({}), None, "chat")
    began = time.monotonic()
    with pytest.raises(ChatError, match="cannot be reached"):
        played(games, chat)
    assert time.monotonic() - began < 30
    with model(lambda number, body: Answer(status=401)) as (server, chat), pytest.raises(ChatError, match="401"):
        played(games, chat)
    assert len(server.requests) <= 3


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        (ACTIONS, {"max_calls": 7}),
        (ACTIONS, {"max_total_tokens": 150}),
        (ACTIONS, {"max_cost": 100.0, "price_per_million_prompt": 1e6}),
        (SKILLS, {"max_calls": 3}),
    ],
)
def test_a_budget_that_is_used_up_loses_nothing(games: LLMGames, tmp_path: Path, policy: str, limit: dict[str, Any]) -> None:
    games = replace(games, policy=policy)
    with model(Asked(walks)) as (_, chat):
        whole = played(games, chat)
    asked = Asked(walks)
    early: list[PlayedEpisode] = []
    with model(asked, tmp_path, **limit) as (server, chat):
        with pytest.raises(BudgetError, match=next(iter(limit))):
            play_llm(games, range(5), chat, early.append)
        spent = len(server.requests)
        # By as many calls as are open at once, of which no average was known.
        assert spent <= 7 + games.config.games
        left = [index for index in range(5) if index not in {episode.result.index for episode in early}]
        assert left
        unlimited = make_chat(ChatConfig(kind="openai", base_url=server.url, model="m"), Corridor({}), tmp_path, "chat")
        late = played(games, unlimited, left)
        both = sorted([*early, *late], key=lambda episode: episode.result.index)
        assert results(both) == results(whole)
        assert [tally(one.decisions, Budget()) for one in both] == [tally(one.decisions, Budget()) for one in whole]
    assert set(asked.times.values()) == {1}, "a question was asked twice"
    assert len(server.requests) == sum(len(episode.decisions) for episode in whole)


def test_decisions_that_look_alike_are_asked_for_anew(games: LLMGames, tmp_path: Path) -> None:
    """Else what a model answers by chance would be the same in every episode."""
    asked = Asked(lambda body: "ACTION: wait")
    with model(asked, tmp_path) as (server, chat):
        played(replace(games, max_steps=10, config=LLMPolicyConfig(history=0)), chat)
    assert len(server.requests) == 50
    assert len({body["messages"][1]["content"] for _, _, body in server.requests}) < 50
    assert len({body["seed"] for _, _, body in server.requests}) == 50


def test_the_process_that_plays_holds_no_key(games: LLMGames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTROMOTIF_API_KEY", _KEY)
    environments: list[bytes] = []

    def behave(number: int, body: dict[str, Any]) -> Answer:
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"llm_policy.player" in command:
                    # It cannot be looked into, once it is confined.
                    environments.append(Path(f"/proc/{child}/status").read_bytes())
        return completion(walks(body))

    started: list[dict[str, str]] = []
    original = subprocess.Popen

    def noted(command: list[str], **options: Any) -> Any:
        started.append(dict(options["env"]))
        return original(command, **options)

    monkeypatch.setattr(subprocess, "Popen", noted)
    with model(behave) as (server, chat):
        played(replace(games, policy=SKILLS), chat, [0])
    assert server.requests[0][1]["Authorization"] == f"Bearer {_KEY}"
    assert len(started) == 1
    assert _KEY not in str(started)
    assert "MAESTROMOTIF_API_KEY" not in started[0]
    if os.environ.get("MAESTROMOTIF_ISOLATION", "require") == "require":
        assert environments
        assert all(b"Seccomp:\t2" in status and b"NoNewPrivs:\t1" in status for status in environments)


_HANGS = """
def can_start(skill, facts):
    return True


def is_over(skill, facts, start):
    if facts.steps < 3 or not facts.at_right_end:
        return facts.at_left_end
    a, b = [1], [1]
    for i in range(60):
        a, b = [a, a], [b, b]
    return a == b
"""


@pytest.mark.slow
def test_an_episode_whose_program_hangs_twice_counts_as_a_failure(games: LLMGames) -> None:
    hanging = replace(games, policy=SKILLS, skill_program=_HANGS, config=LLMPolicyConfig(games=2))
    asked = Asked(lambda body: "SKILL: go_right")
    with model(asked) as (_, chat):
        found = played(hanging, chat, range(3))
    assert [episode.result.index for episode in found] == [0, 1, 2]
    given_up = [episode.result for episode in found if episode.result.faults]
    assert given_up
    for result in given_up:
        assert (result.steps, result.success) == (0, {"landmark": False, "proxy": False})
        assert "skills.py, line" in next(iter(result.faults))


def test_a_rehearsal_learns_what_questions_are_like_and_asks_nobody(games: LLMGames) -> None:
    acting = rehearse_llm(games, 4, decisions=60)
    assert acting.decisions_per_step == pytest.approx(1.0, abs=0.1)
    picking = rehearse_llm(replace(games, policy=SKILLS), 4, decisions=60)
    assert 0 < picking.decisions_per_step < 0.6
    with model(Asked(first)) as (server, chat):
        played(replace(games, max_steps=20), chat)
    sizes = [sum(len(message["content"]) for message in body["messages"]) / 4 for _, _, body in server.requests]
    assert acting.prompt_tokens == pytest.approx(sum(sizes) / len(sizes), rel=0.15)


@pytest.mark.parametrize("policy", LLM_POLICIES)
def test_questions_are_what_they_were(games: LLMGames, policy: str) -> None:
    """After a deliberate change of a prompt, delete its golden file, run the test, and read the new one."""
    acts = policy == ACTIONS
    past = (
        Past(0, "left" if acts else "go_left", 1 if acts else 4, "" if acts else "over", "Message: You step left. You reach the left end."),
        Past(4, "right" if acts else "go_right", 1, "" if acts else "interrupted", "Message: You step right."),
    )
    facts = {"position": 1, "length": 5, "at_left_end": False}
    choices = ("left", "right", "wait") if acts else ("go_left", "go_right")
    moment = Moment(2, 3, 2, 5, "Message: You step right.", facts, choices, past)
    briefing = replace(games, policy=policy).briefing()
    request = briefing.request(moment)
    text = (
        "\n=== ".join(f"{message.role}\n{message.content}" for message in request.messages)
        + "\n=== again\n"
        + briefing.retry(moment, "No.")
    )
    path = GOLDEN / f"{policy}.txt"
    if not path.exists():
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()
    assert request.name == f"corridor/{policy}/both_ends"
    assert request.seed != briefing.request(replace(moment, decision=3)).seed
    # Who waits for the answer is no part of the question.
    assert request == briefing.request(replace(moment, game=0))


def test_what_is_done_where_nothing_is_chosen(games: LLMGames) -> None:
    moment = Moment(0, 0, 0, 0, "", {}, ("left", "wait"))
    assert games.briefing().default(moment) == "wait"
    assert games.briefing().default(replace(moment, choices=("left", "right"))) == "left"
    picks = replace(games, policy=SKILLS).briefing()
    past = (Past(0, "go_right", 3, "over", ""),)
    assert picks.default(replace(moment, choices=("go_left", "go_right"), past=past)) == "go_right"
    assert picks.default(replace(moment, choices=("go_left", "wait_middle"), past=past)) == "go_left"


def test_choices_are_read_from_questions_with_answers_between(games: LLMGames) -> None:
    """Of the tests' own reading, since all else here rests on it."""
    moment = Moment(0, 0, 0, 0, "", {"left_visits": 0}, ("left", "wait"))
    body = {"messages": [{"content": message.content} for message in games.briefing().request(moment).messages]}
    assert choices_of(body) == ["left", "wait"]
    assert walks(body).endswith("ACTION: left")
