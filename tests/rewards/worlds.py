"""A made-up world with messages and signs, and a judge of it: enough to fit reward models without any game."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from maestromotif.domains.contract import Domain, SignSpec
from maestromotif.feedback.pairs import make_pair, sample_rows
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Caption, Preference, RewardInput, Verdict

__all__ = ["SIGNS", "SKILLS", "domain", "judge_deep", "judge_gold", "make_captions", "write_preferences"]

SIGNS = (
    SignSpec("level", ("same", "deeper", "higher"), "level"),
    SignSpec("squares", ("none", "few", "some", "many"), "squares seen"),
    SignSpec("health", ("same", "more", "less"), "health"),
    SignSpec("stairs", ("same", "came into view"), "stairs"),
)
SKILLS = SkillSet((Skill("deep", "Go deeper."), Skill("gold", "Find gold.", threshold_quantile=0.9)))
_MONSTERS = ("newt", "jackal", "gnome lord", "giant rat", "lichen", "kobold", "fox", "goblin")
_VERBS = ("You kill the {}!", "The {} bites!", "You miss the {}.", "You hear a {}.", "", "", "You see here a dead {}.")
_MORE = ("", "", " {} gold pieces.", " You feel hungry.", " It is dark here.", " You find {} gold pieces.")


def domain(domain_id: str = "made-up", signs: tuple[SignSpec, ...] = SIGNS) -> Domain:
    """As much of a domain as rewards look at."""
    return cast(Domain, SimpleNamespace(id=domain_id, sign_specs=signs, options={}))


def make_captions(number: int, seed: int) -> CaptionTable:
    rng = np.random.default_rng(seed)
    inputs: dict[RewardInput, int] = {RewardInput("", (0, 0, 0, 0)): 1000}
    for _ in range(number):
        message = str(rng.choice(_VERBS)).format(rng.choice(_MONSTERS)) + str(rng.choice(_MORE)).format(rng.integers(1, 90))
        signs = (*(int(rng.random() < 0.1) * int(rng.integers(1, 3)) for _ in range(1)), int(rng.integers(4)), int(rng.integers(3)))
        given = RewardInput(message, (*signs, int(rng.random() < 0.1)))
        inputs[given] = inputs.get(given, 0) + 1
    entries: dict[int, tuple[Caption, int]] = {}
    for key, (given, count) in enumerate(inputs.items(), 1):
        entries[key] = (Caption(f"{given.message} {given.signs}", given), count)
    return CaptionTable.build(entries, len(SIGNS))


def judge_deep(given: RewardInput) -> float:
    level, squares, health, stairs = given.signs
    if level:
        return 10.0 if level == 1 else -5.0
    return 0.5 * squares + 4.0 * stairs - (0.3 if health == 2 else 0.0)


def judge_gold(given: RewardInput) -> float:
    return 5.0 * ("gold" in given.message) + 2.0 * ("kill" in given.message) - 1.0 * ("bites" in given.message)


def write_preferences(
    folder: Path, captions: CaptionTable, skill: str, judge: Callable[[RewardInput], float], number: int, **extra: Any
) -> Path:
    """Sample pairs and let the judge compare them; ``noise`` is the chance of an unparsed verdict."""
    rng = np.random.default_rng(extra.get("seed", 0))
    rows = sample_rows(captions, number, rng)
    preferences, keys = [], []
    for one, other in rows.tolist():
        first, second = captions.caption(one), captions.caption(other)
        pair = make_pair(first, second)
        if pair.first is not first:
            one, other = other, one
        difference = judge(pair.first.reward_input) - judge(pair.second.reward_input)
        verdict = Verdict.TIE if difference == 0 else Verdict.FIRST if difference > 0 else Verdict.SECOND
        if rng.random() < extra.get("noise", 0.0):
            verdict = Verdict.UNPARSED
        preferences.append(Preference(skill, pair.id, verdict, "made-up"))
        keys.append((captions.keys[one], captions.keys[other]))
    first_keys, second_keys = np.array(keys, np.int64).T.copy()
    path = folder / f"preferences-{skill}.parquet"
    PreferenceTable(tuple(preferences), first_keys, second_keys).save(path, domain(), skill, {})
    return path
