"""Running generated programs: checked, rewritten, metered, with few builtins, and never beside a key.

This is the only place in the package that executes generated text.
"""

from __future__ import annotations

import ast
import os
import random
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from types import CodeType, TracebackType
from typing import Any

from maestromotif.errors import ProgramError
from maestromotif.programs.check import bound_names, check_source, parse_checked
from maestromotif.programs.guards import FUEL, MODULE, Meter, OutOfFuel, error_text, guarded_names
from maestromotif.programs.rewrite import Rewriter
from maestromotif.programs.vocabulary import real_attributes

__all__ = [
    "FUEL",
    "Meter",
    "OutOfFuel",
    "Program",
    "ProgramFault",
    "bare_environment",
    "check_source",
    "describe_fault",
    "load",
    "scrubbed_environment",
    "secret_names",
]

_SECRET = re.compile(r"API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|TOKEN|SECRET|PASSW|CREDENTIAL|_KEY$", re.IGNORECASE)
_HARMLESS = re.compile(r"TOKENIZERS_PARALLELISM|TIKTOKEN_\w+", re.IGNORECASE)
# What an interpreter and compiled code need, and the package's own variables.
_NEEDED = re.compile(r"PATH|PYTHONPATH|HOME|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|PYTHONHASHSEED|NUMBA_\w+|MAESTROMOTIF_\w+")
# Names of further variables, with commas, that a person wants to reach the environment that programs run beside.
_MORE = "MAESTROMOTIF_PASS"


class ProgramFault(Exception):
    """A call into a program failed; the text says how, with the program's line."""


def secret_names(environment: Mapping[str, str] | None = None) -> list[str]:
    """Names of environment variables that look like keys, tokens or passwords; default: this process's."""
    found = os.environ if environment is None else environment
    return sorted(name for name, value in found.items() if value and _SECRET.search(name) and not _HARMLESS.fullmatch(name))


def scrubbed_environment() -> dict[str, str]:
    """This process's environment without secrets: for processes that run programs beside much else.

    Texts hash alike in all of them, so that a program that goes through a set does so in the same order wherever it runs.
    """
    secrets = set(secret_names())
    return {**{name: value for name, value in os.environ.items() if name not in secrets}, "PYTHONHASHSEED": "0"}


def bare_environment() -> dict[str, str]:
    """Next to nothing of ``scrubbed_environment``: what a process that is there to run programs is to be spawned with.

    Variables that ``MAESTROMOTIF_PASS`` names are kept too, unless they look like secrets.
    """
    wanted = {name.strip() for name in os.environ.get(_MORE, "").split(",")}
    return {name: value for name, value in scrubbed_environment().items() if _NEEDED.fullmatch(name) or name in wanted}


class Program:
    """One loaded program with a name space of its own.

    Attributes:
        filename: as it appears in messages.
        meter: the fuel its calls burn; may be shared with another program of the same game.
    """

    def __init__(self, code: CodeType, filename: str, meter: Meter, seed: int) -> None:
        self.filename = filename
        self.meter = meter
        # Not a cryptographic generator on purpose: programs must be repeatable.
        builtins, hidden = guarded_names(meter, random.Random(seed))  # noqa: S311
        self._space: dict[str, Any] = {"__builtins__": builtins, "__name__": MODULE, **hidden}
        meter.serve(self._space)
        try:
            self.call(exec, code, self._space)
        except ProgramFault as fault:
            raise ProgramError(f"{filename}: fails while it is loaded: {fault}", "Mend that line") from fault

    def get(self, name: str) -> Callable[..., Any] | None:
        """A function or class at the program's top level."""
        found = self._space.get(name)
        return found if callable(found) else None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call one of the program's functions, with full fuel.

        Raises:
            ProgramFault: it raised, or used up its fuel (even if it hid that).
        """
        meter = self.meter
        if meter.left() < meter.fuel:
            meter.refill()
        try:
            result = function(*arguments)
        except (Exception, OutOfFuel) as error:
            raise ProgramFault(describe_fault(error, self.filename)) from None
        if not meter.left():
            raise ProgramFault("OutOfFuel: too many loop turns and calls in one step")
        return result


def load(
    source: str,
    filename: str = "<program>",
    *,
    names: Collection[str] = (),
    seed: int = 0,
    fuel: int = FUEL,
    meter: Meter | None = None,
    required: Collection[str] = (),
) -> Program:
    """Check, rewrite and load a program. Compiling is cached; code and name space are the caller's own.

    Args:
        source: the program's text.
        filename: for messages.
        names: attributes of the objects that will be given to the program (the domain's fact names).
        seed: of the program's ``random``.
        fuel: ticks (loop turns, calls) that one call may use, at least; at most four times as many.
        meter: share this one instead of making one.
        required: functions and classes that the program must define at its top level.

    Raises:
        ProgramError: the program is not allowed, fails while it is loaded, lacks something, or this process holds secrets.
    """
    secrets = secret_names()
    if secrets:
        raise ProgramError(
            f"{filename}: programs never run in a process that holds keys ({', '.join(secrets[:3])})",
            "Start the process with programs.sandbox.bare_environment()",
        )
    program = Program(_own(_compile(source, filename, frozenset(names))), filename, meter or Meter(fuel), seed)
    missing = [name for name in required if program.get(name) is None]
    if missing:
        raise ProgramError(f"{filename}: does not define {', '.join(missing)}", "Define it at the top level of the program")
    return program


@lru_cache(maxsize=256)
def _compile(source: str, filename: str, names: frozenset[str]) -> CodeType:
    tree = parse_checked(source, names, filename)
    try:
        rewritten = Rewriter(real_attributes(names), frozenset(bound_names(tree))).visit(tree)
        return compile(ast.fix_missing_locations(rewritten), filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ProgramError(f"{filename}:{line}: cannot be compiled ({error})", "Mend that line") from error


def _own(code: CodeType) -> CodeType:
    """A copy. The interpreter adapts code to the name space in which it runs, and adapts anew for each of those that share it."""
    return code.replace(co_consts=tuple(_own(part) if isinstance(part, CodeType) else part for part in code.co_consts))


def describe_fault(error: BaseException, filename: str) -> str:
    """One line: kind of error, its text, and the last line of the program that it passed through."""
    line, step = 0, error.__traceback__
    while isinstance(step, TracebackType):
        if step.tb_frame.f_code.co_filename == filename:
            line = step.tb_lineno
        step = step.tb_next
    text = error_text(error).replace("$", "")[:200]
    return f"{type(error).__name__[:80]}: {text}" + (f" (line {line})" if line else "")
