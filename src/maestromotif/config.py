"""maestro.toml: one frozen aggregate of every phase's configuration, checked at the edge with all problems at once."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUndefined

from maestromotif.agents.config import EvaluateConfig
from maestromotif.agents.llm_policy import LLMPolicyConfig
from maestromotif.domains import Domain
from maestromotif.errors import ConfigError
from maestromotif.feedback.config import AnnotateConfig, CollectConfig
from maestromotif.llm.config import ChatConfig
from maestromotif.programs.config import ProgramConfig
from maestromotif.report.config import ReportConfig
from maestromotif.rewards.config import RewardConfig
from maestromotif.rl.config import TrainConfig

__all__ = ["CONFIG_FILE", "DomainSection", "ProjectConfig", "ProjectSection", "load_config", "parse_config", "render_config"]

CONFIG_FILE = "maestro.toml"
_ROLES = ("coder", "annotator")


class ProjectSection(BaseModel):
    """What concerns the project as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=1, ge=0, lt=2**31, description="One number from which all randomness follows.")
    pretrained: str = Field(
        default="",
        description="Trained skills of the package, used instead of training; `maestromotif init --pretrained` sets it. Empty: train.",
    )


class DomainSection(BaseModel):
    """The environment; keys other than ``id`` are the domain's own options and are checked by it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str = Field(default="nethack", description="Which domain; `maestromotif doctor` lists the ones that are installed.")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class ProjectConfig(BaseModel):
    """All of maestro.toml, one attribute for each table.

    ``coder`` and ``annotator`` begin as copies of ``chat``; what their tables say overrides it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: ProjectSection = ProjectSection()
    domain: DomainSection = DomainSection()
    chat: ChatConfig = ChatConfig()
    coder: ChatConfig = ChatConfig()
    annotator: ChatConfig = ChatConfig()
    collect: CollectConfig = CollectConfig()
    annotate: AnnotateConfig = AnnotateConfig()
    reward: RewardConfig = RewardConfig()
    program: ProgramConfig = ProgramConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    llm_policy: LLMPolicyConfig = LLMPolicyConfig()
    report: ReportConfig = ReportConfig()


_INTRO: Mapping[str, str] = {
    "project": "The project as a whole.",
    "domain": "The environment, and options of its own.",
    "chat": "The language model that is asked, unless [coder] or [annotator] says otherwise.",
    "coder": "The model that writes programs: keys as in [chat], which they override.",
    "annotator": "The model that compares captions: keys as in [chat], which they override.",
    "collect": "Phase 1a: transitions, played by the domain's scripted explorer, become captions.",
    "annotate": "Phase 1a: pairs of captions become preferences, for each skill.",
    "reward": "Phase 1b: preferences become reward models, and how their rewards are shaped.",
    "program": "Phases 2 and 3: initiation and termination of the skills, and the training policy over skills.",
    "train": "Phase 4: one network for all skills, trained with PPO on the rewards alone.",
    "evaluate": "Tasks in English, without any more training.",
    "llm_policy": "Baselines of `bench`: the model of [chat] plays, or picks skills.",
    "report": "The HTML page.",
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> ProjectConfig:
    """Read maestro.toml.

    Args:
        path: the file.
        overrides: ``"section.key=value"``, values as in TOML; they win over the file.

    Raises:
        ConfigError: with all the problems of the file at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})", "Run `maestromotif init` to get one") from error
    return parse_config(text, str(path), overrides)


def parse_config(text: str, where: str = CONFIG_FILE, overrides: Sequence[str] = ()) -> ProjectConfig:
    """As ``load_config``, from text; ``where`` names the file in messages."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}", "Mend that line") from error
    for override in overrides:
        _override(document, override)
    merged = dict(document)
    if isinstance(document.get("chat", {}), dict):
        shared = {key: value for key, value in document.get("chat", {}).items() if key in ChatConfig.model_fields}
        for role in _ROLES:
            if isinstance(document.get(role, {}), dict):
                merged[role] = {**shared, **document.get(role, {})}
    try:
        return ProjectConfig.model_validate(merged)
    except ValidationError as error:
        remedy = "`maestromotif init` writes a file that explains every key"
        raise ConfigError(f"{where}: " + "; ".join(_problems(error, document, overrides)), remedy) from error


