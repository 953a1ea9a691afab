"""The chat annotator over HTTP: prompts, retry, orders, soft targets, reasons, and failures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import pytest

from maestromotif.domains.corridor import Corridor
from maestromotif.errors import ArtifactError, ChatError, ConfigError
from maestromotif.feedback import AnnotateConfig, CollectConfig, PreferenceTable, annotate, collect
from maestromotif.feedback.annotation import SkillVerdicts
from maestromotif.feedback.annotators import check_annotator
from maestromotif.feedback.annotators.chat import ChatOptions, comparison_request
from maestromotif.llm import ChatConfig, make_chat
from maestromotif.llm.testing import Answer, ChatServer, completion
from maestromotif.skills import SkillSet
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


@pytest.mark.parametrize(("structured", "golden"), [("auto", "compare.txt"), ("off", "compare-line.txt")])
def test_the_question_is_golden(structured: Literal["auto", "off"], golden: str) -> None:
    pair = Pair("x", Caption("Message: You step left.", RewardInput("", ())), Caption("Message: {{first}}", RewardInput("", ())))
    request = comparison_request(DOMAIN, SKILLS["go_left"], pair, CONFIG, 3, ChatOptions(structured=structured))
    text = "\n\n".join(f"[{message.role}]\n{message.content}" for message in request.messages) + "\n"
    assert text == (GOLDEN / golden).read_text(encoding="utf-8")
    assert (request.schema is not None) == (structured == "auto")
    assert (request.name, request.seed, request.temperature) == ("corridor/compare/go_left", 3, 0.1)


def run(behave: Any, captions: Path, out: Path, **options: Any) -> tuple[SkillVerdicts, dict[str, Any], list[Any]]:
    """Annotate against a server; the result, the skill's card and the requests."""
    config = CONFIG.model_copy(update={"options": options})
    with ChatServer(behave) as server:
        chat = make_chat(chat_config(server, max_retries=1), DOMAIN, None)
        (result,) = annotate(DOMAIN, SKILLS, captions, config, chat, out, 1)
        return result, json.loads((out / "preferences-go_left.json").read_text()), server.requests


def swapped(body: dict[str, Any]) -> bool:
    """Whether the second caption comes before the first in the order of their texts: the same pair, shown either way."""
    first, second = (part.split(">>>")[0] for part in body["messages"][1]["content"].split("<<<")[1:3])
    return bool(first > second)


def test_a_consistent_model_asked_in_both_orders(captions: Path, tmp_path: Path) -> None:
    result, card, requests = run(lambda _, body: completion(opinion(body)), captions, tmp_path, orders=2)
    assert len(requests) == 60
    assert card["orders"] == {"pairs": 30, "flipped": 0.0, "agreed": 1.0, "first_shown": 0.5}
    assert result.warnings == ()
    with ChatServer(lambda _, body: completion(opinion(body))) as server:
        annotate(DOMAIN, SKILLS, captions, CONFIG, make_chat(chat_config(server), DOMAIN, None), tmp_path / "one", 1)
    assert [row.verdict for row in preferences(tmp_path).preferences] == [row.verdict for row in preferences(tmp_path / "one").preferences]


def test_a_model_that_always_takes_the_first_is_found_out(captions: Path, tmp_path: Path) -> None:
    result, card, _ = run(lambda *_: completion("VERDICT: 1"), captions, tmp_path, orders=2)
    assert card["orders"] == {"pairs": 30, "flipped": 1.0, "agreed": 0.0, "first_shown": 1.0}
    assert result.counts["tie"] == 30
    assert set(preferences(tmp_path).targets()) == {0.5}
    assert any("contradicts itself about 100%" in warning for warning in result.warnings)


def test_a_tie_in_one_order_leans_to_the_choice_in_the_other(captions: Path, tmp_path: Path) -> None:
    result, card, _ = run(lambda _, body: completion("VERDICT: 1" if swapped(body) else "VERDICT: NONE"), captions, tmp_path, orders=2)
    assert card["orders"]["flipped"] == card["orders"]["agreed"] == 0
    assert set(preferences(tmp_path).targets()) == {0.25, 0.75}
    assert result.counts["first"] + result.counts["second"] == 30


def with_probabilities(one: float, two: float) -> Answer:
    words: dict[str, dict[str, float]] = {"VERDICT": {}, ": ": {}, "1" if one > two else "2": {"1": one, "2": two}}
    content = [
        {"token": word, "logprob": 0.0 if not others else math.log(max(one, two)), "top_logprobs": _top(others)}
        for word, others in words.items()
    ]
    choice = {"message": {"content": "".join(words)}, "finish_reason": "stop", "logprobs": {"content": content}}
    return Answer(body=json.dumps({"choices": [choice]}).encode())


def _top(probabilities: dict[str, float]) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": math.log(value)} for token, value in probabilities.items()]


