"""Trained skills that ship with the package: weights, the programs and rewards they were trained with, and a card that says how.

One folder for each, with ``training``, ``programs`` and ``rewards`` as in a project's artifacts, and ``card.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestromotif.errors import ConfigError

if TYPE_CHECKING:
    from maestromotif.domains.contract import Domain
    from maestromotif.skills import SkillSet

__all__ = ["check_fit", "locate", "names", "read_card", "trained_domain"]

_HOME = Path(__file__).parent
_CARD = "card.json"


def names() -> tuple[str, ...]:
    """What is there."""
    return tuple(sorted(path.parent.name for path in _HOME.glob(f"*/{_CARD}")))


def locate(name: str) -> Path:
    """The folder of trained skills.

    Raises:
        ConfigError: there are none of that name.
    """
    if name not in names():
        raise ConfigError(f"no trained skills are named {name!r}", "There are: " + ", ".join(names()))
    return _HOME / name


def read_card(name: str) -> dict[str, Any]:
    """How they were made, and what they can do."""
    card: dict[str, Any] = json.loads((locate(name) / _CARD).read_text(encoding="utf-8"))
    return card


def trained_domain(name: str) -> tuple[str, dict[str, Any]]:
    """The domain that trained skills were trained in, and its options where they are not what the domain takes by itself.

    Raises:
        ConfigError: there are none of that name.
        DomainError: the domain's extra is not installed.
    """
    from maestromotif.domains.registry import load_domain

    options = dict(read_card(name)["domain"])
    domain_id = options.pop("id")
    usual = load_domain(domain_id).options
    return domain_id, {key: value for key, value in options.items() if usual.get(key) != value}


def check_fit(name: str, domain: Domain, skills: SkillSet) -> None:
    """See that a project asks for just what was trained.

    Raises:
        ConfigError: another domain, other options of it, or other skills.
    """
    card = read_card(name)
    mine = {"id": domain.id, **domain.options}
    for key, value in card["domain"].items():
        if mine.get(key) != value:
            raise ConfigError(
                f"[project] pretrained = {name!r}: trained with [domain] {key} = {value!r}, not {mine.get(key)!r}",
                "Restore it, or remove [project] pretrained and train",
            )
    trained = {skill["id"]: (skill["description"], skill["max_steps"]) for skill in card["skills"]}
    asked = {skill.id: (skill.description, skill.max_steps) for skill in skills}
    differing = [skill for skill in {**trained, **asked} if trained.get(skill) != asked.get(skill)]
    if differing or list(trained) != list(asked):
        what = (
            f"skill {differing[0]!r} is not as it was trained"
            if differing
            else "the skills are in another order than when they were trained"
        )
        raise ConfigError(
            f"[project] pretrained = {name!r}: {what}",
            "Restore skills.toml, or remove [project] pretrained and train the skills you describe",
        )
