# ruff: noqa: E501 - one production of the grammar a line
"""Programs that nobody wrote: drawn from a grammar they do inside the sandbox what they do outside; mutated ones never crash the checker."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from maestromotif.domains.nethack.vocabulary import FACTS
from maestromotif.errors import ProgramError
from maestromotif.programs.check import check_source
from maestromotif.programs.guards import OutOfFuel
from maestromotif.programs.sandbox import load

NAMES = [spec.name for spec in FACTS]
SOURCES = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "styles").glob("*.py"))]
LIMITS = ("larger than", "more than", "longer than")  # what only the sandbox says
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


class _Writer:
    """Writes one program. Kinds of variables: a-c numbers, s-t texts, x-y lists of numbers, d-e dicts of numbers by text, u-v sets."""

    def __init__(self, choose: random.Random) -> None:
        self.rng = choose
        self.names = {"number": ["a", "b", "c"], "text": ["s", "t"], "list": ["x", "y"], "dict": ["d", "e"], "set": ["u", "v"]}
        self.fresh = 0
        self.loops = 0
        self.inner = 0  # functions around the place that is written

    def new(self, prefix: str) -> str:
        self.fresh += 1
        return f"{prefix}{self.fresh}"

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.rng.randrange(len(options))]

    # Expressions

    def expression(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf(kind)
        if self.rng.random() < 0.015:
            kind = self.pick(list(self.names))  # a type error, most likely
        productions: Sequence[Callable[[_Writer, int], str]] = getattr(self, "_" + kind)
        return productions[self.rng.randrange(len(productions))](self, depth - 1)

    def leaf(self, kind: str) -> str:
        if kind == "truth":
            return str(self.pick(["True", "False"]))
        if self.rng.random() < 0.7:
            return str(self.pick(self.names[kind]))
        constants: dict[str, list[Any]] = {
            "number": [0, 1, 2, 3, 7, -1, 10, True, 2.5],
            "text": ["''", "'a'", "'Ab c'", "'x,y'", r"'\n'", "'9'"],
            "list": ["[]", "[1]", "[3, 1, 2]", "list(range(4))"],
            "dict": ["{}", "{'a': 1}", "dict(a=2, b=3)"],
            "set": ["set()", "{1, 2}", "frozenset([3])"],
        }
        return str(self.pick(constants[kind]))

    def bound(self, kind: str, name: str, depth: int, wanted: str) -> str:
        """An expression in which a further name is known."""
        self.names[kind].append(name)
        text = self.expression(wanted, depth)
        self.names[kind].remove(name)
        return text

    def comprehension(self, depth: int, opening: str, closing: str, key: bool = False) -> str:
        name, source = self.new("i"), self.expression("list", depth)
        item = self.bound("number", name, depth, "number")
        test = f" if {self.bound('number', name, depth, 'truth')}" if self.rng.random() < 0.5 else ""
        start = f"{self.bound('number', name, 0, 'text')}: " if key else ""
        return f"{opening}{start}{item} for {name} in {source}{test}{closing}"

    def function(self, depth: int) -> str:
        name = self.new("k")
        return f"lambda {name}: {self.bound('number', name, depth, 'number')}"

    _number: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"({w.expression('number', n)} + {w.expression('number', n)})",
        lambda w, n: f"({w.expression('number', n)} - {w.expression('number', n)})",
        lambda w, n: f"({w.expression('number', n)} * {w.expression('number', n)})",
        lambda w, n: f"({w.expression('number', n)} // {w.expression('number', n)})",
        lambda w, n: f"({w.expression('number', n)} / {w.expression('number', n)})",
        lambda w, n: f"(-{w.expression('number', n)} % {w.pick([1, 2, 7, 0, -3])})",
        lambda w, n: f"({w.leaf('number')} ** {w.pick([0, 1, 2, 3])})",
        lambda w, n: f"({w.leaf('number')} << {w.pick([0, 1, 5])})",
        lambda w, n: f"({w.expression('number', n)} & {w.expression('number', n)} | {w.leaf('number')} ^ {w.leaf('number')})",
        lambda w, n: f"len({w.expression(w.pick(['text', 'list', 'dict', 'set']), n)})",
        lambda w, n: f"abs({w.expression('number', n)})",
        lambda w, n: f"min({w.expression('number', n)}, {w.expression('number', n)})",
        lambda w, n: f"max({w.expression('list', n)}, default={w.leaf('number')})",
        lambda w, n: f"max({w.expression('list', n)}, key={w.function(n)})",
        lambda w, n: f"sum({w.expression('list', n)})",
        lambda w, n: f"sum({w.comprehension(n, '', '')})",
        lambda w, n: f"{w.expression('list', n)}[{w.expression('number', n)}]",
        lambda w, n: f"{w.expression('dict', n)}[{w.expression('text', n)}]",
        lambda w, n: f"{w.expression('dict', n)}.get({w.expression('text', n)}, {w.leaf('number')})",
        lambda w, n: f"({w.expression('number', n)} if {w.expression('truth', n)} else {w.expression('number', n)})",
        lambda w, n: f"({w.function(n)})({w.expression('number', n)})",
        lambda w, n: f"helper({w.expression('number', n)}, *{w.expression('list', n)})",
        lambda w, n: f"box.add({w.expression('number', n)})",
        lambda w, n: "box.total",
        lambda w, n: "box.twice",
        lambda w, n: f"{w.expression('text', n)}.find({w.expression('text', n)})",
        lambda w, n: f"{w.expression('list', n)}.count({w.leaf('number')})",
        lambda w, n: f"int({w.expression('truth', n)})",
        lambda w, n: f"int({w.expression('text', n)})",
        lambda w, n: f"round({w.expression('number', n)}, {w.pick([0, 1, -1])})",
        lambda w, n: f"divmod({w.expression('number', n)}, {w.leaf('number')})[{w.pick([0, 1])}]",
        lambda w, n: f"math.floor({w.expression('number', n)})",
        lambda w, n: f"random.randint(0, {w.pick([1, 5, 0])})",
        lambda w, n: f"random.choice({w.expression('list', n)})",
        lambda w, n: f"next(iter({w.expression('list', n)}), {w.leaf('number')})",
    )
    _truth: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"{w.expression('number', n)} {w.pick(['<', '<=', '==', '!=', '>'])} {w.expression('number', n)}",
        lambda w, n: f"{w.leaf('number')} < {w.expression('number', n)} <= {w.leaf('number')}",
        lambda w, n: f"({w.expression('truth', n)} {w.pick(['and', 'or'])} {w.expression('truth', n)})",
        lambda w, n: f"(not {w.expression('truth', n)})",
        lambda w, n: f"{w.expression('text', n)} {w.pick(['in', 'not in'])} {w.expression('dict', n)}",
        lambda w, n: f"{w.expression('number', n)} in {w.expression(w.pick(['list', 'set']), n)}",
        lambda w, n: f"isinstance({w.expression(w.pick(['number', 'text', 'list']), n)}, ({w.pick(['int', 'str'])}, {w.pick(['float', 'list'])}))",
        lambda w, n: f"any({w.comprehension(n, '', '')})",
        lambda w, n: f"all({w.comprehension(n, '[', ']')})",
        lambda w, n: f"{w.expression('text', n)}.startswith({w.expression('text', n)})",
        lambda w, n: f"({w.expression('list', n)} == {w.expression('list', n)})",
        lambda w, n: f"bool({w.expression(w.pick(['list', 'text', 'dict', 'set']), n)})",
    )
    _text: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"({w.expression('text', n)} + {w.expression('text', n)})",
        lambda w, n: f"({w.expression('text', n)} * {w.pick([0, 1, 2, -1])})",
        lambda w, n: f"{w.expression('text', n)}[{w.pick(['1:', ':2', '::-1', '0', '-1'])}]",
        lambda w, n: f"str({w.expression(w.pick(['number', 'list', 'dict']), n)})",
        lambda w, n: f"repr({w.expression(w.pick(['text', 'number']), n)})",
        lambda w, n: f"f'{{a:{w.pick(['>5', '03d', '.2f', ''])}}}|{{{w.pick(['s', 't'])}!r}}|{{{w.pick(['x', 'd', 'y', 'b'])}}}'",
        lambda w, n: f"{w.expression('text', n)}.{w.pick(['upper', 'lower', 'strip', 'title', 'capitalize', 'swapcase'])}()",
        lambda w, n: f"{w.expression('text', n)}.replace({w.expression('text', n)}, {w.leaf('text')})",
        lambda w, n: f"{w.leaf('text')}.join([{w.expression('text', n)}, {w.expression('text', n)}])",
        lambda w, n: f"{w.leaf('text')}.join({w.expression('dict', n)})",
        lambda w, n: f"{w.expression('text', n)}.partition({w.leaf('text')})[{w.pick([0, 1, 2])}]",
        lambda w, n: f"({w.expression('text', n)} if {w.expression('truth', n)} else {w.expression('text', n)})",
        lambda w, n: f"max({w.expression('text', n)}, {w.expression('text', n)}, key=len)",
    )
    _list: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"[{w.expression('number', n)}, {w.expression('number', n)}]",
        lambda w, n: f"[*{w.expression('list', n)}, {w.expression('number', n)}, *{w.leaf('list')}]",
        lambda w, n: w.comprehension(n, "[", "]"),
        lambda w, n: f"({w.expression('list', n)} + {w.expression('list', n)})",
        lambda w, n: f"({w.expression('list', n)} * {w.pick([0, 1, 2])})",
        lambda w, n: f"{w.expression('list', n)}[{w.pick(['1:', ':-1', '::2', '::-1', ':'])}]",
        lambda w, n: f"sorted({w.expression('list', n)}, key={w.function(n)}, reverse={w.expression('truth', n)})",
        lambda w, n: f"list(map({w.function(n)}, {w.expression('list', n)}))",
        lambda w, n: f"list(filter({w.function(n)}, {w.expression('list', n)}))",
        lambda w, n: f"[p + q for p, q in zip({w.expression('list', n)}, {w.expression('list', n)})]",
        lambda w, n: f"[p * q for p, q in enumerate({w.expression('list', n)}, {w.pick([0, 1])})]",
        lambda w, n: f"list(reversed({w.expression('list', n)}))",
        lambda w, n: f"list({w.expression('dict', n)}.values())",
        lambda w, n: f"sorted({w.expression('set', n)})",
        lambda w, n: f"[len(part) for part in {w.expression('text', n)}.split({w.pick(['', repr(','), repr('a')])})]",
        lambda w, n: f"list(range({w.pick([0, 3, 5])}, {w.pick([2, 9])}, {w.pick([1, 2, -1])}))",
        lambda w, n: f"list(deque({w.expression('list', n)}, maxlen={w.pick([1, 3])}))",
        lambda w, n: f"[count for _, count in Counter({w.expression('text', n)}).most_common(2)]",
    )
    _dict: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"{{{w.expression('text', n)}: {w.expression('number', n)}}}",
        lambda w, n: f"{{**{w.expression('dict', n)}, {w.leaf('text')}: {w.expression('number', n)}}}",
        lambda w, n: w.comprehension(n, "{", "}", key=True),
        lambda w, n: f"dict(zip({w.expression('text', n)}, {w.expression('list', n)}))",
        lambda w, n: f"({w.expression('dict', n)} | {w.expression('dict', n)})",
        lambda w, n: f"dict(sorted({w.expression('dict', n)}.items(), key=lambda pair: pair[1]))",
        lambda w, n: f"dict(Counter({w.expression('text', n)}))",
    )
    _set: tuple[Callable[[_Writer, int], str], ...] = (
        lambda w, n: f"({w.expression('set', n)} {w.pick(['|', '&', '-', '^'])} {w.expression('set', n)})",
        lambda w, n: f"set({w.expression('list', n)})",
        lambda w, n: w.comprehension(n, "{", "}"),
        lambda w, n: f"{w.expression('set', n)}.union({w.expression('list', n)})",
    )

    # Statements

    def block(self, depth: int, inside: str = "") -> list[str]:
        lines: list[str] = []
        for _ in range(self.rng.randint(1, 3)):
            lines += self.pick(self._statements)(self, depth)
        if inside and self.rng.random() < 0.2:
            lines += [f"if {self.expression('truth', 1)}:", f"    {inside}"]
        return lines

    def assign(self, depth: int) -> list[str]:
        kind = self.pick(list(self.names))
        return [f"{self.pick(self.names[kind][:2])} = {self.expression(kind, 3)}"]

    def augment(self, depth: int) -> list[str]:
        kind, operators = self.pick(
            [("number", ["+=", "-=", "*=", "//=", "%="]), ("text", ["+="]), ("list", ["+="]), ("set", ["|=", "&=", "-=", "^="])]
        )
        target = self.pick(self.names[kind][:2])
        if kind == "number":
            target = self.pick([target, "box.total", f"{self.leaf('list')}[{self.leaf('number')}]", f"d[{self.expression('text', 1)}]"])
        return [f"{target} {self.pick(operators)} {self.expression(kind, 2)}"]

    def change(self, depth: int) -> list[str]:
        x, d, u = self.pick(["x", "y"]), self.pick(["d", "e"]), self.pick(["u", "v"])
        number, text = self.expression("number", 2), self.expression("text", 2)
        return [
            self.pick(
                [
                    f"{x}.append({number})",
                    f"{x}.extend({self.expression('list', 2)})",
                    f"{x}.insert({number}, {self.leaf('number')})",
                    f"{x}.sort(key={self.function(1)})",
                    f"{x}.reverse()",
                    f"a = {x}.pop()",
                    f"del {x}[{self.leaf('number')}]",
                    f"{x}[{self.leaf('number')}] = {number}",
                    f"{d}[{text}] = {number}",
                    f"{d}.update({self.expression('dict', 2)})",
                    f"b = {d}.pop({text}, {number})",
                    f"a = {d}.setdefault({text}, {number})",
                    f"{u} = set({u}); {u}.add({number})",
                    f"{u} = set({u}); {u}.discard({number})",
                    f"a, b = b, {number}",
                    f"a, *x = {self.expression('list', 2)}",
                    f"x, (a, s) = {self.expression('list', 1)}, ({number}, {text})",
                    f"random.shuffle({x})",
                ]
            )
        ]

    def branch(self, depth: int) -> list[str]:
        lines = [f"if {self.expression('truth', 2)}:", *_indented(self.block(depth - 1))]
        if self.rng.random() < 0.4:
            lines += [f"elif (w := {self.expression('number', 2)}):", *_indented([*self.block(depth - 1), "c = w"])]
        return [*lines, "else:", *_indented(self.block(depth - 1))] if self.rng.random() < 0.5 else lines

    def loop(self, depth: int) -> list[str]:
        if self.loops >= 2:
            return self.assign(depth)
        self.loops += 1
        leave = self.pick(["break", "continue"])
        if self.rng.random() < 0.5:
            lines = [f"for c in {self.expression('list', 1)}[:3]:", *_indented(self.block(depth - 1, leave))]
        else:
            name = self.new("n")
            lines = [f"{name} = 3", f"while {name} > 0 and {self.expression('truth', 1)}:"]
            lines += _indented([f"{name} -= 1", *self.block(depth - 1, leave)])
        self.loops -= 1
        return [*lines, "else:", *_indented(self.block(depth - 1))] if self.rng.random() < 0.3 else lines

    def attempt(self, depth: int) -> list[str]:
        kinds = self.pick(["ZeroDivisionError", "(IndexError, KeyError)", "TypeError", "ValueError", "Exception", "LookupError"])
        lines = ["try:", *_indented(self.block(depth - 1)), f"except {kinds} as error:", *_indented(["t = 'caught'", *self.block(depth - 1)])]
        if self.rng.random() < 0.3:
            lines += ["else:", *_indented(self.block(depth - 1))]
        return [*lines, "finally:", *_indented(["a = 1", *self.block(0)])] if self.rng.random() < 0.3 else lines

    def match(self, depth: int) -> list[str]:
        lines = [f"match {self.expression(self.pick(['number', 'list', 'text']), 2)}:"]
        for pattern in ("0 | 1", "[c, *x]", "'a' | ''", f"c if {self.expression('truth', 1)}", "_"):
            if pattern == "_" or self.rng.random() < 0.5:
                lines += _indented([f"case {pattern}:", *_indented(self.block(depth - 1))])
        return lines

    def define(self, depth: int) -> list[str]:
        if self.inner:
            return self.assign(depth)
        self.inner += 1
        name = self.new("g")
        body = ["nonlocal a, x", *self.block(depth - 1), f"return {self.expression('number', 2)}"]
        self.inner -= 1
        # Assigned names are local to the inner function, and so have to be given to it.
        head = f"def {name}(b=1, c=2, *, s='q', t='r', y=(1, 2), d={{}}, e={{}}, u=frozenset(), v=frozenset(), w=0):"
        return [head, *_indented(["y, d, e = list(y), dict(d), dict(e)", *body]), f"b = {name}({self.leaf('number')}, s={self.leaf('text')})"]

    def stop(self, depth: int) -> list[str]:
        return [
            f"if {self.expression('truth', 2)}:",
            f"    {self.pick(['raise ValueError(s)', 'assert a, t', 'raise Mine(1)', 'return a' if not self.inner else 'return 5'])}",
        ]

    _statements: tuple[Callable[[_Writer, int], list[str]], ...] = (
        *(assign, assign, augment, change, change),
        *(lambda w, n: w.branch(n) if n > 0 else w.assign(n), lambda w, n: w.loop(n) if n > 0 else w.change(n)),
        *(lambda w, n: w.attempt(n) if n > 0 else w.augment(n), lambda w, n: w.match(n) if n > 0 else w.assign(n)),
        *(lambda w, n: w.define(n) if n > 0 else w.assign(n), lambda w, n: w.stop(n) if n > 0 else w.assign(n)),
    )


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


_HEAD = """\
import math
import random
from collections import Counter, deque


