# ruff: noqa: E501 - programs on one line are easier to read than folded ones
"""Checked and metered programs do what plain Python does, stop when they should, and never run beside keys."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maestromotif.errors import ProgramError
from maestromotif.programs.check import MAX_SOURCE, check_source
from maestromotif.programs.sandbox import Meter, Program, ProgramFault, load, scrubbed_environment, secret_names


def _run(source: str, *arguments: Any, fuel: int = 20_000) -> Any:
    program = load(source, "p.py", names=["depth", "message"], fuel=fuel, required=["f"])
    function = program.get("f")
    assert function is not None
    return program.call(function, *arguments)


def _plain(source: str, *arguments: Any) -> Any:
    space: dict[str, Any] = {}
    exec(compile(source, "p.py", "exec"), space)
    return space["f"](*arguments)


VALID = {
    "class with memory": """
import math
from collections import Counter, defaultdict, deque
from typing import Optional

LIMIT: int = 3

class Memory:
    \"\"\"Keeps things.\"\"\"
    SIZE = 2
    DOUBLE = SIZE * 2
    def __init__(self, size: int = SIZE):
        self._seen: dict[str, int] = {}
        self.last = deque(maxlen=size)
        self.groups = defaultdict(list)
        self.total = 0
    @staticmethod
    def half(x): return x / 2
    @classmethod
    def make(cls): return cls(cls.DOUBLE)
    @property
    def seen(self): return sorted(self._seen.items())
    def _add(self, x):
        self._seen[str(x)] = self._seen.get(str(x), 0) + 1
        self.last.append(x)
        self.groups[x % 3].append(x)
        self.total += x
        self.total *= 1

def f(xs):
    m = Memory.make()
    for x in xs:
        m._add(x)
    return m.seen, list(m.last), dict(m.groups), m.total, Memory.half(m.total), math.floor(2.5), Counter(xs).most_common(1)
""",
    "control flow": """
def f(xs):
    out, i = [], 0
    while True:
        i += 1
        if i > len(xs): break
        elif xs[i - 1] % 2: continue
        else: out.append(i)
    else:
        out.append(-1)
    try:
        out.append(xs[1000])
    except (IndexError, KeyError) as error:
        out.append(str(error))
    else:
        out.append("none")
    finally:
        out.append("end")
    for x in xs:
        if x > 50: break
    else:
        out.append("all small")
    return out
""",
    "comprehensions": """
def f(xs):
    key = lambda x, y=2: -x * y
    pairs = {x: y for x, y in zip(xs, reversed(xs)) if x != y}
    return ([x for row in [xs, xs] for x in row if x % 2], sorted(xs, key=key, reverse=True), {x % 5 for x in xs}, any(x > 3 for x in xs),
            all(map(bool, xs)), max(xs, default=0), min(1, 2), sum(xs), pairs, [*xs, *xs], (n := len(xs)) + n, dict(a=1, **{"b": 2}))
""",
    "text": """
def f(xs):
    words = "You see here a scroll. You hear water.".lower().replace(".", " ").split()
    first, *rest = words
    return (f"{len(xs):>4d}|{sum(xs) / 3:.2f}|{first!r}|{xs}", ", ".join(rest), "see" in words, str(xs), repr("a"), "a" + first, first * 2, words[1:3],
            [1] + [2], "ab"[::-1], str({"a": (1, 2.5, None, True)}))
""",
    "numbers": """
def f(xs):
    a, b = len(xs), sum(xs)
    b += a; b -= 1; a |= 8; b ^= 3
    return (a ** 2, 2 ** 10, 2 ** -1, a << 3, b >> 1, a & b, a | b, a ^ b, ~a, -a, b // 3, b % 7, divmod(b, 7), abs(-b), round(2.567, 2), round(2.5),
            pow(a, 3), a * b, 0.5 * a, int("7"), float(a), 7 == 7.0, not a, a < b <= 10 ** 6)
""",
    "match": """
def f(xs):
    out = []
    for x in [*xs, "a", ("p", 1), {"k": 2}, None]:
        match x:
            case "a" | "b": out.append("letter")
            case int() if False: out.append("never")
            case ("p", n): out.append(n)
            case {"k": k, **rest}: out.append((k, rest))
            case None: out.append("none")
            case other: out.append(other)
    return out
""".replace('            case int() if False: out.append("never")\n', ""),
    "nested functions": """
def f(xs):
    count = 0
    def visit(x, *more, scale=1, **named):
        nonlocal count
        count += 1
        return x * scale + sum(more) + sum(named.values())
    return [visit(x, 1, 2, scale=3, z=4) for x in xs], count, isinstance(xs, (list, tuple)), isinstance("a", str), list(map(str.lower, ["A"]))
""",
    "assignments": """
from collections import Counter
class Inner:
    total = 0
made = Inner()
def inner(calls, x):
    calls.append(-x)
    return made
