# ruff: noqa: E501 - answers on one line are easier to read than folded ones
"""Programs are found in whatever a model writes, and put together so that names cannot collide."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestromotif.errors import ProgramError
from maestromotif.programs.answers import extract_program
from maestromotif.programs.assemble import ANYTHING, assemble, first_line
from maestromotif.programs.sandbox import load

BOTH = "def can_start(facts):\n    return True\n\ndef is_over(facts, start):\n    return False\n"
START, OVER = BOTH.split("\n\n")
REQUIRED = ("can_start", "is_over")


@pytest.mark.parametrize(
    "answer",
    [
        f"```python\n{BOTH}```",
        f"Some thoughts.\n\n```python\n{BOTH}```\nDone.",
        f"~~~\n{BOTH}~~~",
        f"```\n{BOTH}```",
        f"```Python3 title=x\n{BOTH}```",
        f"```python\n{BOTH}",
        BOTH,
        f"First a sketch:\n```python\nx = 1\n```\nNow the whole:\n```python\n{BOTH}```\nUse it like this:\n```python\ncan_start(facts)\n```",
        f"1. So:\n   ```python\n   {BOTH.replace(chr(10), chr(10) + '   ')}\n   ```",
        f"<think>```python\ndef can_start(facts): return 1\n```</think>\n```python\n{BOTH}```",
        f"```json\n{{}}\n```\n```python\n{BOTH}```",
        f"```python\ndef can_start(facts):\n```\n```python\n{BOTH}```",
    ],
)
def test_the_program_is_found(answer: str) -> None:
    found = extract_program(answer, REQUIRED)
    assert found is not None
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(BOTH))


def test_parts_in_several_blocks_are_joined() -> None:
    found = extract_program(f"```python\n{START}\n```\nand\n```python\n{OVER}```", REQUIRED)
    assert found is not None
    assert "can_start" in found
    assert "is_over" in found


def test_the_later_of_two_equal_blocks_wins() -> None:
    assert extract_program(f"```python\n{BOTH}```\nBetter:\n```python\n{BOTH.replace('False', 'True')}```", REQUIRED) == BOTH.replace(
        "False", "True"
    )


@pytest.mark.parametrize("answer", ["", "I cannot do that.", "can_start should be True", "```json\n{}\n```"])
def test_no_program(answer: str) -> None:
    assert extract_program(answer, REQUIRED) is None


@given(st.text(alphabet="`~ \npython<think>/def():x=", max_size=200))
def test_no_answer_crashes_the_reader(text: str) -> None:
    found = extract_program(text, REQUIRED)
    assert found is None or found.endswith("\n")


LEFT = '''import math

LIMIT = 3  # squares

class Memory:
    def add(self, x):
        return x + LIMIT

def helper(facts, limit=LIMIT):
    """Close to the end?"""
    return facts.x < limit + math.floor(0.5)

def can_start(facts):
    return not helper(facts, limit=LIMIT)

def is_over(facts, start):
    return helper(facts) and Memory().add(1) == 4
'''
RIGHT = """LIMIT = 7

class Memory:
    LIMIT = 9
    DOUBLE = LIMIT * 2
    def helper(self, x):
        return x + self.LIMIT + self.DOUBLE + LIMIT

def helper(facts):
    return f"{LIMIT}" == "7" and facts.x > LIMIT and Memory().helper(1) == 35

def can_start(facts):
    return not helper(facts)

def is_over(facts, start):
    return helper(facts)
"""


def test_skills_do_not_see_each_other_and_comments_survive() -> None:
    module = assemble({"left": LEFT, "right": RIGHT, "rest": ANYTHING})
    program = load(module, "skills.py", names=["x"], required=["can_start", "is_over"])
    can_start, is_over = program.get("can_start") or len, program.get("is_over") or len
    table = [
        (skill, x, program.call(can_start, skill, SimpleNamespace(x=x)), program.call(is_over, skill, SimpleNamespace(x=x), None))
        for skill in ("left", "right", "rest")
        for x in (1, 5, 8)
    ]
    assert table == [
        *(("left", 1, False, True), ("left", 5, True, False), ("left", 8, True, False)),
        *(("right", 1, True, False), ("right", 5, True, False), ("right", 8, False, True)),
        *(("rest", 1, True, False), ("rest", 5, True, False), ("rest", 8, True, False)),
    ]
    assert "left_LIMIT = 3  # squares" in module
    assert module.splitlines()[first_line(module, "left") - 1] == "import math"


def test_names_that_collide_all_the_same_are_refused() -> None:
    with pytest.raises(ProgramError, match="a_b_can_start"):
        assemble({"a": ANYTHING + "\n\ndef b_can_start(facts):\n    return True\n", "a_b": ANYTHING})
