"""What a look at a program's source says against it, before anything runs: forbidden constructs, missing or misshapen parts."""

from __future__ import annotations

import ast
import re

from maestromotif.domains.contract import Domain
from maestromotif.errors import ProgramError
from maestromotif.programs.check import parse_checked
from maestromotif.programs.requests import Question
from maestromotif.programs.schedule import POLICY_CLASS

__all__ = ["contract_problems"]


def contract_problems(source: str, question: Question, domain: Domain) -> tuple[str, ...]:
    """Each problem on a line of its own, with file, line and the rule in words; empty if there is none."""
    try:
        tree = parse_checked(source, [spec.name for spec in domain.fact_specs], question.file)
    except ProgramError as error:
        # Found again, each on a line of its own, so that the coder sees all of them.
        return tuple(re.split(rf"; (?={re.escape(question.file)}:\d+: )", error.problem))
    problems: list[str] = []
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, parameters in question.functions:
        problems += _shape_problems(question.file, functions.get(name), name, parameters)
    if question.methods:
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        found = classes.get(POLICY_CLASS)
        if found is None:
            problems.append(f"{question.file}:1: the program does not define class {POLICY_CLASS}")
        else:
            methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
            optional = {"__init__": 0, "observe": 1, "interrupt": 2}
            wanted = {**{name: count for name, count in optional.items() if name in methods}, **dict(question.methods)}
            for name, parameters in wanted.items():
                problems += _shape_problems(question.file, methods.get(name), name, parameters, method=True)
    return tuple(problems)


def _shape_problems(file: str, node: ast.FunctionDef | None, name: str, parameters: int, method: bool = False) -> list[str]:
    if node is None:
        return [f"{file}:1: the program does not define {POLICY_CLASS + '.' if method else ''}{name}"]
    arguments = node.args
    most = len(arguments.posonlyargs) + len(arguments.args) - (method and not node.decorator_list)
    least = most - len(arguments.defaults)
    required_keywords = sum(default is None for default in arguments.kw_defaults)
    if required_keywords or least > parameters or (most < parameters and arguments.vararg is None):
        return [f"{file}:{node.lineno}: {name} must take {parameters} argument{'s' * (parameters != 1)}{' beside self' if method else ''}"]
    return []
