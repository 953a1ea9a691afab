"""Options of an annotator, ``[annotate.options]``: one frozen model each, with every problem told by key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from maestromotif.errors import ConfigError

__all__ = ["AnnotatorOptions", "NoOptions", "read_options"]


class AnnotatorOptions(BaseModel):
    """Base of all annotators' options: frozen, and no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoOptions(AnnotatorOptions):
    """Of an annotator without any."""


Model = TypeVar("Model", bound=BaseModel)


def read_options(model: type[Model], given: Mapping[str, Any], table: str = "annotate.options") -> Model:
    """The table as the annotator's own model.

    Args:
        table: how messages name it.

    Raises:
        ConfigError: with all problems of the table, each with its key, and close matches of unknown ones.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        known = list(model.model_fields)
        problems = []
        for detail in error.errors():
            key = ".".join(map(str, detail["loc"]))
            if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
                close = difflib.get_close_matches(key, known, n=1)
                problems.append(f"[{table}] {key}: unknown key" + (f" (did you mean {close[0]!r}?)" if close else ""))
            else:
                message = detail["msg"].removeprefix("Value error, ")
                value = detail.get("input")
                shown = f" (got {value!r})" if isinstance(value, str | int | float | bool) else ""
                problems.append(f"[{table}] {key}: {message[:1].lower()}{message[1:]}{shown}")
        remedy = f"Known keys of [{table}]: {', '.join(known)}" if known else f"This annotator has no options: remove [{table}]"
        raise ConfigError("; ".join(problems), remedy) from error
