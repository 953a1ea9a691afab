"""Policies in the many styles in which Python is written: they run unchanged, and decide what they would decide outside the sandbox."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maestromotif.domains.nethack.domain import NetHack
from maestromotif.programs.contracts import Programs, check_policy, make_scenes
from maestromotif.programs.sandbox import load
from maestromotif.skills import SkillSet

STYLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "styles").glob("*.py"))}
DOMAIN = NetHack()
SKILLS = SkillSet.parse(DOMAIN.skills_toml)
NAMES = [spec.name for spec in DOMAIN.fact_specs]
SCENES = make_scenes(DOMAIN, SKILLS, DOMAIN.recorded_facts(), 4)
SEED = 11


def _decisions(make: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """What a policy answers in all recorded and drawn episodes, with startable skills of all kinds; how it fails, where it does."""
    chance = random.Random(SEED)
    told: list[tuple[Any, ...]] = []

    def ask(policy: Any, name: str, *arguments: Any) -> Any:
        try:
            answer = getattr(policy, name)(*arguments) if hasattr(policy, name) else None
        except Exception as error:
            answer = type(error).__name__
        told.append((name, answer))
        return answer

    for episode in SCENES.episodes:
        policy, finished = make(), ""
        for facts in episode:
            ask(policy, "observe", facts)
            done = ask(policy, "is_done", facts)
            stop = ask(policy, "interrupt", facts, finished) if finished else True
            if stop is True or done is True or chance.random() < 0.2:
                wanted = chance.sample(SKILLS.ids, chance.randint(1, len(SKILLS.ids)))
                finished = ask(policy, "next_skill", facts, finished, [skill for skill in SKILLS.ids if skill in wanted])
    return told


def _plain(source: str) -> Callable[[], Any]:
    space: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "policy.py", "exec", dont_inherit=True), space)
    made: Callable[[], Any] = space["PolicyOverSkills"]
    return made


@pytest.mark.parametrize("name", STYLES)
def test_policies_decide_what_plain_python_decides(name: str) -> None:
    source = STYLES[name]
    state = random.getstate()
    try:
        random.seed(SEED)
        expected = _decisions(_plain(source))
    finally:
        random.setstate(state)
    program = load(source, f"{name}.py", names=NAMES, seed=SEED, required=["PolicyOverSkills"])
    inside = program.get("PolicyOverSkills")
    assert inside is not None
    # Without refills: what it burns in all of these steps together is bounded by the test below.
    program.meter.fuel = 2_000_000
    program.meter.refill()
    assert _decisions(inside) == expected
    chosen = {answer for what, answer in expected if what == "next_skill"}
    assert chosen <= set(SKILLS.ids)
    assert len(chosen) > 1


@pytest.mark.parametrize("name", STYLES)
def test_no_style_breaks_the_contract(name: str) -> None:
    everywhere = "def can_start(skill, facts):\n    return True\ndef is_over(skill, facts, start):\n    return facts.depth != start.depth\n"
    found = check_policy(Programs(SKILLS, everywhere, STYLES[name], (), SEED, 20_000, "skills.py", f"{name}.py"), SCENES)
    assert not found.faults
    assert not [doubt for doubt in found.doubts if "microseconds" not in doubt]
    assert all(cost["most_fuel"] < 2_000 for cost in found.costs.values()), found.costs


def test_the_styles_are_varied() -> None:
    """Which of Python's constructs the corpus holds; a corpus that loses some fails here."""
    trees = {name: ast.parse(source) for name, source in STYLES.items()}
    assert len(trees) >= 30
    kinds = {type(node) for tree in trees.values() for node in ast.walk(tree)}
    missing = {
        kind.__name__
        for kind in (
            *(ast.Match, ast.MatchMapping, ast.MatchSequence, ast.MatchStar, ast.MatchOr, ast.NamedExpr, ast.IfExp, ast.Lambda),
            *(ast.DictComp, ast.SetComp, ast.ListComp, ast.GeneratorExp, ast.JoinedStr, ast.Starred, ast.Global, ast.Nonlocal),
            *(ast.Try, ast.Raise, ast.Assert, ast.While, ast.For, ast.Break, ast.Continue, ast.AugAssign),
            *(ast.AnnAssign, ast.Slice, ast.Delete, ast.Import, ast.ImportFrom, ast.Set, ast.Dict, ast.BitOr),
            *(ast.BitXor, ast.LShift, ast.FloorDiv, ast.Mod, ast.Pow, ast.Invert, ast.IsNot),
        )
        if kind not in kinds
    }
    assert not missing
    words = "\n".join(STYLES.values())
    for word in ("deque", "Counter", "defaultdict", "frozenset", "@property", "@staticmethod", "@classmethod", "sorted(", "zip(", "typing"):
        assert word in words, word
