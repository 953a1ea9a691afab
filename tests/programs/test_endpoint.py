"""The coder against a real HTTP server on loopback that answers by a script: what models really do, and what a person gets to see."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maestromotif.domains import load_domain
from maestromotif.domains.corridor import Corridor
from maestromotif.errors import BudgetError, CallError, ChatError, ProgramError
from maestromotif.llm import ChatConfig, make_chat
from maestromotif.llm.testing import Answer, ChatServer, completion
from maestromotif.programs import ProgramConfig, write_task_program
from maestromotif.programs.failures import failure_report, rule
from maestromotif.programs.generations import read_generations
from maestromotif.programs.requests import skill_question, task_question
from maestromotif.programs.scenario import read_scenario, run_scenario
from maestromotif.programs.write import ProgramResult
from maestromotif.skills import SkillSet

DOMAIN = Corridor({})
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
CONFIG = ProgramConfig(episodes=4, practice_ticks=30, max_ticks=120, seconds=20, scenarios=False, assess=False)
TASK = DOMAIN.tasks["both_ends"]
SKILL_PROGRAM = """\
def can_start(skill, facts):
    return not (facts.at_left_end if skill == "go_left" else facts.at_right_end)

def is_over(skill, facts, start):
    return facts.at_left_end if skill == "go_left" else facts.at_right_end
"""


def _policy(choice: str, done: str) -> str:
    return f"""\
class PolicyOverSkills:
    def __init__(self):
        self.left = False

    def observe(self, facts):
        self.left = self.left or facts.at_left_end

    def next_skill(self, facts, finished, startable):
        return {choice}

    def is_done(self, facts):
        return {done}
