"""Annotators by name: the package's own and third parties', through one entry-point group."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import ConfigError
from maestromotif.feedback.annotators.options import read_options
from maestromotif.feedback.protocol import Annotator, AnnotatorContext
from maestromotif.skills import SkillSet

__all__ = ["GROUP", "annotator_names", "check_annotator", "is_costly", "make_annotator"]

GROUP = "maestromotif.annotators"


def annotator_names() -> tuple[str, ...]:
    """Names of all registered annotators, whether or not their extras are installed."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def check_annotator(
    name: str, options: Mapping[str, Any], domain: Domain, skills: SkillSet, table: str = "annotate", options_table: str = ""
) -> None:
    """Whether an annotator could be made, before anything runs. It may have two attributes for that, both optional:

    ``Options``, a pydantic model of its options; and ``check(options, domain, skills)``, which raises ``ConfigError``.

    Args:
        table: where the name is written, for messages.
        options_table: where its options are; ``<table>.options`` if empty.

    Raises:
        ConfigError: unknown name, an extra that is not installed, or options that do not fit; names table and key.
    """
    factory = _load(name, table)
    model = getattr(factory, "Options", None)
    given = options if model is None else read_options(model, options, options_table or f"{table}.options")
    check = getattr(factory, "check", None)
    if check is not None:
        check(given, domain, skills)


def is_costly(name: str) -> bool:
    """Whether each answer of the annotator of this name costs something, or may: see ``Annotator``.

    Raises:
        ConfigError: there is none of this name, or it cannot be loaded.
    """
    return bool(getattr(_load(name, "annotate"), "costly", False))


def make_annotator(context: AnnotatorContext, name: str = "") -> Annotator:
    """The annotator that the configuration names.

    Args:
        name: another one instead.

    Raises:
        ConfigError: there is none of this name, it needs an extra that is not installed, or it refuses its options.
    """
    name = name or context.config.annotator
    annotator = _load(name, "annotate")(context)
    if not isinstance(annotator, Annotator):
        raise ConfigError(f"entry point {name!r} in {GROUP} did not make an annotator", "Let it return one; see feedback/protocol.py")
    return annotator


def _load(name: str, table: str) -> Any:
    point = next((point for point in entry_points(group=GROUP) if point.name == name), None)
    if point is None:
        close = difflib.get_close_matches(name, annotator_names(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigError(f"[{table}] annotator: unknown annotator {name!r}{hint}", f"Known ones: {', '.join(annotator_names())}")
    try:
        return point.load()
    except ModuleNotFoundError as error:
        remedy = f"pip install 'maestromotif[{name}]'"
        raise ConfigError(f"[{table}] annotator: {name!r} needs the package {error.name!r}", remedy) from error
    except (ImportError, AttributeError) as error:
        remedy = f"Mend the package that registers it in the entry points {GROUP}"
        raise ConfigError(f"[{table}] annotator: {name!r} cannot be loaded ({error})", remedy) from error
