"""Prompts are text files with named variables, so that a person can read them without reading code."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Prompt"]

_VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text in which ``{{name}}`` stands for a variable."""

    name: str
    text: str

    @classmethod
    @functools.cache
    def load(cls, path: Path) -> Prompt:
        return cls(path.name, path.read_text(encoding="utf-8").strip("\n"))

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(_VARIABLE.findall(self.text))

    def render(self, **values: str) -> str:
        """The text with all variables filled in; values are taken literally, whatever they contain.

        Raises:
            KeyError: a variable is missing, or a value is given that the text does not use.
        """
        missing, unused = self.variables - values.keys(), values.keys() - self.variables
        if missing or unused:
            raise KeyError(f"prompt {self.name}: missing {sorted(missing)}, unused {sorted(unused)}")
        return _VARIABLE.sub(lambda match: values[match.group(1)].strip("\n"), self.text)