"""


RIGHT = _policy("'go_right' if self.left and 'go_right' in startable else startable[0]", "self.left and facts.at_right_end")
SILENT = _policy("'go_right' if self.left and 'go_right' in startable else startable[0]", "False")
BROKEN = _policy("self.rigth", "False")
HASTY = _policy("startable[0]", "True")


def block(source: str, language: str = "python") -> str:
    return f"```{language}\n{source}```\n"


Script = Mapping[str, Sequence[str | Answer]]


def scripted(script: Script) -> Callable[[int, dict[str, Any]], Answer]:
    """Answers of each kind (``program``, ``cases``, ``verdict``) one after the other, the last again and again."""
    lock = threading.Lock()
    given = dict.fromkeys(script, 0)

    def behave(number: int, body: dict[str, Any]) -> Answer:
        asked = body["messages"][-1]["content"]
        kind = "cases" if "Do not write that program" in asked else "verdict" if "ANSWER: YES" in asked else "program"
        with lock:
            answer = script[kind][min(given[kind], len(script[kind]) - 1)]
            given[kind] += 1
        return completion(answer) if isinstance(answer, str) else answer

    return behave


@contextmanager
def coder(behave: Callable[[int, dict[str, Any]], Answer], store: Path | None = None, **config: Any) -> Iterator[tuple[ChatServer, Any]]:
    with ChatServer(behave) as server:
        settings = {"timeout": 5.0, "max_retries": 0, "backoff": 0.01, **config}
        yield server, make_chat(ChatConfig(kind="openai", base_url=server.url, model="m", **settings), DOMAIN, store)


def write(chat: Any, out: Path, **config: Any) -> ProgramResult:
    own = CONFIG.model_copy(update=config)
    how = (TASK.description, TASK.id, chat, own, out)
    return write_task_program(DOMAIN, SKILLS, *how, skill_program=SKILL_PROGRAM, log=out.parent / "llm" / "generations.jsonl")


def entry(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "trials.json").read_text())["programs"]["both_ends.py"]
    return found


def repairs(server: ChatServer) -> list[str]:
    """What was asked after the first question."""
    return [body["messages"][-1]["content"] for _, _, body in server.requests[1:]]


def test_wrong_code_is_repaired_in_round_two(tmp_path: Path) -> None:
    out = tmp_path / "task"
    with coder(scripted({"program": [block(BROKEN), "The name was misspelt.\n" + block(RIGHT)]})) as (server, chat):
        result = write(chat, out)
    assert (out / "both_ends.py").read_text() == RIGHT
    assert result.warnings == ()
    (repair,) = repairs(server)
    assert "both_ends.py:9: unknown attribute 'rigth'" in repair
    card = entry(out)["card"]
    assert (card["rounds"], card["kept"], card["stopped"]) == (2, 2, "")
    assert card["layers"]["simulation"] == {"verdict": "passed", "problems": [], "episodes": 4, "success": 1.0}
    assert set(card["prompts"]) == {"system", "rules", "policy", "task", "repair"}
    assert card["seeds"] == [0, 1]


def test_what_never_becomes_right_ends_with_the_best_and_an_honest_verdict(tmp_path: Path) -> None:
    out = tmp_path / "task"
    with coder(scripted({"program": [block(HASTY), block(SILENT), block(BROKEN)]})) as (server, chat):
        result = write(chat, out)
    assert (out / "both_ends.py").read_text() == SILENT
    assert entry(out)["verdict"] == "weak"
    assert (entry(out)["card"]["rounds"], entry(out)["card"]["kept"]) == (3, 2)
    assert any("is_done did not say True though the task was accomplished" in warning for warning in result.warnings)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "text",
    [
        "Let me think.\n\n" + block(RIGHT) + "\nThis goes left first. Good luck!",
        "A first idea:\n" + block("x = 1\n") + "No, rather:\n" + block(RIGHT) + "Run it with\n" + block("run it\n", "sh"),
        "<think>\n" + block(BROKEN) + "\n</think>\n" + block(RIGHT),
        "    ```python\n" + "".join(f"    {line}\n" for line in RIGHT.splitlines()) + "    ```\n",
        RIGHT,
    ],
    ids=["prose around it", "several blocks", "thinking aloud", "indented", "bare"],
)
def test_the_program_is_found(tmp_path: Path, text: str) -> None:
    with coder(scripted({"program": [text]})) as (server, chat):
        write(chat, tmp_path / "task")
    assert len(server.requests) == 1
    assert entry(tmp_path / "task")["verdict"] == "good"


_USELESS: dict[str, tuple[str | Answer, str]] = {
    "no code": ("I would go left first.", r"both_ends\.py:1: the answer holds no Python program that defines PolicyOverSkills"),
    "nothing": ("  \n", r"both_ends\.py:1: the answer is empty"),
    "cut off": (
        completion("```python\n" + RIGHT[:150], "length"),
        r"both_ends\.py:1: the answer ends in the middle \(it was cut off: raise max_tokens = 4096 under \[program\]",
    ),
    "cut off before the program": (
        completion("First, let us think about the corridor. " * 9, "length"),
        r"holds no Python program that defines PolicyOverSkills \(it was cut off: raise max_tokens = 4096",
    ),
    "refusal": (
        Answer(
            body=json.dumps({"choices": [{"message": {"content": None, "refusal": "I cannot help."}, "finish_reason": "stop"}]}).encode()
        ),
        r"both_ends\.py:1: the model refused to answer: 'I cannot help\.'",
    ),
    "filter": (completion("", "content_filter"), r"both_ends\.py:1: the endpoint's content filter kept the question or the answer back"),
    "endless": ("x = 1\n" * 60_000, r"both_ends\.py:1: the answer has 360,000 characters, more than 262,144"),
}


@pytest.mark.parametrize("kind", _USELESS)
def test_an_answer_of_no_use_is_told_in_one_line_and_repaired(tmp_path: Path, kind: str) -> None:
    answer, told = _USELESS[kind]
    with coder(scripted({"program": [answer]})) as (server, chat):
        with pytest.raises(ProgramError, match=told) as caught:
            write(chat, tmp_path / "never")
        assert "\n" not in str(caught.value)
        assert "corridor/task/both_ends" in caught.value.remedy
        assert len(server.requests) == 2, "the same again ends it"
    assert not (tmp_path / "never").exists()
    with coder(scripted({"program": [answer, block(RIGHT)]})) as (server, chat):
        write(chat, tmp_path / "task")
    assert entry(tmp_path / "task")["verdict"] == "good"
    sent = server.requests[1][2]["messages"]
    assert [message["role"] for message in sent][:2] == ["system", "user"]
    assert all(message["content"].strip() and len(message["content"]) < 20_000 for message in sent)
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(sent))
    if kind == "filter":
        assert len(sent) == 2, "what a filter kept back is asked for anew"
    else:
        assert re.search(told, sent[-1]["content"])


def test_an_answer_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """By a server that cares for no max_tokens: a byte comes now and then, so that it is never silent."""
    with coder(scripted({"program": [Answer(body=b'{"choices": [', endless=True)]}), timeout=0.5) as (server, chat):
        with pytest.raises(CallError, match=r"gave no answer within 0\.5 s"):
            write(chat, tmp_path / "task")
        assert server.requests[0][2]["max_tokens"] == 4096
    assert not (tmp_path / "task").exists()


CASES = [
    {"words": "nothing was touched yet", "states": [{}], "is_done": False},
    {
        "words": "the right end after the left one",
        "states": [{"at_left_end": True}, {"at_left_end": False, "at_right_end": True}],
        "is_done": True,
    },
    {"words": "after the left end to the right", "states": [{"at_left_end": True}, {"at_left_end": False}], "next_skill": ["go_right"]},
    {"words": "no such fact", "states": [{"gold": 1}], "is_done": False},
    {"words": "of the wrong type", "states": [{"steps": "many"}], "is_done": False},
    {"words": "no such skill", "states": [{}], "next_skill": ["fly"]},
    "not even a case",
]


def test_cases_written_from_the_words_find_what_simulation_need_not(tmp_path: Path) -> None:
    out = tmp_path / "task"
    cases = "These:\n```json\n" + json.dumps(CASES) + "\n```"
    script = {"program": [block(SILENT), block(RIGHT)], "cases": [cases]}
    with coder(scripted(script)) as (server, chat):
        write(chat, out, scenarios=True)
    asked = [body["messages"] for _, _, body in server.requests]
    assert len(asked) == 3, "a program, cases, a repair"
    assert "position = " in asked[1][-1]["content"]
    assert "Touch the left end" in asked[1][-1]["content"]
    repair = asked[2][-1]["content"]
    assert "in the case 'the right end after the left one' (at_left_end = True; then at_left_end = False, at_right_end = True)" in repair
    assert "is_done gave False, expected True. The case was written from the words alone and may itself be wrong" in repair
    assert "'after the left end to the right'" not in repair
    layer = entry(out)["card"]["layers"]["scenario"]
    assert layer == {"verdict": "passed", "problems": [], "cases": 3, "malformed": 4}
    kinds = [json.loads(line)["kind"] for line in (out / "transcript.jsonl").read_text().splitlines()]
    assert sorted(kinds) == ["program", "program", "scenario"]


def test_a_wrong_case_is_a_doubt_and_refuses_nothing(tmp_path: Path) -> None:
    cases = json.dumps([{"words": "it is done at once", "states": {}, "is_done": True}])
    with coder(scripted({"program": [block(RIGHT)], "cases": [cases]})) as (_, chat):
        result = write(chat, tmp_path / "task", scenarios=True)
    assert entry(tmp_path / "task")["verdict"] == "good"
    assert entry(tmp_path / "task")["card"]["layers"]["scenario"]["verdict"] == "doubtful"
    assert any("fails 1 of 1 cases that were written from its words" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I have no idea.", "the answer holds no JSON"),
        ('{"a": 1}', "the answer's JSON is no list of cases"),
        ("[1, 2]", "the answer holds no case that can be used"),
        (Answer(status=400, body=b"no"), "answered 400"),
    ],
)
def test_without_usable_cases_the_program_is_tried_all_the_same(tmp_path: Path, answer: str | Answer, why: str) -> None:
    with coder(scripted({"program": [block(RIGHT)], "cases": [answer]})) as (_, chat):
        write(chat, tmp_path / "task", scenarios=True)
    layers = entry(tmp_path / "task")["card"]["layers"]
    assert layers["scenario"]["verdict"] == "skipped"
    assert why in layers["scenario"]["skipped"]
    assert layers["simulation"]["verdict"] == "passed"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("It goes left, then right.\nANSWER: YES", "yes"), ("No, it never stops.", "no"), ("ANSWER: NO", "no"), ("Perhaps.", "unclear")],
)
def test_the_models_own_verdict_is_recorded_and_decides_nothing(tmp_path: Path, answer: str, verdict: str) -> None:
    with coder(scripted({"program": [block(RIGHT)], "verdict": [answer]})) as (server, chat):
        result = write(chat, tmp_path / "task", assess=True)
    card = entry(tmp_path / "task")["card"]
    assert card["layers"]["assessment"]["verdict"] == verdict
    assert entry(tmp_path / "task")["verdict"] == "good"
    assert "def next_skill" in server.requests[-1][2]["messages"][-1]["content"]
    assert any("the model that wrote it doubts it" in warning for warning in result.warnings) == (verdict == "no")
    assert "assess" in card["prompts"]


def test_the_best_of_several_candidates_goes_on(tmp_path: Path) -> None:
    seeds: list[int] = []

    def behave(number: int, body: dict[str, Any]) -> Answer:
        if len(body["messages"]) > 2:
            return completion(block(RIGHT))
        seeds.append(body["seed"])
        return completion(block({0: BROKEN, 7919: SILENT, 15838: HASTY}[body["seed"]]))

    with coder(behave) as (server, chat):
        write(chat, tmp_path / "task", candidates=3)
    assert sorted(seeds) == [0, 7919, 15838]
    assert len(server.requests) == 4
    assert server.requests[-1][2]["messages"][-2]["content"].strip() == block(SILENT).strip()
    card = entry(tmp_path / "task")["card"]
    assert (card["candidates"], card["rounds"], card["kept"]) == (3, 2, 4)
    assert card["seeds"] == [0, 7919, 15838, 1]
    assert (tmp_path / "task" / "both_ends.py").read_text() == RIGHT


def test_a_candidate_that_fails_does_not_spoil_the_others(tmp_path: Path) -> None:
    def behave(number: int, body: dict[str, Any]) -> Answer:
        return Answer(status=400, body=b"not today") if body["seed"] else completion(block(RIGHT))

    with coder(behave) as (_, chat):
        result = write(chat, tmp_path / "task", candidates=2)
    assert entry(tmp_path / "task")["verdict"] == "good"
    assert any("1 of 2 candidates failed" in warning for warning in result.warnings)


def test_a_budget_ends_the_rounds_and_the_best_so_far_is_kept(tmp_path: Path) -> None:
    script = {"program": [block(SILENT), block(RIGHT)], "verdict": ["ANSWER: YES"]}
    with coder(scripted(script), tmp_path / "llm", max_calls=1) as (server, chat):
        result = write(chat, tmp_path / "task", assess=True)
        assert len(server.requests) == 1
        assert (tmp_path / "task" / "both_ends.py").read_text() == SILENT
        assert any(
            "the limit of max_calls = 1 is reached" in warning and "an earlier program is kept" in warning for warning in result.warnings
        )
        assert entry(tmp_path / "task")["card"]["stopped"] == "the limit of max_calls = 1 is reached"
        assert entry(tmp_path / "task")["card"]["layers"]["assessment"]["verdict"] == "skipped"
        # Another run has the same answers, and no more of them.
        write(chat, tmp_path / "again")
        assert len(server.requests) == 1
    with coder(scripted(script), tmp_path / "other", max_total_tokens=0) as (server, chat):
        with pytest.raises(BudgetError, match="the limit of max_total_tokens = 0 is reached"):
            write(chat, tmp_path / "none")
        assert not server.requests


def test_a_dead_endpoint_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with coder(scripted({"program": [Answer(status=500, body=b"oops")]})) as (_, chat), pytest.raises(ChatError, match="answered 500"):
        write(chat, tmp_path / "task")
    assert not (tmp_path / "task").exists()


def test_every_generation_is_counted_also_those_that_were_thrown_away(tmp_path: Path) -> None:
    script = {"program": [block(BROKEN), "no code", block("import os\n" + RIGHT)]}
    for _ in range(2):  # what comes from the store again is counted once
        with coder(scripted(script), tmp_path / "llm") as (_, chat), pytest.raises(ProgramError):
            write(chat, tmp_path / "never")
        # The port differs from server to server, and with it the model's id; its answers do not.
    with coder(scripted({"program": [block(SILENT), block(RIGHT)]})) as (_, chat):
        write(chat, tmp_path / "task")
    found = failure_report(read_generations(tmp_path))
    assert found["programs"] == 5
    assert found["verdicts"] == {"refused": 3, "weak": 1, "good": 1}
    assert found["layers"]["answer"]["verdicts"] == {"passed": 4, "refused": 1}
    assert found["layers"]["check"]["rules"] == {
        "unknown attribute '…': not a fact, not a plain method, not made by the program": 1,
        "the module '…' is not available": 1,
    }
    assert found["layers"]["simulation"]["rules"] == {"is_done did not say True though the task was accomplished in N of the episodes": 1}
    assert found["rounds"] == {"3": 1}
    assert found["names"]["corridor/task/both_ends"]["written"] == 5


def test_rules_leave_out_what_is_particular() -> None:
    assert (
        rule("a.py: next_skill: ZeroDivisionError: division by zero (line 7) (12 times)")
        == "next_skill: ZeroDivisionError: division by zero"
    )
    assert rule("a.py:3: the name 'opne' is not available (did you mean 'open'?)") == "the name '…' is not available"


def test_half_a_character_in_an_answer_harms_nothing(tmp_path: Path) -> None:
    """JSON can hold half of a surrogate pair, which no file can."""
    body = json.dumps({"choices": [{"message": {"content": "\ud83d\n" + block(RIGHT)}, "finish_reason": "stop"}]}).encode()
    with coder(scripted({"program": [Answer(body=body)]}), tmp_path / "llm") as (_, chat):
        write(chat, tmp_path / "task")
    assert entry(tmp_path / "task")["verdict"] == "good"


def test_whatever_stands_in_a_case_is_read_or_told() -> None:
    question = task_question(DOMAIN, SKILLS, TASK.description, TASK.id)
    odd: list[Any] = [
        None,
        True,
        0,
        -1.5,
        10**30,
        float("inf"),
        "x",
        "\ud83d",
        [],
        {},
        [None],
        {"a": [1]},
        ["go_left"],
        [{"steps": 10**30}],
    ]
    names = ("words", "states", "finished", "startable", "next_skill", "is_done", "can_start", "x")
    for first, second in itertools.product(itertools.product(names, odd), repeat=2):
        case = dict([("states", [{}]), ("is_done", False), first, second])
        found = read_scenario(json.dumps([case]), question, DOMAIN)
        assert len(found.cases) + len(found.malformed) == 1
        assert bool(found.skipped) == (not found.cases)
    for text in ("", "[" * 100_000, "null", "```json\n[]\n```", "[1e999]"):
        assert read_scenario(text, question, DOMAIN).skipped


def test_cases_are_tried_with_the_facts_of_nethack() -> None:
    pytest.importorskip("nle")
    domain = load_domain("nethack")
    skill = SkillSet.parse(domain.skills_toml)["descender"]
    question = skill_question(domain, skill)
    cases = [
        {"words": "one level deeper", "states": [{}, {"depth": 2, "max_depth": 2}], "is_over": True},
        {"words": "nothing happened", "states": [{}, {"turn": 9}], "is_over": True},
    ]
    source = "def can_start(facts):\n    return True\n\ndef is_over(facts, start):\n    return facts.depth > start.depth\n"
    found = run_scenario(source, question, read_scenario(json.dumps(cases), question, domain), domain, CONFIG, 0)
    assert (found.cases, len(found.failed), found.skipped) == (2, 1, "")
    assert "in the case 'nothing happened' (the usual facts; then turn = 9): is_over gave False, expected True" in found.failed[0]
    hostile = source.replace("return facts.depth", "while True:\n        pass\n    return facts.depth")
    (first, _) = run_scenario(hostile, question, read_scenario(json.dumps(cases), question, domain), domain, CONFIG, 0).failed
    assert "failed with OutOfFuel" in first
