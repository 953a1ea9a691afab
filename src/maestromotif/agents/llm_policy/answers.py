"""Reading a choice out of free text: tolerant of form, intolerant of doubt."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from maestromotif.llm.freetext import json_values, without_thoughts

__all__ = ["parse_choice"]

_LABEL = r"(?:action|skill|choice|answer|verdict)"
_LABELLED = re.compile(rf"\b{_LABEL}\b[\"'*_`\s]*(?:[:=\u2013\u2014\u2192]|->)\s*([^\n]*)", re.IGNORECASE)
_KEY = re.compile(rf"(?:next[ _])?{_LABEL}", re.IGNORECASE)
# What may stand around a name in a line that is nothing but a choice, and what leaves doubt in any line.
_FILLER = re.compile(
    r"a|an|and|answer|action|best|call|choice|choose|chosen|do|final|go|i|is|it|ll|my|name|next|now|of|okay|one|pick|play|skill|so|start|step"
    r"|take|that|the|then|thus|use|we|will|would"
)
_DENIAL = re.compile(r"not|no|never|don|t|avoid|without|or|instead|rather|than")


def parse_choice(text: str, choices: Collection[str], known: Sequence[str]) -> tuple[str | None, str]:
    """What an answer chooses.

    The last JSON object with a key like "action" goes before all lines like "ACTION: ..."; without either, a last line that is nothing but
    a name counts. Case, quotes, markdown, blanks and underscores make no difference. Text between <think> tags is not part of the answer.

    Args:
        choices: names that are possible.
        known: all names.

    Returns:
        The name, or None, and then why: ``"empty"``, ``"none"`` (it names nothing for certain), ``"not possible"``.
    """
    text = without_thoughts(text).strip()
    if not text:
        return None, "empty"
    names = {_words(name): name for name in reversed(known)}
    said = json_values(text, _KEY) or _LABELLED.findall(text)
    found = _named(str(said[-1]), names, False) if said else _named(text.splitlines()[-1], names, True)
    if found is None:
        return None, "none"
    return (found, "") if found in choices else (None, "not possible")


def _named(line: str, names: dict[tuple[str, ...], str], alone: bool) -> str | None:
    """The one name in a line; None where there is none, there are several, or the line denies it.

    Args:
        alone: beside the name, nothing but filler may stand there.
    """
    if (bare := line.strip(" `'\"*.")) in names.values():
        return bare  # a name may hold no letter
    words, found, rest = _words(line), set(), []
    longest = max(map(len, names), default=0)
    place = 0
    while place < len(words):
        for length in range(min(longest, len(words) - place), 0, -1):
            if (name := names.get(words[place : place + length])) is not None:
                found.add(name)
                place += length
                break
        else:
            rest.append(words[place])
            place += 1
    clear = not any(_DENIAL.fullmatch(word) or (alone and not _FILLER.fullmatch(word)) for word in rest)
    return found.pop() if clear and len(found) == 1 else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))
