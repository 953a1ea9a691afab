"""Reading a judge's verdict out of free text: tolerant of form, intolerant of doubt."""

from __future__ import annotations

import re

from maestromotif.types import Verdict

__all__ = ["parse_verdict"]

_CHOICE = re.compile(
    r"""(?<![\w.-])(?:
        (?P<first>1|one|first)
      | (?P<second>2|two|second)
      | (?P<tie>0|none|neither|tied?|equal(?:ly)?|both|no\s+(?:preference|difference|winner))
    )(?![\w]|\.\d)""",
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_LABEL = r"""["'*_`]*\s*(?:[:=]|\bis\b)\s*(?P<rest>[^\n]*)"""
_VERDICT = re.compile(r"\bverdict" + _AFTER_LABEL, re.IGNORECASE)
_ANSWER = re.compile(r"\b(?:answer|preference|(?:better|best)[ _]caption)" + _AFTER_LABEL, re.IGNORECASE)
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.IGNORECASE | re.DOTALL)
# What may stand around a choice: markdown, quotes, brackets, and the words of the question.
_FILLER = re.compile(
    r"""[\s"'`*_\#{}()\[\].,:;!<>\\$-]|\b(?:a|an|the|captions?|option|number|is|are|it|of|them|good|better|best|boxed|text)\b""",
    re.IGNORECASE,
)


def parse_verdict(text: str) -> Verdict:
    """FIRST, SECOND or TIE as the text's last verdict line says; UNPARSED if there is none, or it leaves doubt.

    Without a verdict line, a last line that is nothing but a choice counts, and so does a last "answer: ..." line.
    Text between <think> tags is not part of the answer.
    """
    text = _THOUGHTS.sub("\n", text)
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
