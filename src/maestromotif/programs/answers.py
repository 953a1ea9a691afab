"""Finding the program in what a language model writes."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import Any

__all__ = ["extract_json", "extract_program"]

_FENCE = re.compile(r"^[ \t]*(```|~~~)[ \t]*([A-Za-z0-9_+.-]*)[^\n]*$", re.MULTILINE)
_PYTHON = frozenset({"", "python", "python3", "py"})
_JSON = frozenset({"", "json", "jsonc"})


def extract_program(text: str, required: Sequence[str]) -> str | None:
    """The program in an answer, or None.

    Prose around it, several blocks, an unclosed fence, indented blocks and thinking aloud before the answer are tolerated.
    Among the blocks the one wins that defines most of ``required``, the later among equals; if none defines all and
    all blocks together do, they are joined.
    """
    answer = text.rpartition("</think>")[2]
    blocks = [block for block in _blocks(answer) if block.strip()]
    if not blocks:
        plain = textwrap.dedent(answer).strip("\n")
        return plain + "\n" if _defined(plain, required) else None
    best = max(reversed(blocks), key=lambda block: (_defined(block, required), _parses(block)))
    if _defined(best, required) < len(required):
        joined = "\n\n".join(block.strip("\n") for block in blocks if _parses(block))
        if _defined(joined, required) == len(required):
            best = joined
    return best.strip("\n") + "\n"


def extract_json(text: str) -> Any:
    """The JSON document in an answer: that of the last block which holds one, or the whole answer.

    Raises:
        ValueError: there is none.
    """
    answer = text.rpartition("</think>")[2]
    for block in (*reversed(list(_blocks(answer, _JSON))), answer):
        try:
            return json.loads(block)
        except (ValueError, RecursionError):
            continue
    raise ValueError("the answer holds no JSON")


def _blocks(text: str, languages: Collection[str] = _PYTHON) -> Iterator[str]:
    position = 0
    while opening := _FENCE.search(text, position):
        closing = re.compile(rf"^[ \t]*{re.escape(opening[1])}[ \t]*$", re.MULTILINE).search(text, opening.end())
        end = closing.start() if closing else len(text)
        if opening[2].lower() in languages:
            yield textwrap.dedent(text[opening.end() : end])
        if closing is None:
            return
        position = closing.end()


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parses(source: str) -> bool:
    return _tree(source) is not None


def _defined(source: str, required: Sequence[str]) -> int:
    """How many of the names a source defines at its top level."""
    tree = _tree(source)
    if tree is None:
        return 0
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return len(names & set(required))
