"""A language model that plays by commands in words, which differ from moment to moment."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("textworld")

from maestromotif.agents.llm_policy import ACTIONS, LLMPolicyConfig
from maestromotif.agents.llm_policy.playing import LLMGames
from maestromotif.domains.textgame import TextHouse
from maestromotif.skills import SkillSet

from .talking import Asked, Body, choices_of
from .test_llm_policy import model, played, results


def _fetches_the_key(body: Body) -> str:
    """Takes the key where it can be taken, opens whatever can be opened, and walks on otherwise."""
    choices = choices_of(body)
    keys = [choice for choice in choices if re.match(r"take \w+ key", choice)]
    opened = [choice for choice in choices if choice.startswith("open")]
    step = int(re.findall(r"Step ([\d,]+)", body["messages"][1]["content"])[-1].replace(",", ""))
    walks = [choice for choice in choices if choice.startswith("go")]
    return f"ACTION: {(keys or opened or [walks[step * 7 % 5 % len(walks)]])[0]}"


def test_a_model_that_knows_what_to_do_fetches_the_key() -> None:
    domain = TextHouse()
    skills = SkillSet.parse(domain.skills_toml)
    games = LLMGames(domain, skills, ACTIONS, "key", 60, 11, LLMPolicyConfig(games=4))
    assert "other ones in other moments" in games.briefing().system
    with model(Asked(_fetches_the_key)) as (_, chat):
        found = results(played(games, chat, range(8)))
    assert len(found) == 8
    assert sum(result.success["landmark"] for result in found) >= 5