def test_soft_targets_are_averaged_over_both_orders(captions: Path, tmp_path: Path) -> None:
    # Shown either way the pair's one caption gets 0.8 or 0.7, as seen from the first place.
    def behave(_: int, body: dict[str, Any]) -> Answer:
        assert body["logprobs"] is True
        return with_probabilities(0.8, 0.2) if swapped(body) else with_probabilities(0.3, 0.7)

    _, card, _ = run(behave, captions, tmp_path, orders=2, soft=True)
    assert "without" not in card
    assert {round(float(target), 6) for target in preferences(tmp_path).targets()} == {0.25, 0.75}


def test_soft_targets_fall_back_to_hard_ones(captions: Path, tmp_path: Path) -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return Answer(400, b"logprobs: unknown") if "logprobs" in body else completion("VERDICT: 1")

    result, card, requests = run(behave, captions, tmp_path, soft=True)
    assert card["without"] == {"logprobs": 30}
    assert set(preferences(tmp_path).targets()) == {1.0}
    assert len(requests) <= 30 + CONFIG.concurrency
    assert any("no probabilities" in warning for warning in result.warnings)


def test_structured_output_falls_back_once(captions: Path, tmp_path: Path) -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return Answer(400, b"response_format?") if "response_format" in body else completion('```json\n{"verdict": "2"}\n```')

    result, card, requests = run(behave, captions, tmp_path / "auto")
    assert card["without"] == {"response_format": 30}
    assert len(requests) <= 30 + CONFIG.concurrency
    assert result.counts["second"] == 30
    assert any("refuses structured output" in warning for warning in result.warnings)
    with pytest.raises(ConfigError, match=r"\[annotate.options\] structured"):
        run(behave, captions, tmp_path / "strict", structured="json-schema")
    _, _, requests = run(behave, captions, tmp_path / "off", structured="off")
    assert len(requests) == 30


@pytest.mark.parametrize(
    ("answer", "reason", "calls"),
    [
        (completion("I'm sorry, but I can't help with that."), "refused", 30),
        (Answer(body=b'{"choices": [{"message": {"content": null, "refusal": "No. VERDICT: 1"}}]}'), "refused", 30),
        (completion("", finish_reason="content_filter"), "filtered", 30),
        (completion("First, let us", finish_reason="length"), "length", 60),
    ],
)
def test_answers_without_a_verdict_are_counted_by_reason(captions: Path, tmp_path: Path, answer: Answer, reason: str, calls: int) -> None:
    result, card, requests = run(lambda *_: answer, captions, tmp_path)
    assert result.counts["unparsed"] == 30
    assert card["reasons"] == {reason: 30}
    assert {row.reason for row in preferences(tmp_path).preferences} == {reason}
    assert len(requests) == calls
    assert any(f"30 {reason}" in warning for warning in result.warnings)


def test_a_verdict_after_an_answer_cut_short_counts(captions: Path, tmp_path: Path) -> None:
    def behave(_: int, body: dict[str, Any]) -> Answer:
        return completion("VERDICT: 2") if len(body["messages"]) == 4 else completion("Let us", finish_reason="length")

    result, card, _ = run(behave, captions, tmp_path)
    assert result.counts["second"] == 30
    assert "reasons" not in card


def test_one_lost_pair_does_not_end_the_run_and_is_asked_again(captions: Path, tmp_path: Path) -> None:
    lost: list[str] = []

    def behave(number: int, body: dict[str, Any]) -> Answer:
        question = body["messages"][1]["content"]
        if number == 5:
            lost.append(question)
        return Answer(500, b"oops") if question in lost else completion(opinion(body))

    with ChatServer(behave) as server:
        chat = make_chat(chat_config(server, max_retries=1), DOMAIN, None)
        (result,) = annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
        assert (result.counts["unparsed"], result.failed) == (1, 1)
        card = json.loads((tmp_path / "preferences-go_left.json").read_text())
        assert card["reasons"] == {"failed": 1}
        assert "answered 500" in (tmp_path / "transcript-go_left.jsonl").read_text()
        assert len(server.requests) == 31
        lost.clear()
        lost.append("nothing")
        (result,) = annotate(DOMAIN, SKILLS, captions, CONFIG, chat, tmp_path, 1)
        assert len(server.requests) == 32
    assert result.failed == 0
    assert "reasons" not in json.loads((tmp_path / "preferences-go_left.json").read_text())


@pytest.mark.parametrize("status", [401, 404])
def test_what_can_never_succeed_ends_it_at_once(captions: Path, tmp_path: Path, status: int) -> None:
    with ChatServer(lambda number, body: Answer(status, b"no") if number >= 6 else completion(opinion(body))) as server:
        with pytest.raises(ChatError, match=f"answered {status}"):
            annotate(DOMAIN, SKILLS, captions, CONFIG, make_chat(chat_config(server), DOMAIN, None), tmp_path, 1)
        assert len(server.requests) <= 6 + CONFIG.concurrency
    assert len((tmp_path / "transcript-go_left.jsonl").read_text().splitlines()) >= 1 + 6 - CONFIG.concurrency


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"\[annotate.options\] orders"):
        check_annotator("chat", {"orders": 3}, DOMAIN, SKILLS)
    with pytest.raises(ConfigError, match="did you mean 'structured'"):
        check_annotator("chat", {"structure": "off"}, DOMAIN, SKILLS)