class Mine(Exception):
    pass


class Box:
    made = 0

    def __init__(self, total):
        self.total = total
        Box.made += 1

    @property
    def twice(self):
        self.total += 1
        return self.total * 2

    def add(self, more=1):
        self.total = (self.total + more) % 1009
        return self.total


def helper(first, *rest, scale=2):
    return first * scale + len(rest)


def f(a, b, s, x, d):
    c, t, y, e, u, v, w = 3, "t", [1, 2], {"b": 2}, {1, 2}, frozenset([2, 3]), 0
    box = Box(a)
"""


def _program(choose: random.Random) -> str:
    writer = _Writer(choose)
    lines: list[str] = []
    for _ in range(choose.randint(1, 3)):
        block = writer.block(2)
        caught = ["try:", *_indented(block), "except Exception as error:", "    t = 'failed'"]
        lines += caught if choose.random() < 0.6 else block
    return _HEAD + "\n".join(_indented([*lines, "return a, b, c, s, t, x, y, d, e, u, v, w, box.total"])) + "\n"


def _typed(value: Any) -> Any:
    """The value with its types, so that True is not 1; sets without their order."""
    if isinstance(value, tuple | list):
        return type(value).__name__, [_typed(part) for part in value]
    if isinstance(value, dict):
        return "dict", [(_typed(key), _typed(part)) for key, part in value.items()]
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(map(repr, value))
    return type(value).__name__, repr(value)


def _outcome(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[str, Any]:
    given = [list(part) if isinstance(part, list) else dict(part) if isinstance(part, dict) else part for part in arguments]
    try:
        return "value", _typed(function(*given))
    except OutOfFuel:
        return "limit", ""
    except Exception as error:
        return ("limit", "") if any(words in str(error) for words in LIMITS) else ("error", type(error).__name__)


def _plain(source: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(compile(source, "p.py", "exec", dont_inherit=True), space)
    function: Callable[..., Any] = space["f"]
    return function


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(SLOW, max_examples=400)
@given(
    number=st.integers(0, 2**32),
    seed=st.integers(0, 9),
    a=st.integers(-3, 12),
    s=st.sampled_from(["", "abc", "A b,c"]),
    x=st.lists(st.integers(-5, 20), max_size=4),
)
def test_drawn_programs_do_inside_what_they_do_outside(number: int, seed: int, a: int, s: str, x: list[int]) -> None:
    source = _program(random.Random(number))
    arguments = (a, 2, s, x, {"a": 1, "c": 3})
    program = load(source, "p.py", seed=seed, fuel=5_000)
    inside = program.get("f")
    assert inside is not None
    found = _outcome(inside, arguments)
    assume(found[0] != "limit")
    state = random.getstate()
    try:
        random.seed(seed)
        expected = _outcome(_plain(source), arguments)
    finally:
        random.setstate(state)
    assert found == expected, source


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_drawn_programs_are_worth_comparing() -> None:
    """Most give values, some fail, few run into limits; and they hold what the sandbox rewrites."""
    outcomes, kinds = [], set()
    for seed in range(150):
        source = _program(random.Random(seed))
        kinds |= {type(node) for node in ast.walk(ast.parse(source))}
        program = load(source, "p.py", seed=seed, fuel=5_000)
        outcomes.append(_outcome(program.get("f") or len, (seed % 7, 2, "abc", [3, 1, 2], {"a": 1}))[0])
    assert outcomes.count("value") > 75
    assert outcomes.count("error") > 15
    assert outcomes.count("limit") < 15
    wanted = {ast.While, ast.For, ast.Match, ast.Try, ast.Nonlocal, ast.Lambda, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.JoinedStr}
    assert kinds >= wanted | {ast.Starred, ast.AugAssign, ast.Slice, ast.NamedExpr, ast.Delete, ast.LShift, ast.Pow, ast.MatchStar}


# --- the checker


def _refused(source: str) -> str:
    """Why a program is refused; nothing if it is not. Anything but a ``ProgramError`` is a crash."""
    try:
        check_source(source, NAMES, "p.py")
        load(source, "p.py", names=NAMES, fuel=1_000)
    except ProgramError as error:
        found = error
    else:
        return ""
    assert found.problem.startswith("p.py:")
    assert found.remedy
    return found.problem


SNIPPETS = (
    *("__class__", "yield", "async ", "await x", "with open('f'):\n", "import os\n", "lambda: (yield)", "*", "**", ":=", "\\", "\t", "\x00"),
    *("\ud800", "\u0660", "\ufb01", "'''", '"', "f'{", "}", "{", "(", ")", "[", "]", "@", "...", "0x", "1_0", "1e999", "9" * 400),
    *("global facts\n", "nonlocal x\n", "del self.x\n", "return\n", "pass", "case _:\n", "except:\n", "finally:\n", "print", "type", "-> None"),
    *("self.x.y = 1\n", "x[:] = []\n", "X = tuple[int]\n", "facts.depth", "$tick", "\r", "\f", "#", ";", "if", "else", "for x in x", "not", "is"),
)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(SLOW, max_examples=200)
@given(data=st.data(), source=st.sampled_from(SOURCES))
def test_mutated_programs_never_crash_the_checker(data: st.DataObject, source: str) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(source)))
        length = data.draw(st.sampled_from([0, 0, 1, 5, 40, 400]))
        other = data.draw(st.sampled_from(SOURCES))
        cut = data.draw(st.integers(0, len(other)))
        piece = data.draw(st.one_of(st.sampled_from(SNIPPETS), st.just(other[cut : cut + 60]), st.text(max_size=8)))
        source = source[:start] + piece + source[start + length :]
    _refused(source)


class _Graft(ast.NodeTransformer):
    """Puts an expression of another program in the place of the given one; f-strings stay as they are."""

    def __init__(self, place: int, piece: ast.expr) -> None:
        self.left, self.piece = place, piece

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.JoinedStr):
            return node
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            self.left -= 1
            if not self.left:
                return self.piece
        self.generic_visit(node)
        return node


TREES = [ast.parse(source) for source in SOURCES]
PIECES = [node for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", None), ast.Load | None)]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(SLOW, max_examples=120)
@given(number=st.integers(0, len(SOURCES) - 1), place=st.integers(1, 120), piece=st.sampled_from(PIECES))
def test_grafted_programs_never_crash_the_checker(number: int, place: int, piece: ast.expr) -> None:
    """Programs that are valid Python, unlike most that are mutated as text."""
    tree = _Graft(place, piece).visit(ast.parse(SOURCES[number]))
    _refused(ast.unparse(ast.fix_missing_locations(tree)))


WORD_TEXT = """
    def class return if else elif for while in not and or is lambda try except finally raise import from as match case with yield
    global nonlocal del pass break continue assert async await None True False self facts x f str list tuple dict type print depth
    __init__ _ 0 1 2.5 'a' "b" f'{x}' ( ) [ ] { } : , . = == := + - * ** / // % @ & | ^ ~ << >> < > -> ; * ...
    """
WORDS = [*WORD_TEXT.split(), "\\"]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(SLOW, max_examples=200)
@given(st.lists(st.sampled_from([*WORDS, "\n", "\n    ", "\n        "]), max_size=40))
def test_no_words_crash_the_checker(words: list[str]) -> None:
    _refused(" ".join(words))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\xef\xbb\xbfx = 1", b"# coding: rot13\nk = 1", b"\x80", bytes(range(256))])
def test_bytes_that_name_an_encoding(data: bytes) -> None:
    _refused(data.decode("utf-8", "surrogateescape"))
    _refused(data.decode("latin-1"))
