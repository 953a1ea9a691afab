"""Content words of a skill's text: what the recorded fallback judge knows of a skill that nobody recorded."""

from __future__ import annotations

import re

from maestromotif.skills import Skill

__all__ = ["content_words", "fallback_variables"]

_WORD = re.compile(r"[a-z]{3,}")
# Words that carry no aim: articles, pronouns, prepositions, and the verbs in which preferences are stated.
_STOP_TEXT = """
able about above after again against agent all also always and another any anything are around away because been before being
below best better between both but can cannot caption captions choose could description does doing done during each else ends
enough even ever every everything far few find finds first for from game gets give good had has have having here how into its
itself just keep keeps kind last least less let like little made make makes many may means message moment moments more most
much must near neither never next none nor not nothing now off often once one only onto other otherwise out over own prefer
preferred prefers rather same second see seen seeing shall should show shows since skill some something soon start starts
still such than that the their them then there these they thing things this those though through thus too towards two under
unless until upon use used using very want wants was way well were what when where whether which while who whole whose will
with within without would yet you your
"""
_STOP = frozenset(_STOP_TEXT.split())


def content_words(text: str) -> tuple[str, ...]:
    """The lower-case words of a text that say something, each once, in order of appearance; letters only."""
    return tuple(dict.fromkeys(word for word in _WORD.findall(text.lower()) if word not in _STOP))


def fallback_variables(skill: Skill) -> dict[str, str]:
    """``ChatRequest.variables`` of a skill: its id, and its content words with blanks between them."""
    return {"skill": skill.id, "words": " ".join(content_words(skill.preference_text))}
