"""What decides the result of each stage, in clear: the material of fingerprints."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import BaseModel

from maestromotif.llm import ChatConfig, RecordedChat
from maestromotif.project import Project

__all__ = ["annotator_inputs", "model_inputs", "settings", "skill_inputs"]

# How a call is made, not what it answers.
_HOW_CALLED = frozenset(
    {
        *("base_url", "api_key_env", "timeout", "max_retries", "backoff", "max_backoff", "concurrency"),
        *("max_calls", "max_total_tokens", "max_cost", "price_per_million_prompt", "price_per_million_completion"),
    }
)

# Settings that came later: as their default is what was done before there were any, results from before still hold.
_LATER = frozenset({"initial"})
_LATER_OF_SKILLS = frozenset({"contrast"})


def settings(section: BaseModel, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A table of maestro.toml as plain values, without keys that do not change the result."""
    fields = type(section).model_fields
    unchanged = {name for name in _LATER & fields.keys() if getattr(section, name) == fields[name].default}
    return section.model_dump(mode="json", exclude={*leave_out, *unchanged})


def skill_inputs(project: Project, *names: str) -> dict[str, dict[str, Any]]:
    """The named attributes of every skill, by id, in the order of the file."""
    found: dict[str, dict[str, Any]] = {}
    for place, skill in enumerate(project.skills):
        named = {name: getattr(skill, name) for name in names}
        kept = {name: value for name, value in named.items() if name not in _LATER_OF_SKILLS or value is not None}
        found[skill.id] = {"place": place, **kept}
    return found


def annotator_inputs(project: Project) -> dict[str, Any]:
    """Which model compares captions; of recorded answers, those about other skills than the project's make no difference."""
    return model_inputs(project, project.config.annotator, tuple(f"judge/{skill}" for skill in project.skills.ids))


def model_inputs(project: Project, config: ChatConfig, purpose: str | tuple[str, ...], generation: int = 1) -> dict[str, Any]:
    """Which model answers; for recorded answers, a digest of those of a generation whose name contains ``/purpose``,
    or one of several."""
    if config.kind != "recorded":
        return settings(config, _HOW_CALLED)
    return {"kind": config.kind, "answers": _answers_digest(project, purpose, generation)}


def _answers_digest(project: Project, purpose: str | tuple[str, ...], generation: int) -> str:
    found = hashlib.sha256()
    purposes = (purpose,) if isinstance(purpose, str) else purpose
    for answer in RecordedChat(project.domain.recorded_answers, generation=generation).answers:
        # An answer to many names may answer anything, but one to tasks answers tasks only.
        if any(f"/{one}" in answer.name for one in purposes) or ("*" in answer.name and "/task/" not in answer.name):
            found.update(repr((answer.name, answer.subject, answer.text)).encode())
    return found.hexdigest()[:16]