def _override(document: dict[str, Any], override: str) -> None:
    match = re.fullmatch(r"\s*([a-z_]+)\.([a-z][a-z0-9_]*)\s*=(.*)", override, re.DOTALL)
    if match is None:
        raise ConfigError(f"--set {override}: not of the form section.key=value", "For example: --set train.steps=2000000")
    section, key, value = match[1], match[2], match[3].strip()
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    table = document.setdefault(section, {})
    if isinstance(table, dict):
        table[key] = parsed


def _problems(error: ValidationError, document: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """One phrase for each mistake, naming table and key; what [coder] inherited from [chat] is not told twice."""
    found: list[str] = []
    given_by_command = {override.partition("=")[0].strip() for override in overrides}
    for detail in error.errors():
        location = [str(part) for part in detail["loc"]]
        table = document.get(location[0])
        inherited = not isinstance(table, dict) or (len(location) > 1 and location[1] not in table)
        if location[0] in _ROLES and inherited and "chat" in document:
            continue
        where = f"[{location[0]}]" + "".join(f" {'.'.join(location[1:])}" if len(location) > 1 else "")
        if ".".join(location[:2]) in given_by_command:
            where = f"--set {where}"
        if detail["type"] == "extra_forbidden":
            found.append(f"{where}: unknown {'key' if len(location) > 1 else 'table'}{_hint(location)}")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            given = detail.get("input")
            shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
            found.append(f"{where}: {message[:1].lower()}{message[1:]}{shown}")
    return found


def _hint(location: Sequence[str]) -> str:
    """' (did you mean ...?)' when a known name is close, else the names that exist."""
    fields: Mapping[str, Any] = ProjectConfig.model_fields
    for part in location[:-1]:
        model = fields[part].annotation if part in fields else None
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    close = difflib.get_close_matches(location[-1], list(fields), n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(fields)})" if fields else ""


def render_config(domain: Domain, options: Mapping[str, Any] | None = None) -> str:
    """The commented maestro.toml of a new project: every key, its explanation and the value it begins with.

    Args:
        options: of the domain, as a person gave them.
    """
    lines = [
        "# What the system does, table by table. Every key is shown with its default; a line can be removed to keep it.",
        "# Unknown keys are refused. `maestromotif run` does again only what a change here makes necessary.",
        "",
    ]
    for section, info in ProjectConfig.model_fields.items():
        model = info.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        lines += [f"# {_INTRO[section]}", f"[{section}]"]
        if section in _ROLES:
            lines += ['# model = "..."', ""]
            continue
        values = dict(domain.recommended.get(section, {}))
        if section == "domain":
            values |= {"id": domain.id, **(options or {})}
        lines += _render_section(model, values)
        lines.append("")
    return "\n".join(lines)


def _render_section(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    explained = _attribute_docs(model)
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = values.get(name, None if default is PydanticUndefined else default)
        explanation = field.description or explained.get(name, "")
        sentence = explanation[:1].upper() + explanation[1:].removesuffix(".") + ("." if explanation else "")
        lines += [f"# {line}" for line in _wrap(sentence)]
        lines.append(f"{name} = {_toml(value)}" if value is not None else f"# {name} = (none)")
    unknown = set(values) - set(model.model_fields)
    lines += [f"{name} = {_toml(values[name])}" for name in sorted(unknown)]
    return lines


def _attribute_docs(model: type[BaseModel]) -> dict[str, str]:
    """Explanations from the ``Attributes:`` part of a docstring, for models whose fields carry none themselves."""
    found: dict[str, str] = {}
    _, _, part = (model.__doc__ or "").partition("Attributes:")
    current: tuple[str, ...] = ()
    for line in part.splitlines():
        match = re.match(r"\s+([a-z][a-z0-9_, ]*): (.*)", line)
        names = tuple(name.strip() for name in match[1].split(",")) if match else ()
        if match and all(name in model.model_fields for name in names):
            current = names
            found.update(dict.fromkeys(names, match[2].strip()))
        elif line.strip():
            found.update({name: f"{found[name]} {line.strip()}" for name in current})
    return found


def _wrap(text: str, width: int = 116) -> Iterable[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else f"{value:_}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    raise TypeError(f"maestro.toml cannot hold {value!r}")
