# ruff: noqa: E501 - programs on one line are easier to read than folded ones
"""Which facts decide an answer, and where that cannot be told."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from maestromotif.programs.assemble import assemble
from maestromotif.programs.check import check_source
from maestromotif.programs.reads import dispatched, facts_read
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

NAMES = frozenset({"x", "y", "z", "name"})


def _termination(source: str) -> frozenset[str] | None:
    check_source(source, NAMES)
    return facts_read(source, NAMES, "is_over", (0, 1))


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        ("def is_over(facts, start):\n    return facts.x > start.y", "x y"),
        (
            "def is_over(facts, start):\n    'Text.'\n    if facts.x:\n        return True\n    n = 0\n    for i in range(3):\n        n += 1\n    return n > 2",
            "x",
        ),
        ("def gone(a, b):\n    return a.x != b.x\ndef is_over(facts, start):\n    return gone(facts, start) and facts.z", "x z"),
        (
            "DEEP = 3\nNAMES = {'a', 'b'}\nSIZE = {'a': 1}\ndef is_over(facts, start):\n    return facts.name in NAMES and SIZE[facts.name] > -DEEP and SIZE.get('b', 2) > 1",
            "name",
        ),
        ("import math\ndef is_over(facts, start):\n    return math.sqrt(facts.x) > math.pi or max(facts.y, 2) > 3", "x y"),
        ("def is_over(facts, start):\n    return any(n == facts.x for n in [1, 2]) and facts.name.startswith('a')", "x name"),
        ("def is_over(facts, start):\n    return (n := facts.x) > 1 and n is not None and f'{facts.y:.2f}' == '1.00'", "x y"),
        (
            "def down(facts, n):\n    return facts.z if n == 0 else down(facts, n - 1)\ndef is_over(facts, start):\n    return down(start, 3)",
            "z",
        ),
        ("def is_over(facts, start):\n    return False", ""),
    ],
)
def test_facts_of_a_function(source: str, facts: str) -> None:
    assert _termination(source) == frozenset(facts.split())


@pytest.mark.parametrize(
    "source",
    [
        "import random\ndef is_over(facts, start):\n    return random.random() < 0.5",
        "n = 0\ndef is_over(facts, start):\n    global n\n    n += 1\n    return n > 9",
        "n = 0\ndef can_start(facts):\n    global n\n    n = 1\ndef is_over(facts, start):\n    return n > 0",
        "n = 0\ndef can_start(facts):\n    global n\n    n += 1\n    return True\ndef is_over(facts, start):\n    m = [n for n in (1, 2)]\n    return n > 1",
        "seen = []\ndef is_over(facts, start):\n    seen.append(facts.x)\n    return len(seen) > 9",
        "seen = {}\ndef can_start(facts):\n    seen[1] = 1\ndef is_over(facts, start):\n    return 1 in seen",
        "seen = []\ndef can_start(facts):\n    other = seen\n    other.append(1)\ndef is_over(facts, start):\n    return 1 in seen",
        "def is_over(facts, start):\n    return facts is start",
        "def is_over(facts, start):\n    return facts == start",
        "def is_over(facts, start):\n    return facts.x is start.x",
        "def is_over(facts, start):\n    facts = start\n    return facts.x",
        "def is_over(facts, start):\n    return [facts][0].x",
        "class A:\n    def get(self, key):\n        self.n = key\n        return True\na = A()\ndef is_over(facts, start):\n    return a.get(facts.x)",
        "def get(facts):\n    return facts.x\nget = len\ndef is_over(facts, start):\n    return get(facts)",
        "def is_over(facts, start, seen=[]):\n    return facts.x",
        "def is_over(facts, start):\n    try:\n        return facts.x\n    except ValueError:\n        return True",
        "def is_over(facts, start):\n    f = lambda: facts.x\n    return f()",
        "def is_over(facts):\n    return facts.x",
        "if True:\n    def is_over(facts, start):\n        return facts.x",
    ],
)
def test_where_it_cannot_be_told(source: str) -> None:
    assert _termination(source) is None


def _method(body: str, more: str = "", head: str = "") -> frozenset[str] | None:
    source = f"{head}class P:\n    limit = 3\n    def interrupt(self, facts, skill):\n        {body}\n{more}"
    check_source(source, NAMES)
    return facts_read(source, NAMES, "interrupt", (1,), "P")


def test_methods_may_read_the_state_of_their_object() -> None:
    helper = (
        "    def __init__(self):\n        self.places = {}\n"
        "    def far(self, facts, n):\n        return facts.y > n and self.places.get(facts.name, 0) < self.limit\n"
        "    def next_skill(self, facts, finished, startable):\n        self.places[facts.name] = 1\n        return startable[0]\n"
    )
    assert _method("return skill == 'a' and self.far(facts, 2)", helper) == frozenset({"y", "name"})
    assert _method("return facts.x in self.places", helper) == frozenset({"x"})


_ADDED = "    def __init__(self):\n        self.n = "


@pytest.mark.parametrize(
    ("body", "more", "head"),
    [
        ("self.n = 1; return True", "", ""),
        ("self.n.append(1); return True", _ADDED + "[]\n", ""),
        ("n = self.n; n += [1]; return True", _ADDED + "[]\n", ""),
        ("return self.n[facts.x] > 1", _ADDED + "defaultdict(int)\n", "from collections import defaultdict\n"),
        ("return self.n[facts.x] > 1", _ADDED + "collections.defaultdict(int)\n", "import collections\n"),
        ("return 1 in self.n", _ADDED + "iter([1, 2])\n", ""),
        ("return 1 in self.n", _ADDED + "(n for n in [1, 2])\n", ""),
        ("return self.n.get(1)", _ADDED + "A()\nclass A:\n    def get(self, n):\n        self.n = n\n", ""),
        ("return self.n", "    @property\n    def n(self):\n        self.m = 1\n        return True\n", ""),
        (
            "return self.far(facts)",
            "    def __init__(self):\n        self.far = len\n    def far(self, facts):\n        return facts.x\n",
            "",
        ),
        ("return self.far(facts)", "    def far(self, facts):\n        self.n = 1\n        return facts.x\n", ""),
    ],
)
def test_methods_that_may_change_something(body: str, more: str, head: str) -> None:
    assert _method(body, more, head) is None


def test_an_assembled_module_is_seen_through_unless_it_was_edited_there() -> None:
    one = "def can_start(facts):\n    return True\ndef is_over(facts, start):\n    return facts.x != start.x"
    module = assemble({"down": one, "up": one})
    assert dispatched(module, "is_over") == {"down": "down_is_over", "up": "up_is_over"}
    assert facts_read(module, NAMES, "down_is_over", (0, 1)) == facts_read(module, NAMES, "is_over", (1, 2)) == frozenset({"x"})
    for edit in ("IS_OVER['down'] = len\n", "OTHER = IS_OVER\n", "IS_OVER = {}\n", "def down_is_over(facts, start):\n    return True\n"):
        assert dispatched(module + edit, "is_over") == {}
        assert facts_read(module + edit, NAMES, "is_over", (1, 2)) is None
    assert dispatched(module.replace("[skill](facts, start)", "[skill](start, facts)"), "is_over") == {}


PROGRAM = """
def left_can_start(facts):
    return facts.x > 0
