"""Reading verdicts: what must be read, what must not, and properties over any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.feedback.verdicts import first_probability, is_refusal, parse_verdict
from maestromotif.llm import Token
from maestromotif.types import Verdict

FIRST, SECOND, TIE, UNPARSED = Verdict.FIRST, Verdict.SECOND, Verdict.TIE, Verdict.UNPARSED


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("VERDICT: 1", FIRST),
        ("reasons...\n\n**Verdict:** 2", SECOND),
        ("verdict: none.", TIE),
        ("VERDICT: Caption 1", FIRST),
        ("Verdict: [2]", SECOND),
        ("VERDICT:\n1", FIRST),
        ("### Verdict\n1", FIRST),
        ("VERDICT: 1 (the first caption)", FIRST),
        ("VERDICT: neither is better", TIE),
        ("VERDICT: a tie", TIE),
        ('{"verdict": "second"}', SECOND),
        ("My final answer is: 2", SECOND),
        ("\\boxed{1}", FIRST),
        ("I think so.\n2\n\n", SECOND),
        ("VERDICT: 2\nNo, wait.\nVERDICT: 1", FIRST),
        ("<think>VERDICT: 2</think>VERDICT: 1", FIRST),
        ("The preference is clear.\n2", SECOND),
        ('{"reason": "The verdict: 2 would be wrong.", "verdict": "1"}', FIRST),
        ('{"verdict": 2, "reason": "It kills the newt."}', SECOND),
        ('Sure.\n```json\n{\n  "reason": "so {it} is",\n  "Verdict": "NONE"\n}\n```\nI hope this helps.', TIE),
        ('{"verdict": "1"} no, {"verdict": "2"}', SECOND),
        ('{"reason": "cut short', UNPARSED),
        ('{"verdict": null}', UNPARSED),
        ('{"verdict": "1 or 2"}', UNPARSED),
        ("VERDICT 1", FIRST),
        ("VERDICT - 2", SECOND),
        ("VERDICT \u2192 2", SECOND),
        ("Verdict [1]", FIRST),
        ("Verdict: I prefer caption 2.", SECOND),
        ("Verdict: Caption 1 wins!", FIRST),
        ("VERDICT: \u201c1\u201d", FIRST),
        ("VERDICT: 1 or 2", UNPARSED),
        ("VERDICT: not 1", UNPARSED),
        ("VERDICT: -1", UNPARSED),
        ("VERDICT: 12", UNPARSED),
        ("VERDICT: 1.5", UNPARSED),
        ("VERDICT: 3", UNPARSED),
        ("VERDICT:", UNPARSED),
        ("1\nVERDICT: unclear", UNPARSED),
        ("<think>VERDICT: 1", UNPARSED),
        ("I prefer caption 1 because it is good.", UNPARSED),
        ("Answer: 1\n2", UNPARSED),
        ("", UNPARSED),
    ],
)
def test_examples(text: str, verdict: Verdict) -> None:
    assert parse_verdict(text) is verdict


NAMES = {FIRST: ("1", "one", "first", "Caption 1"), SECOND: ("2", "two", "second", "Caption 2"), TIE: ("none", "NEITHER", "tie", "0")}
SPOKEN = st.sampled_from([(verdict, name) for verdict, names in NAMES.items() for name in names])
PROSE = st.text(st.characters(exclude_characters="<", codec="utf-8"), max_size=200)
LABEL = st.sampled_from(["VERDICT: ", "Verdict = ", "**verdict:** ", "- Verdict: **", "  verdict : ", "Final verdict is "])
TAIL = st.sampled_from(["", ".", "**", "\n", "  \n\n", '"', "!"])


@given(PROSE, LABEL, SPOKEN, TAIL)
def test_a_last_verdict_line_decides_whatever_came_before(prose: str, label: str, spoken: tuple[Verdict, str], tail: str) -> None:
    verdict, name = spoken
    assert parse_verdict(f"{prose}\n{label}{name}{tail}") is verdict


@given(PROSE, LABEL, SPOKEN, SPOKEN)
def test_naming_two_sides_is_no_verdict(prose: str, label: str, one: tuple[Verdict, str], other: tuple[Verdict, str]) -> None:
    expected = one[0] if one[0] is other[0] else UNPARSED
    assert parse_verdict(f"{prose}\n{label}{one[1]} {other[1]}") is expected


@given(
    st.text(st.characters(categories=["L", "Z"]), max_size=100).filter(
        lambda text: not any(name in text.lower() for name in ("one", "two"))
    )
)
def test_prose_without_a_choice_is_never_decided(text: str) -> None:
    assert not parse_verdict(text.replace("first", "").replace("second", "")).decided


@given(st.text(max_size=300))
def test_any_text_gives_some_verdict(text: str) -> None:
    assert isinstance(parse_verdict(text), Verdict)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot compare these captions.",
        "As an AI language model, I have no preferences.",
        "This goes against our content policy.",
        "<think>Hm.</think>I won\u2019t do this.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)
    assert parse_verdict(text) is UNPARSED


@pytest.mark.parametrize("text", ["", "Both show a corridor.", "Caption 1 is fine. " * 30 + "I can't say more.", "It is sorry work."])
def test_other_texts_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


def tail(*texts: str, **logprobs: float) -> list[Token]:
    """Tokens of which the second has these alternatives."""
    return [Token(text, logprobs if place == 1 else {text: 0.0}) for place, text in enumerate(texts)]


def test_probabilities_of_the_verdict() -> None:
    even = {"1": math.log(0.6), "2": math.log(0.2), "NONE": math.log(0.1), "x": math.log(0.1)}
    assert first_probability(tail(": ", "1", ".", **even), FIRST) == pytest.approx((0.6 + 0.05) / 0.9)
    assert first_probability(tail(": ", "2", '"}', **even), SECOND) == pytest.approx((0.6 + 0.05) / 0.9)
    assert first_probability(tail(": ", "N", "ONE", N=0.0), TIE) == 0.5
    assert first_probability([*tail(": ", "N", "O", N=0.0), Token("N", {"1": 0.0}), Token("E", {})], TIE) == 0.5


def test_no_probability_where_the_token_is_not_that_of_the_verdict() -> None:
    assert first_probability([], FIRST) is None
    assert first_probability(tail("a", "b"), FIRST) is None
    assert first_probability(tail("a", "1", **{"1": 0.0}), SECOND) is None


@given(st.floats(-20, 0), st.floats(-20, 0), st.floats(-20, 0))
def test_probabilities_are_mirrored_when_the_sides_are(one: float, two: float, none: float) -> None:
    straight = first_probability(tail("", "1", **{"1": one, "2": two, "NONE": none}), FIRST)
    mirrored = first_probability(tail("", "2", **{"1": two, "2": one, "NONE": none}), SECOND)
    assert straight is not None
    assert mirrored is not None
    assert straight + mirrored == pytest.approx(1)
