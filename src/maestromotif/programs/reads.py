"""What a program's answer depends on: the facts that a function reads, where it depends on nothing else and changes nothing.

Such a function need not be asked again while these facts stay as they are. The analysis reads a checked program's syntax tree, and knows
only what the common way of writing terminations needs; of everything else it says that it cannot tell.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from maestromotif.programs.check import bound_names
from maestromotif.programs.vocabulary import MODULES

__all__ = ["dispatched", "facts_read"]

_CONSUMERS = frozenset({"all", "any", "dict", "frozenset", "len", "list", "max", "min", "set", "sorted", "sum", "tuple"})
_PURE = _CONSUMERS | {"abs", "bool", "divmod", "float", "int", "pow", "range", "round", "str"}
_ITERATORS = frozenset({"enumerate", "filter", "iter", "map", "next", "reversed", "zip"})
_PURE_METHODS = frozenset({"count", "endswith", "find", "get", "index", "isalpha", "isdigit", "isdisjoint", "issubset", "issuperset"})
_PURE_METHODS |= {"items", "keys", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rstrip", "split"}
_PURE_METHODS |= {"startswith", "strip", "title", "upper", "values"}
_MATH = MODULES["math"]
_PLAIN_EXPRESSIONS = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.JoinedStr, ast.FormattedValue, ast.Tuple, ast.List, ast.Set)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DISPLAYS = (ast.List, ast.Set, ast.Dict)


class _CannotTell(Exception):
    """The function does something of which the analysis does not know that its answer depends on facts alone."""


@lru_cache(maxsize=512)
def facts_read(source: str, names: frozenset[str], function: str, facts: tuple[int, ...], owner: str = "") -> frozenset[str] | None:
    """The facts that decide what a function answers.

    Args:
        source: a program that has passed the check.
        names: all facts.
        function: its name, at the top level or, as a method, in the class ``owner``.
        facts: places of the parameters that are facts; those of a method count from ``self`` as 0.
        owner: where given, the answer may also depend on the object, which the function does not change.

    Returns:
        None where it may depend on something else, or change something.
    """
    try:
        return frozenset(_Analysis(ast.parse(source), names, owner).function(function, facts, method=bool(owner)))
    except _CannotTell:
        return None


@lru_cache(maxsize=512)
def dispatched(source: str, function: str) -> Mapping[str, str]:
    """By skill, the function to which ``function(skill, ...)`` passes its other arguments on, in a module as ``assemble`` makes it.

    Empty where the module has another form; then only the function itself can be asked.
    """
    tree = ast.parse(source)
    bindings = Counter(bound_names(tree))
    for node in tree.body:
        if not (isinstance(node, ast.FunctionDef) and node.name == function and bindings[function] == 1 and len(node.body) == 1):
            continue
        only, names = node.body[0], [argument.arg for argument in node.args.args]
        if isinstance(only, ast.Return) and isinstance(only.value, ast.Call) and isinstance(only.value.func, ast.Subscript):
            table = only.value.func.value
            if isinstance(table, ast.Name) and ast.unparse(node.args) == ", ".join(names):
                passed = f"{table.id}[{names[0]}]({', '.join(names[1:])})"
                if ast.unparse(only.value) == passed:
                    return _function_tables(tree, bindings).get(table.id, {})
    return {}


def _function_tables(tree: ast.Module, bindings: Counter[str]) -> dict[str, dict[str, str]]:
    """Dictionaries from texts to functions, all at the top level, of which nothing is done but calling an entry."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and bindings[node.name] == 1}
    called = {id(node.func.value) for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript)}
    elsewhere = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called
    }
    tables: dict[str, dict[str, str]] = {}
    for name, value in _constants(tree, bindings):
        if not isinstance(value, ast.Dict) or name in elsewhere:
            continue
        entries = {
            key.value: entry.id
            for key, entry in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(entry, ast.Name) and entry.id in functions
        }
        if len(entries) == len(value.keys):
            tables[name] = entries
    return tables


def _constants(tree: ast.Module, bindings: Counter[str]) -> Iterator[tuple[str, ast.expr]]:
    """Names that are bound once in the whole program, at its top level, with what they are bound to."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if bindings[name] == 1:
                yield name, value


def _is_plain(node: ast.expr) -> bool:
    """A literal that nobody can change."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and all(_is_plain(part) for part in node.elts))


def _is_display(node: ast.expr) -> bool:
    """A list, set or dictionary of literals."""
    if isinstance(node, ast.Dict):
        return all(key is not None and _is_plain(key) for key in node.keys) and all(_is_plain(value) for value in node.values)
    return isinstance(node, ast.List | ast.Set) and all(_is_plain(part) for part in node.elts)


