"""Reading verdicts: what must be read, what must not, and properties over any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.feedback.verdicts import parse_verdict
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
