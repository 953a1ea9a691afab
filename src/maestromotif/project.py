"""A person's project folder: what it says, where its artifacts lie, and how a new one is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.config import CONFIG_FILE, ProjectConfig, load_config, render_config
from maestromotif.domains import Domain, domain_ids, load_domain
from maestromotif.errors import ChatError, ConfigError, DomainError, MaestroError, ProjectError
from maestromotif.feedback.annotators import check_annotator
from maestromotif.files import write_atomically
from maestromotif.llm import ChatConfig, ChatModel, ChatReply, ChatRequest, make_chat
from maestromotif.pretrained import locate
from maestromotif.rl.curriculum import Stage, load_stages
from maestromotif.skills import Skill, SkillSet

__all__ = ["ARTIFACTS", "SKILLS_FILE", "Project", "init_project"]

SKILLS_FILE = "skills.toml"
ARTIFACTS = "artifacts"
# Name of each stage's folder.
_FOLDERS: Mapping[str, str] = {
    "collect": "interactions",
    "annotate": "preferences",
    "reward": "rewards",
    "program": "programs",
    "train": "training",
    "evaluate": "evaluation",
    "policy-captions": "policy-captions",
    "shift": "shift",
    "compare": "comparison",
    "report": "report",
}
# The same for stages of one task, each with a folder of its own below: its program, further generations of it, playing it, repairing it.
_TASK_FOLDERS: Mapping[str, str] = {"task": "tasks", "generation": "generations", "solve": "solved", "repair": "repaired"}


@dataclass(frozen=True)
class Project:
    """An opened project: checked, read-only, and free of games and networks.

    Attributes:
        root: the folder.
        config: maestro.toml with the command's overrides.
        skills: skills.toml.
        domain: made from ``[domain]``.
        store: of calls to language models, where it is another project's, whose limits then hold for both; None: its own.
    """

    root: Path
    config: ProjectConfig
    skills: SkillSet
    domain: Domain
    store: Path | None = None

    @classmethod
    def open(cls, root: Path, overrides: Sequence[str] = ()) -> Project:
        """Read and check a project folder; changes nothing in it.

        Raises:
            ProjectError: no such folder, or no project in it.
            ConfigError: with the problems of maestro.toml, skills.toml and the stages of a hand-made curriculum together.
        """
        if not (root / CONFIG_FILE).is_file():
            raise ProjectError(f"{root}: no {CONFIG_FILE} there, so not a project", f"Make one with `maestromotif init {root}`")
        problems: list[MaestroError] = []
        config: ProjectConfig | None = None
        skills: SkillSet | None = None
        domain: Domain | None = None
        try:
            config = load_config(root / CONFIG_FILE, overrides)
            domain = _domain(root / CONFIG_FILE, config.domain.id, config.domain.options, root)
        except MaestroError as error:
            problems.append(error)
        try:
            skills = SkillSet.load(root / SKILLS_FILE)
        except MaestroError as error:
            problems.append(error)
        if config and skills and domain:
            problems += _cross_check(root, config, skills, domain)
        if len(problems) == 1:
            raise problems[0]
        if config is None or skills is None or domain is None or problems:
            raise ConfigError("; ".join(problem.problem for problem in problems), _remedies(problems))
        return cls(root, config, skills, domain)

    @classmethod
    def restore(cls, root: Path, config: Mapping[str, Any], skills: Sequence[Mapping[str, Any]]) -> Project:
        """A project as another process opened it; the files are not read again."""
        restored = ProjectConfig.model_validate(config)
        domain = load_domain(restored.domain.id, restored.domain.options, root)
        return cls(root, restored, SkillSet(tuple(Skill(**skill) for skill in skills)), domain)

    @property
    def artifacts(self) -> Path:
        return self.root / ARTIFACTS

    @property
    def seed(self) -> int:
        return self.config.project.seed

    @property
    def curriculum(self) -> tuple[Stage, ...]:
        """The stages of a hand-made curriculum; none with another schedule."""
        return _curriculum(self.root, self.config, self.skills, self.domain)

    @property
    def rounds(self) -> Path:
        """Folder of the rounds of further questions; see ``feedback.rounds``."""
        return self.artifacts / "rounds"

    @property
    def captions(self) -> Path:
        """The table of all captions that were compared, with those of later rounds where there are some."""
        merged = self.folder("annotate") / "captions.parquet"
        return merged if merged.is_file() else self.folder("collect") / "captions.parquet"

    @property
    def calls(self) -> Path:
        """Folder of the store of every call to a language model."""
        return self.store or self.artifacts / "llm"

    def folder(self, stage: str) -> Path:
        """Where a stage's artifact lies once it is done.

        ``"task:<id>"``, ``"generation:<n>/<id>"``, ``"solve:<id>"`` and ``"repair:<id>"`` are a task's.
        """
        kind, _, task = stage.partition(":")
        if task:
            return self.artifacts / _TASK_FOLDERS[kind] / task
        return self.artifacts / _FOLDERS[stage]

    def coder(self, generation: int | None = None) -> ChatModel:
        """The model that writes programs, behind the project's store.

        Args:
            generation: of recorded answers; None: the project's own.
        """
        return self._chat(self.config.coder, "coder", generation or self.config.program.generation)

    def annotator(self) -> ChatModel:
        """The model that compares captions, or writes judges, behind the project's store."""
        return self._chat(self.config.annotator, "annotator")

    def player(self) -> ChatModel:
        """The model that plays as a baseline, behind the project's store."""
        return self._chat(self.config.chat, "chat")

    def _chat(self, config: ChatConfig, role: str, generation: int = 1) -> ChatModel:
        chat = make_chat(config, self.domain, self.calls, role, generation)
        if config.kind == "recorded":
            return chat
        table = "chat" if config == self.config.chat else role
        return _Located(chat, f"{self.root / CONFIG_FILE}: [{table}] base_url")