def f(xs):
    made.total = 0
    calls = []
    def place(i):
        calls.append(i)
        return calls
    counts = {}
    for x in xs:
        counts[(x % 3, len(calls))] = 1
        counts[(x % 3, len(calls))] += x
        place(x)[len(calls) - 1] *= 2
        place(x)[-1] += 1
        inner(calls, x).total += x
        inner(calls, x).total *= 2
    s = set(xs)
    t = s
    s -= {1, 2}
    first, (second, *rest), *more = [1, [2, *xs], *xs]
    rows = [(a, b) for a, *b in [[1, 2, 3], [4]]]
    for a, *b in [[1, *xs]]:
        rows.append((a, b))
    match xs:
        case [head, *tail]:
            rows.append((head, tail))
        case _:
            rows.append(())
    c = Counter(xs) + Counter(xs)
    c["x"] += 1
    return counts, calls, t is s, s, rest, more, rows, c, isinstance(c, Counter), isinstance({}, Counter), isinstance(3, (int, str)), isinstance(3, int | str), made.total
""",
    "choices by key": """
def f(xs):
    pairs = [(x % 4, x) for x in xs]
    best = max(pairs, key=lambda p: p[1], default=None)
    biggest = max
    return best, min(pairs, key=lambda p: (p[0], -p[1]), default=0), biggest(1, 2), max(*[1, 2], 3), list(map(lambda a, b: a - b, xs, xs)), int("12"), int(2.5), int("a", 16)
""",
    "class variables": """
tick = 5
class C:
    tick = 1
    twice = tick * 2
    get = lambda self: tick
    def own(self): return self.tick
class D(C):
    tick = 7
def f(xs):
    d = D()
    d.count = len(xs)
    d.count += 1
    return C().get(), d.own(), C.twice, d.count, str(ValueError("a", 1)), str(KeyError("k")), f"{ValueError('b')}"
""",
    "sets and dicts": """
def f(xs):
    s = set(xs) | {1, 2}
    t = frozenset(xs)
    s.update([9], (x for x in [10])); s.discard(9)
    d = dict(zip("abc", xs)); d.setdefault("z", 0); d.update(y=5)
    e = {**d, "q": 1}
    del e["q"]
    return s, t & s, s - t, s ^ t, d, e == d, list(d.items()), d.pop("z"), sorted(s.union(t)), tuple(d), e.get("nothing")
