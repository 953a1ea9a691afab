"""Choices read out of what models write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.agents.llm_policy.answers import parse_choice

_KNOWN = ("north", "east", "far east", "wait", "more", "go_left", "<")
_CHOICES = tuple(name for name in _KNOWN if name != "more")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("The stairs are there.\nACTION: far east", "far east"),
        ("**ACTION:** `East`.", "east"),
        ("action = FAR_EAST", "far east"),
        ("Skill -> go left", "go_left"),
        ("ACTION: north\nNo, better:\nACTION: wait", "wait"),
        ("ACTION: far east (to see what is there)", "far east"),
        ('{"thought": "go north", "action": "east"}', "east"),
        ('```json\n{"Next_Skill": "go_left"}\n```', "go_left"),
        ('ACTION: north\n{"action": "wait"}', "wait"),
        ("<think>ACTION: north, or east?</think>\nACTION: wait", "wait"),
        ("ACTION: <", "<"),
        ("I see a door.\neast", "east"),
        ("I will go far east.", "far east"),
        ("My final answer is **wait**", "wait"),
    ],
)
def test_forms_that_models_choose_are_understood(text: str, choice: str) -> None:
    assert parse_choice(text, _CHOICES, _KNOWN) == (choice, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("<think>ACTION: north", "empty"),
        ("ACTION: fly", "none"),
        ("ACTION: north or east", "none"),
        ("ACTION: not east", "none"),
        ("Do not go east", "none"),
        ("There is a wall to the north of the door", "none"),
        ("north\nThat is what I would do, I think, for there may be stairs", "none"),
        ("I'm sorry, but I can't help with that.", "none"),
        ('{"action": null}', "none"),
        ("ACTION: more", "not possible"),
    ],
)
def test_doubt_is_no_choice(text: str, why: str) -> None:
    assert parse_choice(text, _CHOICES, _KNOWN) == (None, why)


_PARTS = st.sampled_from([*_KNOWN, "ACTION:", "skill =", "{", '{"action": ', "}", '"', "\n", "<think>", "</think>", "not", " ", "\ud800"])


@given(st.one_of(st.text(), st.lists(_PARTS).map("".join), st.lists(_PARTS).map(json.dumps)))
def test_whatever_is_said_only_what_is_possible_is_chosen(text: str) -> None:
    choice, why = parse_choice(text, _CHOICES, _KNOWN)
    assert (choice in _CHOICES and not why) or (choice is None and why in ("empty", "none", "not possible"))