def left_is_over(facts, start):
    return facts.x == 0 or facts.y > start.y + 1
def right_can_start(facts):
    return facts.x < 3
def right_is_over(facts, start):
    return 1 / (facts.x - 2) > 0.5
CAN_START = {"left": left_can_start, "right": right_can_start}
IS_OVER = {"left": left_is_over, "right": right_is_over}
def can_start(skill, facts):
    return CAN_START[skill](facts)
def is_over(skill, facts, start):
    return IS_OVER[skill](facts, start)
"""
POLICY = """
class PolicyOverSkills:
    def __init__(self):
        self.calls = {}
    def interrupt(self, facts, skill):
        return facts.z and self.calls.get(skill, 0) % 2 == 1
    def next_skill(self, facts, finished, startable):
        skill = startable[facts.y % len(startable)]
        self.calls[skill] = self.calls.get(skill, 0) + 1
        return skill
"""
SKILLS = SkillSet((Skill("left", "go left", max_steps=7), Skill("right", "go right", max_steps=5)))


def _moments(rng: random.Random) -> list[Any]:
    now: dict[str, Any] = {"x": 1, "y": 0, "z": False, "name": "a"}
    moments = []
    for _ in range(400):
        values = {"x": rng.randrange(4), "y": rng.randrange(3), "z": rng.random() < 0.5}
        now = {**now, **{name: value for name, value in values.items() if rng.random() < 0.1}}
        moments.append(SimpleNamespace(**now))
    return moments


@pytest.mark.parametrize("seed", range(20))
def test_asked_only_when_a_deciding_fact_changes_a_schedule_does_the_same(seed: int) -> None:
    moments = _moments(random.Random(seed))

    def play(lazy: bool) -> tuple[list[Any], int, int]:
        schedule = ProgramSchedule(SKILLS, PROGRAM, POLICY, sorted(NAMES), seed, fault_limit=40)
        events: list[Any] = [schedule.begin(moments[0])]
        asked, last, seen, due = 0, 0, moments[0], 0
        for step, facts in enumerate(moments[1:], 1):
            deciding = schedule.deciding if lazy else None
            if deciding is not None and step < due and all(getattr(facts, name) == getattr(seen, name) for name in deciding):
                continue
            cause, active = schedule.advance(facts, EndCause.CONTINUES, step - last)
            asked, last, seen, due = asked + 1, step, facts, step + schedule.remaining
            if cause:
                events.append((step, cause, active, schedule.reason))
        return [*events, dict(schedule.faults)], asked, sum(schedule.faults.values())

    (always, every, _), (seldom, few, faults) = play(False), play(True)
    assert always == seldom
    assert every == 399
    assert few < 330
    assert faults > 0


def test_what_observes_or_fails_is_asked_every_step() -> None:
    facts = SimpleNamespace(x=1, y=0, z=False, name="a")

    def deciding(policy: str) -> frozenset[str] | None:
        schedule = ProgramSchedule(SKILLS, PROGRAM, policy, sorted(NAMES))
        schedule.begin(facts)
        assert schedule.deciding is None  # nothing has been asked yet
        schedule.advance(facts, EndCause.CONTINUES)
        return schedule.deciding

    assert deciding(POLICY) == frozenset({"x", "y", "z"})
    assert deciding(POLICY + "    def is_done(self, facts):\n        return facts.name == 'b'\n") == NAMES
    assert deciding(POLICY + "    def observe(self, facts):\n        self.last = facts.x\n") is None
    assert deciding(POLICY + "    def is_done(self, facts):\n        self.last = facts.x\n        return False\n") is None
    assert deciding(POLICY.replace("facts.z and", "1 / 0 and")) is None