def _outside(tree: ast.Module) -> Iterator[str]:
    """Names that the top level binds, or that functions bind there."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        todo.extend(ast.iter_child_nodes(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


class _Scope:
    """One function while it is read.

    Attributes:
        facts: parameters that are facts: they may be read from and passed on, nothing else.
        this: the name of ``self``, or "".
        values: parameters and local names that hold anything else.

    Args:
        outside: names of the top level. A function that binds one of them, if only in a comprehension, is not looked into.
    """

    def __init__(self, node: ast.FunctionDef, facts: Sequence[int], method: bool, outside: frozenset[str]) -> None:
        given = node.args
        parameters = [argument.arg for argument in (*given.posonlyargs, *given.args)]
        if given.vararg or given.kwarg or given.kwonlyargs or not all(_is_plain(default) for default in given.defaults):
            raise _CannotTell
        if node.decorator_list or (facts and max(facts) >= len(parameters)):
            raise _CannotTell
        self.facts = {parameters[place] for place in facts}
        self.this = parameters[0] if method and parameters else ""
        local = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
        if local & (self.facts | {self.this} | outside):
            raise _CannotTell
        self.values = (set(parameters) | local) - self.facts - {self.this}


class _Analysis:
    """Collects the facts that functions of one program read. Every method raises ``_CannotTell`` where it does not know."""

    def __init__(self, tree: ast.Module, names: frozenset[str], owner: str) -> None:
        self._names = names
        self._reads: set[str] = set()
        self._begun: set[tuple[str, tuple[int, ...], bool]] = set()
        self._bindings = Counter(bound_names(tree))
        nodes = list(ast.walk(tree))
        self._outside = frozenset(_outside(tree))
        self._functions = self._once(tree.body)
        constants = dict(_constants(tree, self._bindings))
        self._plain = {name for name, value in constants.items() if _is_plain(value)}
        self._plain |= {name for name, value in constants.items() if _is_display(value) and self._only_read(name, nodes)}
        self._tables = _function_tables(tree, self._bindings)
        self._math = any(isinstance(node, ast.Import) and any(a.name == "math" and not a.asname for a in node.names) for node in tree.body)
        self._math = self._math and self._bindings["math"] == 1
        self._methods: dict[str, ast.FunctionDef] = {}
        # A program's own class may give a common name another meaning.
        made = {part.name for node in nodes if isinstance(node, ast.ClassDef) for part in node.body if isinstance(part, ast.FunctionDef)}
        self._harmless = _PURE_METHODS - made
        if owner:
            self._methods = self._class(tree, owner, nodes)

    def _once(self, body: Sequence[ast.stmt]) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in body if isinstance(node, ast.FunctionDef) and self._bindings[node.name] == 1}

    def _class(self, tree: ast.Module, owner: str, nodes: Sequence[ast.AST]) -> dict[str, ast.FunctionDef]:
        """The methods of the object's class; its state must be such that reading it leaves it as it is."""
        found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner]
        if len(found) != 1 or self._bindings[owner] != 1 or found[0].bases:
            raise _CannotTell
        stored = {node.attr for node in nodes if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)}
        counts = Counter(part.name for part in found[0].body if isinstance(part, ast.FunctionDef))
        methods = {part.name: part for part in found[0].body if isinstance(part, ast.FunctionDef)}
        if any(count > 1 for count in counts.values()) or stored & methods.keys():
            raise _CannotTell
        if any(isinstance(node, ast.FunctionDef) and node.decorator_list for node in nodes):
            raise _CannotTell
        consumed = set(self._consumed(nodes))
        for node in nodes:
            # A default dictionary grows when it is read, and an iterator shrinks.
            if isinstance(node, ast.alias | ast.Attribute) and "defaultdict" in (getattr(node, "attr", ""), getattr(node, "name", "")):
                raise _CannotTell
            if isinstance(node, ast.GeneratorExp) and id(node) not in consumed:
                raise _CannotTell
            if isinstance(node, ast.Name) and node.id in _ITERATORS and id(node) not in consumed:
                raise _CannotTell
        return methods

    def _consumed(self, nodes: Sequence[ast.AST]) -> Iterator[int]:
        """Iterators, and the names of what makes them, that are used up where they are made."""
        for node in nodes:
            used: list[ast.expr] = []
            if isinstance(node, ast.For | ast.comprehension):
                used = [node.iter]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and self._is_builtin(node.func.id, _CONSUMERS):
                used = node.args
            for part in used:
                yield id(part)
                if isinstance(part, ast.Call):
                    yield id(part.func)

    def _only_read(self, name: str, nodes: Sequence[ast.AST]) -> bool:
        """Whether nothing is ever done with this name but looking something up in what it holds."""
        read = set()
        for node in nodes:
            if isinstance(node, ast.Compare):
                read |= {id(part) for part in node.comparators}
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                read.add(id(node.value))
            elif isinstance(node, ast.For | ast.comprehension):
                read.add(id(node.iter))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PURE_METHODS:
                read.add(id(node.func.value))
        return all(id(node) in read for node in nodes if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load))

    def _is_builtin(self, name: str, which: frozenset[str]) -> bool:
        return name in which and not self._bindings[name]

    def function(self, name: str, facts: Sequence[int], method: bool) -> set[str]:
        """The facts that are read by a function and by whatever it calls."""
        node = (self._methods if method else self._functions).get(name)
        if node is None:
            raise _CannotTell
        key = (name, tuple(facts), method)
        if key not in self._begun:
            self._begun.add(key)
            self._body(node.body, _Scope(node, facts, method, self._outside))
        return self._reads

    # Statements

    def _body(self, statements: Sequence[ast.stmt], scope: _Scope) -> None:
        for statement in statements:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        match node:
            case ast.Pass() | ast.Break() | ast.Continue():
                pass
            case ast.Return(value=value) | ast.Expr(value=value) | ast.AnnAssign(target=ast.Name(), value=value):
                self._value(value, scope)
            case ast.Assign(targets=targets, value=value) if all(_binds_names(target) for target in targets):
                self._value(value, scope)
            # Adding anything else might change a list in place.
            case ast.AugAssign(target=ast.Name(), value=ast.Constant(value=int() | float())):
                pass
            case ast.If(test=test) | ast.While(test=test):
                self._value(test, scope)
                self._body([*node.body, *node.orelse], scope)
            case ast.For(target=target) if _binds_names(target):
                self._iterated(node.iter, scope)
                self._body([*node.body, *node.orelse], scope)
            case _:
                raise _CannotTell

    # Expressions

    def _value(self, node: ast.expr | None, scope: _Scope) -> None:
        match node:
            case None | ast.Constant():
                pass
            case ast.Name(id=name):
                if name not in scope.values and name not in self._plain:
                    raise _CannotTell
            case ast.Attribute():
                self._attribute(node, scope)
            case ast.Call():
                self._call(node, scope)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                self._values([value, lower, upper, step], scope)
            case ast.Subscript(value=value, slice=place):
                self._values([value, place], scope)
            case ast.Compare(left=left, comparators=others):
                singles = all(isinstance(part, ast.Constant) and part.value in (None, True, False) for part in others)
                if any(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops) and not singles:
                    raise _CannotTell  # equal numbers may or may not be the same object
                self._values([left, *others], scope)
            case ast.NamedExpr(value=value):
                self._value(value, scope)
            case ast.Dict(keys=keys, values=values) if None not in keys:
                self._values([*keys, *values], scope)
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                self._comprehension(node, scope)
            case _ if isinstance(node, _PLAIN_EXPRESSIONS):
                self._values([part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)], scope)
            case _:
                raise _CannotTell

    def _values(self, nodes: Sequence[ast.expr | None], scope: _Scope) -> None:
        for node in nodes:
            self._value(node, scope)

    def _comprehension(self, node: ast.expr, scope: _Scope) -> None:
        assert isinstance(node, _COMPREHENSIONS)
        for part in node.generators:
            if not _binds_names(part.target):
                raise _CannotTell
            self._iterated(part.iter, scope)
            self._values(part.ifs, scope)
        self._values([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], scope)

    def _iterated(self, node: ast.expr, scope: _Scope) -> None:
        """What is used up at once may be an iterator."""
        match node:
            case ast.GeneratorExp():
                self._comprehension(node, scope)
            case ast.Call(func=ast.Name(id="enumerate" | "reversed" | "zip" as name), keywords=[]) if not self._bindings[name]:
                self._values(node.args, scope)
            case _:
                self._value(node, scope)

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> None:
        base = node.value.id if isinstance(node.value, ast.Name) else ""
        if base and base in scope.facts and node.attr in self._names:
            self._reads.add(node.attr)
        elif not (base and base == scope.this and node.attr not in self._methods) and not (
            base == "math" and self._math and node.attr in _MATH
        ):
            raise _CannotTell

    def _call(self, node: ast.Call, scope: _Scope) -> None:
        match node.func:
            case ast.Name(id=name) if self._is_builtin(name, _PURE):
                if not all(word.arg in ("default", "reverse", "start") for word in node.keywords):
                    raise _CannotTell
                for part in (*node.args, *(word.value for word in node.keywords)):
                    self._iterated(part, scope) if name in _CONSUMERS else self._value(part, scope)
            case ast.Name(id=name):
                self.function(name, self._passed(node, scope), method=False)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name and name == scope.this:
                self.function(attribute, [place + 1 for place in self._passed(node, scope)], method=True)
            case ast.Attribute(value=ast.Name(id="math"), attr=attribute) if self._math and attribute in _MATH and not node.keywords:
                self._values(node.args, scope)
            case ast.Attribute(value=value, attr=attribute) if attribute in self._harmless and not node.keywords:
                self._values([value, *node.args], scope)
            case ast.Subscript(value=ast.Name(id=name), slice=place) if name in self._tables:
                self._value(place, scope)
                passed = self._passed(node, scope)
                for function in self._tables[name].values():
                    self.function(function, passed, method=False)
            case _:
                raise _CannotTell

    def _passed(self, node: ast.Call, scope: _Scope) -> list[int]:
        """The places at which facts are passed on; everything else that is passed is a value."""
        if node.keywords:
            raise _CannotTell
        places = []
        for place, part in enumerate(node.args):
            if isinstance(part, ast.Name) and part.id in scope.facts:
                places.append(place)
            else:
                self._value(part, scope)
        return places


def _binds_names(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Tuple) and all(_binds_names(part) for part in node.elts))
