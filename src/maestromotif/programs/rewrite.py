"""Rewriting of a checked program: ticks that burn fuel, guards around operations that could eat memory, private attribute names.

Names that the rewriting adds begin with ``$``, which no Python source can spell. An attribute that is neither a fact nor a
plain method is renamed in the same way, with ``$$``, so that it can only ever reach what the program itself has put there.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeVar

from maestromotif.programs.vocabulary import GUARDED_METHODS, MODULES

__all__ = ["CHARGED_METHODS", "GUARDED_TYPES", "Rewriter"]

GUARDED_TYPES = frozenset({"dict", "frozenset", "int", "list", "set", "str", "tuple"})
CHARGED_METHODS = frozenset(
    {"copy", "difference", "intersection", "most_common", "rsplit", "split", "splitlines", "symmetric_difference", "union"}
    | {"capitalize", "casefold", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "strip", "swapcase", "title", "upper"}
)
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "$add",
    ast.Sub: "$sub",
    ast.Mult: "$mul",
    ast.Mod: "$mod",
    ast.Pow: "$pow",
    ast.LShift: "$lshift",
}
_EXTREMES = frozenset({"max", "min"})
_NUMBER_CALLS = frozenset({"abs", "float", "int", "len", "round"})
_Node = TypeVar("_Node", bound=ast.AST)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _at(new: _Node, old: ast.AST) -> _Node:
    return ast.fix_missing_locations(ast.copy_location(new, old))


class Rewriter(ast.NodeTransformer):
    """One program's rewriting.

    Args:
        real: attribute names that keep their meaning; all others are renamed.
        bound: names that the program binds itself; a builtin of the same name is not treated specially.
    """

    def __init__(self, real: frozenset[str], bound: frozenset[str]) -> None:
        self.real = real
        self.bound = bound
        self.class_names: frozenset[str] = frozenset()

    # Names and attributes

    def _attribute(self, name: str) -> str:
        # With two, since one would let a class variable named "tick" spell the name of the meter.
        return name if name in self.real or name == "__init__" else "$$" + name

    def _guarded_type(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in GUARDED_TYPES and node.id not in self.bound

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and self._guarded_type(node.value) and node.attr not in GUARDED_METHODS:
            node.value.id = "$type_" + node.value.id
        self.generic_visit(node)
        if node.attr in self.real and not isinstance(node.ctx, ast.Load):
            # Any other attribute is renamed, and so does no harm wherever it is put.
            node.value = _at(_call("$own", node.value), node.value)
        node.attr = self._attribute(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.class_names:
            node.id = self._attribute(node.id)
        return node

    # Statements

    def _tick(self, at: ast.AST) -> ast.stmt:
        return _at(ast.Expr(_call("$tick")), at)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer, self.class_names = self.class_names, frozenset()
        node.body = self._body(node.body)
        self.class_names = outer
        node.args = self.visit(node.args)
        node.returns = None
        node.body.insert(0, self._tick(node))
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        targets = [
            target
            for statement in node.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        ]
        outer, self.class_names = self.class_names, frozenset(target.id for target in targets if isinstance(target, ast.Name))
        node.body = self._body(node.body)
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef):
                statement.name = self._attribute(statement.name)
        self.class_names = outer
        return node

    def _body(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        for statement in statements:
            new = self.visit(statement)
            body.extend(new if isinstance(new, list) else [new])
        return body or [ast.Pass()]

    def visit_For(self, node: ast.For) -> ast.AST:
        rest = _starred(node.target)
        self.generic_visit(node)
        node.body[:0] = [self._tick(node), *_charges(rest, node)]
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        parts = list(ast.walk(node.pattern))
        rest = [part.name for part in parts if isinstance(part, ast.MatchStar) and part.name]
        rest += [part.rest for part in parts if isinstance(part, ast.MatchMapping) and part.rest]
        self.generic_visit(node)
        node.body[:0] = _charges(rest, node.body[0])
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, self._tick(node))
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, _at(ast.Expr(_call("$caught")), node.body[0]))
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.stmt]:
        bound: list[ast.stmt] = [
            self._bind(node, alias.asname or alias.name, ast.Name("$module_" + alias.name, ast.Load()))
            for alias in node.names
            if alias.name in MODULES
        ]
        return bound or _at(ast.Pass(), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        if node.module is None or node.module not in MODULES:
            return _at(ast.Pass(), node)
        module = "$module_" + node.module
        return [
            self._bind(node, alias.asname or alias.name, ast.Attribute(ast.Name(module, ast.Load()), alias.name, ast.Load()))
            for alias in node.names
        ]

    def _bind(self, at: ast.AST, name: str, value: ast.expr) -> ast.stmt:
        return _at(ast.Assign([ast.Name(name, ast.Store())], value), at)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return _at(ast.Pass(), node)
        new: ast.AST = self.visit(_at(ast.Assign([node.target], node.value), node))
        return new

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        rest = [name for target in node.targets for name in _starred(target)]
        self.generic_visit(node)
        return [node, *_charges(rest, node)] if rest else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        name = "$iadd" if isinstance(node.op, ast.Add) else None if isinstance(node.op, ast.Sub) else _OPERATORS.get(type(node.op))
        plain = isinstance(node.op, ast.Add) and _is_number(node.value, self.bound)
        simple = _is_simple(node.target)
        self.generic_visit(node)
        if plain:
            return node
        if name is None:
            if isinstance(node.op, ast.BitOr | ast.BitXor):
                node.value = _at(_call("$charge", node.value), node.value)
            return node
        first: list[ast.stmt] = []
        if not simple and isinstance(node.target, ast.Subscript | ast.Attribute):
            # What is evaluated twice is put aside first.
            target = node.target
            first = [self._bind(node, "$of", target.value)]
            target.value = _at(ast.Name("$of", ast.Load()), target)
            if isinstance(target, ast.Subscript):
                first.append(self._bind(node, "$at", target.slice))
                target.slice = _at(ast.Name("$at", ast.Load()), target)
        elif isinstance(node.target, ast.Attribute) and not isinstance(node.target.value, ast.Name):
            first = [self._bind(node, "$of", node.target.value)]
            node.target = _at(ast.Attribute(ast.Name("$of", ast.Load()), node.target.attr, ast.Store()), node.target)
        return [*first, _at(ast.Assign([node.target], _call(name, _as_load(node.target), node.value)), node)]

    # Expressions

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args = self.visit(node.args)
        outer, self.class_names = self.class_names, frozenset()
        node.body = self.visit(node.body)
        self.class_names = outer
        node.body = _at(ast.IfExp(_ticked(), node.body, ast.Constant(None)), node.body)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        rest = _starred(node.target)
        self.generic_visit(node)
        charged = [_at(ast.Compare(_load_charged(name), [ast.Is()], [ast.Name(name, ast.Load())]), node.iter) for name in rest]
        node.ifs[:0] = [_at(_ticked(), node.iter), *charged]
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        for part in node.generators:
            # Generators over generators, deeply nested, overflow the C stack when they are freed.
            part.iter = _at(_call("$flat", part.iter), part.iter)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.id if isinstance(node.func, ast.Name) and node.func.id not in self.bound else ""
        if name == "isinstance":
            for part in (part for argument in node.args[1:] for part in _types(argument)):
                if self._guarded_type(part):
                    part.id = "$type_" + part.id
        if name in _EXTREMES and all(keyword.arg == "default" for keyword in node.keywords):
            node.func = _at(ast.Name("$" + name, ast.Load()), node.func)  # without a key, nobody is called meanwhile
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        self.generic_visit(node)
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                argument.value = _at(_call("$list", argument.value), argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                keyword.value = _at(_call("$charge", keyword.value), keyword.value)
        if method in GUARDED_METHODS and isinstance(node.func, ast.Attribute):
            return _at(ast.Call(ast.Name("$" + method, ast.Load()), [node.func.value, *node.args], node.keywords), node)
        return _at(_call("$charge", node), node) if method in CHARGED_METHODS else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        left, right = _is_number(node.left, self.bound), _is_number(node.right, self.bound)
        fraction = _is_fraction(node.left) or _is_fraction(node.right)
        self.generic_visit(node)
        name = _OPERATORS.get(type(node.op))
        safe = {
            "$add": left or right,
            "$sub": left or right,
            "$mul": fraction,
            "$mod": left,
            "$pow": False,
            "$lshift": False,
        }
        if name is not None:
            return node if safe[name] else _at(_call(name, node.left, node.right), node)
        if isinstance(node.op, ast.BitOr | ast.BitAnd | ast.BitXor) and not (left or right):
            return _at(_call("$charge", node), node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        sliced = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return _at(_call("$charge", node), node) if sliced else node

    def _display(self, node: ast.List | ast.Set | ast.Tuple | ast.Dict) -> ast.AST:
        """What is unpacked is charged before it is, so that many of them in one line end in time."""
        self.generic_visit(node)
        if isinstance(node, ast.Dict):
            node.values = [value if key else _at(_call("$charge", value), value) for key, value in zip(node.keys, node.values, strict=True)]
            return _at(_call("$charge", node), node) if None in node.keys else node
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return node
        unpacked = [part for part in node.elts if isinstance(part, ast.Starred)]
        for part in unpacked:
            part.value = _at(_call("$list", part.value), part.value)
        return _at(_call("$charge", node), node) if unpacked else node

    visit_List = visit_Set = visit_Tuple = visit_Dict = _display

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.visit(part.value)
                render = "$repr" if part.conversion == ord("r") else "$plain"
                part.conversion = -1
                part.value = _at(_call(render, value), part)
        return _at(_call("$charge", node), node)


def _ticked() -> ast.expr:
    return ast.Compare(_call("$tick"), [ast.Is()], [ast.Constant(None)])


def _load_charged(name: str) -> ast.Call:
    return _call("$charge", ast.Name(name, ast.Load()))


def _charges(names: Sequence[str], at: ast.AST) -> list[ast.stmt]:
    """Statements that burn fuel for the lists with these names."""
    return [_at(ast.Expr(_load_charged(name)), at) for name in names]


def _starred(target: ast.AST) -> list[str]:
    """Names that take the rest of what is unpacked; the checker admits nothing else there."""
    return [part.value.id for part in ast.walk(target) if isinstance(part, ast.Starred) and isinstance(part.value, ast.Name)]


def _types(node: ast.AST) -> list[ast.Name]:
    """The names of types in the second argument of ``isinstance``, where it is nothing but names, tuples and unions of them."""
    if isinstance(node, ast.Name):
        return [node]
    parts = node.elts if isinstance(node, ast.Tuple) else [node.left, node.right] if isinstance(node, ast.BinOp) else []
    return [name for part in parts for name in _types(part)]


def _is_number(node: ast.AST, bound: frozenset[str]) -> bool:
    """Whether the value is surely a number, or of a type for which adding to it fails."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in _NUMBER_CALLS and node.func.id not in bound
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Sub):
            return _is_number(node.left, bound) or _is_number(node.right, bound)
        return isinstance(node.op, ast.Div | ast.FloorDiv)
    # The negative of a Counter is a Counter.
    return isinstance(node, ast.UnaryOp) and (isinstance(node.op, ast.Not) or _is_number(node.operand, bound))


def _is_fraction(node: ast.AST) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, float)) or (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    )


def _is_simple(node: ast.AST) -> bool:
    """Whether evaluating it twice is the same as once."""
    parts = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context)
    return all(isinstance(part, parts) for part in ast.walk(node))


def _as_load(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Name):
        return ast.Name(node.id, ast.Load())
    if isinstance(node, ast.Attribute):
        return ast.Attribute(node.value, node.attr, ast.Load())
    if isinstance(node, ast.Subscript):
        return ast.Subscript(node.value, node.slice, ast.Load())
    raise TypeError(f"not an assignment target: {type(node).__name__}")
