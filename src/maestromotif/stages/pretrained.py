"""A project with trained skills of the package: what others make by collecting, comparing and training is copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from maestromotif.files import write_atomically
from maestromotif.pretrained import check_fit, locate, read_card
from maestromotif.project import Project
from maestromotif.stages.stage import Stage, Work

__all__ = ["pretrained_stages"]

_FOLDERS = {"reward": "rewards", "program": "programs", "train": "training"}


def pretrained_stages(project: Project, recheck: Callable[[Project, Path], None]) -> list[Stage]:
    """In place of the stages from play to the trained network.

    Args:
        recheck: of programs that a person has edited.

    Raises:
        ConfigError: there are no such skills, or they do not fit the project.
    """
    name = project.config.project.pretrained
    check_fit(name, project.domain, project.skills)
    return [
        Stage("reward", "takes the rewards of trained skills", (), _inputs, partial(_copy, "reward"), given=True),
        Stage("program", "takes the programs of trained skills", (), _inputs, partial(_copy, "program"), recheck=recheck, given=True),
        Stage("train", "takes the trained network", ("reward", "program"), _inputs, _take_network, given=True),
    ]


def _inputs(project: Project) -> Mapping[str, Any]:
    name = project.config.project.pretrained
    return {"pretrained": {"name": name, "files": read_card(name)["files"]}}


def _copy(stage: str, work: Work) -> Mapping[str, Any]:
    name = work.project.config.project.pretrained
    files = sorted(path for path in (locate(name) / _FOLDERS[stage]).iterdir() if path.is_file())
    for done, path in enumerate(files):
        work.progress(done / len(files), path.name)
        write_atomically(work.out / path.name, path.read_bytes())
    return {"pretrained": name}


def _take_network(work: Work) -> Mapping[str, Any]:
    from maestromotif.rl.networks import SkillPolicy
    from maestromotif.rl.training import POLICY, UNTRAINED, first_weights

    facts = _copy("train", work)
    # What training began with follows from the seed.
    trained = SkillPolicy.load(work.out / POLICY)
    first_weights(trained.spec, trained.skills, trained.config, read_card(facts["pretrained"])["seed"]).save(work.out / UNTRAINED)
    return facts