""",
}


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=25, deadline=None)
@given(xs=st.lists(st.integers(0, 100), max_size=12))
def test_valid_programs_give_what_plain_python_gives(name: str, xs: list[int]) -> None:
    assert _run(VALID[name], list(xs)) == _plain(VALID[name], list(xs))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
@example("\x00")
@example("(" * 500)
@example("-" * 20_000 + "1")
@example("x = " + "+".join("1" * 30_000))
@example("if 1:\n  pass\n" + "elif 1:\n  pass\n" * 4_000)
@example("x" * (MAX_SOURCE + 1))
@example("\ud800")
@example("def f(x): return x.\u2102")
def test_no_text_crashes_the_checker(text: str) -> None:
    problem = "p.py:"
    try:
        load(text, "p.py")
    except ProgramError as error:
        problem = error.problem
    assert problem.startswith("p.py:")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_checker(data: bytes) -> None:
    remedy = "none needed"
    try:
        check_source(data.decode("latin-1"))
    except ProgramError as error:
        remedy = error.remedy
    assert remedy


def test_all_violations_are_named_with_their_lines() -> None:
    with pytest.raises(ProgramError) as caught:
        check_source("import os\n\ndef f(facts):\n    return facts.dept + eval('1')\n", ["depth"], "a.py")
    assert "a.py:1: the module 'os' is not available" in caught.value.problem
    assert "a.py:4: unknown attribute 'dept'" in caught.value.problem
    assert "did you mean 'depth'?" in caught.value.problem
    assert "a.py:4: the name 'eval' is not available" in caught.value.problem


LOOPS = {
    "while": "def f():\n    while True:\n        pass",
    "for over itself": "def f():\n    xs = [1]\n    for x in xs:\n        xs.append(x)",
    "comprehension over itself": "def f():\n    xs = [1]\n    return [xs.append(x) for x in xs]",
    "inside except": "def f():\n    while True:\n        try:\n            while True:\n                pass\n        except Exception:\n            pass",
    "inside finally": "def f():\n    while True:\n        try:\n            while True:\n                pass\n        finally:\n            continue",
    "nested finally": (
        "def f():\n    while True:\n        try:\n            while True:\n                try:\n                    f()\n"
        "                finally:\n                    continue\n        finally:\n            continue"
    ),
    "mutual recursion, caught": (
        "def g():\n    try:\n        f()\n    except RuntimeError:\n        pass\n    g()\ndef f():\n    try:\n        g()\n    except RuntimeError:\n"
        "        pass\n    f()"
    ),
    "return hides it": "def f():\n    try:\n        while True:\n            pass\n    finally:\n        return True",
    "iterator over itself": "def f():\n    xs = [1]\n    for i in range(40):\n        xs.extend(map(abs, xs))",
    "while with else": "def f():\n    while not False:\n        x = 1\n    else:\n        return 1",
}


@pytest.mark.parametrize("name", LOOPS)
def test_endless_loops_end(name: str) -> None:
    program = load(LOOPS[name], "p.py", fuel=2_000)
    function = program.get("f")
    assert function is not None
    with pytest.raises(ProgramFault):
        program.call(function)
    # The next call has fuel again.
    other = load("def f():\n    return sum([i for i in range(1_000)])", "q.py", meter=program.meter)
    assert other.call(other.get("f") or len) == 499_500


def test_a_call_always_has_its_fuel() -> None:
    program = load("def f():\n    return len([i for i in range(1_900)])", "p.py", fuel=2_000)
    function = program.get("f")
    assert function is not None
    assert {program.call(function) for _ in range(50)} == {1_900}


def test_a_fault_names_kind_and_line() -> None:
    with pytest.raises(ProgramFault, match=r"ZeroDivisionError: .* \(line 3\)"):
        _run("def f():\n    x = 0\n    return 1 / x\n")
    with pytest.raises(ProgramFault, match=r"has no attribute '_a' \(line 5\)"):
        _run("class C:\n    def b(self):\n        self._a = 1\ndef f():\n    return C()._a\n")


def test_loading_failures_name_the_file() -> None:
    with pytest.raises(ProgramError, match=r"p\.py: fails while it is loaded: ZeroDivisionError.*line 1"):
        load("x = 1 / 0", "p.py")
    with pytest.raises(ProgramError, match=r"p\.py: fails while it is loaded: OutOfFuel"):
        load("while True:\n    pass", "p.py")
    with pytest.raises(ProgramError, match="does not define g"):
        load("def f():\n    pass", "p.py", required=["g"])


def test_random_is_private_and_seeded() -> None:
    source = "import random\ndef f():\n    return [random.random() for i in range(3)], random.choice([1, 2, 3]), random.sample(range(9), 3)"
    state = random.getstate()
    results = [load(source, "p.py", seed=seed) for seed in (1, 1, 2)]
    first, again, other = [program.call(program.get("f") or len) for program in results]
    assert first == again != other
    assert random.getstate() == state


def test_programs_do_not_share_a_name_space() -> None:
    source = "seen = []\ndef f():\n    seen.append(1)\n    return len(seen)"
    one, two = load(source, "p.py"), load(source, "p.py")
    assert [one.call(one.get("f") or len), one.call(one.get("f") or len), two.call(two.get("f") or len)] == [1, 2, 1]


def test_nothing_runs_beside_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTROMOTIF_API_KEY", "k")
    assert secret_names() == ["MAESTROMOTIF_API_KEY"]
    with pytest.raises(ProgramError, match="MAESTROMOTIF_API_KEY"):
        load("x = 1", "p.py")
    assert "MAESTROMOTIF_API_KEY" not in scrubbed_environment()
    assert "PATH" in scrubbed_environment()


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "openai_api_key", "LLM_KEY", "GOOGLE_APPLICATION_CREDENTIALS"]
)
def test_names_of_secrets(name: str) -> None:
    assert secret_names({name: "x", "TOKENIZERS_PARALLELISM": "false", "KEYBOARD": "us"}) == [name]
    assert secret_names({name: ""}) == []


def test_a_shared_meter_is_refilled_for_both_programs() -> None:
    meter = Meter(100)
    programs: list[Program] = [load("def f():\n    for i in range(60):\n        pass", "p.py", meter=meter) for _ in range(2)]
    for _ in range(20):
        for program in programs:
            assert program.call(program.get("f") or len) is None  # would raise, were the fuel of earlier calls still missing


def test_the_buffers_behind_facts_are_out_of_reach() -> None:
    facts_module = pytest.importorskip("maestromotif.domains.nethack.facts")
    from maestromotif.domains.nethack.vocabulary import FACTS

    facts = facts_module.NetHackFacts([1] * len(FACTS), None)
    source = "class C:\n    def __init__(self):\n        self._row = [0]\ndef f(facts):\n    facts._row[0] = 7\n    return True"
    program = load(source, "p.py", names=[spec.name for spec in FACTS])
    with pytest.raises(ProgramFault, match="AttributeError"):
        program.call(program.get("f") or len, facts)
    assert facts._row[0] == 1


@pytest.mark.parametrize(
    "nest",
    [
        "map(abs, x)",
        "zip(x)",
        "filter(None, x)",
        "enumerate(x)",
        "defaultdict(int, {1: x})",
        "deque([x])",
        "{1: x}",
        "(i for i in x)",
        "w(x)",
        "[x]",
    ],
)
def test_deep_nesting_does_not_crash_the_interpreter(nest: str) -> None:
    """In plain Python, asking nested maps for an item or freeing nested defaultdicts overflows the C stack."""
    code = f"from collections import defaultdict, deque\ndef w(g):\n    return (y for x in [1] for y in g)\ndef f():\n    x = [1]\n    for i in range(60_000):\n        x = {nest}\n    return next(iter(x))"
    check = (
        "from maestromotif.programs.sandbox import ProgramFault, load\n"
        f"p = load({code!r}, 'p.py', fuel=70_000)\n"
        "try:\n    p.call(p.get('f'))\nexcept ProgramFault:\n    pass\n"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False, env=scrubbed_environment()).returncode == 0
