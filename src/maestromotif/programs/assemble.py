"""Putting the answers for single skills together into one readable module with one dispatch."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping

from maestromotif.errors import ProgramError

__all__ = ["ANYTHING", "SKILL_FUNCTIONS", "assemble", "first_line"]

SKILL_FUNCTIONS = ("can_start", "is_over")

# For skills that have no program (yet): they start anywhere and end by max_steps.
ANYTHING = """\
def can_start(facts):
    return True


def is_over(facts, start):
    return False
"""

_HEAD = '''"""Where each skill may start and when it is over. May be edited by hand; docs/programs.md says what programs may use."""
'''
_TAIL = """
# Dispatch: what the schedule calls.
CAN_START = {
%s
}
IS_OVER = {
%s
}


def can_start(skill, facts):
    return CAN_START[skill](facts)


def is_over(skill, facts, start):
    return IS_OVER[skill](facts, start)
"""


def assemble(programs: Mapping[str, str]) -> str:
    """One module with ``can_start(skill, facts)`` and ``is_over(skill, facts, start)``.

    Args:
        programs: by skill id, a checked program that defines ``can_start(facts)`` and ``is_over(facts, start)``; its
            top-level names get the id as a prefix, so that helpers of different skills cannot collide.

    Raises:
        ProgramError: two skills' names collide all the same.
    """
    seen: dict[str, str] = {}
    parts: list[str] = [_HEAD]
    for skill, source in programs.items():
        tree = ast.parse(source)
        for name in _top_names(tree):
            full = f"{skill}_{name}"
            if seen.setdefault(full, skill) != skill:
                raise ProgramError(f"skills {seen[full]!r} and {skill!r} both make the name {full!r}", "Rename one of the two skills")
        parts.append(f"\n# {skill}\n\n{_renamed(source, tree, skill)}\n")
    rows = ["\n".join(f'    "{skill}": {skill}_{function},' for skill in programs) for function in SKILL_FUNCTIONS]
    return "\n".join(parts) + _TAIL % tuple(rows)


def first_line(module: str, skill: str) -> int:
    """The line of an assembled module on which a skill's own program begins."""
    return module.splitlines().index(f"# {skill}") + 3


def _top_names(tree: ast.Module) -> set[str]:
    """Names that the top level binds, imports without a new name excepted: those mean the same everywhere."""
    names: set[str] = set()
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias) and node.asname:
            names.add(node.asname)
        todo.extend(ast.iter_child_nodes(node))
    return names


class _Renamer(ast.NodeTransformer):
    """Renames consistently wherever a name stands, parameters and keywords included; attributes stay."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "name", "arg", "asname", "rest"):
            value = getattr(node, field, None)
            method = isinstance(node, ast.FunctionDef) and getattr(node, "is_method", False)
            if isinstance(value, str) and value in self.names and not method and not (isinstance(node, ast.alias) and field == "name"):
                setattr(node, field, self.names[value])
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.names.get(name, name) for name in node.names]
        return super().generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # Methods and class variables are reached as attributes, which keep their names.
        own = {part.id for statement in node.body if not isinstance(statement, ast.FunctionDef) for part in _stored(statement)}
        inside = _Renamer({name: new for name, new in self.names.items() if name not in own})
        node.name = self.names.get(node.name, node.name)
        node.bases = [self.visit(base) for base in node.bases]
        for number, statement in enumerate(node.body):
            if isinstance(statement, ast.FunctionDef):
                statement.is_method = True  # type: ignore[attr-defined]
                node.body[number] = self.visit(statement)
            else:
                node.body[number] = inside.visit(statement)
        return node


def _stored(statement: ast.stmt) -> list[ast.Name]:
    return [part for part in ast.walk(statement) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]


def _renamed(source: str, tree: ast.Module, skill: str) -> str:
    """The source with prefixed top-level names; comments are kept unless that would change what it means."""
    names = {name: f"{skill}_{name}" for name in _top_names(tree)}
    renamed = ast.fix_missing_locations(_Renamer(names).visit(ast.parse(source)))
    text = _rename_tokens(source, names)
    try:
        if ast.dump(ast.parse(text)) == ast.dump(renamed):
            return text.strip("\n")
    except SyntaxError:
        pass  # fall through: the tree itself is right
    return ast.unparse(renamed)


def _rename_tokens(source: str, names: Mapping[str, str]) -> str:
    lines = source.splitlines(keepends=True)
    previous = ""
    found: list[tuple[int, int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME and token.string in names and previous != ".":
                found.append((token.start[0] - 1, token.start[1], token.string))
            if token.type not in (tokenize.NL, tokenize.COMMENT):
                previous = token.string
    except (tokenize.TokenError, IndentationError):
        return source
    for row, column, name in reversed(found):
        lines[row] = lines[row][:column] + names[name] + lines[row][column + len(name) :]
    return "".join(lines)