class _Located:
    """A chat model whose errors say which file and key configure it."""

    def __init__(self, inner: ChatModel, where: str) -> None:
        self._inner = inner
        self._where = where

    @property
    def id(self) -> str:
        return self._inner.id

    def complete(self, request: ChatRequest) -> ChatReply:
        try:
            return self._inner.complete(request)
        except ChatError as error:
            raise type(error)(f"{self._where}: {error.problem}", error.remedy) from error


def init_project(root: Path, domain_id: str, pretrained: str = "", files: Mapping[str, str] | None = None, **options: Any) -> list[Path]:
    """Make a project folder with commented maestro.toml and skills.toml; returns the files written.

    Args:
        pretrained: trained skills of the package that the project is to use.
        files: contents of further files, by their path in the folder, which are there before the domain is made; they may hold
            skills.toml.
        options: of the domain.

    Raises:
        ProjectError: one of the files is there already.
        DomainError: the domain is unknown or its extra is not installed.
        ConfigError: there are no such trained skills.
    """
    if root.exists() and not root.is_dir():
        raise ProjectError(f"{root} is a file", "Choose another folder")
    given = {root / name: text for name, text in (files or {}).items()}
    for path in (root / CONFIG_FILE, root / SKILLS_FILE, *given):
        if path.exists():
            raise ProjectError(f"{path} is there already", "Choose another folder, or edit that file")
    for path, text in given.items():
        write_atomically(path, text)
    domain = _domain(Path("--domain"), domain_id, options, root)
    config = render_config(domain, options)
    if pretrained:
        locate(pretrained)
        config = config.replace('\npretrained = ""\n', f'\npretrained = "{pretrained}"\n', 1)
    contents = {root / CONFIG_FILE: config, root / SKILLS_FILE: domain.skills_toml}
    for path, text in contents.items():
        if path not in given:
            write_atomically(path, text)
    return list({**contents, **given})


def _domain(path: Path, domain_id: str, options: Mapping[str, Any], root: Path) -> Domain:
    if domain_id not in domain_ids():
        close = difflib.get_close_matches(domain_id, domain_ids(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise DomainError(f"{path}: [domain] id: unknown domain {domain_id!r}{hint}", "Known domains: " + ", ".join(domain_ids()))
    try:
        return load_domain(domain_id, options, root)
    except DomainError as error:
        raise DomainError(f"{path}: {error.problem}", error.remedy) from error


def _curriculum(root: Path, config: ProjectConfig, skills: SkillSet, domain: Domain) -> tuple[Stage, ...]:
    if config.train.schedule != "hand-made":
        return ()
    return load_stages(root / config.train.schedule_file, skills, [skill.id for skill in skills if skill.measure in domain.call_measures])


def _cross_check(root: Path, config: ProjectConfig, skills: SkillSet, domain: Domain) -> list[MaestroError]:
    """What only shows when the two files and the domain are read together."""
    problems: list[MaestroError] = []
    for skill in skills:
        if skill.measure and skill.measure not in domain.call_measures:
            problems.append(
                ConfigError(
                    f"{root / SKILLS_FILE}: skill {skill.id}: measure: unknown measure {skill.measure!r}",
                    f"Measures of {domain.id}: {', '.join(domain.call_measures)}",
                )
            )
    try:
        _curriculum(root, config, skills, domain)
    except ConfigError as error:
        problems.append(error)
    try:
        check_annotator(config.annotate.annotator, config.annotate.options, domain, skills)
    except ConfigError as error:
        problems.append(ConfigError(f"{root / CONFIG_FILE}: {error.problem}", error.remedy))
    for task in config.evaluate.tasks:
        if task not in domain.tasks:
            problems.append(
                ConfigError(
                    f"{root / CONFIG_FILE}: [evaluate] tasks: unknown task {task!r}", f"Tasks of {domain.id}: {', '.join(domain.tasks)}"
                )
            )
    return problems


def _remedies(problems: Sequence[MaestroError]) -> str:
    return ". ".join(dict.fromkeys(problem.remedy for problem in problems if problem.remedy))
