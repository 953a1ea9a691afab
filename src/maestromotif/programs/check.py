"""Static allow-list for generated programs: what is not listed here is refused, with its line and the rule in words.

This is the first of three walls; the second is metered execution (``sandbox``), the third a throw-away process
without keys (``trial``).
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection, Iterator

from maestromotif.errors import ProgramError
from maestromotif.programs.vocabulary import BUILTINS, CONTRACT, GUARDED_METHODS, HINTS, MODULES, SAFE_ATTRIBUTES, TYPES, real_attributes

__all__ = ["MAX_DEPTH", "MAX_SOURCE", "bound_names", "check_source", "parse_checked"]

MAX_SOURCE = 65_536  # characters
MAX_DEPTH = 60  # nesting of the syntax tree; a chain of elif counts once
_REPORTED = 6
# Names that are alike are looked for among so many of at most this length, for the first violations only: the search is slow.
_HINTED, _CANDIDATES, _LONGEST_NAME = 3 * _REPORTED, 1_000, 60

_NODES: tuple[type[ast.AST], ...] = (
    *(ast.Module, ast.FunctionDef, ast.ClassDef, ast.Return, ast.Delete, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While),
    *(ast.If, ast.Raise, ast.Try, ast.Assert, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Expr, ast.Pass, ast.Break),
    *(ast.Continue, ast.Match, ast.match_case, ast.MatchValue, ast.MatchSingleton, ast.MatchSequence, ast.MatchMapping, ast.MatchStar),
    *(ast.MatchAs, ast.MatchOr, ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.ListComp),
    *(ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Compare, ast.Call, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute),
    *(ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.comprehension, ast.ExceptHandler, ast.arguments, ast.arg),
    *(ast.keyword, ast.alias, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context),
)
_REFUSED: dict[str, str] = {
    "AsyncFunctionDef": "async functions are not allowed",
    "AsyncFor": "async loops are not allowed",
    "AsyncWith": "async blocks are not allowed",
    "Await": "await is not allowed",
    "Yield": "generators (yield) are not allowed; build and return a list",
    "YieldFrom": "generators (yield) are not allowed; build and return a list",
    "With": "with blocks are not allowed; programs open nothing",
    "TryStar": "except* is not allowed; use except",
    "MatchClass": "class patterns are not allowed; compare values instead",
    "MatMult": "the @ operator is not allowed",
}
_FORMAT_SPEC = re.compile(r"[<>^]?[+-]?[<>^]?0?\d{0,2},?(\.\d{1,2})?[dfgsx%]?")
_DECORATORS = {"staticmethod", "classmethod", "property"}
_ANNOTATION_MODULES = {"typing", "__future__"}


def check_source(source: str, names: Collection[str] = (), filename: str = "<program>") -> None:
    """Refuse a program that is not within the allow-list.

    Args:
        source: the program's text.
        names: attributes that the objects given to the program have (the domain's fact names).
        filename: for messages.

    Raises:
        ProgramError: naming file, line and rule of up to six violations.
    """
    parse_checked(source, names, filename)


def parse_checked(source: str, names: Collection[str] = (), filename: str = "<program>") -> ast.Module:
    """As ``check_source``, returning the syntax tree without its type aliases."""
    tree = _parse(source, filename)
    _drop_type_aliases(tree)
    checker = _Checker(tree, frozenset(names))
    problems = sorted(set(checker.problems()))
    if problems:
        shown = "; ".join(f"{filename}:{line}: {rule}" for line, rule in problems[:_REPORTED])
        more = f"; and {len(problems) - _REPORTED} more" if len(problems) > _REPORTED else ""
        raise ProgramError(shown + more, "Change these lines; docs/programs.md lists what programs may use")
    return tree


def _parse(source: str, filename: str) -> ast.Module:
    remedy = "Send a shorter, plain Python program"
    if len(source) > MAX_SOURCE:
        raise ProgramError(f"{filename}:1: the program has {len(source)} characters, more than {MAX_SOURCE}", remedy)
    try:
        tree = ast.parse(source, filename)
    except SyntaxError as error:
        raise ProgramError(f"{filename}:{error.lineno or 1}: not valid Python: {error.msg}", "Mend the syntax of that line") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"{filename}:1: cannot be parsed ({type(error).__name__}: {error})", remedy) from error
    todo: list[tuple[ast.AST, int, int]] = [(tree, 0, 1)]
    while todo:
        node, depth, line = todo.pop()
        line = getattr(node, "lineno", line)
        if depth > MAX_DEPTH:
            raise ProgramError(f"{filename}:{line}: nested more than {MAX_DEPTH} deep", "Split it into functions")
        elif_branch = node.orelse[0] if isinstance(node, ast.If) and len(node.orelse) == 1 else None
        todo.extend((child, depth + (child is not elif_branch), line) for child in ast.iter_child_nodes(node))
    return tree


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Every name that the program binds in any scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            if node.name:
                yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _own_attributes(tree: ast.AST) -> Iterator[str]:
    """Attributes that the program itself makes: methods, class variables, and what it assigns through a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.FunctionDef):
                    yield statement.name
                elif isinstance(statement, ast.Assign | ast.AnnAssign):
                    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            root = getattr(node, field, None)
            if root is not None:
                yield root


