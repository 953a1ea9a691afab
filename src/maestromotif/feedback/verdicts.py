"""Reading a judge's verdict out of free text: tolerant of form, intolerant of doubt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from maestromotif.llm.chat import Token
from maestromotif.llm.freetext import json_values, without_thoughts
from maestromotif.types import Verdict

__all__ = ["first_probability", "is_refusal", "parse_verdict"]

_CHOICE = re.compile(
    r"""(?<![\w.-])(?:
        (?P<first>1|one|first)
      | (?P<second>2|two|second)
      | (?P<tie>0|none|neither|tied?|equal(?:ly)?|both|no\s+(?:preference|difference|winner))
    )(?![\w]|\.\d)""",
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_LABEL = r"""["'*_`]*\s*(?:[:=\u2013\u2014\u2192]|->|\s-\s|\bis\b|(?=[\[(#]?[012]\b))\s*(?P<rest>[^\n]*)"""
_VERDICT = re.compile(r"\bverdict" + _AFTER_LABEL, re.IGNORECASE)
_ANSWER = re.compile(r"\b(?:answer|preference|(?:better|best)[ _]caption)" + _AFTER_LABEL, re.IGNORECASE)
_KEY = re.compile("verdict", re.IGNORECASE)
# What may stand around a choice: markdown, quotes, brackets, and the words of the question.
_FILLER = re.compile(
    r"""[\s"'\u201c\u201d\u2018\u2019`*_\#{}()\[\].,:;!<>\\$-]|\b(?:a|an|the|captions?|option|number|is|are|it|of|them|good|better|best|boxed|text
    |wins|winner|preferred|preferable|final|my|i|choose|prefer|serves|the\s+aim)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# Of the beginning of an answer that holds no verdict.
_REFUSAL = re.compile(
    r"""\b(?:
        i(?:\s+am|['\u2019]m)?\s*(?:really\s+|very\s+|so\s+)?sorry\b
      | i(?:\s+am|['\u2019]m)\s+(?:not\s+able|unable)\s+to\b
      | i\s+(?:can\s*not|can['\u2019]t|won['\u2019]t|will\s+not|must\s+decline|decline|refuse)\b
      | as\s+an?\s+(?:ai|artificial\s+intelligence|language\s+model)\b
      | (?:against|violates?)\s+(?:my|our|the)\s+(?:\w+\s+)?(?:guidelines|polic(?:y|ies)|rules)\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_REFUSAL_WITHIN = 300
_NONE = "NONE"


def is_refusal(text: str) -> bool:
    """Whether a text without a verdict reads like a model that will not answer (English only)."""
    return _REFUSAL.search(without_thoughts(text).strip()[:_REFUSAL_WITHIN]) is not None


def first_probability(tail: Sequence[Token], verdict: Verdict) -> float | None:
    """The probability that the first caption is better, from the likely tokens in the place of the verdict; ties count one half.

    Args:
        tail: the answer's last tokens.
        verdict: what was read from the answer.

    Returns:
        None where the verdict's token is not among them.
    """
    for place in reversed(range(len(tail))):
        side = _side(tail[place].text)
        if side is Verdict.TIE and not _bare("".join(token.text for token in tail[place:])).startswith(_NONE):
            continue
        if side is not None:
            break
    else:
        return None
    if side is not verdict:
        return None
    mass = dict.fromkeys((Verdict.FIRST, Verdict.SECOND, Verdict.TIE), 0.0)
    for text, logprob in tail[place].logprobs.items():
        other = _side(text)
        if other is not None:
            mass[other] += math.exp(min(logprob, 0.0))
    whole = sum(mass.values())
    return (mass[Verdict.FIRST] + mass[Verdict.TIE] / 2) / whole if whole > 0 else None


def _side(token: str) -> Verdict | None:
    """What a token stands for in the place of a verdict: 1, 2, or NONE or its beginning."""
    bare = _bare(token)
    if bare in ("1", "2"):
        return Verdict.FIRST if bare == "1" else Verdict.SECOND
    return Verdict.TIE if bare and _NONE.startswith(bare) else None


def _bare(text: str) -> str:
    return text.strip(" \t\r\n\u0120\u2581\"'`*{}[]().:,").upper()


def parse_verdict(text: str) -> Verdict:
    """FIRST, SECOND or TIE as the text's last verdict says; UNPARSED if there is none, or it leaves doubt.

    The last JSON object with the key "verdict" goes before all verdict lines. Without either, a last line that is nothing but a choice
    counts, and so does a last "answer: ..." line.
    Text between <think> tags is not part of the answer.
    """
    text = without_thoughts(text)
    said = json_values(text, _KEY)
    if said:
        return _choice(str(said[-1] or ""))
    verdicts = _VERDICT.findall(text)
    if verdicts:
        return _choice(verdicts[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    candidates = [*lines[-1:], *_ANSWER.findall(text)[-1:]]
    choices = {_choice(candidate) for candidate in candidates} - {Verdict.UNPARSED}
    return choices.pop() if len(choices) == 1 else Verdict.UNPARSED


def _choice(line: str) -> Verdict:
    """The single choice that a line consists of."""
    found = {Verdict.FIRST if match["first"] else Verdict.SECOND if match["second"] else Verdict.TIE for match in _CHOICE.finditer(line)}
    leftover = _FILLER.sub("", _CHOICE.sub(" ", line))
    return found.pop() if len(found) == 1 and not leftover else Verdict.UNPARSED
