"""The files of a new project in an environment of one's own: an adapter, two skills, and answers for a first run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from maestromotif.domains.gym.domain import ANSWERS
from maestromotif.domains.gym.found import LEAST
from maestromotif.domains.gym.probe import Direction, Found
from maestromotif.errors import DomainError

__all__ = ["ADAPTER_FILE", "project_files"]

ADAPTER_FILE = "adapter.py"
_FEW = 0.02  # share of random episodes below which nothing can be learnt from them
_PICTURES = ("brightness", "bright_row", "bright_column")


def project_files(env: str, found: Found) -> dict[str, str]:
    """Contents by path in the project's folder.

    Raises:
        DomainError: nothing that can be told in words ever changes in random play.
    """
    if not found.directions:
        raise DomainError(
            f"nothing in the observations of {env} ever passes where it began, in random play, so there is nothing to suggest",
            "Write adapter.py and skills.toml by hand; docs/own-domain.md shows how",
        )
    skills = [_skill(direction, found) for direction in _pair(found.directions)]
    goals = _goals(skills, found)
    code = " ".join(fact["code"] for fact in found.facts)
    functions = [name for name in _PICTURES if f"{name}(" in code]
    bounds = ["LEAST"] if any(fact["least"] <= LEAST for fact in found.facts) else []
    shown = {
        "env": env,
        "kind": re.sub(r"\W", "", env.rpartition(":")[2].rpartition("/")[2].partition("-v")[0]) or "Words",
        "imports": [*bounds, "Adapter", "FactSpec", "Goal", *functions, "trends"],
        "unbounded": LEAST,
        "observation_space": _line(found.observation_space),
        "action_space": _line(found.action_space),
        "about": found.about or f"An agent acts in the environment {env}.",
        "borders": {name: [_number(mark) for mark in marks] for name, marks in found.borders.items()},
        "facts": found.facts,
        "actions": found.actions,
        "continuous": found.continuous,
        "skills": skills,
        "goals": goals,
    }
    made = {ADAPTER_FILE: _render("adapter.py", shown), "skills.toml": _render("skills.toml", shown)}
    for skill in skills:
        made[f"{ANSWERS}/judge-{skill['id']}.md"] = _render("judge.md", {"skill": skill})
        made[f"{ANSWERS}/programs-{skill['id']}.md"] = _render("programs.md", {"skill": skill})
    made[f"{ANSWERS}/training-policy.md"] = _render("training-policy.md", {})
    for goal in goals:
        made[f"{ANSWERS}/task-{goal['id']}.md"] = _render("task.md", {"goal": goal})
    return made


def _pair(directions: Sequence[Direction]) -> list[Direction]:
    """Both directions of one fact, where play shows both; else the two most promising, or the only one."""
    by_fact: dict[str, list[Direction]] = {}
    for direction in directions:
        by_fact.setdefault(direction.fact, []).append(direction)
    both = [pair for pair in by_fact.values() if len(pair) == 2 and min(one.share for one in pair) > _FEW]
    if both:
        return sorted(max(both, key=lambda pair: min(one.share * (1 - 0.9 * one.share) for one in pair)), key=lambda one: not one.up)
    return list(directions[:2])


def _skill(direction: Direction, found: Found) -> dict[str, Any]:
    fact, target, up = direction.fact, _number(direction.target), direction.up
    verb, way, back = ("raise", "rises", "falls") if up else ("lower", "falls", "rises")
    beyond = "or more" if up else "or less"
    compare, opposite = (">=", "<") if up else ("<=", ">")
    return {
        "id": f"{verb}_{fact}"[:40],
        "fact": fact,
        "way": way,
        "back": back,
        "description": f"Make {fact} {'rise' if up else 'fall'} to {target} {beyond}. It can start wherever {fact} is "
        f"{'below' if up else 'above'} {target}, and it is over once it is there.",
        "aim": f"bring {fact} to {target} {beyond}",
        "arrival": f"{fact} rises past {direction.border:g}." if up else f"{fact} falls below {direction.border:g}.",
        "done": f"facts.{fact} {compare} {target}",
        "undone": f"facts.{fact} {opposite} {target}",
        "started": f"start.{fact} {opposite} {target}",
        "ended": f"end.{fact} {compare} {target}",
        "measure": f"{verb[:-1] if verb.endswith('e') else verb}ed_{fact}",
        "max_steps": 50,
    }


def _goals(skills: Sequence[Mapping[str, Any]], found: Found) -> list[dict[str, Any]]:
    limit = min(found.max_steps, 500)
    first = skills[0]
    goals = [_goal(f"just_{first['id']}", f"{first['aim'][:1].upper()}{first['aim'][1:]}.", [first], limit)]
    if len(skills) > 1:
        second = skills[1]
        goals.append(_goal("one_after_the_other", f"First {first['aim']}, then {second['aim']}.", [first, second], limit))
    return goals


def _goal(goal_id: str, description: str, skills: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    return {
        "id": goal_id,
        "description": description,
        "skills": [skill["id"] for skill in skills],
        "conditions": [skill["done"] for skill in skills],
        "max_steps": limit,
    }


def _number(value: float) -> str:
    return f"{value:g}"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:117] + "..."


def _render(name: str, values: Mapping[str, Any]) -> str:
    # Plain files of Python, TOML and Markdown: nothing is to be escaped.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.filters["quoted"] = _quoted
    text = files("maestromotif.domains.gym").joinpath("templates", f"{name}.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(values)


def _quoted(value: Any) -> str:
    """Text as Python and TOML both read it."""
    return json.dumps(value, ensure_ascii=False)
