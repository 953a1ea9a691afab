"""Annotators by name: the package's own and third parties', through one entry-point group."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points

from maestromotif.errors import ConfigError
from maestromotif.feedback.protocol import Annotator, AnnotatorContext

__all__ = ["GROUP", "annotator_names", "make_annotator"]

GROUP = "maestromotif.annotators"


def annotator_names() -> tuple[str, ...]:
    """Names of all registered annotators, whether or not their extras are installed."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def make_annotator(context: AnnotatorContext, name: str = "") -> Annotator:
    """The annotator that the configuration names.

    Args:
        name: another one instead.

    Raises:
        ConfigError: there is none of this name, it needs an extra that is not installed, or it refuses its options.
    """
    name = name or context.config.annotator
    point = next((point for point in entry_points(group=GROUP) if point.name == name), None)
    if point is None:
        close = difflib.get_close_matches(name, annotator_names(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigError(f"[annotate] annotator: unknown annotator {name!r}{hint}", f"Known ones: {', '.join(annotator_names())}")
    try:
        factory = point.load()
    except ModuleNotFoundError as error:
        remedy = f"pip install 'maestromotif[{name}]'"
        raise ConfigError(f"[annotate] annotator {name!r} needs the package {error.name!r}", remedy) from error
    annotator = factory(context)
    if not isinstance(annotator, Annotator):
        raise ConfigError(f"entry point {name!r} in {GROUP} did not make an annotator", "Let it return one; see feedback/protocol.py")
    return annotator