def _drop_type_aliases(tree: ast.Module) -> None:
    """``Place = tuple[str, int]`` at the top level only serves annotations, which are dropped before anything runs."""
    bound = set(bound_names(tree))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "typing"]
    types = (TYPES - bound) | {alias.asname or alias.name for node in imports for alias in node.names}

    def is_type(node: ast.AST) -> bool:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return any(is_type(side) or (isinstance(side, ast.Name) and side.id in TYPES - bound) for side in (node.left, node.right))
        return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in types

    for number, node in enumerate(tree.body):
        if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets) and is_type(node.value):
            tree.body[number] = ast.copy_location(ast.Pass(), node)


class _Checker:
    def __init__(self, tree: ast.Module, names: frozenset[str]) -> None:
        self.tree = tree
        self.given = names
        self.bound = set(bound_names(tree))
        self.classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        self.own = set(_own_attributes(tree))
        self.attributes = real_attributes(names) | self.own
        self.in_class = {id(statement) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for statement in node.body}
        nodes = list(ast.walk(tree))
        self.called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        self.decorators = {id(part) for node in nodes if isinstance(node, ast.FunctionDef) for part in node.decorator_list}
        self.annotations = {id(part) for root in _annotations(tree) for part in ast.walk(root)}
        self.hints = _HINTED

    def problems(self) -> Iterator[tuple[int, str]]:
        line = 1
        for node in ast.walk(self.tree):
            if id(node) in self.annotations:
                continue  # annotations are dropped before anything runs
            line = getattr(node, "lineno", line)
            if not isinstance(node, _NODES) or type(node).__name__ in _REFUSED:
                name = type(node).__name__
                yield line, _REFUSED.get(name, f"{name} is not allowed in programs")
                continue
            visit = getattr(self, "_" + type(node).__name__, None)
            if visit is not None:
                yield from ((line, rule) for rule in visit(node))

    def _Name(self, node: ast.Name) -> Iterator[str]:
        yield from self._identifier(node.id)
        if isinstance(node.ctx, ast.Load) and node.id not in self.bound and node.id not in BUILTINS and not node.id.startswith("__"):
            hint = HINTS.get(node.id) or self._closest(node.id, self.bound | BUILTINS)
            yield f"the name {node.id!r} is not available" + (f" ({hint})" if hint else "")

        if node.id in _DECORATORS and node.id not in self.bound and id(node) not in self.decorators:
            yield f"{node.id} may only be used as a decorator"

    def _closest(self, name: str, known: Collection[str]) -> str:
        self.hints -= 1
        if self.hints < 0 or len(name) > _LONGEST_NAME:
            return ""
        candidates = [other for other in sorted(known) if len(other) <= _LONGEST_NAME][:_CANDIDATES]
        found = difflib.get_close_matches(name, candidates, n=1)
        return f"did you mean {found[0]!r}?" if found else ""

    def _identifier(self, name: str) -> Iterator[str]:
        if name.startswith("__"):
            hint = HINTS.get(name)
            yield f"names may not begin with two underscores: {name!r}" + (f" ({hint})" if hint else "")

    def _Attribute(self, node: ast.Attribute) -> Iterator[str]:
        yield from self._identifier(node.attr)
        module = node.value.id if isinstance(node.value, ast.Name) and node.value.id in MODULES else None
        if module and isinstance(node.ctx, ast.Load) and node.attr not in MODULES[module] and module not in self.own:
            yield f"{module}.{node.attr} is not available; of {module} there is: {', '.join(sorted(MODULES[module]))}"
        elif node.attr in ("format", "format_map"):
            yield f"the method {node.attr!r} is not allowed ({HINTS[node.attr]})"
        elif node.attr in GUARDED_METHODS and isinstance(node.ctx, ast.Load) and id(node) not in self.called:
            yield f"the method {node.attr!r} may only be called at once, as in value.{node.attr}(...), not kept or passed on"
        elif node.attr not in self.attributes and not node.attr.startswith("__"):
            hint = HINTS.get(node.attr) or self._closest(node.attr, self.given | self.own | SAFE_ATTRIBUTES)
            rule = f"unknown attribute {node.attr!r}: not a fact, not a plain method, not made by the program"
            yield rule + (f" ({hint})" if hint else "")
        if isinstance(node.ctx, ast.Del):
            yield "attributes may not be deleted; set them to None"
        elif not isinstance(node.ctx, ast.Load):
            # That nothing but an object of the program's own gets an attribute with a plain name is seen to when it runs.
            if node.attr in CONTRACT:
                yield f"{node.attr} may only be defined with def, not set"
            elif node.attr in self.given and isinstance(node.value, ast.Name) and node.value.id in ("facts", "start"):
                yield f"facts are read-only: {node.value.id}.{node.attr} may not be set"

    def _FunctionDef(self, node: ast.FunctionDef) -> Iterator[str]:
        if not (node.name == "__init__" and id(node) in self.in_class):
            yield from self._identifier(node.name)
        for decorator in node.decorator_list:
            if not (isinstance(decorator, ast.Name) and decorator.id in _DECORATORS and decorator.id not in self.bound):
                yield "the only decorators are staticmethod, classmethod and property"
        if node.decorator_list and node.name in CONTRACT:
            yield f"{node.name} may not be decorated"
        if getattr(node, "type_params", None):
            yield "type parameters are not allowed"

    def _ClassDef(self, node: ast.ClassDef) -> Iterator[str]:
        yield from self._identifier(node.name)
        if node.decorator_list or node.keywords or getattr(node, "type_params", None):
            yield f"class {node.name}: no decorators, keywords or type parameters"
        allowed = self.classes | {"object", "Exception", "ValueError", "RuntimeError"}
        if not all(isinstance(base, ast.Name) and base.id in allowed for base in node.bases):
            yield f"class {node.name}: may only inherit from classes of this program, object or Exception"
        for statement in node.body:
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            plain = isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets)
            typed = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            if not (isinstance(statement, ast.FunctionDef | ast.Pass) or docstring or plain or typed):
                yield f"class {node.name}: its body may hold methods and NAME = value only (line {statement.lineno})"
            bound = set(bound_names(statement)) & CONTRACT if plain or typed else set()
            if bound:
                yield f"class {node.name}: {min(bound)} may only be defined with def (line {statement.lineno})"
            in_class: list[ast.AST] = [statement.args] if isinstance(statement, ast.FunctionDef) else [statement]
            if any(isinstance(part, ast.NamedExpr) for root in in_class for part in ast.walk(root)):
                yield f"class {node.name}: no := in its body (line {statement.lineno})"

    def _arg(self, node: ast.arg) -> Iterator[str]:
        yield from self._identifier(node.arg)

    def _keyword(self, node: ast.keyword) -> Iterator[str]:
        yield from self._identifier(node.arg or "")

    def _ExceptHandler(self, node: ast.ExceptHandler) -> Iterator[str]:
        yield from self._identifier(node.name or "")
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if node.type is None:
            yield "a bare except is not allowed; name the exception, for example except KeyError"
        elif not all(isinstance(kind, ast.Name) for kind in kinds):
            yield "except needs plain names of exceptions"

    def _MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> Iterator[str]:
        yield from self._identifier(node.name or "")

    _MatchStar = _MatchAs

    def _MatchMapping(self, node: ast.MatchMapping) -> Iterator[str]:
        yield from self._identifier(node.rest or "")

    def _Global(self, node: ast.Global | ast.Nonlocal) -> Iterator[str]:
        for name in node.names:
            yield from self._identifier(name)

    _Nonlocal = _Global

    def _Import(self, node: ast.Import) -> Iterator[str]:
        if node not in self.tree.body:
            yield "import only at the top of the program"
        for alias in node.names:
            yield from self._identifier(alias.asname or "")
            if alias.name not in MODULES and alias.name != "typing":
                yield f"the module {alias.name!r} is not available; there are: {', '.join(sorted(MODULES))}"

    def _ImportFrom(self, node: ast.ImportFrom) -> Iterator[str]:
        if node not in self.tree.body:
            yield "import only at the top of the program"
        if node.module in _ANNOTATION_MODULES and not node.level:
            return
        if node.module is None or node.module not in MODULES or node.level:
            yield f"the module {node.module!r} is not available; there are: {', '.join(sorted(MODULES))}"
            return
        for alias in node.names:
            yield from self._identifier(alias.asname or "")
            if alias.name not in MODULES[node.module]:
                yield f"{node.module}.{alias.name} is not available; of {node.module} there is: {', '.join(sorted(MODULES[node.module]))}"

    def _Constant(self, node: ast.Constant) -> Iterator[str]:
        if isinstance(node.value, bytes | complex):
            yield f"{type(node.value).__name__} values are not allowed"
        elif isinstance(node.value, int) and node.value.bit_length() > 64:
            yield "whole numbers may have at most 64 bits"

    def _FormattedValue(self, node: ast.FormattedValue) -> Iterator[str]:
        if node.conversion == ord("a"):
            yield "the conversion !a is not allowed in f-strings"
        if node.format_spec is not None:
            parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            if not _FORMAT_SPEC.fullmatch(text):
                yield f"the format {text!r} is not allowed in f-strings; use something like .2f or 5d"

    def _Starred(self, node: ast.Starred) -> Iterator[str]:
        if isinstance(node.ctx, ast.Store) and not isinstance(node.value, ast.Name):
            yield "what takes the rest of a value must be a plain name, as in first, *rest = value"

    def _Subscript(self, node: ast.Subscript) -> Iterator[str]:
        if isinstance(node.slice, ast.Tuple) and any(isinstance(part, ast.Slice) for part in node.slice.elts):
            yield "there are no slices in several dimensions"
        if isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Slice):
            yield "slices may not be assigned; make a new list"
